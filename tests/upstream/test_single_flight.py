"""One exchange for equal questions, one at a time for those that hardly differ."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


async def test_a_call_that_is_cancelled_from_elsewhere_fails_for_its_callers() -> None:
    asking = Asking()
    waiting = [asking.join(key, "line") for key in ("a", "a", "b")]
    await settle()
    asking.answers["a"].cancel()
    await settle()
    for caller in waiting[:2]:
        with pytest.raises(ConnectionError):
            await caller
    asking.answers["b"].set_result("fine")
    assert await waiting[2] == "fine"


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


async def test_one_that_leaves_the_line_does_not_let_the_next_go() -> None:
    asking = Asking()
    first, leaving, last = (asking.join(key, "line") for key in "abc")
    await settle()
    leaving.cancel()
    await settle()
    assert asking.asked == ["a"]  # it is still on its way
    asking.answers["a"].set_result("a")
    await settle()
    assert asking.asked == ["a", "c"]
    asking.answers["c"].set_result("c")
    assert (await first, await last) == ("a", "c")


async def test_one_that_leaves_when_its_turn_comes_passes_it_on() -> None:
    asking = Asking()
    first, leaving, last = (asking.join(key, "line") for key in "abc")
    await settle()
    asking.answers["a"].set_result("a")
    leaving.cancel()  # in the iteration of the loop in which its turn comes
    assert await first == "a"
    await settle()
    asking.answers["c"].set_result("c")
    assert await last == "c"


ACTS = st.lists(st.tuples(st.sampled_from("jjjcar"), st.integers(0, 3), st.integers(0, 5)), max_size=40)
"""Join, cancel, answer or raise; which key; which caller."""


@given(ACTS)
@settings(deadline=None)
def test_whatever_happens_one_is_asked_at_a_time_and_all_hear(acts: list[tuple[str, int, int]]) -> None:
    asyncio.run(play(acts))


async def play(acts: list[tuple[str, int, int]]) -> None:
    flights: SingleFlight[str] = SingleFlight()
    running: dict[str, asyncio.Future[str]] = {}
    callers: list[asyncio.Task[str]] = []

    async def call(key: str) -> str:
        assert not running, "two calls of one line"
        running[key] = asyncio.get_running_loop().create_future()
        try:
            return await running[key]
        finally:
            del running[key]

    for act, number, place in acts:
        key = "abcd"[number]
        if act == "j":
            work = flights.run(key, "line", partial(call, key))
            callers.append(asyncio.get_running_loop().create_task(work))
        elif act == "c" and callers:
            callers[place % len(callers)].cancel()
        for future in running.values() if act in "ar" else ():
            if not future.done():
                end = future.set_result if act == "a" else raiser(future)
                end("answer")
        if place % 2:  # else several things happen in one iteration of the loop
            await settle()
    while not all(caller.done() for caller in callers):
        await settle()
        for future in running.values():
            if not future.done():
                future.set_result("answer")
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert all(outcome == "answer" or isinstance(outcome, OSError | asyncio.CancelledError) for outcome in outcomes)
    assert not running
    assert len(flights) == 0


def raiser(future: "asyncio.Future[str]") -> Callable[[str], None]:
    return lambda text: future.set_exception(OSError(text))
