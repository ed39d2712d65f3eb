"""Which names a trial looks up: what is left out, what is expected, what changes."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from minidns.dns.model import Question, Rcode
from minidns.dns.rdata import AAAA, PTR, A
from minidns.kubernetes.documents import Documents
from minidns.probe.questions import from_list
from minidns.second_dns.session import Refusal
from minidns.trial.arms import Client, Manner, NameKind, Target
from minidns.trial.live import names
from minidns.trial.live.changing import SETTLED_S, Changing
from minidns.trial.live.names import Checked, Names, Step, Wanted
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
WANTED = [Wanted(subject.name, (subject,)) for subject in SUBJECTS]
ALWAYS = 10**6


def check(wanted: Sequence[Wanted], prober: Answers) -> tuple[Checked, list[Step]]:
    """Return what a trial can use, and the steps on the way."""
    steps: list[Step] = []
    return clock.run(names.check(wanted, prober, LAYOUT, 0.1, steps.append)), steps


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
    checked, _ = check(WANTED, Answers(silent))
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
        check(WANTED, Answers(silent))


async def test_the_objects_say_what_is_expected() -> None:
    async with desk(cluster()) as made:
        asked = [
            *(Question("kube-dns.kube-system.svc.cluster.local.", rtype) for rtype in (A, AAAA)),
            Question("none.shop.svc.cluster.local.", A),
            Question("example.org.", A),
            Question("10.0.96.10.in-addr.arpa.", PTR),
            Question("local.", A),
        ]
        wanted = await names.wanted(asked, made.session.api, "cluster.local", "shop", Random(1))
    found = [name.meanings[0] for name in wanted]
    assert [(s.name.partition(".")[0], s.kind, s.expected.answers) for s in found] == [
        ("kube-dns", NameKind.CLUSTER, (frozenset(("10.96.0.10",)), frozenset(("10.96.0.10",)))),
        ("none", NameKind.CLUSTER, ()),
        ("example", NameKind.EXTERNAL, ()),
        ("local", NameKind.EXTERNAL, ()),
    ]
    assert found[0].objects.startswith("Service kube-system/kube-dns ")


SHORT = [
    # the name that is given, what it may stand for
    ("kube-dns.kube-system", ["kube-dns.kube-system.svc.cluster.local"]),
    ("kube-dns.kube-system.svc", ["kube-dns.kube-system.svc.cluster.local"]),
    ("web", ["web.shop.svc.cluster.local"]),
    ("kube-dns.kube-system.svc.cluster.local", ["kube-dns.kube-system.svc.cluster.local"]),
    ("none.shop.svc.cluster.local", ["none.shop.svc.cluster.local"]),
    ("a.test", ["a.test", "a.test.shop.svc.cluster.local", "a.test.svc.cluster.local", "a.test.cluster.local"]),
    # too long with any domain of the search list
    (f"{'a.' * 120}test", [f"{'a.' * 120}test"]),
    (".", [""]),
]


@pytest.mark.parametrize(("given", "meanings"), SHORT, ids=[row[0][:40] for row in SHORT])
async def test_a_name_outside_of_the_cluster_may_be_short(given: str, meanings: list[str]) -> None:
    of = cluster()
    meta, ports = {"name": "web", "namespace": "shop"}, [{"port": 80}]
    of.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}})
    async with desk(of) as made:
        asked = list(from_list([given], ["A"], "--name"))
        (wanted,) = await names.wanted(asked, made.session.api, "cluster.local", "shop", Random(1))
    assert [subject.name for subject in wanted.meanings] == [f"{name}." for name in meanings]


@dataclass
class NoIpv6(Answers):
    """A prober for whom AAAA has no addresses, and is never answered for some names."""

    lost: tuple[str, ...] = ()

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        if subject.types != (AAAA,):
            return await super().look_up(client, target, subject)
        silent = subject.name in self.lost
        return Result(0.0, 0.001, Outcome.SILENT if silent else Outcome.REPLIED)


def test_plain_lookups_ask_for_aaaa_too_where_it_is_answered() -> None:
    inside = Subject("c.test.", NameKind.CLUSTER)
    checked, _ = check([*WANTED, Wanted("c.test.", (inside,))], NoIpv6(lost=("b.test.",)))
    chosen = Names(checked.subjects, Random(1), None, checked.plain)
    subjects = [clock.run(chosen.next()) for _ in range(100)]
    plain = {(subject.name, subject.types) for subject in subjects if subject.manner is Manner.PLAIN}
    assert plain == {("a.test.", (A,)), ("a.test.", (AAAA,)), ("b.test.", (A,)), ("c.test.", (A,))}
    libc = {(subject.types, subject.expected.may_be_empty) for subject in subjects if subject.manner is Manner.LIBC}
    assert libc == {((A, AAAA), False)}


def test_a_short_name_is_looked_up_with_the_domain_with_which_it_resolves() -> None:
    some = [Subject(name, NameKind.CLUSTER) for name in ("db.", "db.shop.test.", "db.test.")]
    wanted = [Wanted("db.", tuple(some)), *WANTED]
    prober = Answers({("*", "db."): ALWAYS, ("K", "db.shop.test."): 1})
    checked, _ = check(wanted, prober)
    assert [subject.name for subject in checked.subjects] == ["db.shop.test.", "a.test.", "b.test."]
    assert not any(name == "db.test." for _, name in prober.asked)
    assert len(checked.remarks) == 1
    assert "db.shop.test." in checked.remarks[0]


def test_every_name_that_is_looked_up_beforehand_is_a_step() -> None:
    _, steps = check(WANTED, Answers({("*", "b.test."): ALWAYS}))
    assert steps == [Step(0, 1, 2), Step(0, 2, 2), Step(1, 1, 1), Step(2, 1, 1)]


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
