import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import dns.message
import dns.rcode
import pytest

from minidns.core import rdata
from minidns.core.metrics import Metrics
from minidns.core.model import (
    DnsError,
    Dropped,
    Handler,
    Query,
    Rcode,
    Repeat,
    Response,
    RRset,
)
from minidns.net import udp
from minidns.net.answer import Answerer
from minidns.net.memory import Memory
from tests.net import client

NAME = "web.org."


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, host: str = "127.0.0.1", **options: int
) -> AsyncIterator[tuple[udp.Datagrams, int]]:
    sock = udp.bind(host, 0)
    port = sock.getsockname()[1]
    datagrams = udp.Datagrams(
        sock,
        Answerer("dns://:0", handler),
        Memory(),
        Metrics(),
        time.monotonic,
        **options,
    )
    datagrams.start()
    try:
        yield datagrams, port
    finally:
        await datagrams.close(1.0)


def answer(address: str = "192.0.2.1", repeat: Repeat | None = None) -> Response:
    return Response(
        answer=(RRset(NAME, 1, 30, (rdata.a(address),)),), aa=True, repeat=repeat
    )


async def at_once(query: Query) -> Response:
    return answer()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
async def test_answers_on_every_kind_of_address(host: str) -> None:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    async with serving(at_once, host) as (_, port):
        wire = dns.message.make_query("WEB.org.", "A").to_wire()
        reply = dns.message.from_wire(await client.udp(port, wire, host=target))
    assert str(reply.answer[0]) == "WEB.org. 30 IN A 192.0.2.1"


async def test_the_reply_comes_from_the_address_asked() -> None:
    async with serving(at_once, "0.0.0.0") as (_, port):
        wire = dns.message.make_query(NAME, "A").to_wire()
        assert await client.udp(
            port, wire, host="127.9.8.7"
        )  # connected: only that peer


async def test_a_remembered_answer_needs_no_chain() -> None:
    asked: list[str] = []

    async def handler(query: Query) -> Response:
        asked.append(query.question.qname)
        return answer(repeat=Repeat(keys=("web",)))

    async with serving(handler) as (datagrams, port):
        for _ in range(5):
            assert len((await client.ask(port, NAME)).answer) == 1
        assert len(asked) == 2
        datagrams.memory.forget(["web"])
        await client.ask(port, NAME)
        assert len(asked) == 3


async def test_a_change_while_the_chain_waits_is_not_remembered_over() -> None:
    waiting = asyncio.Event()
    go = asyncio.Event()

    async def handler(query: Query) -> Response:
        made = answer(repeat=Repeat(keys=("web",)))
        waiting.set()
        await go.wait()
        return made

    async with serving(handler) as (datagrams, port):
        go.set()
        await client.ask(port, NAME)
        go.clear()
        waiting.clear()
        asking = asyncio.ensure_future(client.ask(port, NAME))
        await waiting.wait()
        datagrams.memory.forget(["web"])
        go.set()
        await asking
        assert not datagrams.memory.entries


async def test_those_that_wait_do_not_hold_up_the_others() -> None:
    go = asyncio.Event()

    async def handler(query: Query) -> Response:
        if query.question.qname.startswith("slow"):
            await go.wait()
        return answer()

    async with serving(handler) as (_, port):
        slow = asyncio.ensure_future(client.ask(port, "slow.org."))
        assert (await client.ask(port, NAME)).answer
        assert not slow.done()
        go.set()
        assert (await slow).rcode() == dns.rcode.NOERROR


async def test_the_excess_is_dropped_and_counted() -> None:
    go = asyncio.Event()

    async def handler(query: Query) -> Response:
        if query.question.qname.startswith("slow"):
            await go.wait()
        return answer()

    async with serving(handler, max_in_flight=2) as (datagrams, port):
        slow = [
            asyncio.ensure_future(client.ask(port, f"slow{n}.org.")) for n in range(2)
        ]
        async with asyncio.timeout(5):
            while len(datagrams._tasks) < 2:
                await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await client.udp(
                port,
                dns.message.make_query("slow9.org.", "A").to_wire(),
                deadline_s=0.2,
            )
        assert datagrams._dropped.values == {("udp",): 1}
        assert (await client.ask(port, NAME)).answer  # what does not wait is answered
        go.set()
        await asyncio.gather(*slow)


@pytest.mark.parametrize(
    ("raised", "rcode"),
    [
        pytest.param(DnsError("text"), Rcode.SERVFAIL, id="error"),
        pytest.param(DnsError(rcode=Rcode.REFUSED), Rcode.REFUSED, id="refused"),
        pytest.param(KeyError("a mistake of ours"), Rcode.SERVFAIL, id="panic"),
    ],
)
async def test_what_is_raised_becomes_an_empty_reply(
    raised: Exception, rcode: Rcode, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(query: Query) -> Response:
        raise raised

    async with serving(handler) as (_, port):
        reply = await client.ask(port, NAME)
    assert int(reply.rcode()) == rcode
    assert reply.question
    assert not reply.answer


async def test_dropped_means_silence() -> None:
    async def handler(query: Query) -> Response:
        raise Dropped

    async with serving(handler) as (_, port):
        with pytest.raises(TimeoutError):
            await client.udp(
                port, dns.message.make_query(NAME, "A").to_wire(), deadline_s=0.2
            )


@pytest.mark.parametrize("junk", [b"", b"x", b"\xff" * 40, bytes(12), b"\0" * 600])
async def test_a_good_query_right_after_junk(junk: bytes) -> None:
    async with serving(at_once) as (_, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(20):
                sock.sendto(junk, ("127.0.0.1", port))
        assert (await client.ask(port, NAME)).answer


async def test_longer_than_512_bytes_is_a_format_error() -> None:
    async with serving(at_once) as (_, port):
        wire = dns.message.make_query(NAME, "A").to_wire() + bytes(500)
        reply = dns.message.from_wire(await client.udp(port, wire))
    assert reply.rcode() == dns.rcode.FORMERR


async def test_closing_lets_what_waits_be_answered() -> None:
    go = asyncio.Event()
    waiting = asyncio.Event()

    async def handler(query: Query) -> Response:
        waiting.set()
        await go.wait()
        return answer()

    async with serving(handler) as (datagrams, port):
        asking = asyncio.ensure_future(client.ask(port, NAME))
        await waiting.wait()
        closing = asyncio.ensure_future(datagrams.close(5.0))
        await asyncio.sleep(0)
        go.set()
        assert (await asking).answer
        await closing


async def test_a_waiting_handler_may_fail_after_its_wait() -> None:
    async def handler(query: Query) -> Response:
        await asyncio.sleep(0)
        raise DnsError("late")

    async with serving(handler) as (_, port):
        assert (await client.ask(port, NAME)).rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize(
    "raised", [DnsError("late"), OSError("refused"), TimeoutError()]
)
async def test_what_a_waiting_handler_waits_for_may_fail(raised: Exception) -> None:
    async def handler(query: Query) -> Response:
        failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failing.set_exception, raised)
        try:
            await failing
        except OSError:
            await asyncio.sleep(0)
            return answer()
        return answer()

    async with serving(handler) as (_, port):
        reply = await client.ask(port, NAME)
    expected = dns.rcode.SERVFAIL if isinstance(raised, DnsError) else dns.rcode.NOERROR
    assert reply.rcode() == expected
