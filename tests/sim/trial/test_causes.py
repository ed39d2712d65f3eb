"""A planted cause strikes the lookups of its class, at its rate, and no others."""

from fractions import Fraction
from random import Random

import pytest

from minidns.trial.arms import A, Cell
from minidns.trial.ledger import Ledger
from minidns.trial.run import Plan, Trial
from minidns.trial.statistics import Count
from minidns.trial.suspects import Suspect, hypotheses
from sim.scenario import clock
from sim.trial.arena import arena
from sim.trial.causes import CAUSES, faulty_blocks, plant
from sim.trial.prober import SimulatedNames, SimulatedProber

RATE = Fraction(1, 5)
TICKS = 60
BY_LOOKUP = sorted(set(CAUSES) - {"none", "interceptor"})


def observe(cause: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Return the ledger of a trial that does not stop, without background."""
    monkeypatch.setattr("minidns.trial.verdict.MOMENTS", 10**9)

    async def run() -> Ledger:
        row = CAUSES[cause]
        async with arena(seed, other=row.needs_other, faulty=faulty_blocks(row, RATE)) as place:
            plant(place, row, RATE, Fraction(0), seed)
            # a rate far below the real one: the trial does not end with "none" either
            plan = Plan(place.layout, 1e-6, 6.0 * TICKS, 6.0, place.seal)
            ledger = Ledger(place.layout, plan.rate)
            prober, names = (SimulatedProber(place, Random(seed)), SimulatedNames(place, Random(seed)))
            await Trial(plan, prober, names, ledger, Random(seed)).run()
            return ledger

    return clock.run(run())


def rate_of(ledger: Ledger, cells: list[Cell]) -> float:
    total = Count()
    for cell in cells:
        total = total.plus(ledger.counts[cell])
    return total.episodes / max(total.lookups, 1)


@pytest.mark.slow
@pytest.mark.parametrize("cause", BY_LOOKUP)
def test_the_cause_strikes_its_lookups_at_its_rate(cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = observe(cause, 1, monkeypatch)
    of_cause = [h for h in hypotheses(ledger.layout, 0.1) if h.suspect.suspect == cause]
    by_failures = max(of_cause, key=lambda h: (h.log_likelihood(ledger.counts), h.prior))
    accused = [cell for cell in ledger.counts if by_failures.share(cell) >= 0.5]
    others = [cell for cell in ledger.counts if by_failures.share(cell) == 0]
    expected = float(RATE) * (2 if cause == "one-replica" else 1)
    assert 0.5 * expected < rate_of(ledger, accused) < 1.7 * expected
    assert rate_of(ledger, others) == 0


@pytest.mark.slow
@pytest.mark.parametrize("cause", ["none", "path"])
def test_without_background_only_arm_a_of_a_bad_path_fails(cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = observe(cause, 3, monkeypatch)
    failed = {target.arm for target, record in ledger.targets.items() if record.failures}
    assert failed == ({A} if cause == "path" else set())


@pytest.mark.slow
def test_the_background_strikes_every_arm() -> None:
    async def run() -> set[str]:
        async with arena(4) as place:
            plant(place, CAUSES["none"], Fraction(1, 100), Fraction(1, 4), 4)
            plan = Plan(place.layout, 1e-6, 240.0, 6.0, place.seal)
            ledger = Ledger(place.layout, plan.rate)
            await Trial(
                plan, SimulatedProber(place, Random(4)), SimulatedNames(place, Random(4)), ledger, Random(4)
            ).run()
            return {target.arm.name for target, record in ledger.targets.items() if record.failures}

    assert clock.run(run()) == {"A", "D", "R", "M", "P", "K", "KP"}


def test_a_server_that_does_not_start_ends_the_simulation() -> None:
    async def run() -> None:
        async with arena(1, faulty="nonsense {\n  unknown\n}\n"):
            pass

    with pytest.raises(RuntimeError, match="coredns"):
        clock.run(run())


def test_every_verdict_can_be_planted() -> None:
    assert {row.suspect for row in CAUSES.values()} == set(Suspect) - {Suspect.UNDECIDED}
