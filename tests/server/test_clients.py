"""Eviction of client connections."""

import asyncio
from collections.abc import Callable

import pytest

from minidns.server.clients import GRACE_S, Clients
from tests.table import table


class Someone:
    def __init__(self, host: str, clients: Clients) -> None:
        self.host = host
        self.clients = clients
        self.seen = ""
        """The way in which it was ended; empty while it is open."""

    def stop(self) -> None:
        self.abort()

    def cancel(self) -> None:
        self.seen = "gave up"

    def abort(self) -> None:
        self.seen = "hung up"
        self.clients.remove(self)


def admitted(clients: Clients, *hosts: str, busy: bool = False) -> list[Someone]:
    found = [Someone(host, clients) for host in hosts]
    for each in found:
        clients.admit(each)
        if busy:
            clients.mark_busy(each)
    return found


async def test_the_longest_idle_makes_room() -> None:
    clients = Clients(2, 2)
    first, second = admitted(clients, "a", "b")
    clients.mark_idle(first)
    assert clients.admit(third := Someone("c", clients))
    assert clients.all() == (first, third)
    assert second.seen == "hung up"


async def test_the_longest_busy_makes_room_where_none_is_idle() -> None:
    clients = Clients(2, 2)
    first, second = admitted(clients, "a", "b", busy=True)
    assert clients.admit(third := Someone("c", clients))
    assert clients.all() == (third, second)
    assert first.seen == "gave up"


async def test_who_is_busy_stays_as_long_as_one_is_idle() -> None:
    clients = Clients(3, 3)
    busy = admitted(clients, "a", "b", busy=True)
    (idle,) = admitted(clients, "b")
    admitted(clients, "c")
    assert idle.seen == "hung up"
    assert [each.seen for each in busy] == ["", ""]


async def test_any_number_of_one_address_may_be_busy() -> None:
    clients = Clients(999, 2)
    busy = admitted(clients, *["a"] * 500, busy=True)
    idle = admitted(clients, "a", "a")
    await asyncio.sleep(GRACE_S)  # the time to be right is what is tested
    assert {each.seen for each in (*busy, *idle)} == {""}


@pytest.mark.parametrize("busy", [0, 5])
async def test_idle_ones_too_many_of_one_address_end_oldest_first(busy: int) -> None:
    clients = Clients(99, 2)
    admitted(clients, *["a"] * busy, busy=True)
    others = admitted(clients, "b", "b")
    own = admitted(clients, *["a"] * 5)
    await until(lambda: len(clients) == busy + 4)
    assert [each.seen for each in own] == ["hung up"] * 3 + ["", ""]
    assert [other.seen for other in others] == ["", ""]


async def test_who_has_just_come_has_time_to_ask() -> None:
    clients = Clients(99, 2)
    own = admitted(clients, *["a"] * 5)
    clients.mark_busy(own[0])  # at once
    asyncio.get_running_loop().call_later(GRACE_S / 2, admitted, clients, "a")
    asyncio.get_running_loop().call_later(GRACE_S / 2, clients.mark_busy, own[1])
    await until(lambda: bool(own[3].seen))
    assert [each.seen for each in own] == ["", "", "hung up", "hung up", ""]


async def test_who_answers_the_last_query_is_idle_again() -> None:
    clients = Clients(99, 1)
    (first,) = admitted(clients, "a", busy=True)
    (second,) = admitted(clients, "a")
    clients.mark_idle(first)
    await until(lambda: len(clients) == 1)
    assert (first.seen, second.seen) == ("", "hung up")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(GRACE_S + 5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_leaving_twice_and_use_after_leaving_do_no_harm() -> None:
    clients = Clients(9, 9)
    one, two = admitted(clients, "a", "a")
    clients.remove(one)
    clients.remove(one)
    clients.mark_busy(one)
    clients.mark_idle(one)
    assert clients.all() == (two,)


@table("last", [0, 1, 2])
async def test_the_wait_is_for_the_last_of_several(last: int) -> None:
    clients = Clients(9, 9)
    several = admitted(clients, "a", "a", "b")
    clients.mark_busy(several[1])
    for client in several:
        if client is not several[last]:
            client.abort()
    waiting = asyncio.ensure_future(clients.wait_empty(5))
    await asyncio.sleep(0)
    assert not waiting.done()
    several[last].abort()
    assert await waiting


@pytest.mark.parametrize("stay", [True, False])
async def test_waiting_for_all_to_leave(*, stay: bool) -> None:
    clients = Clients(9, 9)
    assert await clients.wait_empty(5)
    (one,) = admitted(clients, "a")
    if not stay:
        asyncio.get_running_loop().call_soon(one.abort)
    assert await clients.wait_empty(0.01 if stay else 5) is not stay
