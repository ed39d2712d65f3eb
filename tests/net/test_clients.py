"""Who has to leave for another."""

import asyncio

import pytest

from minidns.net.clients import Clients


class Someone:
    def __init__(self, host: str, *, idle: bool = True) -> None:
        self.host = host
        self.idle = idle
        self.clients: Clients | None = None

    def stop(self) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        assert self.clients is not None
        self.clients.left(self)


def admitted(clients: Clients, *hosts: str, idle: bool = True) -> list[Someone]:
    found = [Someone(host, idle=idle) for host in hosts]
    for each in found:
        each.clients = clients
        assert clients.admit(each)
    return found


def test_the_longest_idle_makes_room() -> None:
    clients = Clients(2, 2)
    first, second = admitted(clients, "a", "b")
    clients.used(first)
    (third,) = admitted(clients, "c")
    assert clients.each() == (first, third)
    assert second not in clients.each()


def test_who_is_busy_stays() -> None:
    clients = Clients(2, 2)
    busy = admitted(clients, "a", "b", idle=False)
    assert not clients.admit(Someone("c"))
    assert list(clients.each()) == busy


def test_one_address_makes_room_for_itself() -> None:
    clients = Clients(9, 2)
    (other,) = admitted(clients, "b")
    own = admitted(clients, "a", "a", "a")
    assert clients.each() == (other, own[1], own[2])


def test_one_address_that_keeps_all_busy_gets_no_more() -> None:
    clients = Clients(9, 2)
    admitted(clients, "a", "a", idle=False)
    assert not clients.admit(Someone("a"))
    admitted(clients, "b")
    assert len(clients) == 3


def test_leaving_twice_and_use_after_leaving_do_no_harm() -> None:
    clients = Clients(9, 9)
    one, two = admitted(clients, "a", "a")
    clients.left(one)
    clients.left(one)
    clients.used(one)
    assert clients.each() == (two,)


@pytest.mark.parametrize("stay", [True, False])
async def test_waiting_for_all_to_leave(*, stay: bool) -> None:
    clients = Clients(9, 9)
    assert await clients.gone(5)
    (one,) = admitted(clients, "a")
    if not stay:
        asyncio.get_running_loop().call_soon(one.hang_up)
    assert await clients.gone(0.01 if stay else 5) is not stay
