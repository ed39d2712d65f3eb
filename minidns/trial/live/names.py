"""The names that a trial looks up, and the right answers to them.

A name of a Service has the answer that its object says. Of any other name only that
there is an answer is known. A short name is looked up with the domain of the search
list with which it resolves, as a program in the client's namespace would do.

Before the trial, every name is looked up over every arm: what resolves nowhere tells
nothing, and what one arm never answers while it answers other names is a steady
difference, which `minidns compare` shows better than a trial.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
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
_MAX_LENGTH = 254
"""Characters of a name in text, with the final dot (RFC 1035 3.1)."""


class Wanted(NamedTuple):
    """A name that a trial is to look up."""

    name: str
    """The name as it was given, with a final dot."""
    meanings: tuple[Subject, ...]
    """What it may stand for, with and without the search list; the first that resolves
    is looked up."""


class Step(NamedTuple):
    """How far the lookups before a trial are."""

    attempt: int
    """0 for the first lookup of a name."""
    done: int
    names: int
    """Names that are looked up in this attempt."""

    def __str__(self) -> str:
        """Return the step in words.

        >>> print(Step(0, 3, 100))
        before the trial: 3 of 100 names looked up over every arm
        >>> print(Step(2, 1, 4))
        before the trial: 1 of 4 names looked up again (attempt 3)
        """
        how = (
            f"again (attempt {self.attempt + 1})" if self.attempt else "over every arm"
        )
        return f"before the trial: {self.done} of {self.names} names looked up {how}"


@dataclass(slots=True)
class Names:
    """Chooses from the names at random, half of them as a C library looks them up."""

    subjects: Sequence[Subject]
    rng: Random
    changing: Changing | None = None
    """Names that have just changed; None without any."""
    plain: Mapping[str, Subject] = field(default_factory=dict)
    """Other lookups of the same names, for plain lookups alone."""

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
            other = self.plain.get(subject.name)
            return self.rng.choice((subject, other)) if other else subject
        return as_libc(subject, subject.name.removesuffix("."))

    def _of_kind(self, kind: NameKind) -> Subject:
        return self.rng.choice([s for s in self.subjects if s.kind is kind])


async def wanted(
    questions: Iterable[Question],
    api: Documents,
    domain: str,
    namespace: str,
    rng: Random,
    most: int = MOST_NAMES,
) -> list[Wanted]:
    """Return what is looked up for ``questions``, at most ``most`` names at random.

    ``domain`` is that of the cluster, ``namespace`` that of the clients, whose search
    list applies to names outside of the cluster's domain. Types other than A and AAAA
    are left out.

    Raises:
        Refusal: nothing is left.

    """
    names = dict.fromkeys(q.qname for q in questions if q.qtype in _FAMILIES)
    if not names:
        raise Refusal("there is no name to look up: the source has none for A or AAAA")
    chosen = list(names)
    if len(chosen) > most:
        chosen = rng.sample(chosen, most)
    longer = {name: list(_with_search(name, domain, namespace)) for name in chosen}
    every = [*chosen, *(name for some in longer.values() for name in some)]
    services = await _services(api, every, domain)
    return [
        Wanted(name, tuple(_meanings(name, longer[name], services, domain)))
        for name in chosen
    ]


def _with_search(name: str, domain: str, namespace: str) -> Iterator[str]:
    """Yield a name with each domain of the search list that a pod has by default."""
    if _is_within(name, domain) or name == ".":
        return
    for suffix in (f"{namespace}.svc.{domain}", f"svc.{domain}", domain):
        if len(longer := f"{name}{suffix}.") <= _MAX_LENGTH:
            yield longer


def _meanings(
    name: str, longer: Sequence[str], services: Mapping[str, Json], domain: str
) -> Iterator[Subject]:
    """Yield what a name may stand for: a Service that has it, or else any of them."""
    known = next((one for one in longer if one in services), None)
    for one in (name, *longer) if known is None else (known,):
        yield _subject(one, services, domain)


def _is_within(name: str, domain: str) -> bool:
    return f".{name}".endswith(f".{domain}.")


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
    kind = NameKind.CLUSTER if _is_within(name, domain) else NameKind.EXTERNAL
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
    plain: Mapping[str, Subject] = MappingProxyType({})
    """Lookups of AAAA by name, of the external names for which every arm answers it."""


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

    def is_answered(self, subject: Subject) -> bool:
        """Return whether any target ever answered a name."""
        return any((subject.name, t) in self.answered for t in self.layout.targets)

    def tried(self, name: Wanted) -> Iterator[Subject]:
        """Yield the meanings of a name up to the first that has been answered."""
        for subject in name.meanings:
            yield subject
            if self.is_answered(subject):
                return

    def is_open(self, name: Wanted, attempt: int) -> bool:
        """Return whether to look a name up again, after ``attempt`` times."""
        return any(self.may_change(subject, attempt) for subject in self.tried(name))

    def may_change(self, subject: Subject, attempt: int) -> bool:
        """Return whether to look ``subject`` up again, after ``attempt`` times."""
        silent, dead = self.silent(subject), self.dead()
        if attempt < TRIES:
            return not attempt or bool(silent or dead)
        return 0 < len(silent) < len(self.layout.targets) - len(dead)


async def check(
    names: Sequence[Wanted],
    prober: Prober,
    layout: Layout,
    pause_s: float,
    hear: Callable[[Step], None],
) -> Checked:
    """Look every name up over every arm, and return those that a trial can use.

    ``hear`` is told of every step.

    Raises:
        Refusal: no name can be used, or a way does not work at all.

    """
    answers = _Answers(layout, set())
    await _warm_up(names[0], prober, answers)
    for attempt in range(MORE_TRIES):
        client = layout.clients[attempt % len(layout.clients)]
        left = [name for name in names if answers.is_open(name, attempt)]
        for done, name in enumerate(left, 1):
            for subject in answers.tried(name):
                if answers.may_change(subject, attempt):
                    await _ask(client, subject, prober, answers)
                    await asyncio.sleep(pause_s)
            hear(Step(attempt, done, len(left)))
    _check_ways(answers)
    checked = _usable(names, answers)
    plain = {
        subject.name: other
        for subject in checked.subjects
        if subject.kind is NameKind.EXTERNAL
        and (other := await _ipv6_of(subject, prober, layout, pause_s))
    }
    return checked._replace(plain=plain)


async def _ipv6_of(
    subject: Subject, prober: Prober, layout: Layout, pause_s: float
) -> Subject | None:
    """Return the lookup of AAAA for a name, None unless every arm answers it.

    A C library asks for both types. Where only one of them fails, as with a resolver
    outside that does not answer AAAA, plain lookups of A alone would acquit it.
    """
    expected = Expected(may_be_empty=True)
    other = subject._replace(types=(AAAA,), expected=expected)
    answers = _Answers(layout, set())
    for attempt in range(TRIES):
        client = layout.clients[attempt % len(layout.clients)]
        await _ask(client, other, prober, answers)
        await asyncio.sleep(pause_s)
        if all((other.name, target) in answers.answered for target in layout.targets):
            return other
    return None


async def _warm_up(name: Wanted, prober: Prober, answers: _Answers) -> None:
    """Wait until every way works: rules of new Services take their time."""
    until = asyncio.get_running_loop().time() + WARM_UP_S
    while asyncio.get_running_loop().time() < until and answers.dead():
        for subject in answers.tried(name):
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
            f"no answer over {_arms(ours)}: the servers that the trial put there do "
            "not answer, or a NetworkPolicy keeps the clients from them"
        )


def _arms(letters: Sequence[str]) -> str:
    return f"arm{'s' if len(letters) > 1 else ''} {', '.join(letters)}"


def _usable(names: Sequence[Wanted], answers: _Answers) -> Checked:
    usable: dict[Subject, None] = {}
    remarks: list[str] = []
    for name in names:
        *_, subject = answers.tried(name)
        silent = answers.silent(subject)
        if not silent:
            usable[subject] = None
            if subject.name != name.name:
                remarks.append(f"{name.name} is looked up as {subject.name}")
        elif not answers.is_answered(subject):
            remarks.append(f"{_nowhere(name)}: left out")
        else:
            arms = ", ".join(sorted(map(str, silent)))
            remarks.append(
                f"{subject.name} is never answered as expected over {arms}: left out; "
                "minidns compare shows such differences"
            )
    if not usable:
        raise Refusal(f"no name can be used: {'; '.join(remarks[:3])}")
    return Checked(tuple(usable), tuple(remarks))


def _nowhere(name: Wanted) -> str:
    """Return that a name resolves nowhere, and how it was tried."""
    with_search = ", also with the search list" if len(name.meanings) > 1 else ""
    return f"{name.name} resolves nowhere{with_search}"


def kinds_of(subjects: Iterable[Subject]) -> tuple[NameKind, ...]:
    """Return the kinds of names that are there, in their own order."""
    present = {subject.kind for subject in subjects}
    return tuple(kind for kind in NameKind if kind in present)


def described(subjects: Sequence[Subject]) -> Iterator[str]:
    """Yield how many names of each kind there are."""
    for kind in kinds_of(subjects):
        number = sum(subject.kind == kind for subject in subjects)
        yield f"{number} {kind}"
