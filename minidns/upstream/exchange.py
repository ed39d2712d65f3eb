"""Exchanges with upstreams over real sockets: UDP, TCP, TLS and HTTPS."""

import asyncio
from typing import TYPE_CHECKING, TypeVar

from minidns.dns.model import replace
from minidns.metrics.registry import Metrics
from minidns.upstream.stream import Closed, Streams, dial
from minidns.upstream.udp import Flooded, UdpExchanges
from minidns.upstream.upstream import Accept, Upstream

if TYPE_CHECKING:
    from minidns.upstream.doh import Doh

T = TypeVar("T")

_LABELS = ("proxy_name", "to", "proto")


class Sockets:
    """Exchanges over the network; idle connections are reused."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self._udp = UdpExchanges()
        self._streams = Streams()
        self._doh: Doh | None = None
        self._cells: dict[tuple[Upstream, str, bool], list[float]] = {}
        self._hits = metrics.counter(
            "coredns_proxy_conn_cache_hits_total",
            "Queries sent over an idle connection.",
            _LABELS,
        )
        self._misses = metrics.counter(
            "coredns_proxy_conn_cache_misses_total",
            "Queries sent over a new connection or socket.",
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
                # forged replies over TCP are hardly possible (RFC 5452 6; as BIND)
                to = replace(to, transport="tcp")
        if to.transport == "https":
            left_s = deadline - loop.time()
            return await self._https().ask(to, wire, left_s, accept)
        return await self._by_stream(to, wire, deadline, accept)

    async def close(self) -> None:
        """Fail the exchanges in flight and close the idle connections."""
        self._udp.close()
        self._streams.close()
        if self._doh is not None:
            await self._doh.close()
        await asyncio.sleep(0)  # transports close in the next iteration of the loop

    def _https(self) -> "Doh":
        if self._doh is None:
            # imported late: aiohttp takes memory that only HTTPS upstreams need
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
                if not reused:  # else the upstream had closed the idle connection
                    raise
            except BaseException:
                stream.close()
                raise
            else:
                self._streams.put(to, stream)
                return reply

    def _count(self, to: Upstream, proto: str, *, reused: bool) -> None:
        if not to.owner:
            return
        cell = self._cells.get((to, proto, reused))
        if cell is None:
            family = self._hits if reused else self._misses
            cell = family.cell((to.owner, str(to), proto))
            self._cells[to, proto, reused] = cell
        cell[0] += 1
