"""Checks run from a doubt until one is answered."""

import asyncio
from collections.abc import Callable, Coroutine

from minidns.plugins.forward.proxy import Health
from tests.world import Clock


class Patient:
    """Something to check, well from ``well_at`` on."""

    def __init__(self, well_at: float, every_s: float = 0.5) -> None:
        self.clock = Clock(start=0)
        self.well_at = well_at
        self.checked: list[float] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.health = Health(every_s, self.clock.sleep, self.start)

    def start(self, name: str, work: Callable[[], Coroutine[object, object, None]]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def check(self) -> bool:
        self.checked.append(self.clock.time)
        return self.clock.time >= self.well_at


async def test_nothing_is_checked_without_a_doubt() -> None:
    patient = Patient(well_at=0)
    await patient.clock.advance(60)
    assert patient.checked == []
    assert not patient.health.in_doubt


async def test_checks_go_on_until_one_is_answered() -> None:
    patient = Patient(well_at=2)
    patient.health.doubt(patient.check)
    await patient.clock.advance(1.9)
    assert patient.checked == [0, 0.5, 1, 1.5]
    assert patient.health.fails == 4
    assert patient.health.in_doubt
    await patient.clock.advance(60)
    assert patient.checked == [0, 0.5, 1, 1.5, 2]
    assert patient.health.fails == 0
    assert not patient.health.in_doubt
    assert not patient.tasks


async def test_doubts_do_not_add_up() -> None:
    patient = Patient(well_at=1)
    for _ in range(5):
        patient.health.doubt(patient.check)
    await patient.clock.advance(0.9)
    assert patient.checked == [0, 0.5]
    await patient.clock.advance(1)


async def test_a_new_doubt_begins_anew() -> None:
    patient = Patient(well_at=0)
    for _ in range(2):
        patient.health.doubt(patient.check)
        await patient.clock.advance(1)
    assert patient.checked == [0, 1]


async def test_an_interval_of_0_is_no_busy_loop() -> None:
    patient = Patient(well_at=1, every_s=0)
    patient.health.doubt(patient.check)
    await patient.clock.advance(2)
    assert 2 < len(patient.checked) <= 101


async def test_a_stopped_check_leaves_no_doubt() -> None:
    patient = Patient(well_at=9)
    patient.health.doubt(patient.check)
    await patient.clock.advance(0.1)
    (task,) = patient.tasks
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not patient.health.in_doubt
