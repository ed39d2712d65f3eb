"""One exchange for equal questions, few at a time for those that hardly differ."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidns.upstream.single_flight import AT_ONCE, AT_ONCE_PER_CLIENT, JOINED_S, SingleFlight
from tests.table import table
from tests.world import Clock, settle


class Asking:
    """Counts who is asked, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, asyncio.Future[str]] = {}
        self.clock = Clock()
        self.flights: SingleFlight[str] = SingleFlight(self.clock.now)

    def ask(self, name: str) -> Callable[[], Awaitable[str]]:
        async def ask() -> str:
            self.asked.append(name)
            future = asyncio.get_running_loop().create_future()
            self.answers[name] = future
            return str(await future)

        return ask

    def join(self, key: str, line: str | None = None, client: str = "") -> asyncio.Task[str]:
        work = self.flights.run(key, line, client, self.ask(key))
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


def full_line() -> tuple[Asking, list[asyncio.Task[str]]]:
    """Return calls by several clients that take all turns of ``line``."""
    asking = Asking()
    clients = [f"client {number // AT_ONCE_PER_CLIENT}" for number in range(AT_ONCE)]
    return asking, [asking.join(f"key {number}", "line", client) for number, client in enumerate(clients)]


async def test_few_of_one_line_go_at_a_time_in_order() -> None:
    asking, waiting = full_line()
    waiting += [asking.join(key, "line", f"client of {key}") for key in ("a", "b")]
    waiting.append(asking.join("c", "another line"))
    await settle()
    assert asking.asked == [*(f"key {number}" for number in range(AT_ONCE)), "c"]
    for key in ("key 0", "c", "a"):
        asking.answers[key].set_result(key)
        await settle()
    assert asking.asked[-2:] == ["a", "b"]
    for answer in asking.answers.values():
        if not answer.done():
            answer.set_result("late")
    await asyncio.gather(*waiting)
    assert len(asking.flights) == 0


async def test_one_client_cannot_take_all_turns() -> None:
    asking = Asking()
    greedy = [asking.join(f"key {number}", "line", "greedy") for number in range(100)]
    other = asking.join("a", "line", "other")
    same = asking.join("key 99", "line", "other")  # the last of the greedy one's
    await settle()
    assert asking.asked == [*(f"key {number}" for number in range(AT_ONCE_PER_CLIENT)), "a", "key 99"]
    asking.answers["a"].set_result("a")
    asking.answers["key 99"].set_result("b")
    assert (await other, await same) == ("a", "b")
    await asking.flights.close()
    assert all(isinstance(each, ConnectionError) for each in await asyncio.gather(*greedy, return_exceptions=True))


async def test_a_call_that_takes_long_is_not_joined() -> None:
    """Its packet may be lost, and the new caller's would not be."""
    asking = Asking()
    first = asking.join("a", "line")
    await settle()
    lost = asking.answers["a"]
    await asking.clock.advance(JOINED_S)
    second = asking.join("a", "line")
    await asking.clock.advance(0.01)
    third = asking.join("a", "line")
    await settle()
    assert asking.asked == ["a", "a"]
    asking.answers["a"].set_result("soon")
    assert await third == "soon"
    lost.set_exception(OSError("timeout"))
    for caller in (first, second):
        with pytest.raises(OSError, match="timeout"):
            await caller
    assert len(asking.flights) == 0


async def test_a_failure_lets_the_next_in_line_go() -> None:
    asking, waiting = full_line()
    last = asking.join("a", "line")
    await settle()
    asking.answers["key 0"].set_exception(OSError("refused"))
    with pytest.raises(OSError, match="refused"):
        await waiting[0]
    await settle()
    asking.answers["a"].set_result("fine")
    assert await last == "fine"
    await asking.flights.close()
    await asyncio.gather(*waiting, return_exceptions=True)


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
    waiting = [asking.join(f"key {number // 2}", "line", f"client {number % 4}") for number in range(100)]
    await settle()
    began = asking.asked.copy()
    await asking.flights.close()
    for waiter in waiting:
        with pytest.raises(ConnectionError, match="stopped"):
            await waiter
    assert asking.asked == began
    assert all(answer.cancelled() for answer in asking.answers.values())
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


@table("client", ["client 0", "another"], ids=lambda c: c.replace(" ", "-"))
async def test_one_that_leaves_the_line_does_not_let_the_next_go(client: str) -> None:
    """Whether its client has no turn left, or the line."""
    asking, waiting = full_line()
    leaving, last = (asking.join(key, "line", client) for key in "bc")
    await settle()
    leaving.cancel()
    await settle()
    assert len(asking.asked) == AT_ONCE
    asking.answers["key 0"].set_result("a")
    await settle()
    assert asking.asked[AT_ONCE:] == ["c"]
    asking.answers["c"].set_result("c")
    assert (await waiting[0], await last) == ("a", "c")
    await asking.flights.close()
    await asyncio.gather(*waiting, return_exceptions=True)


@table("client", ["client 0", "another"], ids=lambda c: c.replace(" ", "-"))
async def test_one_that_leaves_when_its_turn_comes_passes_it_on(client: str) -> None:
    asking, waiting = full_line()
    leaving, last = (asking.join(key, "line", client) for key in "bc")
    await settle()
    asking.answers["key 0"].set_result("a")
    await asyncio.sleep(0)
    leaving.cancel()  # about when its turn comes
    assert await waiting[0] == "a"
    await settle()
    asking.answers["c"].set_result("c")
    assert await last == "c"
    await asking.flights.close()
    await asyncio.gather(*waiting, return_exceptions=True)


ACTS = st.lists(
    st.tuples(st.sampled_from("jjjjcart"), st.integers(0, 30), st.integers(0, 20)), min_size=20, max_size=120
)
"""Join, cancel, answer, raise or let time pass; which key; which caller."""


@given(ACTS)
@settings(deadline=None)
def test_whatever_happens_few_are_asked_at_a_time_and_all_hear(acts: list[tuple[str, int, int]]) -> None:
    asyncio.run(play(acts))


async def play(acts: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    flights: SingleFlight[str] = SingleFlight(clock.now)
    running: list[tuple[str, asyncio.Future[str]]] = []
    callers: list[asyncio.Task[str]] = []

    async def call(client: str) -> str:
        entry = client, asyncio.get_running_loop().create_future()
        running.append(entry)
        assert len(running) <= AT_ONCE
        try:
            return str(await entry[1])
        finally:
            running.remove(entry)

    for act, number, place in acts:
        if act == "j":
            client = f"client {place % 3}"
            work = flights.run(f"key {number}", "line", client, partial(call, client))
            callers.append(asyncio.get_running_loop().create_task(work))
        elif act == "c" and callers:
            callers[place % len(callers)].cancel()
        elif act == "t":
            clock.time += JOINED_S / 2
        elif running:
            _, future = running[place % len(running)]
            if not future.done():
                end = future.set_result if act == "a" else raiser(future)
                end("answer")
        if place % 2:  # else several things happen in one iteration of the loop
            await settle()
    while not all(caller.done() for caller in callers):
        await settle()
        for _, future in running:
            if not future.done():
                future.set_result("answer")
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert all(outcome == "answer" or isinstance(outcome, OSError | asyncio.CancelledError) for outcome in outcomes)
    await settle()
    assert not running
    assert len(flights) == 0


def raiser(future: "asyncio.Future[str]") -> Callable[[str], None]:
    return lambda text: future.set_exception(OSError(text))
