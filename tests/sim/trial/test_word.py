"""The command `trial` of scenarios: wrong words are errors that say what is right."""

from sim.scenario.play import Scenario, run, steps
from sim.trial.word import COMMANDS
from tests.table import table


@table(
    ("words", "said"),
    [
        ("", "CAUSE is missing"),
        ("nobody 1/10", "nobody: not one of any, software"),
        ("version 1/10", "version: not one of any, software"),
        ("path often", "often"),
        ("path 0/1", "a rate from"),
        ("path 2/3", "a rate from"),
        ("path 1/10 seed", "N is missing"),
        ("path 1/10 sed 3", "sed is not seed"),
        ("path 1/10 seed x", "x is not a whole number"),
    ],
)
def test_wrong_words(words: str, said: str) -> None:
    (played,) = run(Scenario("text", tuple(steps(f"trial {words}", 1))), commands=COMMANDS).steps
    assert said in played.problem
    assert "usage: trial CAUSE RATE" in played.problem
