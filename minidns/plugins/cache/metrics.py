"""The metrics of a ``cache``, by CoreDNS's names and labels."""

from functools import partial
from typing import TypeAlias

from minidns.dns.model import Name, ReuseCounter
from minidns.metrics.registry import Labels, Metrics
from minidns.plugins.cache.store import Kind, Stores

_PLAIN = ("server", "zones", "view")
_BY_KIND = ("server", "type", "zones", "view")


Cell: TypeAlias = list[float]


class CacheMetrics:
    """The metrics of one cache; ``server`` labels the listener of a query."""

    def __init__(self, metrics: Metrics, zones: tuple[Name, ...], view: str) -> None:
        self._view = view
        self._zones = ",".join(zones)
        self._tallies: dict[tuple[str, Kind | None], ReuseCounter] = {}
        self._miss_cells: dict[str, tuple[Cell, Cell]] = {}
        self._hit_cells: dict[tuple[str, Kind], tuple[Cell, Cell]] = {}
        self._entries = metrics.gauge(
            "coredns_cache_entries", "Answers that are stored.", _BY_KIND
        )
        self._hits = metrics.counter(
            "coredns_cache_hits_total", "Queries answered from the cache.", _BY_KIND
        )
        self._evictions = metrics.counter(
            "coredns_cache_evictions_total", "Answers that were evicted.", _BY_KIND
        )
        self._misses = metrics.counter(
            "coredns_cache_misses_total", "Queries that were passed on.", _PLAIN
        )
        self._requests = metrics.counter(
            "coredns_cache_requests_total", "Queries that came.", _PLAIN
        )
        self._prefetches = metrics.counter(
            "coredns_cache_prefetch_total", "Answers that were prefetched.", _PLAIN
        )
        self._stale = metrics.counter(
            "coredns_cache_served_stale_total", "Expired answers given.", _PLAIN
        )
        # never counted: replies to other questions do not come this far
        metrics.counter(
            "coredns_cache_drops_total", "Replies to other questions.", _PLAIN
        )

    def tally(self, server: str, kind: Kind | None = None) -> ReuseCounter:
        """Return a tally of a Reuse that counts hits of ``kind``, or else misses.

        It is created once, because every remembered reply refers to it.
        """
        known = self._tallies.get((server, kind))
        if known is None:
            known = partial(self._count, server, kind)
            self._tallies[server, kind] = known
        return known

    def _count(self, server: str, kind: Kind | None, times: int, _s: float) -> None:
        if kind is None:
            self.miss(server, times)
        else:
            self.hit(server, kind, times)

    def _plain(self, server: str) -> Labels:
        return server, self._zones, self._view

    def _by_kind(self, server: str, kind: Kind) -> Labels:
        return server, kind, self._zones, self._view

    def hit(self, server: str, kind: Kind, times: int = 1) -> None:
        """Count queries answered from the cache."""
        cells = self._hit_cells.get((server, kind))
        if cells is None:
            cells = (
                self._requests.cell(self._plain(server)),
                self._hits.cell(self._by_kind(server, kind)),
            )
            self._hit_cells[server, kind] = cells
        for cell in cells:
            cell[0] += times

    def miss(self, server: str, times: int = 1) -> None:
        """Count queries that were passed to the next plugin."""
        cells = self._miss_cells.get(server)
        if cells is None:
            labels = self._plain(server)
            cells = self._requests.cell(labels), self._misses.cell(labels)
            self._miss_cells[server] = cells
        for cell in cells:
            cell[0] += times

    def evicted(self, server: str, kind: Kind, number: int) -> None:
        """Count entries that were evicted for a new one."""
        self._evictions.inc(self._by_kind(server, kind), number)

    def show_sizes(self, stores: Stores) -> None:
        """Set the numbers of entries; called before a scrape."""
        successes, denials = stores.sizes()
        for server in self._miss_cells:
            self._entries.set(self._by_kind(server, "success"), successes)
            self._entries.set(self._by_kind(server, "denial"), denials)

    def prefetched(self, server: str) -> None:
        """Count a refresh in the background."""
        self._prefetches.inc(self._plain(server))

    def served_stale(self, server: str) -> None:
        """Count an expired answer that was served."""
        self._stale.inc(self._plain(server))
