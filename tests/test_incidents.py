"""The incident library: with its fault a page shows the symptom, without it not."""

import re
from pathlib import Path

import pytest

from sim.scenario.play import Scenario, run, scenarios

FOLDER = Path(__file__).parents[1] / "docs" / "incidents"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "index.md")
SECTIONS = ("Symptom", "Packets", "Diagnosis", "Cure")
OBSERVED = "On a real cluster"

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


def both(page: Path) -> tuple[Scenario, Scenario]:
    """Return the scenarios with the fault and without."""
    first, second = scenarios(page.read_text(), page.name)
    return first, second


def test_there_are_twenty_at_least() -> None:
    assert len(PAGES) >= 20


def test_three_at_least_were_seen_on_a_real_cluster() -> None:
    assert sum(f"## {OBSERVED}\n" in page.read_text() for page in PAGES) >= 3


@pages
def test_a_page_names_its_reports_and_has_its_sections(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"https://github\.com/[\w.-]+/[\w.-]+/issues/\d+", text)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings in ([*SECTIONS], [*SECTIONS, OBSERVED])
    assert f"]({page.name})" in (FOLDER / "index.md").read_text()


@pytest.mark.slow
@pages
def test_with_the_fault_the_symptom_shows(page: Path) -> None:
    symptom, _ = both(page)
    assert any(step.is_fault for step in symptom.steps)
    assert run(symptom).wrong == []


@pytest.mark.slow
@pages
def test_without_the_fault_it_does_not(page: Path) -> None:
    symptom, cured = both(page)
    without = run(symptom.without_fault())
    assert without.wrong, "the output is the same without the fault"
    assert not any(step.problem for step in without.steps)
    assert run(cured).wrong == []
    assert [step.command for step in cured.steps] == [step.step.command for step in without.steps]
    assert not any(step.is_fault for step in cured.steps)
