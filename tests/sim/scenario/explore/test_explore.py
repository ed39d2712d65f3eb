"""Explorations: clean on the server as it is, and able to find planted mistakes."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from minidns.server.remembered import Memory
from sim.commands import explore as command
from sim.node.in_memory import Packets
from sim.node.replica import Replica
from sim.scenario.explore import plan, run, shrink
from sim.scenario.explore.plan import Moment, Plan

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [1001, 1002, 1003, 20380, 20800])
def test_no_invariant_breaks(seed: int) -> None:
    assert run.run(plan.draw(seed)) == []


def test_a_seed_has_one_plan_and_one_course() -> None:
    assert plan.draw(7) == plan.draw(7) != plan.draw(8)


def first_found(kind: str, seeds: Iterable[int] = range(1, 15)) -> Plan:
    """Return the first plan that breaks an invariant of ``kind``."""
    for seed in seeds:
        seeded = plan.draw(seed)
        if any(violation.kind == kind for violation in run.run(seeded)):
            return seeded
    raise AssertionError("no seed finds it")


def test_replies_that_are_remembered_too_long_are_found_and_shrunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Memory, "invalidate", lambda self, keys: None)
    found = first_found("wrong")

    def breaks(candidate: Plan) -> bool:
        return any(each.kind == "wrong" for each in run.run(candidate))

    shortest = shrink.shrink(found, breaks, tries=30)
    assert breaks(shortest)
    assert len(shortest.moments) < len(found.moments) / 2


@pytest.mark.parametrize("kind", ["lost", "stale"])
def test_queries_that_are_lost_without_a_fault_are_found(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    answer: Callable[..., object] = Packets._answer  # the planted mistake is in it

    async def lossy(self: Packets, host: object, wire: bytes, *rest: object) -> object:
        if wire[0] % 8 == 7:
            return None
        return await answer(self, host, wire, *rest)  # type: ignore[misc]

    monkeypatch.setattr(Packets, "_answer", lossy)
    assert first_found(kind)


def test_a_reload_that_leaves_queries_without_a_server_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def closed_for_a_while(self: Replica) -> None:
        answerer = self.packets.hosts.pop((self.address, 53), None)
        await asyncio.sleep(20)  # longer than dig goes on trying
        if answerer is not None and self.instance is not None:
            self.packets.hosts[self.address, 53] = answerer

    monkeypatch.setattr(Replica, "reload", closed_for_a_while)
    found = first_found("lost")
    assert any(moment.command.startswith("reload") for moment in found.moments)


def test_shrinking_keeps_what_is_needed() -> None:
    moments = tuple(Moment(float(number), f"wait {number} s") for number in range(40))
    needed = {moments[3], moments[17], moments[38]}

    def breaks(candidate: Plan) -> bool:
        return needed <= set(candidate.moments)

    shortest = shrink.shrink(Plan(1, "kind", moments), breaks)
    assert set(shortest.moments) == needed
    assert shrink.shrink(replace(shortest), breaks, tries=0) == shortest


def test_the_command_counts_seeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--seeds", "2", "--jobs", "1"]) == 0
    assert capsys.readouterr().out.startswith("2 seeds, 0 failed")
