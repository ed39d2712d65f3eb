import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import dns.message
import dns.rcode
import pytest

from minidns.dns import rdata
from minidns.dns.model import DnsError, Dropped, Handler, Query, Rcode, Response, Reuse, RRset
from minidns.metrics.registry import Metrics
from minidns.server import udp
from minidns.server.answer import Answerer
from minidns.server.remembered import Memory
from tests.server import client
from tests.table import table

NAME = "web.org."
BATCHES = True


@pytest.fixture(autouse=True, params=["batches", "one-by-one"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.server.test_udp.BATCHES", request.param == "batches")


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, host: str = "127.0.0.1", metrics: Metrics | None = None, **options: int
) -> AsyncIterator[tuple[udp.UdpListener, int]]:
    sock = udp.bound(socket.SOCK_DGRAM, host, 0)
    port = sock.getsockname()[1]
    datagrams = udp.UdpListener(
        sock, Answerer("dns://:0", handler), Memory(), metrics or Metrics(), time.monotonic, batches=BATCHES, **options
    )
    datagrams.start()
    try:
        yield datagrams, port
    finally:
        await datagrams.close(1.0)


def dropped(metrics: Metrics) -> float:
    return metrics.value("minidns_dropped_queries_total", {"proto": "udp"})


def answer(address: str = "192.0.2.1", reuse: Reuse | None = None) -> Response:
    return Response(answer=(RRset(NAME, 1, 30, (rdata.a(address),)),), aa=True, reuse=reuse)


async def at_once(query: Query) -> Response:
    return answer()


@table("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
async def test_answers_on_every_kind_of_address(host: str) -> None:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    async with serving(at_once, host) as (_, port):
        wire = dns.message.make_query("WEB.org.", "A").to_wire()
        reply = dns.message.from_wire(await client.udp(port, wire, host=target))
    assert str(reply.answer[0]) == "WEB.org. 30 IN A 192.0.2.1"


async def test_the_reply_comes_from_the_address_asked() -> None:
    async with serving(at_once, "0.0.0.0") as (_, port):
        wire = dns.message.make_query(NAME, "A").to_wire()
        assert await client.udp(port, wire, host="127.9.8.7")  # connected: only that peer


async def test_a_remembered_answer_needs_no_chain() -> None:
    asked: list[str] = []

    async def handler(query: Query) -> Response:
        asked.append(query.question.qname)
        return answer(reuse=Reuse(depends_on=("web",)))

    async with serving(handler) as (datagrams, port):
        for _ in range(5):
            assert len((await client.ask(port, NAME)).answer) == 1
        assert len(asked) == 2
        datagrams.memory.invalidate(["web"])
        await client.ask(port, NAME)
        assert len(asked) == 3


async def test_a_change_while_the_chain_waits_is_not_remembered_over() -> None:
    waiting = asyncio.Event()
    go = asyncio.Event()

    async def handler(query: Query) -> Response:
        made = answer(reuse=Reuse(depends_on=("web",)))
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
        datagrams.memory.invalidate(["web"])
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


@pytest.mark.slow
async def test_1300_queries_that_wait_are_all_answered() -> None:
    go = asyncio.Event()
    count, begun = 1300, 0

    async def handler(query: Query) -> Response:
        nonlocal begun
        begun += 1
        if begun == count:
            go.set()
        await go.wait()
        return answer()

    async with serving(handler) as (_, port):
        with asking(port) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            for number in range(count):
                sock.send(dns.message.make_query(f"n{number}.org.", "A").to_wire())
                if number % 100 == 0:  # the kernel's queue is shorter
                    await asyncio.sleep(0)
            found = await replies(sock, count)
    assert {each.rcode() for each in found} == {dns.rcode.NOERROR}


async def test_the_oldest_makes_room_is_refused_and_counted() -> None:
    go = asyncio.Event()

    async def handler(query: Query) -> Response:
        if query.question.qname.startswith("slow"):
            await go.wait()
        return answer()

    metrics = Metrics()
    async with serving(handler, metrics=metrics, max_in_flight=2) as (datagrams, port):
        slow = []
        for number in range(3):
            slow.append(asyncio.ensure_future(client.ask(port, f"slow{number}.org.")))
            async with asyncio.timeout(5):
                while len(datagrams.in_flight) < min(number + 1, 2):
                    await asyncio.sleep(0)
        async with asyncio.timeout(5):
            while not dropped(metrics):
                await asyncio.sleep(0)
        assert dropped(metrics) == 1
        assert (await client.ask(port, NAME)).answer  # what does not wait is answered
        go.set()
        rcodes = [int(each.rcode()) for each in await asyncio.gather(*slow)]
        assert rcodes == [Rcode.SERVFAIL, Rcode.NOERROR, Rcode.NOERROR]


async def replies(sock: socket.socket, count: int) -> list[dns.message.Message]:
    """Return the next replies that ``sock`` gets, in order."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        wires = [await loop.sock_recv(sock, 512) for _ in range(count)]
    return [dns.message.from_wire(wire) for wire in wires]


@contextlib.contextmanager
def asking(port: int, *names: str) -> Iterator[socket.socket]:
    """Send a query for each of ``names``, before the server can read any."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        sock.setblocking(False)
        for name in names:
            sock.send(dns.message.make_query(name, "A").to_wire())
        yield sock


async def repeatable(query: Query) -> Response:
    return answer(reuse=Reuse())


async def test_what_is_remembered_goes_past_those_in_line() -> None:
    async with serving(repeatable) as (_, port):
        for _ in range(2):
            await client.ask(port, NAME)
        news = [f"n{n}.org." for n in range(50)]
        with asking(port, *news, NAME) as sock:
            seen = [str(each.question[0].name) for each in await replies(sock, 51)]
    assert seen == [NAME, *news]


async def test_one_answer_does_for_all_in_line() -> None:
    asked = []

    async def handler(query: Query) -> Response:
        asked.append(query.question.qname)
        return await repeatable(query)

    async with serving(handler) as (_, port):
        with asking(port, *[NAME] * 60) as sock:
            assert all(each.answer for each in await replies(sock, 60))
    assert len(asked) == 2  # it is remembered from the second time on


async def test_a_full_line_refuses_the_newest_and_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "MAX_QUEUED", 20)
    names = [f"n{n}.org." for n in range(60)]
    metrics = Metrics()
    async with serving(at_once, metrics=metrics) as (_, port):
        with asking(port, *names) as sock:
            seen: dict[str, int] = {name: Rcode.NOERROR for name in names[:20]}
            seen |= {name: Rcode.SERVFAIL for name in names[20:]}
            assert {str(each.question[0].name): int(each.rcode()) for each in await replies(sock, 60)} == seen
            assert dropped(metrics) == 40
            assert (await client.ask(port, NAME)).answer


async def test_a_full_line_is_silent_where_it_sheds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "MAX_QUEUED", 20)
    names = [f"n{n}.org." for n in range(60)]
    shed = []
    async with serving(at_once) as (datagrams, port):
        datagrams._answerer.shed = lambda: shed.append(1)
        with asking(port, *names) as sock:
            assert all(each.answer for each in await replies(sock, 20))
            assert (await client.ask(port, NAME)).answer
            with pytest.raises(BlockingIOError):
                sock.recv(512)
    assert len(shed) == 40


