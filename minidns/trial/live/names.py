"""The names that a trial looks up, and the right answers to them.

A name of a Service has the answer that its object says. Of any other name only that
there is an answer is known. Before the trial, every name is looked up over every arm:
what resolves nowhere tells nothing, and what one arm never answers while it answers
other names is a steady difference, which `minidns compare` shows better than a trial.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from minidns.dns.model import Question
from minidns.dns.rdata import AAAA, A
from minidns.kubernetes.documents import Documents, Json, Refused
from minidns.second_dns.objects import SERVICE, name_of
from minidns.second_dns.session import Refusal
from minidns.trial.arms import (
    Client,
    D,
    Layout,
    Manner,
    NameKind,
    Target,
    draw_kind,
)
from minidns.trial.live.changing import Changing
from minidns.trial.lookup import Expected, Prober, Subject, as_libc, failure_of

MOST_NAMES = 100
TRIES = 3
"""Lookups after which a name counts as answered nowhere, and an arm as dead."""
MORE_TRIES = 10
"""Lookups after which a name counts as never answered over an arm, while other arms
answer it: a fault that fails every second lookup must not remove the names it fails."""
WARM_UP_S, PAUSE_S = 20.0, 0.5
"""How long to wait for new Services to work, and how often to try."""
_FAMILIES = {A: "IPv4", AAAA: "IPv6"}


@dataclass(slots=True)
class Names:
    """Chooses from the names at random, half of them as a C library looks them up."""

    subjects: Sequence[Subject]
    rng: Random
    changing: Changing | None = None
    """Names that have just changed; None without any."""

    async def next(self) -> Subject:
        """Return the next subject; see `minidns.trial.lookup.Subjects`."""
        kinds = kinds_of(self.subjects)
        changing = (NameKind.CHANGED,) if self.changing else ()
        kind = draw_kind(self.rng, (*kinds, *changing))
        changed = None
        if self.changing and kind is NameKind.CHANGED:
            changed = self.changing.take()
            kind = draw_kind(self.rng, kinds)
        subject = changed or self._of_kind(kind)
        if self.rng.choice(tuple(Manner)) is Manner.PLAIN:
            return subject
        return as_libc(subject, subject.name.removesuffix("."))

    def _of_kind(self, kind: NameKind) -> Subject:
        return self.rng.choice([s for s in self.subjects if s.kind is kind])


async def subjects(
    questions: Iterable[Question],
    api: Documents,
    domain: str,
    rng: Random,
    most: int = MOST_NAMES,
) -> list[Subject]:
    """Return what is looked up for ``questions``, at most ``most`` names at random.

    ``domain`` is that of the cluster. Types other than A and AAAA are left out.

    Raises:
        Refusal: nothing is left.

    """
    names = dict.fromkeys(q.qname for q in questions if q.qtype in _FAMILIES)
    if not names:
        raise Refusal("there is no name to look up: the source has none for A or AAAA")
    chosen = list(names)
    if len(chosen) > most:
        chosen = rng.sample(chosen, most)
    services = await _services(api, chosen, domain)
    return [_subject(name, services, domain) for name in chosen]


async def _services(
    api: Documents, names: Iterable[str], domain: str
) -> Mapping[str, Json]:
    """Return the Services of ``names``, as far as they may be read."""
    found: dict[str, Json] = {}
    for name in names:
        service, _, rest = name.removesuffix(".").partition(".")
        namespace, _, rest = rest.partition(".")
        if rest != f"svc.{domain}":
            continue
        try:
            obj = await api.find(SERVICE.path(namespace, service))
        except Refused:
            continue
        if obj is not None:
            found[name] = obj
    return found


def _subject(name: str, services: Mapping[str, Json], domain: str) -> Subject:
    kind = NameKind.EXTERNAL
    if f".{name}".endswith(f".{domain}."):
        kind = NameKind.CLUSTER
    service = services.get(name)
    if service is None:
        return Subject(name, kind)
    version = service["metadata"].get("resourceVersion", "")
    objects = f"Service {name_of(service)} {version}".strip()
    addresses = [a for a in service["spec"].get("clusterIPs") or () if a != "None"]
    if not addresses:
        return Subject(name, kind, objects=objects)
    families = (set(addresses), {a for a in addresses if ":" not in a})
    expected = Expected.addresses(*(f for f in families if f))
    return Subject(name, kind, expected=expected, objects=objects)


class Checked(NamedTuple):
    """The names that a trial can use, and why others cannot be used."""

    subjects: tuple[Subject, ...]
    remarks: tuple[str, ...]


@dataclass(slots=True)
class _Answers:
    """Which targets answered which names at least once."""

    layout: Layout
    answered: set[tuple[str, Target]]

    def dead(self) -> set[Target]:
        """Return the targets that answered nothing at all."""
        alive = {target for _, target in self.answered}
        return set(self.layout.targets) - alive

    def silent(self, subject: Subject) -> set[Target]:
        """Return the targets that never answered a name, but others."""
        return {
            target
            for target in self.layout.targets
            if (subject.name, target) not in self.answered
        } - self.dead()

    def may_change(self, subject: Subject, attempt: int) -> bool:
        """Return whether to look ``subject`` up again, after ``attempt`` times."""
        silent, dead = self.silent(subject), self.dead()
        if attempt < TRIES:
            return not attempt or bool(silent or dead)
        return 0 < len(silent) < len(self.layout.targets) - len(dead)


async def check(
    subjects: Sequence[Subject], prober: Prober, layout: Layout, pause_s: float
) -> Checked:
    """Look every name up over every arm, and return those that a trial can use.

    Raises:
        Refusal: no name can be used, or a way does not work at all.

    """
    answers = _Answers(layout, set())
    await _warm_up(subjects[0], prober, answers)
    for attempt in range(MORE_TRIES):
        for subject in subjects:
            if not answers.may_change(subject, attempt):
                continue
            client = layout.clients[attempt % len(layout.clients)]
            await _ask(client, subject, prober, answers)
            await asyncio.sleep(pause_s)
    _check_ways(answers)
    return _usable(subjects, answers)


async def _warm_up(subject: Subject, prober: Prober, answers: _Answers) -> None:
    """Wait until every way works: rules of new Services take their time."""
    until = asyncio.get_running_loop().time() + WARM_UP_S
    while asyncio.get_running_loop().time() < until and answers.dead():
        await _ask(answers.layout.clients[0], subject, prober, answers)
        await asyncio.sleep(PAUSE_S)


async def _ask(
    client: Client, subject: Subject, prober: Prober, answers: _Answers
) -> None:
    """Look a name up over the arms that have not answered it yet."""
    targets = [
        target
        for target in answers.layout.targets
        if (subject.name, target) not in answers.answered
    ]
    results = await asyncio.gather(
        *(prober.look_up(client, target, subject) for target in targets)
    )
    for target, result in zip(targets, results, strict=True):
        if failure_of(result, subject.expected) is None:
            answers.answered.add((subject.name, target))


def _check_ways(answers: _Answers) -> None:
    dead = answers.dead()
    if len(dead) == len(answers.layout.targets):
        raise Refusal(
            "no name resolves from the client pods, whichever server is asked: the "
            "names do not exist, or a NetworkPolicy keeps the clients from DNS"
        )
    is_coredns_dead = all(t in dead for t in answers.layout.targets if t.arm == D)
    # a fault of CoreDNS's Corefile fails M and P too, where minidns has that Corefile
    given = ("A", "D", "R", "M", "P") if is_coredns_dead else ("A", "D")
    ours = sorted(t.arm.name for t in dead if t.arm.name not in given)
    if ours:
        raise Refusal(
            f"arm {', '.join(ours)} answers nothing: a NetworkPolicy may keep the "
            "clients from the pods of the trial"
        )


def _usable(subjects: Sequence[Subject], answers: _Answers) -> Checked:
    usable: list[Subject] = []
    remarks: list[str] = []
    for subject in subjects:
        silent = answers.silent(subject)
        if not silent:
            usable.append(subject)
        elif len(silent) + len(answers.dead()) == len(answers.layout.targets):
            remarks.append(f"{subject.name} resolves nowhere: left out")
        else:
            arms = ", ".join(sorted(map(str, silent)))
            remarks.append(
                f"{subject.name} is never answered as expected over {arms}: left out; "
                "minidns compare shows such differences"
            )
    if not usable:
        raise Refusal(f"no name can be used: {'; '.join(remarks[:3])}")
    return Checked(tuple(usable), tuple(remarks))


def kinds_of(subjects: Iterable[Subject]) -> tuple[NameKind, ...]:
    """Return the kinds of names that are there, in their own order."""
    present = {subject.kind for subject in subjects}
    return tuple(kind for kind in NameKind if kind in present)


def described(subjects: Sequence[Subject]) -> Iterator[str]:
    """Yield how many names of each kind there are."""
    for kind in kinds_of(subjects):
        number = sum(subject.kind == kind for subject in subjects)
        yield f"{number} {kind}"
