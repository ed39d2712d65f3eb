"""The trial itself: a tick asks every arm once, until a verdict or the time limit.

All lookups of a tick come from one client pod, at one moment and in random order; name,
kind of name and manner are the same. Ticks overlap, because a lookup without a reply
takes seconds, but their results are recorded in the order of the ticks. The loop knows
nothing of packets: a `Prober` makes the lookups, `Subjects` chooses them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeAlias

from minidns.trial.arms import Client, Layout, Software, Target
from minidns.trial.integrity import Seal, is_intercepted
from minidns.trial.ledger import Failure, Ledger
from minidns.trial.lookup import Prober, Result, Subject, Subjects, is_doubtful
from minidns.trial.statistics import EPISODE_S
from minidns.trial.verdict import Court, Verdict

MOST_TICKS_PER_S = 10.0
EPISODES_PER_SPAN = 0.1
"""Failures of one arm per EPISODE_S at the rate to be found: more would merge."""
JITTER = (0.5, 1.5)
"""The interval between ticks varies by these factors, so that it meets no period."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trial does, and until when."""

    layout: Layout
    rate: float
    """The rate of failures to be found, per lookup."""
    limit_s: float
    """Seconds after which the trial ends without a verdict."""
    interval_s: float
    """Mean seconds between two ticks."""
    seal: Seal
    integrity_every: int = 100
    """Ticks between two rounds of integrity probes."""

    @property
    def ticks_between_verdicts(self) -> int:
        """Ticks after which the verdict is computed although nothing failed."""
        return max(int(0.1 / self.rate), 1)


def interval_s(
    rate: float,
    replicas: int,
    most_per_replica: float,
    merging: float = EPISODES_PER_SPAN,
) -> float:
    """Return the seconds between ticks that neither harm CoreDNS nor merge episodes.

    ``most_per_replica`` is how many lookups per second each CoreDNS replica may get. In
    a tick every replica is asked directly, and arms A and R ask one of them each.
    ``merging`` is the part of the episodes of one arm that may merge with another: a
    higher one takes less time and more lookups.
    """
    per_replica = 1 + 2 / max(replicas, 1)
    ticks_per_s = min(
        MOST_TICKS_PER_S,
        most_per_replica / per_replica,
        merging / (EPISODE_S * rate),
    )
    return 1 / ticks_per_s


class Progress(NamedTuple):
    """The verdict so far, after another failure or some time."""

    seconds: float
    ticks: int
    verdict: Verdict


Event: TypeAlias = Progress | Failure
Tell: TypeAlias = Callable[[Event], None]


class _Lookup(NamedTuple):
    target: Target
    client: Client
    subject: Subject
    result: Result


_Tick: TypeAlias = "asyncio.Task[list[_Lookup]]"


@dataclass(slots=True)
class Trial:
    """A running trial. Its ledger is complete at any time, also after cancellation."""

    plan: Plan
    prober: Prober
    subjects: Subjects
    ledger: Ledger
    rng: Random
    tell: Tell = lambda event: None

    async def run(self) -> Verdict:
        """Make lookups until a verdict, the time limit or harm; return the verdict."""
        court, loop = Court.of(self.ledger), asyncio.get_running_loop()
        self.ledger.started_at = start = loop.time()
        pending: deque[_Tick] = deque()
        due, begun, verdict = start, 0, court.verdict(self.ledger)
        try:
            while not self._is_over(verdict, due - start):
                if begun % self.plan.integrity_every == 0:
                    await self._probe_integrity()
                subject = await self.subjects.next()
                pending.append(loop.create_task(self._tick(subject)))
                begun += 1
                if self._record_done(pending):
                    verdict = self._progress(court)
                due = max(due, loop.time()) + self._pause_s()
                await asyncio.sleep(due - loop.time())
            await asyncio.gather(*pending)
        finally:
            self._record_done(pending)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        return verdict if verdict.is_decided else court.verdict(self.ledger)

    def _is_over(self, verdict: Verdict, seconds: float) -> bool:
        is_late = seconds >= self.plan.limit_s
        return verdict.is_decided or is_late or bool(self.ledger.brake.reason)

    def _pause_s(self) -> float:
        return self.plan.interval_s * self.rng.uniform(*JITTER)

    async def _tick(self, subject: Subject) -> list[_Lookup]:
        """Look ``subject`` up over every arm at once."""
        client = self.rng.choice(self.plan.layout.clients)
        targets = list(self.plan.layout.targets)
        self.rng.shuffle(targets)
        results = await asyncio.gather(
            *(self.prober.look_up(client, target, subject) for target in targets)
        )
        return [
            _Lookup(target, client, subject, result)
            for target, result in zip(targets, results, strict=True)
        ]

    def _record_done(self, pending: deque[_Tick]) -> bool:
        """Record the ticks that are over; return whether a verdict may have changed."""
        is_news = False
        while pending and pending[0].done():
            lookups = pending.popleft().result()
            if any(is_doubtful(one.result, one.subject.expected) for one in lookups):
                self.ledger.discard()
                continue
            self.ledger.ticks += 1
            self.ledger.seconds = lookups[0].result.sent_at - self.ledger.started_at
            for lookup in lookups:
                failure = self.ledger.record(*lookup)
                if failure is not None:
                    is_news = is_news or failure.begins_episode
                    self.tell(failure)
            is_news = is_news or (
                self.ledger.ticks % self.plan.ticks_between_verdicts == 0
            )
        return is_news or bool(self.ledger.intercepted)

    def _progress(self, court: Court) -> Verdict:
        verdict = court.verdict(self.ledger)
        self.tell(Progress(self.ledger.seconds, self.ledger.ticks, verdict))
        return verdict

    async def _probe_integrity(self) -> None:
        """Ask minidns over all its arms for a name that nobody else knows.

        A wrong answer counts if the next one, to another name, is wrong as well.
        """
        for client in self.plan.layout.clients:
            for target in self.plan.layout.targets:
                if target.arm.software is not Software.MINIDNS:
                    continue
                self.ledger.integrity_probes += 1
                if await self._is_intercepted(
                    client, target
                ) and await self._is_intercepted(client, target):
                    self.ledger.intercepted.append(target)

    async def _is_intercepted(self, client: Client, target: Target) -> bool:
        subject = self.plan.seal.subject(self.rng)
        result = await self.prober.look_up(client, target, subject)
        return is_intercepted(subject, result)
