"""*forward*: what other clients ask at the same time delays nobody's answer."""

import asyncio
from collections.abc import Callable

import dns.flags
import dns.message

from minidns.dns.model import AD, CD, RD, DnsError, Opt, Query, Response, replace
from minidns.plugins import forward
from minidns.upstream.upstream import Upstream
from tests.server.resolvers import good
from tests.table import table
from tests.world import World, handler_of, query, texts

NAME = "www.example.org."
GOOD = [f"{NAME} 300 A 192.0.2.1"]
PLAIN = query(NAME)
WITH_EDNS = query(NAME, opt=Opt(1232))
WITH_DO = query(NAME, opt=Opt(1232, do=True))
TRIES_S = 4.0
"""Seconds after which an upstream that is silent has failed: two tries of 2 s."""
SOON_S = 0.05


def has_edns(message: dns.message.Message) -> bool:
    return message.edns >= 0


def has_do(message: dns.message.Message) -> bool:
    return bool(message.ednsflags & dns.flags.DO)


def has_cd(message: dns.message.Message) -> bool:
    return bool(message.flags & dns.flags.CD)


def has_option(message: dns.message.Message) -> bool:
    return bool(message.options)


def never(_: dns.message.Message) -> bool:
    return False


def has_ad(message: dns.message.Message) -> bool:
    return bool(message.flags & dns.flags.AD)


def subnets(count: int) -> list[Query]:
    """Return queries of one client that differ in the client subnet (RFC 7871)."""
    return [
        query(NAME, opt=Opt(1232, options=((8, b"\0\1\x18\0" + number.to_bytes(3)),)), peer="192.0.2.99")
        for number in range(count)
    ]


class Silent:
    """An upstream that takes 20 ms for a reply, and is silent to some queries."""

    def __init__(self, world: World, is_lost: Callable[[dns.message.Message], bool]) -> None:
        self._clock, self._is_lost = world.clock, is_lost
        world.upstreams.answer = self.answer

    async def answer(self, _: Upstream, wire: bytes) -> bytes:
        if self._is_lost(dns.message.from_wire(wire)):
            await self._clock.sleep(TRIES_S / 2)
            raise TimeoutError("i/o timeout")
        await self._clock.sleep(0.02)
        return good(wire)


def start(world: World, is_lost: Callable[[dns.message.Message], bool]) -> Callable[[Query], asyncio.Task[Response]]:
    """Return a function that asks a *forward* with an upstream that loses queries."""
    Silent(world, is_lost)
    site = world.site(". {\nforward . 192.0.2.53 {\nmax_fails 0\n}\n}\n")

    async def last(query: Query) -> Response:
        raise AssertionError("everything is forwarded")

    handler = handler_of(forward.PLUGIN, site)(last)
    loop = asyncio.get_running_loop()

    async def ask(asked: Query) -> Response:
        return await handler(asked)

    return lambda asked: loop.create_task(ask(asked))


def first_only() -> Callable[[dns.message.Message], bool]:
    """Return what is true of the first query and no other."""
    received: list[dns.message.Message] = []

    def is_first(message: dns.message.Message) -> bool:
        received.append(message)
        return len(received) == 1

    return is_first


def flagged(flags: int) -> Query:
    return replace(PLAIN, flags=flags)


@table(
    ("is_lost", "before", "pause_s", "asked"),
    [
        # a middlebox drops EDNS, or the fragments of large replies do not arrive
        (has_do, [WITH_DO], 0.0, PLAIN),
        (has_do, [WITH_DO], 0.0, WITH_EDNS),
        (has_edns, [WITH_EDNS, WITH_DO], 0.0, PLAIN),
        (has_option, subnets(1), 0.0, WITH_EDNS),
        (has_option, subnets(1000), 0.0, PLAIN),
        (has_option, subnets(1000), 3.0, PLAIN),
        # many forms, each of which is answered
        (never, subnets(250), 0.0, PLAIN),
        (never, subnets(250), 0.0, replace(subnets(250)[-1], peer=("192.0.2.1", 1))),
        (has_cd, [flagged(RD | CD)], 0.0, PLAIN),
        (has_ad, [flagged(RD | AD)], 0.0, PLAIN),
        # a packet was lost: who comes later sends one of his own
        (first_only(), [PLAIN], 0.6, PLAIN),
        (first_only(), [PLAIN], TRIES_S / 2 - 0.1, PLAIN),
    ],
    ids=[
        "DO",
        "DO, both with EDNS",
        "EDNS",
        "an option",
        "many options",
        "many options, for some time",
        "many answered forms",
        "many answered forms, the last of them",
        "CD",
        "AD",
        "a lost packet",
        "a packet lost long ago",
    ],
)
async def test_one_clients_queries_do_not_delay_anothers(
    is_lost: Callable[[dns.message.Message], bool], before: list[Query], pause_s: float, asked: Query
) -> None:
    world = World()
    ask = start(world, is_lost)
    others = [ask(each) for each in before]
    await world.clock.advance(pause_s)
    answer = ask(asked)
    await world.clock.advance(SOON_S)
    assert answer.done()
    assert texts((await answer).answer) == GOOD
    await world.clock.advance(10 * TRIES_S)
    for outcome in await asyncio.gather(*others, return_exceptions=True):
        assert isinstance(outcome, Response | DnsError)
