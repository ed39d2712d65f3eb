"""Which names a trial looks up: what is left out, what is expected, what changes."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from minidns.dns.model import Question, Rcode
from minidns.dns.rdata import AAAA, PTR, A
from minidns.kubernetes.documents import Documents
from minidns.second_dns.session import Refusal
from minidns.trial.arms import Client, Manner, NameKind, Target
from minidns.trial.live import names
from minidns.trial.live.changing import SETTLED_S, Changing
from minidns.trial.live.names import Names
from minidns.trial.lookup import Outcome, Result, Subject
from sim.scenario import clock
from tests.second_dns.world import cluster, desk
from tests.table import table
from tests.trial.model import layout

LAYOUT = layout()


@dataclass
class Answers:
    """A prober for whom some arms do not answer some names, the first N times or ever."""

    silent: dict[tuple[str, str], int] = field(default_factory=dict)
    """Lookups without an answer by arm (`*`: any) and name (`*`: any)."""
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        await asyncio.sleep(0.001)
        self.asked[str(target), subject.name] += 1
        for arm in (str(target), "*"):
            for name in (subject.name, "*"):
                if self.asked[str(target), subject.name] <= self.silent.get((arm, name), 0):
                    return Result(0.0, 5.0, Outcome.SILENT)
        return Result(0.0, 0.001, Outcome.REPLIED, Rcode.NOERROR, frozenset(("192.0.2.1",)))


SUBJECTS = [Subject("a.test.", NameKind.EXTERNAL), Subject("b.test.", NameKind.EXTERNAL)]
ALWAYS = 10**6
CHECKS: list[tuple[str, dict[tuple[str, str], int], list[str]]] = [
    ("all is well", {}, ["a.test.", "b.test."]),
    ("new Services take their time", {("M", "a.test."): 4, ("R", "a.test."): 4}, ["a.test.", "b.test."]),
    ("a rare failure is no difference", {("K", "b.test."): 1}, ["a.test.", "b.test."]),
    (
        "a fault that fails many lookups is for the trial",
        {("K", "b.test."): 6, ("D coredns-b", "b.test."): 8},
        ["a.test.", "b.test."],
    ),
    ("a name resolves nowhere", {("*", "b.test."): ALWAYS}, ["a.test."]),
    ("one arm never answers a name", {("K", "b.test."): ALWAYS}, ["a.test."]),
    (
        "a Corefile that answers nothing is for the trial",
        {(arm, "*"): ALWAYS for arm in map(str, LAYOUT.targets) if arm[0] not in "KV"},
        ["a.test.", "b.test."],
    ),
    ("a replica that answers nothing is for the trial", {("D coredns-b", "*"): ALWAYS}, ["a.test.", "b.test."]),
]


@table(("silent", "kept"), [row[1:] for row in CHECKS], ids=[row[0] for row in CHECKS])
def test_names_that_tell_nothing_are_left_out(silent: dict[tuple[str, str], int], kept: list[str]) -> None:
    checked = clock.run(names.check(SUBJECTS, Answers(silent), LAYOUT, 0.1))
    assert [subject.name for subject in checked.subjects] == kept
    assert len(checked.remarks) == len(SUBJECTS) - len(kept)


REFUSED = [
    ("nothing answers", {("*", "*"): ALWAYS}, "NetworkPolicy"),
    ("minidns cannot be reached", {("M", "*"): ALWAYS, ("P", "*"): ALWAYS}, "M, P"),
    ("the relay does not work", {("R", "*"): ALWAYS}, "arm R"),
    ("no name is left", {("M", "a.test."): ALWAYS, ("K", "b.test."): ALWAYS}, "no name can be used"),
]


@table(("silent", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_without_names_or_ways_there_is_no_trial(silent: dict[tuple[str, str], int], why: str) -> None:
    with pytest.raises(Refusal, match=why):
        clock.run(names.check(SUBJECTS, Answers(silent), LAYOUT, 0.1))


async def test_the_objects_say_what_is_expected() -> None:
    async with desk(cluster()) as made:
        asked = [
            *(Question("kube-dns.kube-system.svc.cluster.local.", rtype) for rtype in (A, AAAA)),
            Question("none.shop.svc.cluster.local.", A),
            Question("example.org.", A),
            Question("10.0.96.10.in-addr.arpa.", PTR),
            Question("local.", A),
        ]
        found = await names.subjects(asked, made.session.api, "cluster.local", Random(1))
    assert [(s.name.partition(".")[0], s.kind, s.expected.answers) for s in found] == [
        ("kube-dns", NameKind.CLUSTER, (frozenset(("10.96.0.10",)), frozenset(("10.96.0.10",)))),
        ("none", NameKind.CLUSTER, ()),
        ("example", NameKind.EXTERNAL, ()),
        ("local", NameKind.EXTERNAL, ()),
    ]
    assert found[0].objects.startswith("Service kube-system/kube-dns ")


class Patches(Documents):
    """An API that notes what an EndpointSlice becomes."""

    def __init__(self) -> None:
        self.endpoints: list[Any] = []

    async def patch(self, path: str, patch: Any, *, dry_run: bool = False) -> Any:
        self.endpoints = patch["endpoints"]
        return {"metadata": {"name": "slice", "resourceVersion": str(len(self.endpoints))}}


def test_a_name_that_changed_is_new_and_looked_up_when_servers_must_know_it() -> None:
    async def run() -> list[tuple[Subject, Any]]:
        api = Patches()
        changing = Changing(api, "/slice", "x.shop.svc.cluster.local.", Random(1))
        chosen = Names(SUBJECTS, Random(2), changing)
        task = asyncio.ensure_future(changing.run())
        seen = []
        for second in range(60):
            await asyncio.sleep(1)
            subject = await chosen.next()
            if subject.kind is NameKind.CHANGED:
                assert second >= SETTLED_S - 1
                seen.append((subject, {e["hostname"]: e["addresses"] for e in api.endpoints}))
        task.cancel()
        return seen

    seen = clock.run(run())
    assert len({subject.name for subject, _ in seen}) == len(seen) > 10
    for subject, endpoints in seen:
        host = subject.name.partition(".")[0]
        assert subject.expected.answers == (frozenset(endpoints[host]),)
    assert {subject.manner for subject, _ in seen} == set(Manner)
