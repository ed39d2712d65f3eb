"""The ledger of a trial: what was observed, in counts and single failures.

Its size is bounded: lookups are counted by cell and by target, latencies in buckets,
and only failures are recorded one by one, up to a number.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from minidns.probe.latencies import Latencies
from minidns.trial.arms import Cell, Client, Layout, Target
from minidns.trial.brake import Brake
from minidns.trial.lookup import (
    FailureKind,
    Outcome,
    Result,
    Subject,
    failure_of,
)
from minidns.trial.statistics import EPISODE_S, Count, Episodes

MOST_FAILURES = 10_000
"""Failures that are recorded one by one; later ones are only counted."""
LEAST_DISCARDED, MOST_DISCARDED = 20, 0.2
"""The number and the share of discarded ticks at which a trial stops: the machines of
its clients are too slow to measure anything."""


class Tally(NamedTuple):
    """All lookups of a cell, and those of them that failed."""

    lookups: int = 0
    failures: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Return the sum."""
        return Tally(self.lookups + other.lookups, self.failures + other.failures)


@dataclass(slots=True)
class TargetRecord:
    """The counts of one target."""

    lookups: int = 0
    failures: int = 0
    episodes: int = 0
    kinds: Counter[FailureKind] = field(default_factory=Counter)
    latencies: Latencies = field(default_factory=Latencies)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed lookup with everything that is known about it."""

    at_s: float
    """Seconds since the start of the trial."""
    kind: FailureKind
    target: Target
    client: Client
    subject: Subject
    result: Result
    begins_episode: bool

    @property
    def is_asked_again(self) -> bool:
        """Whether a query after the one without a reply was answered."""
        got_one = self.result.outcome is Outcome.REPLIED
        return self.kind is FailureKind.NO_REPLY and got_one


@dataclass(slots=True)
class Ledger:
    """The observations of a trial; results are recorded in the order of their times."""

    layout: Layout
    rate: float
    """The rate of failures that the trial is made to find, per lookup."""
    started_at: float = 0.0
    """Time of the start in the seconds of the event loop."""
    seconds: float = 0.0
    """Seconds from the start to the last recorded tick."""
    ticks: int = 0
    """Lookups of each target."""
    discarded: int = 0
    """Ticks that do not count, as the machine of their client was late itself."""
    counts: dict[Cell, Count] = field(default_factory=dict)
    tallies: dict[Cell, Tally] = field(default_factory=dict)
    moments: dict[Cell, set[int]] = field(default_factory=dict)
    """The spans of EPISODE_S seconds in which lookups of a cell failed, by number."""
    targets: dict[Target, TargetRecord] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    unlisted: int = 0
    """Number of failures that ``failures`` has no room for."""
    intercepted: list[Target] = field(default_factory=list)
    """Targets where another server answered instead of minidns."""
    integrity_probes: int = 0
    brake: Brake = field(default_factory=Brake)
    """Why the trial must stop before its end, if CoreDNS has become worse."""
    _episodes: Episodes = field(default_factory=Episodes)

    def discard(self) -> None:
        """Leave a tick out; stop the trial if its clients are late too often."""
        self.discarded += 1
        ticks = self.ticks + self.discarded
        if self.discarded >= max(LEAST_DISCARDED, MOST_DISCARDED * ticks):
            self.brake.reason = (
                "the machines of the clients are too slow: they were late themselves "
                f"in {self.discarded} of {ticks} instants"
            )

    def record(
        self, target: Target, client: Client, subject: Subject, result: Result
    ) -> Failure | None:
        """Record one result; return the failure if it is one."""
        self.brake.watch(target, result)
        kind = failure_of(result, subject.expected)
        at_s = result.sent_at - self.started_at
        count = self._episodes.count(target, kind, at_s)
        cell = self._cell(target, client, subject, result)
        self.counts[cell] = self.counts.get(cell, Count()).plus(count)
        tally = Tally(1, int(kind is not None))
        self.tallies[cell] = self.tallies.get(cell, Tally()).plus(tally)
        record = self.targets.setdefault(target, TargetRecord())
        record.lookups += 1
        if kind not in (FailureKind.NO_REPLY, FailureKind.UNREACHABLE):
            record.latencies.add(result.latency_s)
        if kind is None:
            return None
        record.failures += 1
        record.episodes += count.episodes
        record.kinds[kind] += 1
        self.moments.setdefault(cell, set()).add(int(at_s // EPISODE_S))
        failure = Failure(
            at_s, kind, target, client, subject, result, bool(count.episodes)
        )
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(failure)
        else:
            self.unlisted += 1
        return failure

    def _cell(
        self, target: Target, client: Client, subject: Subject, result: Result
    ) -> Cell:
        """Return the cell of a lookup; replicas that are not CoreDNS's do not count."""
        replica = target.replica or result.replica
        if replica not in self.layout.replicas:
            replica = ""
        return Cell(target.arm, replica, subject.kind, subject.manner, client.node)

    @property
    def episodes(self) -> int:
        """The number of episodes of all targets."""
        return sum(count.episodes for count in self.counts.values())

    def of_arm(self, name: str) -> Count:
        """Return lookups and episodes of the arm with the letter ``name``."""
        total = Count()
        for cell, count in self.counts.items():
            if cell.arm.name == name:
                total = total.plus(count)
        return total
