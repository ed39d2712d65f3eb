import asyncio
import time

import pytest

from sim.scenario import clock


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
