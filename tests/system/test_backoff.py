"""The bounds of client-go: 0.8 s doubling to 30 s, jitter factor 1, reset after 2 min."""

from random import Random

import pytest

from minidns.system.backoff import MAX_REQUESTED_S, Backoff
from tests.table import table
from tests.world import Clock

STEPS = [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


def waits(clock: Clock, backoff: Backoff, count: int) -> list[float]:
    found = []
    for _ in range(count):
        found.append(backoff.wait_s())
        clock.time += found[-1]
    return found


@table("seed", range(5))
def test_each_wait_is_one_to_two_steps_and_steps_double_to_30_s(seed: int) -> None:
    clock = Clock()
    backoff = Backoff(clock.now, Random(seed))
    for wait, step in zip(waits(clock, backoff, 8), STEPS, strict=True):
        assert step <= wait <= 2 * step


@table(
    ("healthy_s", "step"),
    [
        pytest.param(119.0, 30.0, id="less-than-two-minutes-of-health-go-on"),
        pytest.param(121.0, 0.8, id="two-minutes-of-health-begin-anew"),
    ],
)
def test_reset(healthy_s: float, step: float) -> None:
    clock = Clock()
    backoff = Backoff(clock.now, Random(1))
    waits(clock, backoff, 8)
    clock.time += healthy_s
    assert step <= backoff.wait_s() <= 2 * step


@table("most_s", [2.0, 4.0])
def test_steps_end_where_they_are_told_to(most_s: float) -> None:
    clock = Clock()
    backoff = Backoff(clock.now, Random(1), most_s)
    assert all(each <= 2 * most_s for each in waits(clock, backoff, 50))


def test_reset_by_whoever_knows_better() -> None:
    clock = Clock()
    backoff = Backoff(clock.now, Random(1))
    waits(clock, backoff, 8)
    backoff.reset()
    assert 0.8 <= backoff.wait_s() <= 1.6


@table(
    ("asked", "least", "most"),
    [
        pytest.param(5.0, 5.0, 5.8, id="retry-after-plus-jitter"),
        pytest.param(0.0, 0.0, 0.8, id="retry-after-0"),
        pytest.param(1e9, MAX_REQUESTED_S, MAX_REQUESTED_S + 0.8, id="nobody-waits-30-years"),
    ],
)
def test_never_sooner_than_the_server_asked_for(asked: float, least: float, most: float) -> None:
    clock = Clock()
    assert least <= Backoff(clock.now, Random(1)).wait_s(asked) <= most


def test_waits_of_different_clients_differ() -> None:
    assert len({Backoff(Clock().now, Random(n)).wait_s() for n in range(20)}) == 20
