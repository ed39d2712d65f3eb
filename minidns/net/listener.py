"""A listening TCP socket at an address, as Go's net.Listen understands it."""

import asyncio
import os
import socket

from minidns.net import endpoint

_BACKLOG = 128


async def listen(address: str) -> socket.socket:
    """Return a socket that listens at ``address``, beside others that share it.

    ``address`` is ``host:port``. No host is every address of both families; a name is
    one of its addresses, IPv4 first.

    Raises:
        OSError: ``listen tcp :9153: bind: address already in use`` and the like.

    """
    host, text = endpoint.split(address)
    port = _port(text)
    family, where = await _resolved(host) if host else _everywhere()
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # a reload opens the new Corefile's sockets beside the old one's (CoreDNS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(bool(host)))
        sock.bind((where, port))
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


async def _resolved(host: str) -> tuple[socket.AddressFamily, str]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise OSError(f"listen tcp: lookup {host}: no such host") from exc
    family, *_, where = min(found, key=lambda each: each[0] != socket.AF_INET)
    # the resolved form has lost the scope of a link-local address
    return family, host if "%" in host else str(where[0])


def _everywhere() -> tuple[socket.AddressFamily, str]:
    """Return every address: of both families where one socket can have both."""
    if socket.has_dualstack_ipv6():
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            try:
                sock.bind(("::", 0))
            except OSError:
                pass  # IPv6 is known here, but turned off
            else:
                return socket.AF_INET6, "::"
    return socket.AF_INET, "0.0.0.0"
