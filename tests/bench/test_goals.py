"""The report of figures: goals, tables, the document."""

from pathlib import Path

import pytest

from bench import report, table
from bench.figures import CPU, ECHO, OURS, Figures
from bench.goals import COREDNS, GOALS
from bench.machine import Machine

REPEATED = [goal for goal in GOALS if goal.what == "repeated"]
"""Against CoreDNS, and against the echo."""


def figures(**cpu_us: float) -> Figures:
    measured = Figures(Machine("any", 2, 1.0, "Linux", "CPython", 0.1), {"cluster": "one"}, [])
    for server, value in cpu_us.items():
        name = {"echo": ECHO, "ours": OURS}.get(server, server)
        measured.add("repeated", CPU, name, value, value + 1, value - 1)
    return measured


@pytest.mark.parametrize(
    ("measured", "verdicts"),
    [
        ({"echo": 2, "ours": 3.2, "coredns": 16}, ["met (at most 3.20)"] * 2),
        ({"echo": 2, "ours": 3.21, "coredns": 16}, ["not met (at most 3.20)"] * 2),
        ({"echo": 2, "ours": 3.2, "before": 16}, ["nothing to compare with", "met (at most 3.20)"]),
        ({"coredns": 16}, ["not measured"] * 2),
    ],
    ids=["met", "not-met", "another-peer-is-not-coredns", "not-measured"],
)
def test_goals(measured: dict[str, float], verdicts: list[str]) -> None:
    assert [goal.verdict(figures(**measured)) for goal in REPEATED] == verdicts


@pytest.mark.parametrize("liar", [OURS, COREDNS])
def test_figures_of_wrong_answers_meet_no_goal(liar: str) -> None:
    measured = figures(echo=2, ours=1, coredns=16)
    figure = measured.get("repeated", CPU, liar)
    assert figure is not None
    figure.wrong = 1
    assert not REPEATED[0].verdict(measured).startswith("met")
    assert "INVALID: 1 wrong" in table.text(measured)


def test_a_table_has_all_goals_and_the_ratio() -> None:
    head, row, more = table.rows(figures(echo=2, ours=3, coredns=16))
    assert head[2:] == [ECHO, OURS, COREDNS, "x C", "goal", ""]
    assert row == [
        *("repeated cluster names", CPU),
        *("2.00 (1.00 to 3.00)", "3.00 (2.00 to 4.00)", "16.0 (15.0 to 17.0)"),
        *("1.50", "at most 1/5 of CoreDNS", "met (at most 3.20)"),
    ]
    assert more[-2:] == ["at most 1.6 x C", "met (at most 3.20)"]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    measured = figures(echo=2, ours=3)
    measured.write(tmp_path / "figures.json")
    assert Figures.read(tmp_path / "figures.json") == measured


def test_the_document_says_what_was_measured_last() -> None:
    measured = Figures.read(report.FOLDER / "figures.json")
    sizes = Figures.read(report.FOLDER / "scale.json")
    text = report.DOCUMENT.read_text()
    assert report.filled(text, report.blocks(measured, sizes)) == text
    assert (report.FOLDER / "speed.svg").read_text() == report.speed_chart(measured)
    assert (report.FOLDER / "scale.svg").read_text() == report.scale_chart(sizes)


def test_every_measured_thing_has_a_title() -> None:
    assert {goal.what for goal in GOALS} <= set(table.TITLES)
