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
from minidns.upstream.acceptance import SentQuery
from minidns.upstream.udp import Flooded, UdpExchanges
from minidns.upstream.upstream import Upstream
from tests.server.resolvers import Call, Resolver, good, say_nothing
from tests.world import settle

QUESTION = Question("example.org.", 1)
WIRE = encode_query(QUESTION, 0x1234)
ASKED = SentQuery(QUESTION, WIRE)


@pytest.fixture(params=[True, False], ids=["epoll", "no-epoll"])
async def exchanges(request: pytest.FixtureRequest) -> AsyncIterator[UdpExchanges]:
    exchanges = UdpExchanges(epoll=request.param)
    yield exchanges
    assert len(exchanges) == 0  # no test leaves one open
    exchanges.close()


async def ask(exchanges: UdpExchanges, resolver: Resolver, seconds: float = 5) -> Reply:
    deadline = asyncio.get_running_loop().time() + seconds
    return await exchanges.exchange(resolver.upstream(), WIRE, deadline, ASKED.accept)


async def test_each_ends_at_its_own_deadline(exchanges: UdpExchanges) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    took: dict[float, float] = {}

    async def wait(seconds: float) -> None:
        with pytest.raises(TimeoutError, match=r"read udp .*: i/o timeout"):
            await ask(exchanges, resolver, seconds)
        took[seconds] = loop.time() - began

    async with Resolver(say_nothing) as resolver:
        await asyncio.gather(*map(wait, (0.3, 0.1, 0.2)))
    assert list(took) == [0.1, 0.2, 0.3]
    assert all(seconds <= late for seconds, late in took.items())


async def test_a_refusal_ends_only_the_one_refused(exchanges: UdpExchanges) -> None:
    async with Resolver(say_nothing) as silent, Resolver() as closed:
        waiting = asyncio.ensure_future(ask(exchanges, silent))
        closed.close()
        await settle()
        with pytest.raises(ConnectionError, match="connection refused"):
            await ask(exchanges, closed)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait((waiting,))


async def test_a_flood_ends_it_and_frees_the_socket(exchanges: UdpExchanges) -> None:
    async def flood(call: Call) -> None:
        for each in range(1, 100):
            call.send((call.id ^ each).to_bytes(2) + good(call.wire)[2:])

    async with Resolver(flood) as resolver:
        with pytest.raises(Flooded, match="only replies to other queries"):
            await ask(exchanges, resolver)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", resolver.asked[0].peer[1]))


async def test_a_mistake_in_reading_ends_only_that_query(exchanges: UdpExchanges) -> None:
    def mistaken(reply: bytes) -> Reply | None:
        raise ZeroDivisionError

    async with Resolver() as resolver:
        with pytest.raises(ZeroDivisionError):
            await exchanges.exchange(resolver.upstream(), WIRE, float("inf"), mistaken)
        assert (await ask(exchanges, resolver)).id == 0x1234


async def test_a_close_ends_what_is_under_way(exchanges: UdpExchanges) -> None:
    async with Resolver(say_nothing) as resolver:
        waiting = asyncio.ensure_future(ask(exchanges, resolver))
        await settle()
        exchanges.close()
        with pytest.raises(ConnectionError, match="closed"):
            await waiting


async def test_one_that_cannot_leave_holds_up_no_other(exchanges: UdpExchanges) -> None:
    async with Resolver() as resolver:
        nowhere = Upstream("255.255.255.255", 53)
        lost, sent = await asyncio.gather(
            exchanges.exchange(nowhere, WIRE, float("inf"), ASKED.accept),
            ask(exchanges, resolver),
            return_exceptions=True,
        )
    assert isinstance(lost, ConnectionError)
    assert isinstance(sent, Reply)


async def test_it_can_be_used_again_after_a_close(exchanges: UdpExchanges) -> None:
    async with Resolver() as resolver:
        for _ in range(2):
            await ask(exchanges, resolver)
            exchanges.close()


async def test_a_hundred_at_once_from_ports_of_their_own(exchanges: UdpExchanges) -> None:
    async with Resolver() as resolver:
        replies = await asyncio.gather(*(ask(exchanges, resolver) for _ in range(100)))
        ports = [call.peer[1] for call in resolver.asked]
    assert len(replies) == len(set(ports)) == 100
    steps = Tally(b - a for a, b in itertools.pairwise(ports))
    assert max(steps.values()) < 10
