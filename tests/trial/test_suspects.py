"""Which lookups fail if a suspect is to blame; the table of the method."""

import pytest

from minidns.trial.arms import Cell, Layout, Manner, NameKind
from minidns.trial.suspects import EVERY, Accusation, Suspect, hypotheses, inseparable, separating
from tests.table import table

from .model import CAUSES, REPLICAS, layout

ALL = layout("A R M P K KP V VP")


@table("cause", [cause for cause in CAUSES if cause != "none"])
def test_shares_are_those_of_the_cause(cause: str) -> None:
    part = {"one-replica": REPLICAS[1], "node": "node-2"}.get(cause, "")
    of_part = [h for h in hypotheses(ALL, 0.01) if h.suspect[:2] == (cause, part)]
    widest = max((h for h in of_part if not h.suspect.scope.per_query), key=lambda h: h.prior)
    for cell in ALL.cells():
        known = cell.replica or cause != "one-replica"
        expected = CAUSES[cause](cell) / (2 if cause == "one-replica" else 1) if known else None
        assert expected is None or widest.share(cell) == expected, cell


def test_behind_a_cluster_ip_one_of_two_replicas_has_half_of_the_lookups() -> None:
    bad = next(h for h in hypotheses(ALL, 0.01) if h.suspect == Accusation(Suspect.REPLICA, REPLICAS[0], EVERY))
    cell = next(cell for cell in ALL.cells() if cell.arm.name == "A")
    assert bad.share(cell) == 0.5


@table("arms", ["A R M P K KP V VP", "A R M P K KP", "A M", "A"])
def test_priors_are_probabilities(arms: str) -> None:
    assert sum(h.prior for h in hypotheses(layout(arms), 0.01)) == pytest.approx(1.0)


@table(
    ("arrangement", "groups"),
    [
        pytest.param(ALL, set(), id="all arms"),
        pytest.param(layout("A R M P K"), set(), id="all but the other version"),
        pytest.param(
            layout("A R M P"), {("configuration", "everything", "upstream", "stale", "client-resolver")}, id="without K"
        ),
        pytest.param(layout("A M"), set(), id="only two arms and the pods"),
    ],
)
def test_inseparable_suspects_are_known_beforehand(arrangement: Layout, groups: set[tuple[str, ...]]) -> None:
    result = {tuple(map(str, group)) for group in inseparable(arrangement)}
    if groups:
        assert any("configuration" in group and "everything" in group for group in result)
    elif len(arrangement.targets) > 5:
        assert not result
    else:
        assert result


def test_one_node_or_one_replica_is_no_suspect_of_its_own() -> None:
    small = layout(nodes=("node-1",), replicas=REPLICAS[:1])
    suspects = {h.suspect.suspect for h in hypotheses(small, 0.01)}
    assert suspects.isdisjoint({Suspect.NODE, Suspect.REPLICA, Suspect.VERSION})


def test_what_no_lookup_can_show_is_no_suspect_and_alone_in_its_group() -> None:
    stable = ALL._replace(names=(NameKind.CLUSTER,))
    compared = {h.suspect.suspect for h in hypotheses(stable, 0.01)}
    assert {Suspect.UPSTREAM, Suspect.STALE} & compared == set()
    assert sum(h.prior for h in hypotheses(stable, 0.01)) == pytest.approx(1.0)
    assert {(Suspect.UPSTREAM,), (Suspect.STALE,)} <= set(inseparable(stable))


def test_what_separates_two_suspects() -> None:
    by_accusation = {h.suspect: h for h in hypotheses(layout(), 0.01)}
    first = by_accusation[Accusation(Suspect.CONFIGURATION)]
    second = by_accusation[Accusation(Suspect.EVERYTHING)]
    cells: tuple[Cell, ...] = separating(layout(), first, second)
    assert {cell.arm.name for cell in cells} == {"K", "KP"}
    assert {cell.names for cell in cells} == set(NameKind)
    assert {cell.manner for cell in cells} == set(Manner)
