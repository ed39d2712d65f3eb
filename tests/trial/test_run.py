"""Whole trials in a network made of chances: schedule, stopping, events, verdicts."""

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest

from minidns.trial.arms import Client, Target
from minidns.trial.integrity import Seal
from minidns.trial.ledger import Failure, Ledger
from minidns.trial.lookup import Result, Subject
from minidns.trial.run import Event, Plan, Progress, Trial, interval_s
from minidns.trial.suspects import Suspect
from sim.scenario import clock
from tests.table import table

from .model import CAUSES, Model, layout, race, trial

QUICK = 0.05


@pytest.mark.slow
@pytest.mark.parametrize("cause", CAUSES)
def test_the_cause_is_found(cause: str) -> None:
    arms = "A R M P K KP V VP" if cause == "version" else "A R M P K KP"
    verdict, ledger = trial(CAUSES[cause], QUICK, 101, arms=arms, background=0.05)
    assert verdict.suspect == cause
    assert verdict.odds is not None
    assert verdict.odds >= 200
    assert ledger.ticks * QUICK < 60


@pytest.mark.slow
def test_a_race_of_two_packets_is_a_fault_of_any_service_path() -> None:
    verdict, _ = trial(race, QUICK, 102, background=0.05)
    assert verdict.suspect is Suspect.SERVICE


@pytest.mark.slow
def test_the_bad_replica_is_named() -> None:
    verdict, _ = trial(CAUSES["one-replica"], QUICK, 103)
    assert verdict.best is not None
    assert verdict.best.accusation.part == "coredns-b"


@pytest.mark.slow
def test_without_arm_v_a_bad_version_is_called_software() -> None:
    verdict, _ = trial(CAUSES["version"], QUICK, 104)
    assert verdict.suspect is Suspect.SOFTWARE


def test_an_interceptor_needs_no_statistics() -> None:
    verdict, ledger = trial(CAUSES["none"], QUICK, 105, seal=False)
    assert verdict.suspect is Suspect.INTERCEPTOR
    assert ledger.ticks <= 1


@pytest.mark.slow
def test_without_a_failure_the_bound_is_stated() -> None:
    verdict, ledger = trial(CAUSES["none"], QUICK, 106, background=0.0)
    assert verdict.suspect is Suspect.NONE
    assert verdict.bound == pytest.approx(3 / ledger.ticks, rel=0.01)
    assert verdict.bound < QUICK


@pytest.mark.slow
def test_a_fault_rarer_than_the_trial_looks_for_is_found_or_left_open() -> None:
    verdict, _ = trial(CAUSES["path"], QUICK / 4, 110, to_find=QUICK, background=0.0, limit=30)
    assert verdict.suspect in (Suspect.PATH, Suspect.UNDECIDED, Suspect.NONE)


def test_the_time_limit_ends_an_open_trial() -> None:
    verdict, ledger = trial(CAUSES["configuration"], QUICK, 107, limit=0.5)
    assert verdict.suspect is Suspect.UNDECIDED
    assert ledger.ticks <= 2 * 0.5 / QUICK
    assert verdict.ranking


@pytest.mark.slow
@pytest.mark.parametrize("burst", [False, True], ids=["alike", "every arm in bursts"])
def test_coredns_is_not_blamed_if_all_arms_are_alike(burst: bool) -> None:
    share = (lambda cell: 1.0) if not burst else CAUSES["everything"]
    verdicts = [trial(share, 0.05, seed, limit=20)[0] for seed in (200, 201)]
    assert sum(verdict.suspect.is_coredns for verdict in verdicts) == 0


class Overloaded(Model):
    """A CoreDNS that gets slower the more it is asked."""

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        result = await super().look_up(client, target, subject)
        return replace(result, latency_s=result.latency_s + 0.001 * result.sent_at / 100)


@pytest.mark.slow
def test_a_trial_that_slows_coredns_down_stops() -> None:
    plan = Plan(layout(), 1e-5, 1e6, 1.0, Seal("2001:db8::5"))
    model = Overloaded(CAUSES["none"], 0.0, 0.0, 1, seal=plan.seal)
    ledger = Ledger(plan.layout, plan.rate)
    verdict = clock.run(Trial(plan, model, model, ledger, Random(1)).run())
    assert verdict.suspect is Suspect.UNDECIDED
    assert "coredns-" in ledger.brake.reason
    assert ledger.seconds < 1e5


class Starved(Model):
    """A network whose clients get no processor time in some instants: every reply is read late."""

    def __init__(self, stalls: float, late_s: float) -> None:
        super().__init__(CAUSES["none"], 0.0, 0.0, 1, seal=Seal("2001:db8::5"))
        self.stalls, self.late_s = stalls, late_s
        self.stalled: dict[float, bool] = {}

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        result = await super().look_up(client, target, subject)
        if not self.stalled.setdefault(result.sent_at, self.rng.random() < self.stalls):
            return result
        return replace(result, latency_s=1.2, late_s=self.late_s)


