"""Queries that wait: bounded, the oldest makes room."""

import asyncio
import gc
from functools import partial
from weakref import ref

import pytest

from minidns.server.in_flight import InFlight
from tests.table import table
from tests.world import settle


class Queries:
    def __init__(self, most: int) -> None:
        self.dropped = 0
        self.in_flight = InFlight(most, self.drop)
        self.go = asyncio.Event()
        self.ended: list[str] = []
        self.started: list[ref[asyncio.Task[None]]] = []

    def drop(self) -> None:
        self.dropped += 1

    def add(self, name: str) -> "asyncio.Task[None]":
        task = self.in_flight.start(partial(self.query, name))
        self.started.append(ref(task))
        return task

    def kept(self) -> int:
        """Return the number of tasks that something still refers to."""
        gc.collect()
        return sum(task() is not None for task in self.started)

    async def query(self, name: str) -> None:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.ended.append(f"no {name}")
            raise
        self.ended.append(name)


@pytest.mark.parametrize("begun", [True, False])
async def test_the_oldest_makes_room(*, begun: bool) -> None:
    queries = Queries(2)
    for name in "abcd":
        queries.add(name)
        if begun:
            await asyncio.sleep(0)
    await settle()
    assert len(queries.in_flight) == 2
    assert queries.dropped == 2
    queries.go.set()
    await queries.in_flight.close(5)
    assert queries.ended == ["no a", "no b", "c", "d"]


@table("bursts", [(10, 10), (5, 50, 5), (50, 50, 50), (1,) * 100], ids=str)
async def test_in_a_flood_whoever_is_evicted_replies_and_is_forgotten(bursts: tuple[int, ...]) -> None:
    """Also if each iteration of the loop brings more than there are places."""
    queries = Queries(7)
    for number in bursts:
        for _ in range(number):
            queries.add("a")
        await asyncio.sleep(0)
    await settle()
    assert (len(queries.in_flight), queries.dropped) == (7, sum(bursts) - 7)
    assert queries.ended == ["no a"] * queries.dropped
    assert queries.kept() == 7
    await queries.in_flight.close(0)
    assert queries.kept() == 0


async def test_queries_that_need_not_wait_evict_nobody() -> None:
    queries = Queries(3)
    for name in "abc":
        queries.add(name)
    await settle()

    async def answered_at_once() -> None:
        return

    for _ in range(5):
        for _ in range(20):
            queries.in_flight.start(answered_at_once)
        await asyncio.sleep(0)
    await settle()
    assert (len(queries.in_flight), queries.dropped) == (3, 0)
    await queries.in_flight.close(0)


@pytest.mark.parametrize("begun", [True, False])
async def test_a_query_that_is_cancelled_replies_and_is_forgotten(*, begun: bool) -> None:
    """Also if its connection closes in the moment in which it came."""
    queries = Queries(1)
    task = queries.add("a")
    if begun:
        await settle()
    queries.in_flight.cancel(task)
    del task
    await settle()
    assert queries.ended == ["no a"]
    assert (len(queries.in_flight), queries.kept()) == (0, 0)


async def test_places_of_those_that_ended_are_free() -> None:
    queries = Queries(1)
    queries.add("a")
    queries.go.set()
    await settle()
    queries.go.clear()
    queries.add("b")
    queries.go.set()
    await queries.in_flight.close(5)
    assert queries.dropped == 0
    assert queries.ended == ["a", "b"]


async def test_the_end_comes_when_it_has_to() -> None:
    queries = Queries(2)
    queries.add("a")
    await queries.in_flight.close(0.01)
    assert queries.ended == ["no a"]
    assert len(queries.in_flight) == 0
