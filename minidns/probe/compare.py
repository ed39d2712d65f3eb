"""The comparison of several servers, question by question.

All servers get a question at the same moment, because objects change: two answers of
different moments prove nothing. A question whose answers differ is asked again after
each of `PAUSES_S`, in which a server that is behind can catch up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from minidns.dns import names
from minidns.dns.model import Address, Name, Question
from minidns.probe.differences import Class, Difference, Round, classify, is_settled
from minidns.probe.lookup import Form, look_up
from minidns.probe.pace import Pace
from minidns.probe.probing import Tally

PAUSES_S = (0.3, 1.0, 3.0)
"""Waits before a question is asked again whose answers differ."""
_IN_FLIGHT = 500
"""Questions that wait for replies or for their next round at the same time."""
_REVERSE = ("in-addr.arpa.", "ip6.arpa.")


@dataclass(slots=True)
class Comparison:
    """The result of a comparison, also while it runs."""

    servers: tuple[Address, ...]
    tallies: list[Tally]
    questions: int = 0
    """Questions of which all rounds are over."""
    differing: int = 0
    """Questions in which a server differs otherwise than by TTL or order."""
    unanswered: int = 0
    """Questions that no server answered in any round."""
    differences: list[Difference] = field(default_factory=list)
    """In the order of the questions; TTL or order is only counted, see `counts`."""
    counts: dict[Class, int] = field(default_factory=dict)
    """Number of differences of each class."""

    @property
    def faults(self) -> int:
        """Number of differences for which a server is to blame."""
        return sum(count for kind, count in self.counts.items() if kind.is_fault)


async def compare(
    questions: Iterable[Question],
    servers: Sequence[Address],
    form: Form,
    *,
    rate: float,
    zone: Name,
    known: Callable[[Difference], str] = lambda difference: "",
    progress: Callable[[Comparison], None] = lambda comparison: None,
) -> Comparison:
    """Ask ``servers`` all ``questions`` and return what differs.

    ``rate`` is the number of queries a second to each server, ``zone`` the domain of
    the cluster. ``known`` returns the change of CoreDNS behind a difference, if any.
    """
    result = Comparison(tuple(servers), [Tally() for _ in servers])
    pace, room = Pace(rate), asyncio.Semaphore(_IN_FLIGHT)
    by_number: dict[int, list[Difference]] = {}

    async def one(number: int, question: Question) -> None:
        try:
            rounds = await in_rounds(partial(_round, question, result, form, pace))
        finally:
            room.release()
        is_outside = not _is_of_cluster(question.qname, zone)
        found = classify(question, rounds, is_outside=is_outside)
        by_number[number] = _count(result, rounds, found, known)
        progress(result)

    async with asyncio.TaskGroup() as tasks:
        for number, question in enumerate(questions):
            await room.acquire()
            tasks.create_task(one(number, question))
    result.differences = [each for at in sorted(by_number) for each in by_number[at]]
    return result


async def in_rounds(
    ask: Callable[[], Awaitable[Round]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> list[Round]:
    """Ask once, and if the answers differ again after each of the pauses."""
    rounds = [await ask()]
    if not is_settled(rounds[0]):
        for pause in PAUSES_S:
            await sleep(pause)
            rounds.append(await ask())
    return rounds


async def _round(
    question: Question, result: Comparison, form: Form, pace: Pace
) -> Round:
    await pace.turn()
    lookups = (look_up(question, server, form) for server in result.servers)
    outcomes = await asyncio.gather(*lookups)
    for tally, outcome in zip(result.tallies, outcomes, strict=True):
        tally.add(outcome)
    return outcomes


def _count(
    result: Comparison,
    rounds: Sequence[Round],
    found: Iterable[Difference],
    known: Callable[[Difference], str],
) -> list[Difference]:
    """Count the differences of one question; return those to be shown."""
    shown = []
    for difference in found:
        if change := known(difference):
            difference = difference.as_known(change)
        result.counts[difference.kind] = result.counts.get(difference.kind, 0) + 1
        if difference.kind is not Class.TTL_OR_ORDER:
            shown.append(difference)
    result.questions += 1
    result.differing += bool(shown)
    result.unanswered += all(each.answer is None for r in rounds for each in r)
    return shown


def _is_of_cluster(name: Name, zone: Name) -> bool:
    return any(names.is_below(name, each) for each in (zone, *_REVERSE))
