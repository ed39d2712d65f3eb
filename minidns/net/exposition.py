"""Metrics as Prometheus reads them: plain counts in, text or OpenMetrics out.

The only importer of prometheus_client; it writes the formats and reads the process's
own figures, and holds no count of ours.
"""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from minidns.core.metrics import Family, Histogram, Metrics
from minidns.net.endpoint import HttpReply

_NETSTAT = Path("/proc/self/net/netstat")


class Exposition:
    """The page that is scraped."""

    def __init__(self, metrics: Metrics) -> None:
        self._counts = _Counts(metrics)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._counts)
        self._registry.register(_Network())
        ProcessCollector(registry=self._registry)

    def page(self, accept: str) -> HttpReply:
        """Return all numbers in the best format that ``accept`` names."""
        encode, content_type = choose_encoder(accept)
        self._counts.whole = "" if content_type.startswith("text/plain") else ".0"
        return HttpReply(encode(self._registry), content_type=content_type)


class _Counts(Collector):
    """Ours, in the form of prometheus_client."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.whole = ""
        """What follows a whole number in ``le``: OpenMetrics has 100.0 for 100."""

    def collect(self) -> Iterator[Metric]:
        """Yield every family that has a number."""
        for family in self._metrics.families():
            if not family.values:
                continue  # as with CoreDNS, there is no family without a number
            name = family.name
            if family.kind == "counter":
                name = name.removesuffix("_total")
            metric = Metric(name, family.help, family.kind)
            self._fill(metric, family)
            yield metric

    def _fill(self, metric: Metric, family: Family) -> None:
        if isinstance(family, Histogram):
            for values, cells in family.values.items():
                labels = dict(zip(family.labels, values, strict=True))
                self._fill_histogram(metric, family, labels, cells)
            return
        for values, number in family.values.items():
            labels = dict(zip(family.labels, values, strict=True))
            metric.add_sample(family.name, labels, number)

    def _fill_histogram(
        self,
        metric: Metric,
        family: Histogram,
        labels: dict[str, str],
        cells: list[float],
    ) -> None:
        *counts, total = cells
        bounds = [*map(self._bound, family.bounds), "+Inf"]
        for le, count in zip(bounds, accumulate(counts), strict=True):
            metric.add_sample(f"{family.name}_bucket", labels | {"le": le}, count)
        metric.add_sample(f"{family.name}_count", labels, sum(counts))
        metric.add_sample(f"{family.name}_sum", labels, total)

    def _bound(self, bound: float) -> str:
        return f"{bound:.0f}{self.whole}" if bound == int(bound) else repr(bound)


class _Network(Collector):
    """Bytes of the network namespace, which prometheus_client leaves out."""

    def collect(self) -> Iterator[Metric]:
        """Yield received and sent, where the kernel says so."""
        figures = _netstat()
        for direction, key in (("receive", "InOctets"), ("transmit", "OutOctets")):
            if key in figures:
                yield CounterMetricFamily(
                    f"process_network_{direction}_bytes",
                    f"Bytes that the network namespace did {direction}.",
                    value=figures[key],
                )


def _netstat() -> dict[str, int]:
    """Return the kernel's IP figures: pairs of lines, names and numbers."""
    try:
        lines = _NETSTAT.read_text().splitlines()
    except OSError:
        return {}
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        if names.startswith("IpExt:"):
            words = zip(names.split()[1:], numbers.split()[1:], strict=False)
            return {name: int(number) for name, number in words}
    return {}
