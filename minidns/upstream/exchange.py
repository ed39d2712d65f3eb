"""Exchanges with upstreams over real sockets: UDP, TCP, TLS and HTTPS."""

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from minidns.metrics.registry import Labels, Metrics
from minidns.upstream.stream import Closed, Streams, dial
from minidns.upstream.udp import Flooded, UdpExchanges
from minidns.upstream.upstream import Accept, Upstream

if TYPE_CHECKING:
    from minidns.upstream.doh import Doh

T = TypeVar("T")

_LABELS = ("proxy_name", "to", "proto")


class Sockets:
    """The exchange over the network; connections are kept between queries."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self._udp = UdpExchanges()
        self._streams = Streams()
        self._doh: Doh | None = None
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
        accept: Accept[T],
    ) -> T:
        """Return the first accepted reply; see ``Exchange``."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        if to.transport == "udp":
            self._count(to, "udp", reused=False)
            try:
                return await self._udp.exchange(to, wire, deadline, accept)
            except Flooded:
                # a forger cannot reply over TCP (RFC 5452 6; BIND does this, too)
                to = to._replace(transport="tcp")
        if to.transport == "https":
            left_s = deadline - loop.time()
            return await self._https().ask(to, wire, left_s, accept)
        return await self._by_stream(to, wire, deadline, accept)

    async def close(self) -> None:
        """Close the connections that are kept."""
        self._udp.close()
        self._streams.close()
        if self._doh is not None:
            await self._doh.close()
        await asyncio.sleep(0)  # the transports close in the loop's next turn

    def _https(self) -> "Doh":
        if self._doh is None:
            # imported late: aiohttp costs memory that only HTTPS upstreams need
            from minidns.upstream.doh import Doh

            self._doh = Doh()
        return self._doh

    async def _by_stream(
        self,
        to: Upstream,
        wire: bytes,
        deadline: float,
        accept: Accept[T],
    ) -> T:
        proto = "tcp-tls" if to.transport == "tls" else "tcp"
        while True:
            stream = self._streams.take(to)
            reused = stream is not None
            self._count(to, proto, reused=reused)
            stream = stream or await dial(to, deadline)
            try:
                reply = await stream.ask(wire, deadline, accept)
            except Closed:
                stream.close()
                if not reused:  # one that waited may have been closed meanwhile
                    raise
            except BaseException:
                stream.close()
                raise
            else:
                self._streams.put(to, stream)
                return reply

    def _count(self, to: Upstream, proto: str, *, reused: bool) -> None:
        if to.owner:
            family = self._hits if reused else self._misses
            family.inc(_labels(to, proto))


@lru_cache(maxsize=64)
def _labels(to: Upstream, proto: str) -> Labels:
    return to.owner, str(to), proto
