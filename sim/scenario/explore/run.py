"""Plays a plan and checks the invariants of every DNS server.

- Every reply is one that some state of the objects allowed in the last ``LAG_S``, or
  since the server lost its sight of the API, or for which a configured cache may last.
- Without a fault no query is lost, and none fails.
- Once nothing changes any more, every server answers by the current objects: nothing is
  remembered that has changed.
- A server that starts then answers the same: answers do not depend on history.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from minidns.dns.model import DnsError, Rcode
from minidns.dns.rdata import to_text, type_number
from minidns.stub.protocol import Status

from ...api.status import ApiError
from ...resolver import kinds
from .. import clock
from ..server_pods import SERVICES
from ..setup_words import COMMANDS
from ..stage import Stage, staged
from . import plan
from .history import Answer, History
from .plan import Moment, Plan

LAG_S = 0.05
"""Seconds within which a change reaches all answers, without faults."""
QUIET_S = 400.0
"""Seconds after which every cache, back-off and restart is over."""
_API = ("<>api", "api>", "node<>kube-dns", "dns>node")
"""Parts of the words of faults that also delay watches, or the requests for them: what
changes between the LIST of a new server and its WATCH is seen late."""

_HARMLESS = ("service", "pod", "delete", "outside", "reload")
"""Beginnings of commands without which no lookup may fail."""


class Violation(NamedTuple):
    """A broken invariant."""

    kind: str
    """wrong, lost, stale or history."""
    text: str


class Asked(NamedTuple):
    """A finished lookup."""

    moment: Moment
    start: float
    end: float
    answer: Answer | None
    """None if there was no reply."""


@dataclass(slots=True)
class _Playing:
    stage: Stage
    plan: Plan
    history: History
    asked: list[Asked] = field(default_factory=list)
    faults: list[tuple[str, float, float]] = field(default_factory=list)
    """The faults, with the time of their begin and end."""

    async def play(self) -> None:
        """Carry out all moments, each in a task of its own."""
        start = self.stage.now()
        work = (self._at(start, moment) for moment in sorted(self.plan.moments))
        await asyncio.gather(*work)

    async def _at(self, start: float, moment: Moment) -> None:
        await asyncio.sleep(start + moment.at_s - self.stage.now())
        verb, *words = moment.command.split()
        if verb == "query":
            await self._query(moment, words[0], " ".join(words[1:]))
            return
        self._note_fault(moment.command)
        try:
            await COMMANDS[verb].act(self.stage, words, "")
        except (ApiError, DnsError, ValueError):
            return  # the object does not exist, say: a random command may be void
        await self.stage.settle()

    def _note_fault(self, command: str) -> None:
        now = self.stage.now()
        if command.startswith("clear "):
            text = command.removeprefix("clear ")
            self.faults = [
                (fault, begin, min(end, now) if fault == text else end)
                for fault, begin, end in self.faults
            ]
        elif not command.startswith(_HARMLESS):
            # scaling down ends servers with their queries, as a fault of a moment
            end = now + 1 if command.startswith("scale") else float("inf")
            self.faults.append((command, now, end))

    async def _query(self, moment: Moment, pod: str, question: str) -> None:
        start = self.stage.now()
        answer = await _ask(self.stage, pod, question)
        self.asked.append(Asked(moment, start, self.stage.now(), answer))

    def violations(self) -> Iterator[Violation]:
        """Yield the broken invariants of all lookups."""
        for asked in self.asked:
            question = " ".join(asked.moment.command.split()[2:])
            active = self._active(asked.start, asked.end)
            if asked.answer is None or asked.answer.rcode == Rcode.SERVFAIL:
                if not active:
                    yield Violation("lost", f"{asked.moment}: no usable reply")
            else:
                allowed = self.history.between(question, self._since(asked), asked.end)
                if asked.answer not in allowed:
                    right = " or ".join(sorted(map(str, allowed)))
                    text = f"{asked.moment}: {asked.answer}, right would be {right}"
                    yield Violation("wrong", text)

    def _active(self, since: float, until: float) -> list[str]:
        """Return the faults that may have an effect from ``since`` to ``until``."""
        return [
            fault
            for fault, begin, end in self.faults
            if begin <= until and end + _lingers_s(fault) >= since
        ]

    def _since(self, asked: Asked) -> float:
        """Return the earliest time whose state a reply may show."""
        setup = plan.COREFILES[self.plan.corefile]
        is_reverse = asked.moment.command.endswith(" PTR")
        keeps_s = setup.keeps_reverse_s if is_reverse else setup.keeps_s
        since = asked.start - LAG_S - keeps_s
        for fault, begin, _ in self.faults:
            # TCP sends an event again after 1, 2, 4 ... s, also after the fault's end
            blind = any(word in fault for word in _API)
            if blind and begin <= asked.end:
                since = min(since, begin - LAG_S - keeps_s)
        return since


def _lingers_s(fault: str) -> float:
    """Return for how many seconds after its end a fault may make lookups fail."""
    if fault.startswith(("crash", "oom")):
        return 25.0  # the container restarts after a back-off
    # the queries of servers to their upstream cross the links of their pods, too
    upstream = "outside" in fault or ("link" in fault and "dns" in fault)
    if upstream or fault.startswith("servfail"):
        return 7.0  # SERVFAIL is cached, and lookups join one that still waits
    return 0.5


async def _ask(
    stage: Stage, pod: str, question: str, server: str = ""
) -> Answer | None:
    """Look up ``NAME TYPE``; return the answer, or None without a reply."""
    name, rtype = question.split()
    number = type_number(rtype)
    result = await stage.look_up(
        ("default", pod), f"{name}.", (number,), kinds.BIND_TOOLS, server=server
    )
    if result.outcome.status in (Status.SILENT, Status.REFUSED):
        return None
    replies = result.outcome.replies
    data = frozenset(
        to_text(number, data)
        for reply in replies[-1:]
        for rrset in reply.answer
        if rrset.rtype == number
        for data in rrset.rdata
    )
    return Answer(replies[-1].rcode if replies else Rcode.SERVFAIL, data)


async def _final_answers(stage: Stage) -> dict[tuple[str, str], Answer | None]:
    """Return the answer of every server to every question, asked directly."""
    return {
        (replica.address, question): await _ask(stage, "app", question, replica.address)
        for service in SERVICES
        for replica in stage.replicas(service)
        for question in plan.QUESTIONS
    }


async def _run(seeded: Plan) -> list[Violation]:
    async with staged(seeded.seed) as stage:
        stage.add_external_record(f"{plan.EXTERNAL}. 300 A 192.0.2.7")
        corefile = plan.COREFILES[seeded.corefile].corefile
        await COMMANDS["corefile"].act(stage, (), corefile)
        await stage.settle()
        playing = _Playing(stage, seeded, History(stage.cluster, stage.now))
        await playing.play()
        stage.faults.clear()
        found = list(playing.violations())
        await asyncio.sleep(QUIET_S)
        await stage.settle()
        found += await _at_rest(stage, playing.history)
        return found


async def _at_rest(stage: Stage, history: History) -> list[Violation]:
    """Return the broken invariants of a cluster that has come to rest."""
    found = []
    answers = await _final_answers(stage)
    for (address, question), answer in answers.items():
        (right,) = history.between(question, stage.now(), stage.now())
        if answer != right:
            text = f"{address} at rest: {question} {answer}, right would be {right}"
            found.append(Violation("stale", text))
    await stage.restart()
    await stage.settle()
    for (address, question), answer in (await _final_answers(stage)).items():
        before = answers.get((address, question), answer)
        if answer != before:
            text = f"{address}: {question} {before}, after a restart {answer}"
            found.append(Violation("history", text))
    return found


def run(seeded: Plan) -> list[Violation]:
    """Play a plan in virtual time; return the broken invariants."""
    return clock.run(_run(seeded), seeded.seed)
