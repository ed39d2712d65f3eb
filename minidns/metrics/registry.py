"""Counters, gauges and histograms, formatted only for a scrape.

A Metrics lives as long as the process: values survive a reload of the Corefile.
A number is a *cell*, the item of a list, which may be kept and added to in place: what
is counted for each query needs no lookup. It formats nothing and takes no lock.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias, TypeVar

Labels: TypeAlias = tuple[str, ...]
"""Values of a family's labels, in the family's order."""


class Counter:
    """A family of numbers that only grow."""

    kind = "counter"

    def __init__(self, name: str, help_: str, labels: Labels = ()) -> None:
        self.name = name
        self.help = help_
        self.labels = labels
        self._cells: dict[Labels, list[float]] = {} if labels else {(): [0]}

    @property
    def values(self) -> dict[Labels, float]:
        """The numbers by their label values."""
        return {labels: number for labels, (number,) in self._cells.items()}

    def cell(self, labels: Labels = ()) -> list[float]:
        """Return the list whose only item is the number with these label values.

        It may be kept as long as the number is not removed.
        """
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = [0]
        return cell

    def inc(self, labels: Labels = (), by: float = 1) -> None:
        """Add ``by`` to the number with these label values."""
        self.cell(labels)[0] += by

    def totals(self) -> Mapping[Labels, float]:
        """Return the values for a scrape."""
        return self.values


class Gauge(Counter):
    """A family of numbers that go up and down."""

    kind = "gauge"

    def __init__(self, name: str, help_: str, labels: Labels = ()) -> None:
        super().__init__(name, help_, labels)
        self.elsewhere: dict[int, Mapping[Labels, float]] = {}
        """Values of the workers by process id, to be added to our own."""

    def totals(self) -> Mapping[Labels, float]:
        """Return the values for a scrape, those of the workers added."""
        totals = self.values
        for values in self.elsewhere.values():
            for labels, number in values.items():
                totals[labels] = totals.get(labels, 0) + number
        return totals

    def set(self, labels: Labels, value: float) -> None:
        """Set the number with these label values."""
        self.cell(labels)[0] = value

    def remove(self, labels: Labels) -> None:
        """Remove the number with these label values, if there is one."""
        self._cells.pop(labels, None)

    def clear(self) -> None:
        """Remove every value of the family."""
        self._cells.clear()


class Histogram:
    """A family of distributions: a count per bucket, and the sum of the values."""

    kind = "histogram"

    def __init__(
        self, name: str, help_: str, labels: Labels, bounds: tuple[float, ...]
    ) -> None:
        self.name = name
        self.help = help_
        self.labels = labels
        self.bounds = bounds
        """Upper bounds of the buckets, ascending; the last bucket has no bound."""
        self.values: dict[Labels, list[float]] = {}
        """Per label values: the count of each bucket, not cumulated; last the sum."""
        if not labels:
            self._fresh(())

    def _fresh(self, labels: Labels) -> list[float]:
        cells = self.values[labels] = [0.0] * (len(self.bounds) + 2)
        return cells

    def cells(self, labels: Labels = ()) -> list[float]:
        """Return the entry of ``values`` for these label values; add it if missing."""
        return self.values.get(labels) or self._fresh(labels)

    def observe(self, labels: Labels, value: float, times: int = 1) -> None:
        """Add ``times`` observations of ``value``."""
        cells = self.cells(labels)
        cells[bisect_left(self.bounds, value)] += times
        cells[-1] += value * times


Family: TypeAlias = Counter | Gauge | Histogram
F = TypeVar("F", Counter, Gauge, Histogram)


class Metrics:
    """All families of the process by name; a name always returns the same family."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self.before_scrape: list[Callable[[], None]] = []
        """Functions called before every scrape to update derived values."""
        self.workers: set[int] = set()
        """Ids of processes whose memory and CPU are added to ours."""

    def counter(self, name: str, help_: str, labels: Labels = ()) -> Counter:
        """Return the counter ``name`` (with its ``_total``); without labels it is 0."""
        return self._family(name, lambda: Counter(name, help_, labels), Counter)

    def gauge(self, name: str, help_: str, labels: Labels = ()) -> Gauge:
        """Return the gauge ``name``."""
        return self._family(name, lambda: Gauge(name, help_, labels), Gauge)

    def histogram(
        self, name: str, help_: str, labels: Labels, bounds: tuple[float, ...]
    ) -> Histogram:
        """Return the histogram ``name``; ``bounds`` are its buckets' upper bounds."""
        return self._family(
            name, lambda: Histogram(name, help_, labels, bounds), Histogram
        )

    def _family(self, name: str, make: Callable[[], F], kind: type[F]) -> F:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = make()
        if not isinstance(family, kind):
            raise TypeError(f"{name} is a {family.kind} already")
        return family

    def update(self) -> None:
        """Compute the values that are not counted as they change."""
        for compute in list(self.before_scrape):
            compute()

    def families(self) -> Iterator[Family]:
        """Yield every family, after ``before_scrape`` has run, in order of names."""
        self.update()
        for _, family in sorted(self._families.items()):
            yield family

    def value(self, name: str, labels: Mapping[str, str] | None = None) -> float:
        """Return one value, 0 if it was never set; for a histogram its count."""
        family = self._families[name]
        key = tuple((labels or {}).get(label, "") for label in family.labels)
        if isinstance(family, Histogram):
            return sum(family.values.get(key, [0])[:-1])
        return family.totals().get(key, 0)


TIME_BUCKETS = tuple(0.00025 * 2**n for n in range(16))
"""Buckets in seconds of CoreDNS for everything that a client waits for."""
SLIM_TIME_BUCKETS = tuple(0.00025 * 10**n for n in range(5))
"""Fewer buckets in seconds (CoreDNS)."""
SIZE_BUCKETS = tuple(
    float(n)
    for n in (
        0,
        100,
        200,
        300,
        400,
        511,
        1023,
        2047,
        4095,
        8291,
        16e3,
        32e3,
        48e3,
        64e3,
    )
)
"""Buckets in bytes (CoreDNS)."""
