"""The suspects of a trial, and which lookups fail if one of them is to blame.

Each row of `_blames` says for a cell which part of the fault's rate it gets. A fault
may be limited to some names or to libc-like lookups (a race of two packets from one
socket, say), so most suspects come with several hypotheses.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache
from typing import NamedTuple

from minidns.trial.arms import Cell, Layout, Manner, NameKind, Software
from minidns.trial.statistics import Hypothesis, rates_below, rates_from

Share = Callable[[Cell], float]


class Suspect(StrEnum):
    """The classes of verdicts."""

    SOFTWARE = "software"
    VERSION = "version"
    CONFIGURATION = "configuration"
    REPLICA = "one-replica"
    PATH = "path"
    SERVICE = "any-service"
    NODE = "node"
    UPSTREAM = "upstream"
    STALE = "stale"
    CLIENT = "client-resolver"
    INTERCEPTOR = "interceptor"
    MINIDNS = "minidns"
    EVERYTHING = "everything"
    NONE = "none"
    UNDECIDED = "undecided"

    @property
    def is_coredns(self) -> bool:
        """Whether the verdict blames CoreDNS or its configuration."""
        return self in _OF_COREDNS


_OF_COREDNS = frozenset(
    (Suspect.SOFTWARE, Suspect.VERSION, Suspect.CONFIGURATION, Suspect.REPLICA)
)


class Scope(NamedTuple):
    """The lookups that a fault is limited to."""

    names: tuple[NameKind, ...] = tuple(NameKind)
    manners: tuple[Manner, ...] = tuple(Manner)
    per_query: bool = False
    """Whether a lookup fails twice as often if it consists of two queries."""

    def share(self, cell: Cell) -> float:
        """Return the part of the rate that a lookup gets: 0 outside of the scope."""
        if cell.names not in self.names or cell.manner not in self.manners:
            return 0.0
        return 0.5 if self.per_query and cell.manner is Manner.PLAIN else 1.0

    def part_of(self, layout: Layout) -> float:
        """Return the part of the lookups of a trial that is in the scope."""
        asked = sum(kind.weight for kind in layout.names)
        names = sum(k.weight for k in layout.names if k in self.names) / asked
        manners = len(set(self.manners) & set(layout.manners)) / len(layout.manners)
        return names * manners


_EXTERNAL = (NameKind.EXTERNAL,)
_INTERNAL = (NameKind.CLUSTER, NameKind.CHANGED)
_CHANGED = (NameKind.CHANGED,)
_LIBC = (Manner.LIBC,)
EVERY = Scope()
"""All lookups."""
EVERY_QUERY = Scope(per_query=True)
"""All queries: packets get lost, and a lookup as a C library makes it has two."""
SCOPES = {
    EVERY: 0.5,
    EVERY_QUERY: 0.35,
    Scope(names=_EXTERNAL): 0.03,
    Scope(names=_INTERNAL): 0.03,
    Scope(names=_CHANGED): 0.03,
    Scope(manners=_LIBC): 0.03,
    Scope(_EXTERNAL, _LIBC): 0.01,
    Scope(_INTERNAL, _LIBC): 0.01,
    Scope(_CHANGED, _LIBC): 0.01,
}
"""The scopes of a fault with their probabilities before the trial."""


class Accusation(NamedTuple):
    """A suspect with the part of it that is to blame, and the lookups that fail."""

    suspect: Suspect
    part: str = ""
    """A replica or a node; empty for other suspects."""
    scope: Scope = EVERY


def hypotheses(layout: Layout, rate: float) -> tuple[Hypothesis[Cell, Accusation], ...]:
    """Return what a trial compares; faults have the rate ``rate`` or more.

    All suspects are equally likely before the trial. A suspect is left out if the trial
    cannot see it: another version without arm V, one of several nodes with one node, an
    upstream without external names. A fault of a server or path that is limited to some
    lookups must still make ``rate`` of all lookups fail; that of an upstream, say, is
    never seen in others.
    """
    blames = [blame for blame in _blames(layout) if _seen(blame[2], layout)]
    parts = Counter(accusation.suspect for accusation, _, _ in blames)
    prior = 1 / (len(parts) + 1)
    result: list[Hypothesis[Cell, Accusation]] = [
        Hypothesis(
            accusation._replace(scope=scope),
            prior * chance / parts[accusation.suspect],
            _within(scope, share),
            rates_from(_least_rate(rate, scope, scopes, layout)),
        )
        for accusation, share, scopes in blames
        for scope, chance in _seen(scopes, layout).items()
    ]
    none, everywhere = Accusation(Suspect.NONE), _within(EVERY, lambda cell: 1.0)
    result.append(Hypothesis(none, prior, everywhere, rates_below(rate), (0.0,)))
    return tuple(result)


def _seen(scopes: dict[Scope, float], layout: Layout) -> dict[Scope, float]:
    """Return the scopes that lookups of the trial are in; the chances sum up to 1."""
    seen = {s: chance for s, chance in scopes.items() if s.part_of(layout)}
    return {s: chance / sum(seen.values()) for s, chance in seen.items()}


def _least_rate(
    rate: float, scope: Scope, scopes: dict[Scope, float], layout: Layout
) -> float:
    part = scope.part_of(layout) if scopes is SCOPES else 1.0
    return min(rate / part, 0.5)


def _within(scope: Scope, share: Share) -> Share:
    """Return ``share`` for the cells in ``scope``, 0 for others."""

    @cache
    def within(cell: Cell) -> float:
        return share(cell) * scope.share(cell)

    return within


_Blame = tuple[Accusation, Share, dict[Scope, float]]


def _blames(layout: Layout) -> list[_Blame]:
    """Return every accusation with the share of each cell and its possible scopes."""
    return [*_of_servers(layout), *_of_paths(layout), *_of_all_arms()]


def _of_servers(layout: Layout) -> Iterator[_Blame]:
    """Yield the accusations of servers."""
    has_other = any(
        target.arm.software is Software.OTHER_COREDNS for target in layout.targets
    )

    def software(cell: Cell) -> float:
        return float(cell.arm.software is not Software.MINIDNS)

    def version(cell: Cell) -> float:
        return float(cell.arm.software is Software.COREDNS)

    def configuration(cell: Cell) -> float:
        return float(not cell.arm.plain)

    def minidns(cell: Cell) -> float:
        return float(cell.arm.software is Software.MINIDNS)

    yield Accusation(Suspect.SOFTWARE), software, SCOPES
    if has_other:
        yield Accusation(Suspect.VERSION), version, SCOPES
    yield Accusation(Suspect.CONFIGURATION), configuration, SCOPES
    yield Accusation(Suspect.MINIDNS), minidns, SCOPES
    if len(layout.replicas) > 1:
        for replica in layout.replicas:
            share = _share_of_replica(replica, len(layout.replicas))
            yield Accusation(Suspect.REPLICA, replica), share, SCOPES


def _share_of_replica(replica: str, replicas: int) -> Share:
    """Return the shares if one of ``replicas`` CoreDNS pods is to blame."""

    def share(cell: Cell) -> float:
        if cell.arm.software is not Software.COREDNS:
            return 0.0
        return float(cell.replica == replica) if cell.replica else 1 / replicas

    return share


def _of_paths(layout: Layout) -> Iterator[_Blame]:
    """Yield the accusations of paths and nodes."""

    def path(cell: Cell) -> float:
        return float(cell.arm.service == "kube-dns")

    def any_service(cell: Cell) -> float:
        return float(bool(cell.arm.service))

    yield Accusation(Suspect.PATH), path, SCOPES
    yield Accusation(Suspect.SERVICE), any_service, SCOPES
    if len(layout.nodes) > 1:
        for node in layout.nodes:
            yield Accusation(Suspect.NODE, node), _share_of_node(node), SCOPES


def _share_of_node(node: str) -> Share:
    return lambda cell: float(cell.node == node)


def _of_all_arms() -> Iterator[_Blame]:
    """Yield the accusations that all arms share: the lookup decides, not the arm."""
    for suspect, scopes in (
        (
            Suspect.UPSTREAM,
            {
                Scope(names=_EXTERNAL): 0.5,
                Scope(names=_EXTERNAL, per_query=True): 0.5,
            },
        ),
        (Suspect.STALE, {Scope(names=_CHANGED): 1.0}),
        (Suspect.CLIENT, {Scope(manners=_LIBC): 0.8, Scope(_EXTERNAL, _LIBC): 0.2}),
        (Suspect.EVERYTHING, {EVERY: 0.5, EVERY_QUERY: 0.5}),
    ):
        yield Accusation(suspect), lambda cell: 1.0, scopes


def separating(
    layout: Layout,
    first: Hypothesis[Cell, Accusation],
    second: Hypothesis[Cell, Accusation],
) -> tuple[Cell, ...]:
    """Return the cells in which one of two accusations expects more failures."""
    return tuple(
        cell for cell in layout.cells() if first.share(cell) != second.share(cell)
    )


def inseparable(layout: Layout) -> tuple[tuple[Suspect, ...], ...]:
    """Return the suspects that the arms of a trial cannot tell from one another.

    A suspect that no lookup of the trial can show is alone in its group.
    """
    groups: dict[tuple[float, ...], list[Suspect]] = {}
    unseen: list[Suspect] = []
    cells = layout.cells()
    for accusation, share, scopes in _blames(layout):
        scope = next(iter(scopes))
        shares = tuple(_within(scope, share)(cell) for cell in cells)
        if any(shares):
            groups.setdefault(shares, []).append(accusation.suspect)
        else:
            unseen.append(accusation.suspect)
    together = (tuple(group) for group in groups.values() if len(group) > 1)
    return (*together, *((suspect,) for suspect in unseen))
