"""Lookups over real sockets, for the prober in a pod and for this machine."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from minidns.dns import rdata
from minidns.dns.model import Question, Rcode
from minidns.probe import libc
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Form, LookupResult, look_up
from minidns.trial.arms import Manner, Target
from minidns.trial.lookup import TIMEOUT_S, Outcome, Result, Subject

_OUTCOMES = {
    Kind.NO_REPLY: Outcome.SILENT,
    Kind.LATE: Outcome.SILENT,
    Kind.CLOSED: Outcome.UNREACHABLE,
    Kind.REFUSED: Outcome.UNREACHABLE,
    Kind.UNREACHABLE: Outcome.UNREACHABLE,
}
_SEVERITY = (
    Outcome.REPLIED,
    Outcome.TRUNCATED,
    Outcome.MISMATCHED,
    Outcome.UNREACHABLE,
    Outcome.SILENT,
)
_FORM = Form(edns_size=0, timeout_s=TIMEOUT_S)
"""As a C library asks: without EDNS, and again over TCP after a truncated reply."""


@dataclass(frozen=True, slots=True)
class SocketProber:
    """Makes lookups from where this program runs.

    ``search`` has the search domains of the client, for lookups as a C library makes.
    """

    search: tuple[str, ...]
    rng: Random

    async def look_up(self, target: Target, subject: Subject) -> Result:
        """Make one lookup at the address of ``target``, without retransmission."""
        sent_at = asyncio.get_running_loop().time()
        if subject.manner is Manner.LIBC:
            results = [await self._as_library(target, subject)]
        else:
            results = await self._plain(target, subject)
        return _result(sent_at, results, target)

    async def _plain(self, target: Target, subject: Subject) -> list[LookupResult]:
        to = target.address, target.port
        questions = (Question(subject.name, rtype) for rtype in subject.types)
        return await asyncio.gather(*(look_up(each, to, _FORM) for each in questions))

    async def _as_library(self, target: Target, subject: Subject) -> LookupResult:
        options = f"options timeout:{TIMEOUT_S:.0f} attempts:1"
        text = f"search {' '.join(self.search)}\n{options}\n"
        to = target.address, target.port
        return await libc.look_up_as("glibc", subject.name, to, text, self.rng)


def _result(sent_at: float, results: Sequence[LookupResult], target: Target) -> Result:
    """Return the result of a lookup, which the worst of its queries decides."""
    answers = [each.answer for each in results if each.answer is not None]
    positive = next((each for each in answers if each.records), None)
    decisive = positive or next(iter(answers), None)
    return Result(
        sent_at,
        max(each.seconds for each in results),
        max(map(_outcome, results), key=_SEVERITY.index),
        decisive.rcode if decisive else Rcode.NOERROR,
        frozenset(_addresses(answer.records for answer in answers)),
        target.replica,
        results[0].transport,
        results[0].source_port,
        results[0].ident,
    )


def _outcome(result: LookupResult) -> Outcome:
    if result.kind in _OUTCOMES:
        return _OUTCOMES[result.kind]
    if result.answer is None:
        return Outcome.MISMATCHED
    return Outcome.TRUNCATED if result.answer.truncated else Outcome.REPLIED


def _addresses(sections: Iterable[Iterable[tuple[str, int, bytes]]]) -> Iterable[str]:
    for records in sections:
        for _, rtype, data in records:
            if rtype in (rdata.A, rdata.AAAA):
                yield rdata.address(data)
