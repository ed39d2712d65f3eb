"""One exchange for equal questions, one at a time for those that hardly differ."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from minidns.upstream.single_flight import SingleFlight
from tests.world import settle


class Asking:
    """Counts who is asked, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, asyncio.Future[str]] = {}
        self.flights: SingleFlight[str] = SingleFlight()

    def ask(self, name: str) -> Callable[[], Awaitable[str]]:
        async def ask() -> str:
            self.asked.append(name)
            future = asyncio.get_running_loop().create_future()
            self.answers[name] = future
            return str(await future)

        return ask

    def join(self, key: str, line: str | None = None) -> asyncio.Task[str]:
        work = self.flights.run(key, line, self.ask(key))
        return asyncio.get_running_loop().create_task(work)


async def test_a_thousand_equal_questions_are_one() -> None:
    asking = Asking()
    waiting = [asking.join("a") for _ in range(1000)]
    await settle()
    assert asking.asked == ["a"]
    asking.answers["a"].set_result("192.0.2.1")
    assert await asyncio.gather(*waiting) == ["192.0.2.1"] * 1000
    assert len(asking.flights) == 0


async def test_afterwards_it_is_asked_again() -> None:
    asking = Asking()
    for answer in ("one", "two"):
        waiting = asking.join("a")
        await settle()
        asking.answers["a"].set_result(answer)
        assert await waiting == answer
    assert asking.asked == ["a", "a"]


async def test_those_in_one_line_go_one_after_the_other() -> None:
    asking = Asking()
    waiting = [asking.join(key, "line") for key in ("a", "b", "c")]
    other = asking.join("d", "another line")
    await settle()
    assert asking.asked == ["a", "d"]
    for key in ("a", "b", "c", "d"):
        asking.answers[key].set_result(key)
        await settle()
    assert await asyncio.gather(*waiting, other) == ["a", "b", "c", "d"]
    assert asking.asked == ["a", "d", "b", "c"]


async def test_a_failure_lets_the_next_in_line_go() -> None:
    asking = Asking()
    first, second = asking.join("a", "line"), asking.join("b", "line")
    await settle()
    asking.answers["a"].set_exception(OSError("refused"))
    with pytest.raises(OSError, match="refused"):
        await first
    await settle()
    asking.answers["b"].set_result("fine")
    assert await second == "fine"


async def test_leaving_takes_no_one_elses_answer() -> None:
    asking = Asking()
    leaving, staying = asking.join("a"), asking.join("a")
    await settle()
    leaving.cancel()
    await settle()
    asking.answers["a"].set_result("for the rest")
    assert await staying == "for the rest"
    assert leaving.cancelled()


async def test_everybody_may_leave_before_a_failure() -> None:
    told: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    asking = Asking()
    leaving = asking.join("a")
    await settle()
    asking.answers["a"].set_exception(OSError("refused"))
    leaving.cancel()
    await settle()
    del asking, leaving
    assert told == []


async def test_stopping_ends_the_wait() -> None:
    asking = Asking()
    waiting = [asking.join(key, "line") for key in ("a", "a", "b")]
    await settle()
    await asking.flights.close()
    for waiter in waiting:
        with pytest.raises(ConnectionError, match="stopped"):
            await waiter
    assert asking.asked == ["a"]
    assert asking.answers["a"].cancelled()
    assert len(asking.flights) == 0


async def test_when_nobody_waits_nobody_is_asked() -> None:
    asking = Asking()
    first, second = asking.join("a"), asking.join("a")
    await settle()
    first.cancel()
    await settle()
    assert not asking.answers["a"].done()  # one still waits
    second.cancel()
    await settle()
    assert asking.answers["a"].cancelled()
    assert len(asking.flights) == 0


async def test_who_comes_after_all_have_left_asks_anew() -> None:
    asking = Asking()
    left = asking.join("a")
    await settle()
    left.cancel()
    await asyncio.sleep(0)  # the exchange is being ended, but has not ended yet
    waiting = asking.join("a")
    await settle()
    asking.answers["a"].set_result("192.0.2.1")
    assert await waiting == "192.0.2.1"
    assert asking.asked == ["a", "a"]
