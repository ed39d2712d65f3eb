"""*forward*: what a forger would have to guess, and how often he may."""

import asyncio
import socket
from random import Random

import pytest

from minidns.dns.model import Opt
from minidns.upstream.single_flight import AT_ONCE, AT_ONCE_PER_CLIENT
from tests.plugins.forwarding import forwarding, until
from tests.server.resolvers import Call, Resolver, answer_well, good
from tests.world import query, texts

NAME = "www.example.org."
GOOD = [f"{NAME} 300 A 192.0.2.1"]


async def test_a_thousand_forged_replies() -> None:
    rng = Random(21)

    async def forge(call: Call) -> None:
        forged = good(call.wire).replace(b"\xc0\0\2\1", b"\xc0\0\2\x66")
        for ident in rng.sample(range(65536), 1000):
            if ident != call.id:
                call.send(ident.to_bytes(2) + forged[2:])
        await answer_well(call)

    async with Resolver(forge, answer_well) as resolver, forwarding(f"forward . {resolver}") as forward:
        for _ in range(5):
            assert texts((await forward.ask(query(NAME))).answer) == GOOD
        assert [call.transport for call in resolver.asked] == ["udp", "tcp"] * 5


async def test_forgers_who_are_not_the_upstream_are_not_heard() -> None:
    """The short form of a flood: from other sockets, with every id there is."""
    forged = 0

    async def forge(call: Call) -> None:
        nonlocal forged
        bad = good(call.wire).replace(b"\xc0\0\2\1", b"\xc0\0\2\x66")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for ident in range(call.id - 1000, call.id + 1000):
                sock.sendto((ident % 65536).to_bytes(2) + bad[2:], call.peer)
                forged += 1
        await answer_well(call)

    async with Resolver(forge) as resolver, forwarding(f"forward . {resolver}") as forward:
        for _ in range(10):
            assert texts((await forward.ask(query(NAME))).answer) == GOOD
        assert forged == 20_000
        assert len(resolver.asked) == 10


async def test_a_thousand_same_questions_are_asked_once() -> None:
    release = asyncio.Event()

    async def held(call: Call) -> None:
        await release.wait()
        await answer_well(call)

    async with Resolver(held) as resolver, forwarding(f"forward . {resolver}") as forward:
        waiting = [asyncio.ensure_future(forward.ask(query(NAME))) for _ in range(1000)]
        await until(lambda: resolver.asked)
        release.set()
        responses = await asyncio.gather(*waiting)
        assert {tuple(texts(response.answer)) for response in responses} == {tuple(GOOD)}
        assert len(resolver.asked) <= AT_ONCE  # one, unless the machine is slow


async def test_few_questions_that_differ_by_what_clients_choose_go_at_a_time() -> None:
    flying = most = 0

    async def slow(call: Call) -> None:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.01)
        flying -= 1
        await answer_well(call)

    variants = [query(NAME, opt=Opt(512 + number, options=((65001, bytes((number,))),))) for number in range(30)]
    async with Resolver(slow) as resolver, forwarding(f"forward . {resolver}") as forward:
        await asyncio.gather(*map(forward.ask, variants))
        assert (len(resolver.asked), most) == (30, AT_ONCE_PER_CLIENT)


@pytest.mark.slow
async def test_ids_and_ports_cannot_be_told_from_one_another() -> None:
    """The short form of 20,000 queries; the bounds are in proportion."""
    count = 1500
    async with Resolver() as resolver, forwarding(f"forward . {resolver}") as forward:
        for start in range(0, count, 50):
            await asyncio.gather(
                *(forward.ask(query(f"n{number}.example.org.")) for number in range(start, start + 50))
            )
        ids = [call.id for call in resolver.asked]
        ports = [call.peer[1] for call in resolver.asked]
    assert len(ids) == count
    assert len(set(ids)) > 1450  # of 65,536; 1,483 on average
    assert len(set(ports)) > 1380  # of 28,232; 1,461 on average
    # 16 equal parts of the ids: chi-squared with 15 degrees, p = 0.0001 at 44.3
    parts = [0] * 16
    for id_ in ids:
        parts[id_ >> 12] += 1
    expected = count / 16
    assert sum((part - expected) ** 2 / expected for part in parts) < 44.3
    assert abs(correlation(ids, ports)) < 0.11  # four standard deviations
    assert abs(correlation(ids[1:], ids[:-1])) < 0.11
    assert abs(correlation(ports[1:], ports[:-1])) < 0.11


def correlation(xs: list[int], ys: list[int]) -> float:
    n = len(xs)
    mx, my = sum(xs) / n, sum(ys) / n
    above = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True))
    below = sum((x - mx) ** 2 for x in xs) * sum((y - my) ** 2 for y in ys)
    return float(above / below**0.5)
