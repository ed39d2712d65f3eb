"""Measured figures: values of several runs by what was measured of whom, as JSON."""

import statistics
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from bench.machine import Machine

ECHO, OURS = "C echo", "minidns"

CPU, RATE = "CPU us/query", "queries/s"
MIB, SECONDS, CPU_S, MS = "MiB", "s", "CPU s", "ms"
P50, P99 = "p50 ms", "p99 ms"


class Figure(Struct):
    """Values of one thing, one a run."""

    what: str
    """Name of a workload or a situation."""
    unit: str
    server: str
    values: list[float]
    wrong: int = 0
    """Replies with another rcode, or answers where there are none; in all runs."""
    lost: int = 0
    """Queries without a reply; in all runs."""

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def valid(self) -> bool:
        """Whether what was measured was right answers."""
        return not self.wrong

    def __str__(self) -> str:
        """Return the median and, of several values, the least and the most.

        >>> str(Figure("mix", "s", "minidns", [2.0, 1.0, 4.0]))
        '2.00 (1.00 to 4.00)'
        """
        text = shown(self.median)
        if len(self.values) > 1:
            text += f" ({shown(min(self.values))} to {shown(max(self.values))})"
        return text


class Figures(Struct):
    """All that one run of the bench found out."""

    machine: Machine
    how: dict[str, str]
    """Sizes, lengths and numbers of runs, as said for people."""
    figures: list[Figure]

    def get(self, what: str, unit: str, server: str = OURS) -> Figure | None:
        """Return a figure, if it was measured."""
        for each in self.figures:
            if (each.what, each.unit, each.server) == (what, unit, server):
                return each
        return None

    def median(self, what: str, unit: str, server: str = OURS) -> float | None:
        """Return the median of a figure, if it was measured and is valid."""
        found = self.get(what, unit, server)
        return found.median if found and found.valid else None

    def add(self, what: str, unit: str, server: str, *values: float) -> None:
        """Add values to a figure; make it if it is new."""
        found = self.get(what, unit, server)
        if found is None:
            found = Figure(what, unit, server, [])
            self.figures.append(found)
        found.values.extend(values)

    @property
    def servers(self) -> list[str]:
        """All servers, in the order in which they were measured."""
        return list(dict.fromkeys(each.server for each in self.figures))

    def peers(self) -> list[str]:
        """Return the servers that are neither ours nor the echo."""
        return [name for name in self.servers if name not in (ECHO, OURS)]

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        text = msgspec.json.format(msgspec.json.encode(self), indent=1)
        path.write_bytes(text + b"\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what ``write`` wrote.

        Raises:
            msgspec.DecodeError: it is something else.

        """
        return msgspec.json.decode(path.read_bytes(), type=cls)


def shown(value: float) -> str:
    """Return ``value`` with three digits that count, and thousands set apart.

    >>> [shown(x) for x in (0.0123, 4.56, 78.9, 123456.7)]
    ['0.0123', '4.56', '78.9', '123,457']
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return (
        f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.3g}"
        if abs(value) < 0.1
        else f"{value:.2f}"
    )
