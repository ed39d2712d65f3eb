"""The live view: every arm, the likeliest suspects, and what is still needed."""

from random import Random
from typing import cast

from minidns.second_dns.session import Session
from minidns.trial.live import view
from minidns.trial.live.conduct import Conduct, Pace
from minidns.trial.live.objects import Design
from tests.trial.model import CAUSES, trial


def test_a_picture_and_a_line_of_a_trial_that_runs() -> None:
    verdict, ledger = trial(CAUSES["path"], 0.05, 1)
    pace = Pace(0.05, 1800.0, 0.1)
    conduct = Conduct(cast(Session, None), cast(Design, None), (), pace, Random(1), 0.0, ledger, verdict)
    picture = list(view.lines(conduct))
    arms = {line.split()[0] for line in picture if line.startswith("  ")}
    assert {target.arm.name for target in ledger.layout.targets} <= arms
    assert "path" in view.line(conduct)
    assert str(ledger.ticks) in picture[0]
