"""One blocking question: whom it asks, and how long it waits."""

import asyncio

import pytest

from minidns.dns import rdata
from minidns.dns.model import FormatError, Question
from minidns.upstream.ask import ask
from tests import process
from tests.server.resolvers import Call, Resolver, answer_well, good

QUESTION = Question("www.example.org.", rdata.A)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_answer(transport: str) -> None:
    async with Resolver(answer_well, answer_well) as server:
        to = (server.host, server.port)
        reply = await asyncio.to_thread(ask, to, QUESTION, 5.0, transport=transport)
    assert reply.answer[0].rdata == (rdata.a("192.0.2.1"),)


async def test_a_silent_server_is_asked_twice() -> None:
    calls: list[Call] = []

    async def second_only(call: Call) -> None:
        calls.append(call)
        if len(calls) == 2:
            # the late answer to the first is none to the second
            if calls[0].id != call.id:
                call.send(good(calls[0].wire))
            call.send(good(call.wire))

    async with Resolver(second_only) as server:
        to = (server.host, server.port)
        reply = await asyncio.to_thread(ask, to, QUESTION, 1.0)
    assert reply.id == calls[1].id


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_deadline(transport: str) -> None:
    async def silent(call: Call) -> None: ...

    async with Resolver(silent, silent) as server:
        to = (server.host, server.port)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(ask, to, QUESTION, 0.2, transport=transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_nobody_there(transport: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        ask(("127.0.0.1", process.free_port()), QUESTION, 5.0, transport=transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_no_dns(transport: str) -> None:
    async def other(call: Call) -> None:
        call.send(b"SSH-2.0-x\r\n")

    async with Resolver(other, other) as server:
        to = (server.host, server.port)
        with pytest.raises(FormatError):
            await asyncio.to_thread(ask, to, QUESTION, 5.0, transport=transport)
