"""Encodes metrics for Prometheus, as text or OpenMetrics.

Only this module imports prometheus_client, which writes the formats and reads the
figures of the process; it holds none of the counts.
"""

import asyncio
import os
from collections.abc import Collection, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from minidns.http.endpoint import HttpReply
from minidns.metrics.registry import Family, Histogram, Metrics

_NETSTAT = Path("/proc/self/net/netstat")


_SLICE = 100
"""Samples per turn of the event loop, which take 1 ms."""


class _One(CollectorRegistry):
    """A registry of one metric, which the encoders of prometheus_client need."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(auto_describe=False)
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """Yield the metric."""
        yield self._metric


class Exposition:
    """The page ``/metrics``."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._collectors = (_Network(), _Processes(metrics.workers))

    async def page(self, accept: str) -> HttpReply:
        """Return all metrics in the best format that ``accept`` names.

        They are written in slices, so that queries are answered in between.
        """
        encode, content_type = choose_encoder(accept)
        # in OpenMetrics, the bound of a bucket has a fraction: 100.0 for 100
        fraction = "" if content_type.startswith("text/plain") else ".0"
        parts: list[bytes] = []
        shown = ""
        for metric in self._slices(fraction):
            text = encode(_One(metric)).removesuffix(_END)
            parts.append(_headless(text) if metric.name == shown else text)
            shown = metric.name
            await asyncio.sleep(0)
        if fraction:
            parts.append(_END)
        return HttpReply(b"".join(parts), content_type=content_type)

    def _slices(self, fraction: str) -> Iterator[Metric]:
        """Yield every family that has a sample, in one or more parts."""
        for family in self._metrics.families():
            samples: list[Sample] = []
            for series in _series(family, fraction):
                samples += series
                if len(samples) >= _SLICE:
                    yield _metric(family, samples)
                    samples = []
            if samples:
                yield _metric(family, samples)
        for collector in self._collectors:
            yield from collector.collect()


_END = b"# EOF\n"
"""The end of a page of OpenMetrics."""


def _headless(text: bytes) -> bytes:
    """Return ``text`` without the comments before its first sample."""
    while text.startswith(b"#"):
        text = text.partition(b"\n")[2]
    return text


def _metric(family: Family, samples: list[Sample]) -> Metric:
    name = family.name
    if family.kind == "counter":
        name = name.removesuffix("_total")
    metric = Metric(name, family.help, family.kind)
    metric.samples = samples
    return metric


def _series(family: Family, fraction: str) -> Iterator[list[Sample]]:
    """Yield the samples of each series; others may be added meanwhile."""
    if isinstance(family, Histogram):
        for values, cells in list(family.values.items()):
            labels = dict(zip(family.labels, values, strict=True))
            yield list(_distribution(family, labels, cells, fraction))
        return
    for values, number in list(family.totals().items()):
        labels = dict(zip(family.labels, values, strict=True))
        yield [Sample(family.name, labels, number)]


def _distribution(
    family: Histogram, labels: dict[str, str], cells: list[float], fraction: str
) -> Iterator[Sample]:
    *counts, total = cells
    bounds = [_bound(bound, fraction) for bound in family.bounds]
    for le, count in zip((*bounds, "+Inf"), accumulate(counts), strict=True):
        yield Sample(f"{family.name}_bucket", labels | {"le": le}, count)
    yield Sample(f"{family.name}_count", labels, sum(counts))
    yield Sample(f"{family.name}_sum", labels, total)


def _bound(bound: float, fraction: str) -> str:
    return f"{bound:.0f}{fraction}" if bound == int(bound) else repr(bound)


class _Processes(Collector):
    """Memory, CPU and open files: of this process, and of its workers added to it.

    The kernel adds the usage of ended workers to the sum over children.
    """

    def __init__(self, workers: Collection[int]) -> None:
        self._own = ProcessCollector(registry=None)
        self._workers = workers

    def collect(self) -> Iterator[Metric]:
        """Yield every figure; start time and limits are those of this process."""
        figures = {metric.name: metric for metric in self._own.collect()}
        if "process_cpu_seconds" in figures:
            ended = os.times()
            _add(figures["process_cpu_seconds"], ended.children_user)
            _add(figures["process_cpu_seconds"], ended.children_system)
        for worker in list(self._workers):
            theirs = ProcessCollector(pid=partial(int, worker), registry=None)
            for metric in theirs.collect():
                if metric.name in _ADDED_UP and metric.name in figures:
                    _add(figures[metric.name], metric.samples[0].value)
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
        """Yield the bytes received and sent, if the kernel has them."""
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
