"""The sockets of a listener, with the answerer and remembered replies they share."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import astuple

from minidns.metrics.registry import Metrics
from minidns.metrics.traffic import Traffic
from minidns.plugins import chain
from minidns.plugins.contracts import Certificate
from minidns.server import tcp, udp
from minidns.server.answer import Answerer
from minidns.server.instance import Listener
from minidns.server.remembered import Memory
from minidns.upstream.upstream import joined

_TRIES = 20
"""Attempts to find a port that is free for both UDP and TCP, if the kernel chooses."""


class ListenerSockets:
    """UDP and TCP sockets at every address of a listener.

    With *multisocket* other processes bind the same addresses, and the kernel
    distributes the queries by their source addresses and ports (SO_REUSEPORT).
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
        """The port in use; chosen by the kernel if the listener's is 0."""
        self.memory = Memory()
        # counted as "dropped" also without *prometheus* in a block (CoreDNS)
        dropped = Traffic(metrics).count_dropped
        self.answerer = Answerer(str(listener), chain.refuse, panicked, dropped)
        self._metrics = metrics
        self._now = now
        self._is_shared = False
        self._tls: ssl.SSLContext | None = None
        self._open: list[udp.UdpListener | tcp.TcpListener] = []
        self._bound_sockets: list[socket.socket] = []

    async def open(
        self, certificate: Certificate | None, shared_port: int | None = None
    ) -> None:
        """Bind the sockets and serve them; in a worker, at ``shared_port``.

        Raises:
            OSError: an address cannot be bound; the text has a hint.
            ssl.SSLError: the certificate or its key cannot be used.

        """
        await self._load_certificate(certificate)
        self._is_shared = shared_port is not None
        self.port = shared_port or self.port
        for host in self._hosts():
            for sock in self._bind(host):
                self._bound_sockets.append(sock)
                self._open.append(await self._serve(sock))

    def share(self) -> None:
        """Let other processes of this user bind the same addresses.

        It is set only after bind, which Linux allows, so that another program at one of
        these addresses is an error.
        """
        for sock in self._bound_sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    async def _load_certificate(self, certificate: Certificate | None) -> None:
        if self.listener.transport == "tls" and certificate is not None:
            self._tls = await asyncio.to_thread(tcp.tls_context, *astuple(certificate))

    async def _serve(self, sock: socket.socket) -> udp.UdpListener | tcp.TcpListener:
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

    def _hosts(self) -> tuple[str, ...]:
        if self.listener.host:
            return (self.listener.host,)
        return ("0.0.0.0", "::") if _has_ipv6() else ("0.0.0.0",)

    def _bind(self, host: str) -> list[socket.socket]:
        """Return a UDP and a TCP socket on one port; for TLS only the second."""
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
            return udp.bound(kind, host, port, reuse_port=self._is_shared)
        except OSError as exc:
            raise self._failure(kind, port, exc) from exc

    def _failure(self, kind: int, port: int, exc: OSError) -> OSError:
        network = "udp" if kind == socket.SOCK_DGRAM else "tcp"
        where = joined(self.listener.host, port)
        reason = os.strerror(exc.errno or 0).lower()
        text = f"listen {network} {where}: bind: {reason}{_cause(exc, port)}"
        failure = OSError(text)
        failure.errno = exc.errno
        return failure

    async def settle(self, limit_s: float) -> None:
        """Wait for the queries that are in flight now, ``limit_s`` seconds at most."""
        waits = (each.in_flight.settle(limit_s) for each in self._open)
        await asyncio.gather(*waits)

    async def close(self, grace_s: float) -> None:
        """Stop reading, give queries in flight ``grace_s`` seconds, then close."""
        for sockets in self._open:
            sockets.stop_reading()
        await asyncio.gather(*(sockets.close(grace_s) for sockets in self._open))
        self._open.clear()
        for sock in self._bound_sockets:
            sock.close()
        self._bound_sockets.clear()
        self.memory.clear()


def _cause(exc: OSError, port: int) -> str:
    if exc.errno == errno.EACCES and port < 1024:
        return f" (port {port} needs root or CAP_NET_BIND_SERVICE)"
    if exc.errno == errno.EADDRINUSE:
        return f" (another program has port {port})"
    if exc.errno == errno.EADDRNOTAVAIL:
        return " (this machine does not have that address)"
    return ""


def _has_ipv6() -> bool:
    """Return whether IPv6 sockets can be bound on this machine."""
    if not socket.has_ipv6:
        return False
    try:
        udp.bound(socket.SOCK_DGRAM, "::1", 0).close()
    except OSError:
        return False
    return True
