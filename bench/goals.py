"""The goals of the measurements, and whether they are met.

A goal that names CoreDNS is compared with the peer called coredns of the same run.
Figures of another machine cannot be used: system calls and other work do not get faster
by the same factor.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from bench.figures import (
    CPU,
    CPU_S,
    ECHO,
    MIB,
    MILLICORES,
    MS,
    P50,
    P99,
    SECONDS,
    Figures,
    shown,
)

COREDNS = "coredns"
Bound: TypeAlias = Callable[[Figures], float | None]


class Goal(NamedTuple):
    """An upper bound for a figure."""

    what: str
    unit: str
    text: str
    bound: Bound

    def verdict(self, figures: Figures) -> str:
        """Return whether the goal is met, with the bound."""
        ours, bound = figures.median(self.what, self.unit), self.bound(figures)
        if ours is None:
            return "not measured"
        if bound is None:
            return "nothing to compare with"
        return f"{'met' if ours <= bound else 'not met'} (at most {shown(bound)})"


def _coredns(what: str, unit: str, factor: float = 1.0) -> Bound:
    def bound(figures: Figures) -> float | None:
        measured = figures.median(what, unit, COREDNS)
        return measured and measured * factor

    return bound


def _times(factor: float, what: str, unit: str, server: str) -> Bound:
    def bound(figures: Figures) -> float | None:
        other = figures.median(what, unit, server)
        return other and factor * other

    return bound


def _fixed(value: float) -> Bound:
    return lambda figures: value


def _below_coredns(what: str, text: str, factor: float) -> Goal:
    return Goal(what, CPU, f"at most {text} CoreDNS", _coredns(what, CPU, factor))


def _below_echo(what: str) -> Goal:
    return Goal(what, CPU, "at most 1.6 x C", _times(1.6, what, CPU, ECHO))


GOALS = (
    *(
        goal
        for what in ("repeated", "repeated-9000", "never-repeated", "mix")
        for goal in (_below_coredns(what, "1/5 of", 1 / 5), _below_echo(what))
    ),
    *(
        _below_coredns(what, "2/3 of", 2 / 3)
        for what in ("new-endpoints", "chain-a", "chain-srv", "chain-ptr")
    ),
    _below_coredns("chain-headless", "2/3 of", 2 / 3),
    _below_coredns("chain-alias", "2/3 of", 2 / 3),
    _below_coredns("external-cached", "1/2.5 of", 1 / 2.5),
    _below_coredns("external-new", "", 1.0),
    _below_coredns("external-alias", "", 1.0),
    _below_coredns("external-denied", "", 1.0),
    _below_coredns("external-nodata", "", 1.0),
    _below_coredns("tcp", "", 1.0),
    _below_coredns("nodelocal", "", 1.0),
    _below_coredns("tcp-once", "", 1.0),
    _below_coredns("dot", "", 1.0),
    *(
        goal
        for what in ("many-a", "many-srv", "many-a-tcp", "many-srv-tcp")
        for goal in (
            _below_coredns(what, "", 1.0),
            Goal(what, MS, "at most 5 ms", _fixed(5)),
        )
    ),
    Goal(
        "mix-changing",
        CPU,
        "at most 1.3 x without changes",
        _times(1.3, "mix", CPU, "minidns"),
    ),
    Goal("half-capacity", P99, "at most CoreDNS", _coredns("half-capacity", P99)),
    Goal("expiring", P99, "at most CoreDNS", _coredns("expiring", P99)),
    Goal("memory-ready", MIB, "at most 120 MiB", _fixed(120)),
    Goal("memory-asked", MIB, "at most 120 MiB", _fixed(120)),
    Goal("memory-peak", MIB, "at most 110 MiB", _fixed(110)),
    Goal("memory-peak-pages", MIB, "at most 110 MiB", _fixed(110)),
    Goal("stall", MS, "at most 25 ms", _fixed(25)),
    Goal("stall-pages", MS, "at most 25 ms", _fixed(25)),
    Goal("start", CPU_S, "at most 2 s of CPU", _fixed(2)),
    Goal("start-small", SECONDS, "at most 0.25 s", _fixed(0.25)),
    Goal("memory-small", MIB, "at most CoreDNS", _coredns("memory-small", MIB)),
    Goal(
        "rest-small", MILLICORES, "at most CoreDNS", _coredns("rest-small", MILLICORES)
    ),
    Goal("simulation", SECONDS, "at most 1 s", _fixed(1)),
    Goal("event-1", P50, "at most 1 ms", _fixed(1)),
    Goal("event-1", P99, "at most 10 ms", _fixed(10)),
    Goal("event-100", P50, "at most 1 ms", _fixed(1)),
    Goal("event-100", P99, "at most 10 ms", _fixed(10)),
)
