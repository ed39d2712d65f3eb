"""Steady lookups at several servers, each counted, none stored.

In each tick every server gets the same question, in random order, so that a moment at
which something else fails counts for all of them alike. A tick does not wait for the
replies of the one before. Results go to a callback as they come; only counts stay, so
that a probe may run for days.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from random import Random
from typing import Any, NamedTuple, TypeAlias

from minidns.dns.model import Question
from minidns.probe.latencies import Latencies
from minidns.probe.lookup import LookupResult
from minidns.probe.pace import Pace
from minidns.probe.servers import Target
from minidns.upstream.upstream import joined

MAX_IN_FLIGHT = 20_000
"""Lookups that wait for replies; above it a tick waits until some have ended."""


class Probed(NamedTuple):
    """One lookup of a probe."""

    at: float
    """Time at which it was sent, in seconds since the epoch."""
    target: Target
    question: Question
    result: LookupResult


@dataclass(slots=True)
class Tally:
    """What happened at one server."""

    lookups: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    """Number of failed lookups by the kind of failure."""
    latencies: Latencies = field(default_factory=Latencies)
    """Latencies of the lookups that got a reply in time or late."""

    def add(self, result: LookupResult) -> None:
        """Count one lookup."""
        self.lookups += 1
        if result.answer is not None:
            self.latencies.add(result.seconds)
        if failure := result.failure:
            self.failures[failure] = self.failures.get(failure, 0) + 1

    @property
    def failed(self) -> int:
        """Number of failed lookups."""
        return sum(self.failures.values())


def as_json(target: Target, tally: Tally) -> dict[str, Any]:
    """Return what happened at a server as JSON; durations are in seconds."""
    return {
        "server": target.label,
        "address": joined(*target.address),
        "lookups": tally.lookups,
        "failures": tally.failures,
        "p50": tally.latencies.percentile(50),
        "p99": tally.latencies.percentile(99),
    }


LookUp: TypeAlias = Callable[[Question, Target], Awaitable[LookupResult]]
"""Makes one lookup at one server; never raises for the network."""


async def probe(
    targets: Sequence[Target],
    questions: Sequence[Question],
    look_up: LookUp,
    *,
    rate: float,
    ticks: int | None,
    stop: asyncio.Event,
    report: Callable[[Probed], None],
    rng: Random,
) -> dict[Target, Tally]:
    """Look the questions up in turn, ``rate`` a second at each server.

    The probe ends after ``ticks`` lookups at each server, or when ``stop`` is set; it
    then waits for the replies to what it sent. Each lookup is reported once.
    """
    tallies = {target: Tally() for target in targets}
    pace, room = Pace(rate), asyncio.Semaphore(MAX_IN_FLIGHT)

    async def one(question: Question, target: Target) -> None:
        at = time.time_ns() / 1e9
        try:
            result = await look_up(question, target)
        finally:
            room.release()
        tallies[target].add(result)
        report(Probed(at, target, question, result))

    numbers = count() if ticks is None else range(ticks)
    async with asyncio.TaskGroup() as tasks:
        for _, question in zip(numbers, cycle(questions), strict=False):
            await pace.turn(stop)
            if stop.is_set():
                break
            for target in rng.sample(targets, len(targets)):
                await room.acquire()
                tasks.create_task(one(question, target))
    return tallies