@pytest.mark.parametrize(
    ("stalls", "late_s", "suspect", "stops"),
    [
        pytest.param(0.1, 1.1, Suspect.NONE, False, id="the instants are left out"),
        pytest.param(0.6, 1.1, Suspect.UNDECIDED, True, id="too many of them stop the trial"),
        pytest.param(0.1, 0.01, Suspect.EVERYTHING, False, id="late replies to clients in time"),
    ],
)
def test_a_starved_machine_convicts_nobody(stalls: float, late_s: float, suspect: Suspect, stops: bool) -> None:
    plan = Plan(layout(), 0.05, 1e4, 5.0, Seal("2001:db8::5"))
    model, ledger = Starved(stalls, late_s), Ledger(plan.layout, plan.rate)
    verdict = clock.run(Trial(plan, model, model, ledger, Random(1)).run())
    assert verdict.suspect is suspect
    assert bool(ledger.brake.reason) is stops
    assert (ledger.discarded > 0) is (late_s > 1)
    assert all(record.lookups == ledger.ticks for record in ledger.targets.values())


class Recording(Model):
    """A clean network that notes who is asked when."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(CAUSES["none"], 0.0, 0.0, seed, seal=Seal("2001:db8::5"))
        self.calls: list[tuple[float, Client, Target, Subject]] = []

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        self.calls.append((asyncio.get_running_loop().time(), client, target, subject))
        return await super().look_up(client, target, subject)


def recorded(limit_s: float, tell: list[Event] | None = None) -> Recording:
    model = Recording()
    plan = Plan(layout(), 0.001, limit_s, 0.5, model.seal or Seal(""), integrity_every=10**9)
    events = tell if tell is not None else []
    ledger = Ledger(plan.layout, plan.rate)
    clock.run(Trial(plan, model, model, ledger, Random(1), events.append).run())
    return model


def test_a_tick_asks_every_target_once_at_one_moment_from_one_pod() -> None:
    model = recorded(60)
    targets = Counter(layout().targets)
    ticks: dict[float, list[tuple[Client, Target, Subject]]] = {}
    for at, client, target, subject in model.calls:
        if "invalid" not in subject.name:
            ticks.setdefault(at, []).append((client, target, subject))
    assert len(ticks) > 60
    for calls in ticks.values():
        assert Counter(target for _, target, _ in calls) == targets
        assert len({client for client, _, _ in calls}) == 1
        assert len({subject for _, _, subject in calls}) == 1


def test_order_client_and_pause_vary() -> None:
    model = recorded(60)
    calls = [call for call in model.calls if "invalid" not in call[3].name]
    size = len(layout().targets)
    orders = {tuple(target for _, _, target, _ in calls[i : i + size]) for i in range(0, len(calls), size)}
    times = sorted({at for at, *_ in calls})
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(orders) > 30
    assert {client for _, client, _, _ in calls} == set(layout().clients)
    assert 0.25 <= min(pauses) < 0.35
    assert 0.65 < max(pauses) <= 0.76


@table(
    ("rate", "replicas", "most", "ticks_per_s"),
    [
        pytest.param(0.001, 2, 1.0, 0.5, id="2 lookups per replica and tick"),
        pytest.param(0.001, 1, 1.0, 1 / 3, id="3 with one replica"),
        pytest.param(0.001, 2, 1000.0, 10.0, id="never more than 10 ticks/s"),
        pytest.param(0.02, 2, 1000.0, 1.0, id="frequent failures do not merge into one episode"),
    ],
)
def test_the_pace_is_capped(rate: float, replicas: int, most: float, ticks_per_s: float) -> None:
    assert 1 / interval_s(rate, replicas, most) == pytest.approx(ticks_per_s)


def test_failures_and_progress_are_told() -> None:
    events: list[Event] = []
    verdict, ledger = trial(CAUSES["software"], QUICK, 108, tell=events.append)
    told = [event for event in events if isinstance(event, Failure)]
    assert told == ledger.failures
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].verdict == verdict
    assert [p.ticks for p in progress] == sorted(p.ticks for p in progress)


def test_a_cancelled_trial_leaves_a_complete_ledger() -> None:
    model = Model(CAUSES["software"], 0.5, 0.0, 1, seal=Seal("2001:db8::5"))
    plan = Plan(layout(), 1e-6, 1e6, 0.1, Seal("2001:db8::5"))
    ledger = Ledger(plan.layout, plan.rate)

    async def interrupted() -> None:
        task = asyncio.create_task(Trial(plan, model, model, ledger, Random(1)).run())
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not asyncio.all_tasks() - {asyncio.current_task()}

    clock.run(interrupted())
    assert ledger.integrity_probes
    assert all(record.lookups == ledger.ticks for record in ledger.targets.values())
