"""Queries that wait: bounded, the oldest makes room."""

import asyncio
from functools import partial

import pytest

from minidns.server.in_flight import InFlight
from tests.world import settle


class Queries:
    def __init__(self, most: int) -> None:
        self.dropped = 0
        self.in_flight = InFlight(most, self.drop)
        self.go = asyncio.Event()
        self.ended: list[str] = []

    def drop(self) -> None:
        self.dropped += 1

    def add(self, name: str) -> None:
        self.in_flight.start(partial(self.query, name))

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
