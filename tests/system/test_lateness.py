"""How late an event loop was, in virtual time that passes while nothing runs."""

import asyncio

import pytest

from minidns.system.lateness import Lateness
from sim.scenario import clock


async def late(*stalls: tuple[float, float], start: float = 0.0, end: float = 5.0) -> float:
    """Return the lateness between two times of a loop that does not run for some seconds after others."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, clock.VirtualLoop)
    zero, lateness = loop.time(), Lateness(loop.time)
    measuring = asyncio.ensure_future(lateness.run())
    for at, seconds in stalls:
        await asyncio.sleep(zero + at - loop.time())
        loop.stall(seconds)
    await asyncio.sleep(max(zero + end - loop.time(), 0))
    measuring.cancel()
    return lateness.since(zero + start)


@pytest.mark.parametrize(
    ("stalls", "start", "end", "seconds"),
    [
        pytest.param([], 0, 5, 0.0, id="in time"),
        pytest.param([(1, 2)], 0, 5, 2.0, id="one stall"),
        pytest.param([(1, 0.5), (3, 1)], 0, 5, 1.5, id="two stalls"),
        pytest.param([(1, 2)], 4, 5, 0.0, id="before the lookup"),
        pytest.param([(1, 2)], 2, 5, 1.0, id="partly before the lookup"),
        pytest.param([(1, 2)], 0, 3, 2.0, id="up to now"),
    ],
)
def test_lateness(stalls: list[tuple[float, float]], start: float, end: float, seconds: float) -> None:
    assert clock.run(late(*stalls, start=start, end=end)) == pytest.approx(seconds, abs=0.11)


def test_without_a_measurement_nothing_is_late() -> None:
    assert Lateness(lambda: 1.0).since(0.0) == 0.0
