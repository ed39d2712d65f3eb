"""The metrics of a ``cache``, by CoreDNS's names and labels."""

from functools import partial

from minidns.dns.model import Name, ReuseCounter
from minidns.metrics.registry import Labels, Metrics
from minidns.plugins.cache.store import Kind, Stores

_PLAIN = ("server", "zones", "view")
_BY_KIND = ("server", "type", "zones", "view")


class CacheMetrics:
    """The metrics of one cache; ``server`` labels the listener of a query."""

    def __init__(self, metrics: Metrics, zones: tuple[Name, ...], view: str) -> None:
        self._view = view
        self._zones = ",".join(zones)
        self._tallies: dict[tuple[str, Kind | None], ReuseCounter] = {}
        self._labels: dict[str, tuple[Labels, dict[Kind, Labels]]] = {}
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

    def _of(self, server: str) -> tuple[Labels, dict[Kind, Labels]]:
        """Return the labels of ``server``, which are created once."""
        labels = self._labels.get(server)
        if labels is None:
            by_kind: dict[Kind, Labels] = {
                kind: (server, kind, self._zones, self._view)
                for kind in ("success", "denial")
            }
            labels = self._labels[server] = (server, self._zones, self._view), by_kind
        return labels

    def hit(self, server: str, kind: Kind, times: int = 1) -> None:
        """Count queries answered from the cache."""
        labels, by_kind = self._of(server)
        self._requests.inc(labels, times)
        self._hits.inc(by_kind[kind], times)

    def miss(self, server: str, times: int = 1) -> None:
        """Count queries that were passed to the next plugin."""
        labels, _ = self._of(server)
        self._requests.inc(labels, times)
        self._misses.inc(labels, times)

    def stored(self, server: str, kind: Kind, evicted: int, stores: Stores) -> None:
        """Count evictions, and note the new sizes, after an answer was stored."""
        _, by_kind = self._of(server)
        if evicted:
            self._evictions.inc(by_kind[kind], evicted)
        sizes = self._entries.values
        sizes[by_kind["success"]], sizes[by_kind["denial"]] = stores.sizes()

    def prefetched(self, server: str) -> None:
        """Count a refresh in the background."""
        self._prefetches.inc(self._of(server)[0])

    def served_stale(self, server: str) -> None:
        """Count an expired answer that was served."""
        self._stale.inc(self._of(server)[0])
