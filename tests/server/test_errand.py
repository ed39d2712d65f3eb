"""Coroutines carried on by what they wait for, with no task around them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from minidns.upstream.errand import Errand
from tests.world import settle


class Work:
    """Waits for a future, then for another; tells what happened."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[str] = loop.create_future()
        self.second: asyncio.Future[str] = loop.create_future()
        self.told: list[str] = []

    async def both(self) -> None:
        try:
            self.told.append(await self.first)
            self.told.append(await self.second)
        except asyncio.CancelledError:
            self.told.append("cancelled")
            raise
        except OSError as exc:
            self.told.append(str(exc))

    def begin(self) -> Errand:
        return begun(self.both(), self.ended)

    def ended(self, errand: Errand, failure: Exception | None) -> None:
        assert failure is None
        self.told.append("ended")


def begun(
    work: Coroutine[Any, Any, None],
    ended: Callable[[Errand, Exception | None], None],
) -> Errand:
    errand = Errand(work, ended)
    errand.step()
    return errand


async def test_it_goes_on_when_what_it_waits_for_is_there() -> None:
    work = Work()
    work.begin()
    for number, future in enumerate((work.first, work.second), 1):
        assert len(work.told) == number - 1
        future.set_result(f"{number}")
        await settle()
    assert work.told == ["1", "2", "ended"]


async def test_what_it_waits_for_may_fail() -> None:
    work = Work()
    work.begin()
    work.first.set_exception(OSError("refused"))
    await settle()
    assert work.told == ["refused", "ended"]


@pytest.mark.parametrize("done", [False, True], ids=["waiting", "about-to-go-on"])
async def test_cancelling_reaches_it_where_it_waits(*, done: bool) -> None:
    work = Work()
    errand = work.begin()
    if done:
        work.first.set_result("too late")
    errand.cancel()
    await settle()
    assert work.told == ["cancelled", "ended"]
    assert work.first.cancelled() == (not done)


async def test_cancelling_what_has_ended_does_nothing() -> None:
    work = Work()
    errand = work.begin()
    work.first.set_result("1")
    work.second.set_result("2")
    await settle()
    errand.cancel()
    await settle()
    assert work.told == ["1", "2", "ended"]


async def test_a_bare_yield_is_the_loops_next_turn() -> None:
    told: list[str] = []

    async def twice() -> None:
        for each in "ab":
            await asyncio.sleep(0)
            told.append(each)

    begun(twice(), lambda *_: told.append("ended"))
    assert told == []
    await settle()
    assert told == ["a", "b", "ended"]


async def test_a_failure_is_told() -> None:
    failures: list[str] = []
    go: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def fails() -> None:
        await go
        raise RuntimeError("a mistake of ours")

    begun(fails(), lambda _, failure: failures.append(repr(failure)))
    go.set_result(None)
    await settle()
    assert failures == ["RuntimeError('a mistake of ours')"]
