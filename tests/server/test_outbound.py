"""Queries by UDP under way: heard together, ended one by one."""

import asyncio
import itertools
import socket
from collections import Counter as Tally
from collections.abc import AsyncIterator

import pytest

from minidns.dns.model import Question
from minidns.dns.reply import Reply
from minidns.dns.wire import encode_query
from minidns.upstream.acceptance import Asked
from minidns.upstream.udp import Flooded, Outbound
from minidns.upstream.upstream import Upstream
from tests.server.resolvers import Call, Resolver, good, say_nothing
from tests.world import settle

ASKED = Asked(Question("example.org.", 1), 0x1234)
WIRE = encode_query(ASKED.question, ASKED.id)


@pytest.fixture(params=[True, False], ids=["epoll", "no-epoll"])
async def outbound(request: pytest.FixtureRequest) -> AsyncIterator[Outbound]:
    outbound = Outbound(together=request.param)
    yield outbound
    assert len(outbound) == 0  # no test leaves one open
    outbound.close()


async def ask(outbound: Outbound, resolver: Resolver, seconds: float = 5) -> Reply:
    deadline = asyncio.get_running_loop().time() + seconds
    return await outbound.ask(resolver.upstream(), WIRE, deadline, ASKED.accept)


async def test_it_may_be_asked_outside_a_task(outbound: Outbound) -> None:
    async with Resolver() as resolver:
        work = ask(outbound, resolver)
        waiting = work.send(None)
        await asyncio.wait((waiting,), timeout=5)
        with pytest.raises(StopIteration) as stop:
            work.send(None)
    assert stop.value.value.id == ASKED.id


async def test_each_ends_at_its_own_deadline(outbound: Outbound) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    took: dict[float, float] = {}

    async def wait(seconds: float) -> None:
        with pytest.raises(TimeoutError, match=r"read udp .*: i/o timeout"):
            await ask(outbound, resolver, seconds)
        took[seconds] = loop.time() - began

    async with Resolver(say_nothing) as resolver:
        await asyncio.gather(*map(wait, (0.3, 0.1, 0.2)))
    assert list(took) == [0.1, 0.2, 0.3]
    assert all(seconds <= late for seconds, late in took.items())


async def test_a_refusal_ends_only_the_one_refused(outbound: Outbound) -> None:
    async with Resolver(say_nothing) as silent, Resolver() as closed:
        waiting = asyncio.ensure_future(ask(outbound, silent))
        closed.close()
        await settle()
        with pytest.raises(ConnectionError, match="connection refused"):
            await ask(outbound, closed)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait((waiting,))


async def test_a_flood_ends_it_and_frees_the_socket(outbound: Outbound) -> None:
    async def flood(call: Call) -> None:
        for each in range(1, 100):
            call.send((call.id ^ each).to_bytes(2) + good(call.wire)[2:])

    async with Resolver(flood) as resolver:
        with pytest.raises(Flooded, match="only replies to other queries"):
            await ask(outbound, resolver)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", resolver.asked[0].peer[1]))


async def test_a_mistake_in_reading_ends_only_that_query(outbound: Outbound) -> None:
    def mistaken(reply: bytes) -> Reply | None:
        raise ZeroDivisionError

    async with Resolver() as resolver:
        with pytest.raises(ZeroDivisionError):
            await outbound.ask(resolver.upstream(), WIRE, float("inf"), mistaken)
        assert (await ask(outbound, resolver)).id == ASKED.id


async def test_a_close_ends_what_is_under_way(outbound: Outbound) -> None:
    async with Resolver(say_nothing) as resolver:
        waiting = asyncio.ensure_future(ask(outbound, resolver))
        await settle()
        outbound.close()
        with pytest.raises(ConnectionError, match="closed"):
            await waiting


async def test_what_is_given_up_before_it_left_is_not_sent(outbound: Outbound) -> None:
    async with Resolver() as resolver:
        leaving = ask(outbound, resolver)
        leaving.send(None)
        leaving.close()
        await settle()
        await ask(outbound, resolver)
        assert len(resolver.asked) == 1


async def test_one_that_cannot_leave_holds_up_no_other(outbound: Outbound) -> None:
    async with Resolver() as resolver:
        nowhere = Upstream("255.255.255.255", 53)
        lost, sent = await asyncio.gather(
            outbound.ask(nowhere, WIRE, float("inf"), ASKED.accept),
            ask(outbound, resolver),
            return_exceptions=True,
        )
    assert isinstance(lost, ConnectionError)
    assert isinstance(sent, Reply)


async def test_it_can_be_used_again_after_a_close(outbound: Outbound) -> None:
    async with Resolver() as resolver:
        for _ in range(2):
            await ask(outbound, resolver)
            outbound.close()


async def test_a_hundred_at_once_from_ports_of_their_own(outbound: Outbound) -> None:
    async with Resolver() as resolver:
        replies = await asyncio.gather(*(ask(outbound, resolver) for _ in range(100)))
        ports = [call.peer[1] for call in resolver.asked]
    assert len(replies) == len(set(ports)) == 100
    steps = Tally(b - a for a, b in itertools.pairwise(ports))
    assert max(steps.values()) < 10
