"""The open sockets of one listener, and what its queries share."""

import errno
import logging
import os
import socket
from collections.abc import Callable

from minidns.core import chain
from minidns.core.metrics import Metrics
from minidns.core.traffic import Traffic
from minidns.instance import Listener
from minidns.net import tcp, udp
from minidns.net.answer import Answerer
from minidns.net.memory import Memory
from minidns.plugins.setup import Certificate

log = logging.getLogger(__name__)

_TRIES = 20
"""For a port of the kernel's choice that is free for UDP and TCP both."""


class Listening:
    """UDP and TCP sockets at every address of a listener."""

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
        self._open: list[udp.Datagrams | tcp.Streams] = []

    async def open(self, certificate: Certificate | None) -> None:
        """Bind and begin to answer.

        Raises:
            OSError: an address cannot be had; the text says which, why, and what to do.
            ssl.SSLError: the certificate and its key are not usable.

        """
        tls = None
        if self.listener.transport == "tls" and certificate is not None:
            tls = tcp.context(*certificate)
        for host in self._hosts():
            packets, stream = self._bind(host)
            if packets is not None:
                datagrams = udp.Datagrams(
                    packets, self.answerer, self.memory, self._metrics, self._now
                )
                datagrams.start()
                self._open.append(datagrams)
            streams = tcp.Streams(stream, self.answerer, self._metrics, tls)
            await streams.start()
            self._open.append(streams)

    def _hosts(self) -> tuple[str, ...]:
        if self.listener.host:
            return (self.listener.host,)
        return ("0.0.0.0", "::") if _has_ipv6() else ("0.0.0.0",)

    def _bind(self, host: str) -> tuple[socket.socket | None, socket.socket]:
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
            return packets, stream
        raise AssertionError("the last attempt returns or raises")

    def _bound(self, kind: int, host: str, port: int = 0) -> socket.socket:
        port = port or self.port
        try:
            return udp.bound(kind, host, port)
        except OSError as exc:
            network = "udp" if kind == socket.SOCK_DGRAM else "tcp"
            where = f"{self.listener.host}:{port}"
            reason = os.strerror(exc.errno or 0).lower()
            text = f"listen {network} {where}: bind: {reason}{_advice(exc, port)}"
            raise OSError(text) from exc

    async def close(self, grace_s: float) -> None:
        """Read nothing more, let queries under way end, close the sockets."""
        for each in self._open:
            each.stop_reading()
        for each in self._open:
            await each.close(grace_s)
        self._open.clear()
        self.memory.clear()


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
