"""*forward*: upstreams that keep silent, break off or go away, over real sockets."""

import time
from collections.abc import AsyncIterator, Callable

import pytest

from minidns.dns.model import DnsError, Response
from tests.plugins.forwarding import SERVFAIL, Forwarding, forwarding, until
from tests.server.resolvers import Call, Resolver, answer_well, good, say_nothing
from tests.table import table
from tests.world import query, texts

NAME = "www.example.org."
NAME_WIRE = b"\3www\7example\3org\0"
GOOD = [f"{NAME} 300 A 192.0.2.1"]
SOON_S = 1.0
"""Seconds that a good answer may take on a busy machine."""


async def test_after_silence_the_next_is_asked() -> None:
    async with (
        Resolver(say_nothing) as silent,
        Resolver() as resolver,
        forwarding(f"forward . {silent} {resolver} {{\npolicy sequential\nread_timeout 100ms\n}}") as forward,
    ):
        began = time.monotonic()
        assert texts((await forward.ask(query(NAME))).answer) == GOOD
        assert 0.09 < time.monotonic() - began < SOON_S


async def test_nobody_answers() -> None:
    async with Resolver(say_nothing) as silent, forwarding(f"forward . {silent} {{\nread_timeout 100ms\n}}") as forward:
        began = time.monotonic()
        with pytest.raises(DnsError) as caught:
            await forward.ask(query(NAME))
        assert 0.19 < time.monotonic() - began < SOON_S  # two tries
        port = [call for call in silent.asked if NAME_WIRE in call.wire][-1].peer[1]
        text = f"read udp 127.0.0.1:{port}->{silent}: i/o timeout"
        assert (caught.value.rcode, caught.value.text) == (SERVFAIL, text)


async def length_then_silence(call: Call) -> None:
    assert call.writer is not None
    call.writer.write(b"\1\0")


async def close_at_once(call: Call) -> None:
    assert call.writer is not None
    call.writer.close()


async def accept_only(call: Call) -> None:
    """Take the query and say nothing."""


@table("script", [length_then_silence, close_at_once, accept_only], ids=lambda s: s.__name__)
async def test_broken_streams_lead_to_the_next(script: Callable[[Call], object]) -> None:
    async with (
        Resolver(None, script) as broken,  # type: ignore[arg-type]  # a coroutine function
        Resolver(None, answer_well) as resolver,
        forwarding(
            f"forward . {broken} {resolver} {{\npolicy sequential\nforce_tcp\nread_timeout 100ms\n}}"
        ) as forward,
    ):
        began = time.monotonic()
        assert texts((await forward.ask(query(NAME))).answer) == GOOD
        assert time.monotonic() - began < SOON_S


async def test_two_answers_on_one_stream() -> None:
    async def twice(call: Call) -> None:
        call.send(good(call.wire))
        call.send(good(call.wire).replace(b"\xc0\0\2\1", b"\xc0\0\2\x66"))

    async with Resolver(None, twice) as resolver, forwarding(f"forward . {resolver} {{\nforce_tcp\n}}") as forward:
        for number in range(5):
            name = f"n{number}.example.org."
            response = await forward.ask(query(name))
            assert texts(response.answer) == [f"{name} 300 A 192.0.2.1"]


@pytest.fixture
async def reborn() -> AsyncIterator[tuple[Resolver, Forwarding]]:
    """A resolver that has just died, and one that forwards to it."""
    async with Resolver() as first:
        address, port = str(first), first.port
    body = f"forward . {address} {{\nhealth_check 50ms\n}}"
    async with forwarding(body) as forward:
        yield Resolver(port=port), forward


async def test_all_down_then_up(reborn: tuple[Resolver, Forwarding]) -> None:
    resolver, forward = reborn
    shown = forward.site.offers.explainers["forward"]

    def is_down() -> bool:
        upstreams = shown(query(NAME), Response())["upstreams"]
        assert isinstance(upstreams, list)
        return bool(upstreams[0]["down"])

    with pytest.raises(DnsError, match="connection refused"):
        await forward.ask(query(NAME))
    await until(is_down)
    with pytest.raises(DnsError, match="connection refused"):
        await forward.ask(query(NAME))  # asked all the same
    assert forward.metrics.value("coredns_forward_healthcheck_broken_total") >= 1
    async with resolver:
        assert texts((await forward.ask(query(NAME))).answer) == GOOD
        await until(lambda: not is_down())


async def test_one_of_two_is_lost() -> None:
    async with (
        Resolver(say_nothing) as lost,
        Resolver() as resolver,
        forwarding(f"forward . {lost} {resolver} {{\nread_timeout 300ms\n}}") as forward,
    ):
        slow = 0
        for number in range(200):
            began = time.monotonic()
            await forward.ask(query(f"n{number}.example.org."))
            slow += time.monotonic() - began > 0.28
        assert 1 <= slow <= 2
