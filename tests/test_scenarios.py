"""Documentation that is played: what its scenarios say is what happens."""

from pathlib import Path

import pytest

from sim.scenario import show_words
from sim.scenario.play import Scenario, failure_lines, play, scenarios
from tests.table import table

ROOT = Path(__file__).parent.parent
PLAYED_ELSEWHERE = ("incidents/", "lessons/0", "ja/")
"""Pages: test_incidents and test_lessons play theirs, test_ja compares its pages with those in English."""
SCENARIOS = [
    pytest.param(each, id=f"{path.stem}-{each.steps[0].line}")
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if not str(path.relative_to(ROOT / "docs")).startswith(PLAYED_ELSEWHERE)
    for each in scenarios(path.read_text(), str(path.relative_to(ROOT)))
]


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) > 30


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_it_says_is_what_happens(scenario: Scenario) -> None:
    played = play(scenario)
    wrong = [line for p in played if not p.holds for line in failure_lines(scenario, p)]
    assert not wrong, "\n".join(["", *wrong])
    assert len(played) == len(scenario.steps)


@table("scenario", SCENARIOS)
def test_it_shows_something(scenario: Scenario) -> None:
    verbs = {step.command.split()[0] for step in scenario.steps}
    assert verbs & show_words.COMMANDS.keys()
