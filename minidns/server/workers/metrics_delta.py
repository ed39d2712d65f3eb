"""What a process has counted since it last told, for another one to add to its own.

Counters and histograms are told as what they grew by: the sum stays right when the
process that counted ends. Of gauges only those are told that add up; any other is the
same in every process, or means nothing but where it is scraped.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from minidns.metrics.registry import Counter, Family, Gauge, Histogram, Labels, Metrics

ADDED_UP = frozenset(("coredns_cache_entries",))
"""Gauges whose total is the sum over processes."""
LEFT_OUT = frozenset(("coredns_kubernetes_dns_programming_duration_seconds",))
"""Families that count the same change in every process."""

Cells: TypeAlias = tuple[float, ...]


class Growth(Struct, array_like=True, frozen=True):
    """What one family grew by; of a gauge, what it is."""

    kind: str
    name: str
    help: str
    labels: Labels
    bounds: Cells
    """Of a histogram's buckets."""
    numbers: tuple[tuple[Labels, Cells], ...]
    """By label values: a histogram's cells, or one number."""


class Telling:
    """Knows what has been told of the numbers of a process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._told: dict[str, dict[Labels, Cells]] = {}

    def news(self) -> tuple[Growth, ...]:
        """Return what changed since the last time; it is told with that."""
        changed = map(self._growth, self._metrics.families())
        return tuple(each for each in changed if each.numbers)

    def _growth(self, family: Family) -> Growth:
        now = _cells(family)
        told = self._told.get(family.name, {})
        self._told[family.name] = now
        if isinstance(family, Gauge):
            numbers = tuple(now.items()) if now != told else ()
        else:
            numbers = tuple(
                (labels, _less(cells, told.get(labels)))
                for labels, cells in now.items()
                if cells != told.get(labels)
            )
        bounds = family.bounds if isinstance(family, Histogram) else ()
        return Growth(
            family.kind, family.name, family.help, family.labels, bounds, numbers
        )


def _cells(family: Family) -> dict[Labels, Cells]:
    if family.name in LEFT_OUT:
        return {}
    if isinstance(family, Histogram):
        return {labels: tuple(cells) for labels, cells in family.values.items()}
    if isinstance(family, Gauge) and family.name not in ADDED_UP:
        return {}
    return {labels: (number,) for labels, number in family.values.items()}


def _less(cells: Cells, before: Cells | None) -> Cells:
    if before is None:
        return cells
    return tuple(now - then for now, then in zip(cells, before, strict=True))


def add(metrics: Metrics, process: int, news: Iterable[Growth]) -> None:
    """Add what ``process`` told to ``metrics``."""
    for each in news:
        if each.kind == "histogram":
            _add_cells(
                metrics.histogram(each.name, each.help, each.labels, each.bounds),
                each.numbers,
            )
        elif each.kind == "gauge":
            gauge = metrics.gauge(each.name, each.help, each.labels)
            gauge.elsewhere[process] = _single(each.numbers)
        else:
            counter = metrics.counter(each.name, each.help, each.labels)
            _add_numbers(counter, each.numbers)


def _single(numbers: Iterable[tuple[Labels, Cells]]) -> Mapping[Labels, float]:
    return {labels: number for labels, (number,) in numbers}


def _add_numbers(counter: Counter, numbers: Iterable[tuple[Labels, Cells]]) -> None:
    for labels, (number,) in numbers:
        counter.inc(labels, number)


def _add_cells(histogram: Histogram, numbers: Sequence[tuple[Labels, Cells]]) -> None:
    for labels, grown in numbers:
        cells = histogram.cells(labels)
        for at, number in enumerate(grown):
            cells[at] += number


def forget(metrics: Metrics, process: int) -> None:
    """Leave out what ``process`` had of gauges: it has ended."""
    for family in metrics.families():
        if isinstance(family, Gauge):
            family.elsewhere.pop(process, None)
