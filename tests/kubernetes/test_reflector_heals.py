"""After any history of changes and faults, once healed, the store is the API's truth."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.kubernetes.objects import Key, Object
from tests.kubernetes.scripts import Kept, reflector
from tests.kubernetes.truth import History, Truth, play, steps
from tests.world import Clock


async def heals(history: History, *, streams: bool) -> None:
    clock, kept = Clock(), Kept()
    truth = Truth(clock, streams=streams)
    task = asyncio.create_task(reflector(truth, clock, kept, streaming=True).run())
    await clock.advance(0.0)
    for (what, how), wait_s in history:
        play(truth, what, how)
        if wait_s:
            await clock.advance(wait_s)
    truth.faults.clear()
    truth.down = False
    truth.end()
    await clock.advance(60.0 + 90.0 + 60.0)
    truth.put("last")
    await clock.advance(1.0)
    expected: dict[Key, Object] = dict(truth.objects)
    assert kept.objects == expected
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.slow
@given(history=steps, streams=st.booleans())
def test_the_store_becomes_the_truth(history: History, streams: bool) -> None:
    asyncio.run(heals(history, streams=streams))
