"""Metrics as Prometheus reads them: plain counts in, text or OpenMetrics out.

The only importer of prometheus_client; it writes the formats and reads the process's
own figures, and holds no count of ours.
"""

import os
from collections.abc import Collection, Iterator
from functools import partial
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
        self._registry.register(_Processes(metrics.workers))

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
            name = family.name
            if family.kind == "counter":
                name = name.removesuffix("_total")
            metric = Metric(name, family.help, family.kind)
            self._fill(metric, family)
            if metric.samples:  # as with CoreDNS, no family without a number
                yield metric

    def _fill(self, metric: Metric, family: Family) -> None:
        if isinstance(family, Histogram):
            for values, cells in family.values.items():
                labels = dict(zip(family.labels, values, strict=True))
                self._fill_histogram(metric, family, labels, cells)
            return
        for values, number in family.totals().items():
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


class _Processes(Collector):
    """Memory, CPU and open files: of this process, and of its workers added to it.

    What workers used that have ended is in the kernel's sum over children.
    """

    def __init__(self, workers: Collection[int]) -> None:
        self._own = ProcessCollector(registry=None)
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        """Yield each figure; of the start, and of what is allowed, our own."""
        figures = {each.name: each for each in self._own.collect()}
        if "process_cpu_seconds" in figures:
            ended = os.times()
            _add(figures["process_cpu_seconds"], ended.children_user)
            _add(figures["process_cpu_seconds"], ended.children_system)
        for worker in list(self._workers):
            theirs = ProcessCollector(pid=partial(int, worker), registry=None)
            for each in theirs.collect():
                if each.name in _ADDED_UP and each.name in figures:
                    _add(figures[each.name], each.samples[0].value)
        yield from figures.values()


_ADDED_UP = frozenset(
    (
        "process_cpu_seconds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
    )
)


def _add(figure: Metric, value: float) -> None:
    (sample,) = figure.samples
    figure.samples[0] = sample._replace(value=sample.value + value)


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
