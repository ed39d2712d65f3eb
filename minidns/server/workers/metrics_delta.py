"""The growth of a worker's metrics since its last report, for the main process to add.

Counters and histograms are sent as differences, so the sum stays right when a worker
ends. Gauges are sent only where the sum over processes means something; any other gauge
is the same in every process.
"""

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct

from minidns.metrics.registry import Family, Gauge, Histogram, Labels, Metrics

SUMMED_GAUGES = frozenset(("coredns_cache_entries",))
NOT_SUMMED = frozenset(("coredns_kubernetes_dns_programming_duration_seconds",))
"""Histograms that every process has of the same changes."""

Cells: TypeAlias = tuple[float, ...]


class Delta(Struct, array_like=True, frozen=True):
    """The growth of one family; for a gauge, its present numbers."""

    kind: str
    name: str
    help: str
    labels: Labels
    bounds: Cells
    """Upper bounds of a histogram's buckets."""
    numbers: tuple[tuple[Labels, Cells], ...]
    """By label values: the cells of a histogram, or one number."""


class DeltaTracker:
    """Remembers the numbers of the last report."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._reported: dict[str, dict[Labels, Cells]] = {}

    def changes(self) -> tuple[Delta, ...]:
        """Return the growth since the last call."""
        deltas = map(self._delta, self._metrics.families())
        return tuple(delta for delta in deltas if delta.numbers)

    def _delta(self, family: Family) -> Delta:
        now = _cells(family)
        before = self._reported.get(family.name, {})
        self._reported[family.name] = now
        if isinstance(family, Gauge):
            numbers = tuple(now.items()) if now != before else ()
        else:
            numbers = tuple(
                (labels, _difference(cells, before.get(labels)))
                for labels, cells in now.items()
                if cells != before.get(labels)
            )
        bounds = family.bounds if isinstance(family, Histogram) else ()
        return Delta(
            family.kind, family.name, family.help, family.labels, bounds, numbers
        )


def _cells(family: Family) -> dict[Labels, Cells]:
    if family.name in NOT_SUMMED:
        return {}
    if isinstance(family, Histogram):
        return {labels: tuple(cells) for labels, cells in family.values.items()}
    if isinstance(family, Gauge) and family.name not in SUMMED_GAUGES:
        return {}
    return {labels: (number,) for labels, number in family.values.items()}


def _difference(cells: Cells, before: Cells | None) -> Cells:
    if before is None:
        return cells
    return tuple(now - then for now, then in zip(cells, before, strict=True))


def add(metrics: Metrics, pid: int, deltas: Iterable[Delta]) -> None:
    """Add the growth of process ``pid`` to ``metrics``."""
    for delta in deltas:
        if delta.kind == "histogram":
            histogram = metrics.histogram(
                delta.name, delta.help, delta.labels, delta.bounds
            )
            for labels, growth in delta.numbers:
                cells = histogram.cells(labels)
                cells[:] = map(sum, zip(cells, growth, strict=True))
        elif delta.kind == "gauge":
            gauge = metrics.gauge(delta.name, delta.help, delta.labels)
            gauge.elsewhere[pid] = {key: number for key, (number,) in delta.numbers}
        else:
            counter = metrics.counter(delta.name, delta.help, delta.labels)
            for labels, (number,) in delta.numbers:
                counter.inc(labels, number)


def forget(metrics: Metrics, pid: int) -> None:
    """Leave the gauges of process ``pid`` out of the sums: it has ended."""
    for family in metrics.families():
        if isinstance(family, Gauge):
            family.elsewhere.pop(pid, None)
