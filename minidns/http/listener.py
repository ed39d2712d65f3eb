"""Listening TCP sockets, with addresses as in Go's net.Listen.

Sockets are bound without SO_REUSEPORT: two programs that share a port would get half of
the requests each, and a client could not tell which one answered. A reload opens the
endpoints of the new Corefile while those of the old one still answer; the sockets are
handed over inside the process instead, see ``ListeningSockets``.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from typing import NamedTuple

from minidns.http import endpoint
from minidns.system.addresses import SockAddr

_BACKLOG = 128


class _Place(NamedTuple):
    """An address to bind."""

    family: socket.AddressFamily
    address: SockAddr
    both_families: bool = False

    @property
    def port(self) -> int:
        return int(self.address[1])


class ListeningSockets:
    """The listening sockets of a process, from one reload to the next.

    If an address is already open, ``listen`` returns a duplicate of its socket: both
    accept from one queue, so no connection is lost when the first one closes.
    """

    def __init__(self) -> None:
        self._all: list[tuple[_Place, socket.socket]] = []

    async def listen(self, address: str) -> socket.socket:
        """Return a socket that listens at ``address``; the caller closes it.

        ``address`` is ``host:port``. An empty host means every address of both
        families; a name means one of its addresses, IPv4 preferred.

        Raises:
            OSError: ``listen tcp :9153: bind: address already in use`` and the like.

        """
        place = await _resolved(address)
        self._all = list(self._open())
        sock = self._duplicate(place) or self._bound(place, address)
        # getsockname: the kernel has chosen the port if it was 0
        self._all.append((place._replace(address=sock.getsockname()), sock))
        return sock

    def _open(self) -> Iterator[tuple[_Place, socket.socket]]:
        return ((place, sock) for place, sock in self._all if sock.fileno() >= 0)

    def _duplicate(self, place: _Place) -> socket.socket | None:
        for other, sock in self._all:
            if other == place:
                return sock.dup()
        return None

    def _bound(self, place: _Place, address: str) -> socket.socket:
        """Bind ``place``.

        The old address may overlap with the new one: ``:9153`` with ``127.0.0.1:9153``.
        Both can only be open at the same time if both have SO_REUSEPORT. It is set on
        the old socket only now (Linux allows it after bind), so that until now another
        program at the same address was an error.
        """
        overlapping = [
            sock for other, sock in self._all if place.port == other.port > 0
        ]
        for sock in overlapping:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        return _bind(place, address, reuse_port=bool(overlapping))


def _bind(place: _Place, address: str, *, reuse_port: bool) -> socket.socket:
    sock = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(reuse_port))
        if place.family == socket.AF_INET6:
            v6_only = int(not place.both_families)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        sock.bind(place.address)
        sock.listen(_BACKLOG)
    except OSError as exc:
        sock.close()
        reason = os.strerror(exc.errno or 0).lower()
        raise OSError(f"listen tcp {address}: bind: {reason}") from exc
    return sock


def _port(text: str) -> int:
    if not text.isdecimal():
        if not text:
            return 0
        raise OSError(f"listen tcp: lookup tcp/{text}: unknown port")
    if int(text) > 65535:
        raise OSError(f"listen tcp: address {text}: invalid port")
    return int(text)


async def _resolved(address: str) -> _Place:
    host, text = endpoint.split(address)
    port = _port(text)
    if not host:
        return _everywhere(port)
    loop = asyncio.get_running_loop()
    try:
        candidates = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:  # UnicodeError: a label is too long
        raise OSError(f"listen tcp: lookup {host}: no such host") from exc
    family, *_, where = min(
        candidates, key=lambda candidate: candidate[0] != socket.AF_INET
    )
    return _Place(family, where)


def _everywhere(port: int) -> _Place:
    """Return the wildcard address, of both families where the system supports it."""
    if socket.has_dualstack_ipv6():
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            try:
                sock.bind(("::", 0))
            except OSError:
                pass  # the kernel supports IPv6, but it is disabled
            else:
                return _Place(socket.AF_INET6, ("::", port), both_families=True)
    return _Place(socket.AF_INET, ("0.0.0.0", port))
