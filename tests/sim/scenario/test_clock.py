import asyncio
import time

import pytest

from sim.scenario import clock
from tests.table import table


def test_hours_pass_in_no_time() -> None:
    async def wait() -> float:
        start = asyncio.get_running_loop().time()
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time() - start

    begin = time.monotonic()
    assert clock.run(wait()) == pytest.approx(3600)
    assert time.monotonic() - begin < 5


def test_sleepers_wake_in_order() -> None:
    async def all_of_them() -> list[float]:
        woken: list[float] = []

        async def sleeper(seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*map(sleeper, (3, 1, 2)))
        return woken

    assert clock.run(all_of_them()) == [1, 2, 3]


def test_timeouts_are_virtual_too() -> None:
    async def never() -> None:
        async with asyncio.timeout(3600):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        clock.run(never())


def test_waiting_for_nothing_is_an_error_and_no_hang() -> None:
    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(clock.Stuck):
        clock.run(stuck())


def test_what_fails_inside_fails_outside() -> None:
    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError("so")

    with pytest.raises(ValueError, match="so"):
        clock.run(fail())


# -- the order of tasks that are ready


async def order_of_ten() -> str:
    """Return the order in which ten tasks run, each three times."""
    ran: list[str] = []

    async def work(name: str) -> None:
        for _ in range(3):
            ran.append(name)
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        ran.append(name)

    await asyncio.gather(*map(work, "abcdefghij"))
    return "".join(ran)


def test_without_a_seed_tasks_run_first_come_first_served() -> None:
    assert clock.run(order_of_ten())[:30] == "abcdefghij" * 3


def test_a_seed_draws_the_order_and_runs_every_step_once() -> None:
    orders = [clock.run(order_of_ten(), seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert all(sorted(order) == sorted("abcdefghij" * 4) for order in orders)
    assert all(order[:30] != "abcdefghij" * 3 for order in orders)


@table("seed", [None, 1, 2])
def test_cancellation_and_time_outs_work_in_any_order(seed: int | None) -> None:
    async def work() -> list[str]:
        ended = []
        task = asyncio.create_task(asyncio.sleep(5))
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            ended.append("cancelled")
        try:
            async with asyncio.timeout(1):
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append("timeout")
        return ended

    assert clock.run(work(), seed) == ["cancelled", "timeout"]