async def test_the_line_goes_on_after_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    mistakes = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: mistakes.append(1))
    async with serving(repeatable) as (datagrams, port):
        for _ in range(2):
            await client.ask(port, NAME)
        decode = datagrams._answerer.decode

        def mistaken(wire: bytes, *rest: Any) -> Query | bytes | None:
            if b"bad" in wire:
                raise KeyError("a mistake of ours")
            return decode(wire, *rest)

        monkeypatch.setattr(datagrams._answerer, "decode", mistaken)
        # so few at a time that the line outlasts a turn of the loop
        names = [f"{'bad' if n % 20 == 0 else 'good'}{n}.org." for n in range(60)]
        with asking(port, NAME, *names) as sock:
            assert len(await replies(sock, 1 + 57)) == 58
    assert len(mistakes) == 3


async def test_what_came_before_the_end_is_answered() -> None:
    async with serving(at_once) as (datagrams, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", port))
            sock.settimeout(5)
            for _ in range(100):
                sock.send(dns.message.make_query(NAME, "A").to_wire())
            await datagrams.close()  # nothing was read yet: the loop did not run
            for _ in range(100):
                assert dns.message.from_wire(sock.recv(512)).answer


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_what_the_kernel_drops_is_counted(host: str) -> None:
    metrics = Metrics()
    name = "minidns_overflowed_datagrams_total"
    async with serving(at_once, host, metrics=metrics) as (datagrams, port):
        wire = dns.message.make_query(NAME, "A").to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            for _ in range(20_000):  # more than a receive buffer holds
                with contextlib.suppress(BlockingIOError):
                    sock.sendto(wire, ("127.0.0.1", port))
        list(metrics.families())
        dropped = metrics.value(name)
        assert dropped > 0
        await datagrams.close()
        assert metrics.value(name) >= dropped
        assert metrics.before_scrape == []


ELSEWHERE = f"127.9.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
"""An address of this test process alone."""
SILENT = {
    # id: address and port to ask from, whether there is a reply
    "echo": (ELSEWHERE, 7, False),
    "daytime": (ELSEWHERE, 13, False),
    "quote-of-the-day": (ELSEWHERE, 17, False),
    "chargen": (ELSEWHERE, 19, False),
    "time": (ELSEWHERE, 37, False),
    "another-dns-server": (ELSEWHERE, 53, True),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="ports below 1024 need root")
@table("remembered", [False, True], ids=["asked", "remembered"])
@table("host", ["127.0.0.1", "0.0.0.0"])
@table(("source", "number", "replied"), SILENT.values(), ids=SILENT)
async def test_source_ports(source: str, number: int, host: str, *, replied: bool, remembered: bool) -> None:
    async def handler(query: Query) -> Response:
        return answer(reuse=Reuse())

    async with serving(handler, host) as (datagrams, port):
        message = dns.message.make_query(NAME, "A")
        message.id = 1
        if remembered:
            for _ in range(2):
                await client.udp(port, message.to_wire())
            assert datagrams.memory.entries
        wire = b"\0\2" + message.to_wire()[2:]
        assert await has_reply((source, number), port, wire) == replied


async def has_reply(source: tuple[str, int], port: int, *wires: bytes) -> bool:
    """Return whether the last of ``wires`` is answered before a query sent after it."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.bind(source)
        except OSError as error:
            pytest.skip(f"another program has port {source[1]} here: {error}")
        for wire in wires:
            await loop.sock_sendto(sock, wire, ("127.0.0.1", port))
            await client.ask(port, NAME)  # by then it has been seen
        replies = []
        with contextlib.suppress(BlockingIOError):
            while True:
                replies.append(sock.recv(512))
    return wires[-1][:2] in [reply[:2] for reply in replies]


@pytest.mark.skipif(os.geteuid() != 0, reason="ports below 1024 need root")
async def test_another_server_is_told_of_an_error_once() -> None:
    async with serving(at_once) as (_, port):
        bad, other = b"\0\1" + bytes(10), b"\0\2" + bytes(10)
        there = (ELSEWHERE, 53)
        assert await has_reply(there, port, bad)
        assert not await has_reply(there, port, bad)
        assert await has_reply(there, port, other)
        assert not await has_reply((ELSEWHERE, 464), port, bad)


@table("host", ["127.0.0.1", "0.0.0.0", "::"])
async def test_a_query_from_our_own_address_is_not_answered(host: str) -> None:
    """Forging needs a raw socket; asking ourselves through our own socket does not."""
    asked = []

    async def handler(query: Query) -> Response:
        asked.append(query.peer)
        return answer()

    async with serving(handler, host) as (datagrams, port):
        here = "::1" if ":" in host else "127.0.0.1"
        wire = dns.message.make_query(NAME, "A").to_wire()
        datagrams._sock.sendto(wire, (here, port))
        await client.udp(port, wire, host=here)
    assert [peer for peer in asked if peer[1] == port] == []
    assert len(asked) == 1


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


async def test_an_answer_that_cannot_be_written_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(query: Query) -> Response:
        return Response(answer=(RRset("x" * 300 + ".", 1, 30, (b"abcd",)),))

    async with serving(handler) as (_, port):
        reply = await client.ask(port, NAME)
    assert reply.rcode() == dns.rcode.SERVFAIL
    assert NAME in caplog.text


async def test_dropped_means_silence() -> None:
    async def handler(query: Query) -> Response:
        raise Dropped

    async with serving(handler) as (_, port):
        with pytest.raises(TimeoutError):
            await client.udp(port, dns.message.make_query(NAME, "A").to_wire(), deadline_s=0.2)


@table("junk", [b"", b"x", b"\xff" * 40, bytes(12), b"\0" * 600])
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


@table("raised", [DnsError("late"), OSError("refused"), TimeoutError()])
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
