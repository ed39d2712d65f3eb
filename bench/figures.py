"""Measured figures: the values of several runs by measurement and server, as JSON."""

import statistics
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from bench.machine import Machine

ECHO, OURS = "C echo", "minidns"

CPU, RATE = "CPU us/query", "queries/s"
MIB, SECONDS, CPU_S, MS = "MiB", "s", "CPU s", "ms"
MILLICORES = "millicores"
P50, P99 = "p50 ms", "p99 ms"


class Figure(Struct):
    """The values of one measurement of one server, one per run."""

    what: str
    """The name of a workload or situation."""
    unit: str
    server: str
    values: list[float]
    wrong: int = 0
    """Number of replies in all runs with another rcode or unexpected answers."""
    lost: int = 0
    """Number of queries in all runs without a reply."""

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def valid(self) -> bool:
        """True if all answers were correct."""
        return not self.wrong

    def __str__(self) -> str:
        """Return the median, with minimum and maximum if there are several values.

        >>> str(Figure("mix", "s", "minidns", [2.0, 1.0, 4.0]))
        '2.00 (1.00 to 4.00)'
        """
        text = shown(self.median)
        if len(self.values) > 1:
            text += f" ({shown(min(self.values))} to {shown(max(self.values))})"
        return text


class Figures(Struct):
    """All figures of one run of the bench."""

    machine: Machine
    how: dict[str, str]
    """Sizes, durations and numbers of runs, as text."""
    figures: list[Figure]

    def get(self, what: str, unit: str, server: str = OURS) -> Figure | None:
        """Return a figure, None if it was not measured."""
        for figure in self.figures:
            if (figure.what, figure.unit, figure.server) == (what, unit, server):
                return figure
        return None

    def median(self, what: str, unit: str, server: str = OURS) -> float | None:
        """Return the median of a figure, None if it was not measured or is invalid."""
        found = self.get(what, unit, server)
        return found.median if found and found.valid else None

    def add(self, what: str, unit: str, server: str, *values: float) -> None:
        """Add values to a figure; create it if necessary."""
        found = self.get(what, unit, server)
        if found is None:
            found = Figure(what, unit, server, [])
            self.figures.append(found)
        found.values.extend(values)

    @property
    def servers(self) -> list[str]:
        """All servers, in the order of their measurements."""
        return list(dict.fromkeys(figure.server for figure in self.figures))

    def peers(self) -> list[str]:
        """Return the servers except minidns and the echo."""
        return [name for name in self.servers if name not in (ECHO, OURS)]

    def write(self, path: Path) -> None:
        """Write the figures as JSON."""
        text = msgspec.json.format(msgspec.json.encode(self), indent=1)
        path.write_bytes(text + b"\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the figures in a file that ``write`` wrote.

        Raises:
            msgspec.DecodeError: it is something else.

        """
        return msgspec.json.decode(path.read_bytes(), type=cls)


def shown(value: float) -> str:
    """Return ``value`` with three significant digits and separated thousands.

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
