"""The open sockets of one listener, and what its queries share."""

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import astuple
from typing import NamedTuple

from minidns.metrics.registry import Metrics
from minidns.metrics.traffic import Traffic
from minidns.plugins import chain
from minidns.plugins.site import Certificate
from minidns.server import tcp, udp
from minidns.server.answer import Answerer
from minidns.server.instance import Listener
from minidns.server.remembered import Memory
from minidns.upstream.upstream import joined

log = logging.getLogger(__name__)

_TRIES = 20
"""For a port of the kernel's choice that is free for UDP and TCP both."""


class Bound(NamedTuple):
    """A socket, and where it is bound."""

    host: str
    """As it was asked for: an address, with its scope."""
    sock: socket.socket


class ListenerSockets:
    """UDP and TCP sockets at every address of a listener.

    With *multisocket* there are several of each, and the kernel shares the queries out
    among them by where they come from (SO_REUSEPORT). A *share* is one socket of each
    kind at each address. The first one is answered here; so is each of the others while
    no worker does: its sockets stay open, and lose nothing when a worker ends.
    """

    def __init__(
        self,
        listener: Listener,
        metrics: Metrics,
        now: Callable[[], float],
        panicked: Callable[[], None],
    ) -> None:
        self.listener = listener
        self.port = listener.port
        """The port in use; of the kernel's choice where the listener's is 0."""
        self.memory = Memory()
        # as "dropped", also where no block counts its queries (CoreDNS)
        dropped = Traffic(metrics).count_dropped
        self.answerer = Answerer(str(listener), chain.refuse, panicked, dropped)
        self._metrics = metrics
        self._now = now
        self._tls: ssl.SSLContext | None = None
        self._shares: list[list[Bound]] = []
        self._open: dict[int, list[udp.UdpListener | tcp.TcpListener]] = {}
        """What is answered here, by the number of the share."""
        self._ending: set[asyncio.Future[None]] = set()

    async def open(self, certificate: Certificate | None, shares: int = 1) -> None:
        """Bind, and begin to answer.

        Raises:
            OSError: an address cannot be had; the text says which, why, and what to do.
            ssl.SSLError: the certificate and its key are not usable.

        """
        await self._read(certificate)
        self._shares.append([])
        self._open[0] = []
        for host in self._hosts():
            for sock in self._bind(host):
                self._shares[0].append(Bound(host, sock))
                self._open[0].append(await self._answer(sock))
        await self.widen(shares)

    async def _read(self, certificate: Certificate | None) -> None:
        if self.listener.transport == "tls" and certificate is not None:
            self._tls = await asyncio.to_thread(tcp.tls_context, *astuple(certificate))

    async def _answer(self, sock: socket.socket) -> udp.UdpListener | tcp.TcpListener:
        if sock.type == socket.SOCK_DGRAM:
            datagrams = udp.UdpListener(
                sock, self.answerer, self.memory, self._metrics, self._now
            )
            datagrams.start()
            return datagrams
        streams = tcp.TcpListener(
            sock, self.answerer, self.memory, self._metrics, self._now, self._tls
        )
        await streams.start()
        return streams

    # -- shares

    async def widen(self, shares: int) -> None:
        """Have at least so many shares; what is new is answered here.

        Raises:
            OSError: an address cannot be had once more.

        """
        while len(self._shares) < shares:
            beside = [self._beside(each) for each in self._shares[0]]
            self._shares.append(beside)
            await self.cover(len(self._shares) - 1)

    def _beside(self, first: Bound) -> Bound:
        """Bind once more what is bound.

        The first socket says only now that it shares: until then another program at
        the same address was an error, as it should be (Linux allows it that late).
        """
        first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            sock = udp.bound(first.sock.type, first.host, self.port, reuse_port=True)
        except OSError as exc:
            raise self._failure(first.sock.type, self.port, exc) from exc
        return Bound(first.host, sock)

    def descriptors(self, share: int) -> tuple[int, ...]:
        """Return the sockets of ``share`` for a worker to inherit."""
        return tuple(each.sock.fileno() for each in self._shares[share])

    async def adopt(
        self, certificate: Certificate | None, descriptors: Iterable[int]
    ) -> None:
        """Answer at inherited sockets."""
        await self._read(certificate)
        self._open[0] = [
            await self._answer(socket.socket(fileno=each)) for each in descriptors
        ]

    async def cover(self, share: int) -> None:
        """Answer ``share`` here, if there is one."""
        if share < len(self._shares) and share not in self._open:
            self._open[share] = [
                await self._answer(each.sock.dup()) for each in self._shares[share]
            ]

    def uncover(self, share: int, grace_s: float) -> None:
        """Leave ``share`` to a worker; what is under way here is still answered."""
        answered = self._open.pop(share, [])
        for each in answered:
            each.stop_reading()
        ending = asyncio.ensure_future(_end(answered, grace_s))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _hosts(self) -> tuple[str, ...]:
        if self.listener.host:
            return (self.listener.host,)
        return ("0.0.0.0", "::") if _has_ipv6() else ("0.0.0.0",)

    def _bind(self, host: str) -> list[socket.socket]:
        """Return a UDP and a TCP socket on one port; TLS has no use for the first."""
        with_udp = self.listener.transport == "dns"
        for attempt in range(_TRIES):
            packets = self._bound(socket.SOCK_DGRAM, host) if with_udp else None
            port = packets.getsockname()[1] if packets else self.port
            try:
                stream = self._bound(socket.SOCK_STREAM, host, port)
            except OSError:
                if packets:
                    packets.close()
                if self.port or attempt == _TRIES - 1:
                    raise
                continue
            self.port = stream.getsockname()[1]
            return [packets, stream] if packets else [stream]
        raise AssertionError("the last attempt returns or raises")

    def _bound(self, kind: int, host: str, port: int = 0) -> socket.socket:
        port = port or self.port
        try:
            return udp.bound(kind, host, port)
        except OSError as exc:
            raise self._failure(kind, port, exc) from exc

    def _failure(self, kind: int, port: int, exc: OSError) -> OSError:
        network = "udp" if kind == socket.SOCK_DGRAM else "tcp"
        where = joined(self.listener.host, port)
        reason = os.strerror(exc.errno or 0).lower()
        return OSError(f"listen {network} {where}: bind: {reason}{_advice(exc, port)}")

    async def close(self, grace_s: float) -> None:
        """Read nothing more, let queries under way end, close the sockets."""
        answered = [each for opened in self._open.values() for each in opened]
        self._open.clear()
        await asyncio.gather(_end(answered, grace_s), *self._ending)
        for share in self._shares:
            for bound in share:
                bound.sock.close()
        self._shares.clear()
        self.memory.clear()


async def _end(
    answered: Iterable[udp.UdpListener | tcp.TcpListener], grace_s: float
) -> None:
    for each in answered:
        each.stop_reading()
    await asyncio.gather(*(each.close(grace_s) for each in answered))


def _advice(exc: OSError, port: int) -> str:
    if exc.errno == errno.EACCES and port < 1024:
        return (
            f" (port {port} needs root or CAP_NET_BIND_SERVICE;"
            " another port: -dns.port 1053)"
        )
    if exc.errno == errno.EADDRINUSE:
        return f" (another program has port {port}; another port: -dns.port 1053)"
    if exc.errno == errno.EADDRNOTAVAIL:
        return " (this machine does not have that address)"
    return ""


def _has_ipv6() -> bool:
    """Return whether sockets of IPv6 can be bound here at all."""
    if not socket.has_ipv6:
        return False
    try:
        udp.bound(socket.SOCK_DGRAM, "::1", 0).close()
    except OSError:
        return False
    return True
