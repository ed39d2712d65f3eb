"""Exchanges with upstreams over real sockets: UDP, TCP, TLS.

A query over UDP gets a socket of its own, connected to the upstream: the kernel draws
its port at random (RFC 5452 9.2), lets nothing through from another address or port,
and tells of a refusal at once. That is why it is a plain socket: asyncio-dgram wakes
nobody for a refusal, and its queue has no bound.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import TypeVar

from minidns.core.metrics import Metrics
from minidns.net.streams import MAX_REJECTED, Closed, Streams, dial
from minidns.net.upstream import Upstream, joined, reason

T = TypeVar("T")

_LONGEST = 65535
_LABELS = ("proxy_name", "to", "proto")


class Flooded(ConnectionError):
    """So many wrong replies over UDP that somebody seems to be guessing."""


class Sockets:
    """The exchange over the network; connections are kept between queries."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self._streams = Streams()
        self._hits = metrics.counter(
            "coredns_proxy_conn_cache_hits_total",
            "Queries that went over a connection opened before.",
            _LABELS,
        )
        self._misses = metrics.counter(
            "coredns_proxy_conn_cache_misses_total",
            "Queries that needed a new connection or socket.",
            _LABELS,
        )

    async def __call__(
        self,
        to: Upstream,
        wire: bytes,
        timeout_s: float,
        accept: Callable[[bytes], T | None],
    ) -> T:
        """Return the first accepted reply; see ``Exchange``."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        if to.transport == "udp":
            try:
                return await self._by_datagram(to, wire, deadline, accept)
            except Flooded:
                # over TCP a forger cannot get a word in (RFC 5452 6; BIND, too)
                to = to._replace(transport="tcp")
        return await self._by_stream(to, wire, deadline, accept)

    async def close(self) -> None:
        """Close the connections that are kept."""
        self._streams.close()
        await asyncio.sleep(0)  # the transports close in the loop's next turn

    async def _by_datagram(
        self,
        to: Upstream,
        wire: bytes,
        deadline: float,
        accept: Callable[[bytes], T | None],
    ) -> T:
        self._count(to, "udp", reused=False)
        with _connected(to) as sock:
            path = f"udp {joined(*sock.getsockname()[:2])}->{to}"
            try:
                sock.send(wire)
            except OSError as exc:
                text = f"write {path}: write: {reason(exc)}"
                raise ConnectionError(text) from None
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout_at(deadline):
                    for _ in range(MAX_REJECTED):
                        reply = await loop.sock_recv(sock, _LONGEST)
                        if (found := accept(reply)) is not None:
                            return found
            except TimeoutError:
                raise TimeoutError(f"read {path}: i/o timeout") from None
            except OSError as exc:
                raise ConnectionError(f"read {path}: read: {reason(exc)}") from None
        raise Flooded(f"read {path}: only replies to other queries")

    async def _by_stream(
        self,
        to: Upstream,
        wire: bytes,
        deadline: float,
        accept: Callable[[bytes], T | None],
    ) -> T:
        proto = "tcp-tls" if to.transport == "tls" else "tcp"
        while True:
            stream = self._streams.take(to)
            reused = stream is not None
            self._count(to, proto, reused=reused)
            stream = stream or await dial(to, deadline)
            try:
                found = await stream.ask(wire, deadline, accept)
            except Closed:
                stream.close()
                if not reused:  # one that waited may have been closed meanwhile
                    raise
            except BaseException:
                stream.close()
                raise
            else:
                self._streams.put(to, stream)
                return found

    def _count(self, to: Upstream, proto: str, *, reused: bool) -> None:
        if to.owner:
            family = self._hits if reused else self._misses
            family.inc((to.owner, str(to), proto))


def _connected(to: Upstream) -> socket.socket:
    """Return a new UDP socket that hears ``to`` alone.

    Raises:
        OSError: no socket, no such source address, or no way there.

    """
    where = f"dial udp {to}"
    family = socket.AF_INET6 if ":" in to.host else socket.AF_INET
    step = "socket"
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as exc:
        raise ConnectionError(f"{where}: {step}: {reason(exc)}") from None
    sock.setblocking(False)
    try:
        if to.source:
            step = "bind"
            sock.bind((to.source, 0))
        step = "connect"
        sock.connect((to.host, to.port))
    except OSError as exc:
        sock.close()
        raise ConnectionError(f"{where}: {step}: {reason(exc)}") from None
    return sock
