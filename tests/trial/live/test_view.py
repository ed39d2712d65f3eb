"""The live view: every arm, the likeliest suspects, and what is still needed."""

from functools import cache
from random import Random
from typing import cast

import pytest

from minidns.second_dns.session import Session
from minidns.trial.live import view
from minidns.trial.live.conduct import Conduct, Pace
from minidns.trial.live.names import Step
from minidns.trial.live.objects import Design
from tests.trial.model import CAUSES, trial


@cache
def running() -> Conduct:
    verdict, ledger = trial(CAUSES["path"], 0.1, 1)
    pace = Pace(0.1, 1800.0, 0.1)
    return Conduct(cast(Session, None), cast(Design, None), (), pace, Random(1), 0.0, ledger, verdict)


@pytest.mark.parametrize("width", [50, 80, 120])
def test_a_picture_fits_the_terminal_and_has_every_arm(width: int) -> None:
    conduct = running()
    assert conduct.ledger is not None
    picture = list(view.lines(conduct, width))
    assert max(map(len, picture)) < width
    arms = {line.split()[0] for line in picture if line.startswith("  ")}
    assert {target.arm.name for target in conduct.ledger.layout.targets} <= arms
    assert str(conduct.ledger.ticks) in picture[0]


def test_a_line_names_the_likeliest_suspect() -> None:
    assert "path" in view.line(running())


def test_how_many_names_are_looked_up_before_a_trial_is_shown() -> None:
    starting = Conduct(cast(Session, None), cast(Design, None), (), Pace(0.1, 1800.0, 0.1), Random(1))
    starting.step = Step(0, 37, 100)
    assert "37 of 100" in view.line(starting)
    assert list(view.lines(starting, 80)) == [view.line(starting)]
