import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.message
import dns.rcode
import pytest
import trustme

from minidns.dns import rdata
from minidns.dns.model import Handler, Query, Response, Reuse, RRset, replace
from minidns.metrics.registry import Metrics
from minidns.server import tcp, udp
from minidns.server.answer import Answerer
from minidns.server.clients import GRACE_S
from minidns.server.connection import MAX_FRAME, MAX_IN_FLIGHT
from minidns.server.remembered import Memory
from minidns.system.limits import StreamLimits
from tests.server import client
from tests.table import table


@contextlib.asynccontextmanager
async def serving(
    handler: Handler,
    tls: ssl.SSLContext | None = None,
    memory: Memory | None = None,
    max_connections: int | None = None,
    limits: StreamLimits = StreamLimits(),  # noqa: B008  # a frozen value
    metrics: Metrics | None = None,
) -> AsyncIterator[tuple[tcp.TcpListener, int]]:
    sock = udp.bound(socket.SOCK_STREAM, "127.0.0.1", 0)
    answerer = Answerer("dns://:0", handler)
    answerer.limits = limits
    memory = memory or Memory()
    streams = tcp.TcpListener(sock, answerer, memory, metrics or Metrics(), time.monotonic, tls, max_connections)
    await streams.start()
    try:
        yield streams, sock.getsockname()[1]
    finally:
        await streams.close(1.0)


def wire(name: str) -> bytes:
    return dns.message.make_query(name, "A").to_wire()


async def echo(query: Query) -> Response:
    return Response(answer=(RRset(query.question.qname, 1, 30, (rdata.a("192.0.2.1"),)),))


def owners(replies: list[bytes]) -> list[str]:
    return [str(dns.message.from_wire(reply).question[0].name) for reply in replies]


async def test_several_queries_on_one_connection() -> None:
    async with serving(echo) as (_, port):
        replies = await client.tcp(port, wire("a.org."), wire("b.org."), wire("c.org."))
    assert sorted(owners(replies)) == ["a.org.", "b.org.", "c.org."]


async def read_all(port: int, sent: bytes) -> list[bytes]:
    """Return the replies until the server ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    replies = []
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
        while True:
            replies.append(await client.read_frame(reader))
    writer.close()
    return replies


def framed(*messages: bytes) -> bytes:
    return b"".join(len(each).to_bytes(2) + each for each in messages)


RESPONSE = wire("r.org.")[:2] + b"\x80" + wire("r.org.")[3:]
NAMES = [f"{letter}.org." for letter in "abcde"]


@table(
    ("most", "messages", "answered"),
    [
        (1, [wire(name) for name in NAMES], NAMES[:1]),
        (3, [wire(name) for name in NAMES], NAMES[:3]),
        (2, [RESPONSE, wire("a.org."), wire("b.org.")], ["a.org."]),
    ],
    ids=["one", "some", "what-gets-no-reply-counts"],
)
async def test_connection_ends_after_so_many_queries(most: int, messages: list[bytes], answered: list[str]) -> None:
    async def slow(query: Query) -> Response:
        await asyncio.sleep(0.01)  # in work when the connection has had its queries
        return await echo(query)

    for handler in (echo, slow):
        limits = StreamLimits(max_queries=most)
        async with serving(handler, limits=limits) as (_, port):
            replies = await read_all(port, framed(*messages))
        assert sorted(owners(replies)) == answered


async def test_client_is_waited_for_as_long_as_limits_say() -> None:
    first = StreamLimits(read_s=0.1, idle_s=30)
    between = StreamLimits(read_s=30, idle_s=0.1)
    for limits, sent, count in ((first, b"", 0), (first, b"\0", 0), (between, framed(wire("a.org.")), 1)):
        async with serving(echo, limits=limits) as (_, port):
            assert len(await read_all(port, sent)) == count


async def test_a_remembered_answer_needs_no_chain() -> None:
    asked, memory = 0, Memory()

    async def handler(query: Query) -> Response:
        nonlocal asked
        asked += 1
        return replace(await echo(query), reuse=Reuse(depends_on=("web",)))

    async with serving(handler, memory=memory) as (_, port):
        message = wire("a.org.")
        replies = await client.tcp(port, *(message for _ in range(5)))
        assert asked == 2  # the second time it is worth remembering
        memory.invalidate(["web"])
        replies += await client.tcp(port, b"ab" + message[2:])
        assert asked == 3
    assert owners(replies) == ["a.org."] * 6
    assert [reply[:2] for reply in replies] == [message[:2]] * 5 + [b"ab"]


async def test_what_is_remembered_for_udp_is_not_said_by_tcp() -> None:
    memory = Memory()

    async def handler(query: Query) -> Response:
        address = "192.0.2.1" if query.transport == "tcp" else "192.0.2.9"
        rrset = RRset("a.org.", 1, 30, (rdata.a(address),))
        return Response(answer=(rrset,), reuse=Reuse())

    async with serving(handler, memory=memory) as (_, port):
        message = wire("a.org.")
        packets = udp.bound(socket.SOCK_DGRAM, "127.0.0.1", port)
        answerer = Answerer("dns://:0", handler)
        datagrams = udp.UdpListener(packets, answerer, memory, Metrics(), time.monotonic)
        datagrams.start()
        found = set()
        for _ in range(3):
            found.add(address(await client.udp(port, message)))
            found.add("tcp " + address(*await client.tcp(port, message)))
        await datagrams.close()
    assert found == {"192.0.2.9", "tcp 192.0.2.1"}


def address(reply: bytes) -> str:
    return str(dns.message.from_wire(reply).answer[0][0])


async def test_byte_by_byte() -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        message = wire("a.org.")
        for byte in len(message).to_bytes(2) + message:
            writer.write(bytes((byte,)))
            await writer.drain()
        assert owners([await client.read_frame(reader)]) == ["a.org."]
        writer.close()
        await writer.wait_closed()


async def test_the_fast_one_overtakes_the_slow_one() -> None:
    go = asyncio.Event()

    async def handler(query: Query) -> Response:
        if query.question.qname == "slow.org.":
            await go.wait()
        return await echo(query)

    async with serving(handler) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for message in (wire("slow.org."), wire("fast.org.")):
            writer.write(len(message).to_bytes(2) + message)
        assert owners([await client.read_frame(reader)]) == ["fast.org."]
        go.set()
        assert owners([await client.read_frame(reader)]) == ["slow.org."]
        writer.close()
        await writer.wait_closed()


async def test_many_pipelined_queries_are_all_answered() -> None:
    async with serving(echo) as (_, port):
        names = [f"n{number}.org." for number in range(500)]
        replies = await client.tcp(port, *map(wire, names))
    assert sorted(owners(replies)) == sorted(names)


async def test_every_client_with_a_query_in_flight_is_answered_before_the_close() -> None:
    arrived, go = asyncio.Semaphore(0), asyncio.Event()

    async def handler(query: Query) -> Response:
        arrived.release()
        await go.wait()
        return await echo(query)

    async with serving(handler) as (streams, port):
        names = ["a.org.", "b.org.", "c.org."]
        asking = [asyncio.ensure_future(client.tcp(port, wire(n))) for n in names]
        for _ in names:
            await arrived.acquire()
        closing = asyncio.ensure_future(streams.close(client.DEADLINE_S))
        await asyncio.sleep(0)  # it has told every connection to end
        go.set()
        await closing
        assert [owners(await replies) for replies in asking] == [[n] for n in names]


async def test_half_closed_after_the_query_is_answered() -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        message = wire("a.org.")
        writer.write(len(message).to_bytes(2) + message)
        writer.write_eof()
        assert owners([await client.read_frame(reader)]) == ["a.org."]
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


A = wire("a.org.")
IGNORED = {
    "length-zero": (b"\0\0", []),
    "shorter-than-a-header": (framed(b"x"), []),
    "eleven-bytes": (framed(A[:11]), []),
    "a-response": (framed(A[:2] + b"\x80" + A[3:]), []),
    "garbage": (framed(bytes(12)), [dns.rcode.FORMERR]),
    "question-cut": (framed(A[:-1]), [dns.rcode.FORMERR]),
    "update": (framed(A[:2] + b"\x28" + A[3:]), [dns.rcode.NOTIMP]),
    "notify": (framed(A[:2] + b"\x24" + A[3:]), [dns.rcode.NOTIMP]),
    "too-long-to-be-looked-at": (framed(bytes(65535)), [dns.rcode.FORMERR]),
    "just-too-long": (framed(bytes(MAX_FRAME + 1)), [dns.rcode.FORMERR]),
}
"""Messages that are not a query, with their replies. The connection stays open, as in CoreDNS."""


@table(("sent", "rcodes"), IGNORED.values(), ids=IGNORED)
async def test_what_is_no_query_does_not_end_the_connection(sent: bytes, rcodes: list[dns.rcode.Rcode]) -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write((sent + framed(A)) * 2)
        replies = [dns.message.from_wire(await client.read_frame(reader)) for _ in range(2 * len(rcodes) + 2)]
        assert sorted(each.rcode() for each in replies if not each.answer) == rcodes * 2
        assert sum(bool(each.answer) for each in replies) == 2
        writer.close()
        await writer.wait_closed()


async def test_half_a_length_and_the_end() -> None:
    async with serving(echo) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\0")
        writer.write_eof()
        async with asyncio.timeout(client.DEADLINE_S):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def ask_on_its_own(port: int, name: str) -> dns.message.Message:
    (reply,) = await client.tcp(port, wire(name))
    return dns.message.from_wire(reply)


@pytest.mark.slow
async def test_many_connections_of_one_address_are_answered_at_once() -> None:
    count, started, go = 3 * tcp.MAX_IDLE_PER_CLIENT, 0, asyncio.Event()

    async def slow(query: Query) -> Response:
        nonlocal started
        started += 1
        if started == count:
            go.set()
        await go.wait()
        return await echo(query)

    async with serving(slow) as (_, port), asyncio.timeout(client.DEADLINE_S):
        asking = (ask_on_its_own(port, f"n{n}.org.") for n in range(count))
        replies = await asyncio.gather(*asking)
    assert all(reply.answer for reply in replies)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"\0", framed(A)[:-1]], ids=["idle", "1", "30"])
async def test_what_one_address_holds_idle_is_limited(sent: bytes) -> None:
    async with serving(echo) as (streams, port), contextlib.AsyncExitStack() as stack:
        for _ in range(3 * tcp.MAX_IDLE_PER_CLIENT):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(sent)
        async with asyncio.timeout(GRACE_S + client.DEADLINE_S):
            while len(streams) > tcp.MAX_IDLE_PER_CLIENT:
                assert (await ask_on_its_own(port, "a.org.")).answer
        assert len(streams) > tcp.MAX_IDLE_PER_CLIENT / 2


async def test_where_all_are_busy_the_oldest_is_refused_and_makes_room() -> None:
    go = asyncio.Event()

    async def slow(query: Query) -> Response:
        if query.question.qname != "new.org.":
            await go.wait()
        return await echo(query)

    async with serving(slow, max_connections=2) as (streams, port), contextlib.AsyncExitStack() as stack:
        readers = []
        for n in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(framed(wire(f"n{n}.org.")))
            readers.append(reader)
            async with asyncio.timeout(client.DEADLINE_S):
                while len(streams.in_flight) <= n:
                    await asyncio.sleep(0)
        assert (await ask_on_its_own(port, "new.org.")).answer
        reply = dns.message.from_wire(await client.read_frame(readers[0]))
        assert reply.rcode() == dns.rcode.SERVFAIL
        assert await readers[0].read() == b""
        go.set()
        assert owners([await client.read_frame(readers[1])]) == ["n1.org."]


async def test_an_answer_too_big_for_udp() -> None:
    async def big(query: Query) -> Response:
        data = tuple(rdata.a(f"10.0.{n >> 8}.{n & 255}") for n in range(1500))
        return Response(answer=(RRset(query.question.qname, 1, 30, data),))

    async with serving(big) as (_, port):
        (reply,) = await client.tcp(port, wire("a.org."))
    assert len(dns.message.from_wire(reply).answer[0]) == 1500


def certificate(folder: Path, authority: trustme.CA | None = None) -> tuple[str, str]:
    """Return the files of a certificate and its key."""
    made = (authority or trustme.CA()).issue_cert("dns.example.org")
    cert, key = folder / "cert.pem", folder / "key.pem"
    made.private_key_pem.write_to_path(key)
    for blob in made.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    return str(cert), str(key)


async def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    cert, key = certificate(tmp_path, authority)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serving(echo, tcp.tls_context(cert, key)) as (_, port):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="dns.example.org"
        )
        message = wire("a.org.")
        writer.write(len(message).to_bytes(2) + message)
        assert owners([await client.read_frame(reader)]) == ["a.org."]
        writer.close()
        await writer.wait_closed()


@pytest.mark.slow
async def test_too_many_that_wait_cost_the_oldest_its_answer() -> None:
    go = asyncio.Event()

    async def handler(query: Query) -> Response:
        await go.wait()
        return await echo(query)

    metrics = Metrics()
    hosts = tcp.MAX_IN_FLIGHT // MAX_IN_FLIGHT + 1
    async with serving(handler, metrics=metrics) as (streams, port), contextlib.AsyncExitStack() as stack:
        readers = []
        for _ in range(hosts):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            messages = [wire(f"n{n}.org.") for n in range(MAX_IN_FLIGHT)]
            writer.write(b"".join(len(m).to_bytes(2) + m for m in messages))
            readers.append(reader)
            async with asyncio.timeout(client.DEADLINE_S):
                while len(streams.in_flight) < min(tcp.MAX_IN_FLIGHT, len(readers) * MAX_IN_FLIGHT):
                    await asyncio.sleep(0)
        # the first connection's queries were the oldest: they are refused, not forgotten
        for _ in range(MAX_IN_FLIGHT):
            reply = dns.message.from_wire(await client.read_frame(readers[0]))
            assert reply.rcode() == dns.rcode.SERVFAIL
        dropped = metrics.value("minidns_dropped_queries_total", {"proto": "tcp"})
        assert dropped == MAX_IN_FLIGHT
        go.set()
        reply = dns.message.from_wire(await client.read_frame(readers[1]))
        assert reply.answer


@pytest.mark.slow
async def test_a_transfer_waits_for_who_reads_it() -> None:
    """Not all of it is in memory at a time."""
    data = tuple(rdata.a(f"10.0.{n >> 8}.{n & 255}") for n in range(1500))
    said = 0

    class Counted(tuple[Response, ...]):
        def __iter__(self) -> Iterator[Response]:
            nonlocal said
            for each in super().__iter__():
                said += 1
                yield each

    async def transfer(query: Query) -> Response:
        message = Response(answer=(RRset(query.question.qname, 1, 30, data),))
        return Response(more=Counted((message,) * 400))

    async with serving(transfer) as (_, port):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
        message = wire("a.org.")
        writer.write(len(message).to_bytes(2) + message)
        before = -1
        async with asyncio.timeout(client.DEADLINE_S):
            while said != before or not said:
                before = said
                await asyncio.sleep(0.1)
        assert said < 400
        for _ in range(401):
            assert await client.read_frame(reader)
        assert said == 400
        writer.close()
        await writer.wait_closed()


@pytest.mark.slow
async def test_who_never_shakes_hands_is_hung_up_on(tmp_path: Path) -> None:
    context = tcp.tls_context(*certificate(tmp_path))
    async with serving(echo, context) as (streams, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(StreamLimits().read_s + 5):
            assert await reader.read() == b""
        assert len(streams) == 0
        writer.close()
        await writer.wait_closed()


async def test_no_tls_at_all_is_hung_up_on(tmp_path: Path) -> None:
    context = tcp.tls_context(*certificate(tmp_path))
    async with serving(echo, context) as (streams, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\0\x1d" + wire("a.org."))
        async with asyncio.timeout(client.DEADLINE_S):
            with contextlib.suppress(ConnectionError):
                await reader.read()
            while len(streams):
                await asyncio.sleep(0.01)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_the_end_comes_for_those_who_are_still_shaking_hands(tmp_path: Path) -> None:
    context = tcp.tls_context(*certificate(tmp_path))
    async with serving(echo, context) as (streams, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(client.DEADLINE_S):
            while not len(streams):
                await asyncio.sleep(0)
        await streams.close(0.1)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert len(streams) == 0


# -- zone transfers


def transfer_wire(name: str) -> bytes:
    return dns.message.make_query(name, "AXFR").to_wire()


class Zones:
    """Answers AXFR in so many messages, and names below ``slow`` when told to."""

    def __init__(self, messages: int = 20) -> None:
        self.go = asyncio.Event()
        self.messages = messages

    async def __call__(self, query: Query) -> Response:
        if query.question.qname.startswith("slow."):
            await self.go.wait()
        part = await echo(query)
        if query.question.qtype != rdata.AXFR:
            return part
        return replace(part, more=(part,) * (self.messages - 1))


IN_ORDER = {
    # id: what is asked in this order; the names of transfers have capitals
    "a-query-behind": ["ZONE.org.", "a.org."],
    "queries-around": ["slow.org.", "a.org.", "ZONE.org.", "b.org.", "c.org."],
    "two-transfers": ["ZONE.org.", "OTHER.org."],
    "two-with-a-query-between": ["ZONE.org.", "a.org.", "OTHER.org.", "b.org."],
    "one-after-a-slow-one": ["SLOW.org.", "OTHER.org.", "a.org."],
}


@table("names", IN_ORDER.values(), ids=IN_ORDER)
async def test_a_transfer_has_the_connection_for_itself(names: list[str]) -> None:
    zones = Zones()
    transfers = [name.lower() for name in names if name[0].isupper()]
    sent = framed(*(transfer_wire(name.lower()) if name[0].isupper() else wire(name) for name in names))
    async with serving(zones) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        asyncio.get_running_loop().call_later(0.05, zones.go.set)
        count = len(names) + len(transfers) * (zones.messages - 1)
        seen = owners([await client.read_frame(reader) for _ in range(count)])
        writer.close()
        await writer.wait_closed()
    lowered = [name.lower() for name in names]
    for transfer in transfers:
        first = seen.index(transfer)
        assert seen[first : first + zones.messages] == [transfer] * zones.messages
        before = set(lowered[: lowered.index(transfer)])
        assert set(seen[:first]) == before
        assert not before.intersection(seen[first:])


async def test_a_transfer_cut_short_ends_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client would wait for the rest; the one that took its place is served."""
    monkeypatch.setattr(tcp, "MAX_IN_FLIGHT", 1)
    zones = Zones(messages=100_000)
    async with serving(zones) as (streams, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(transfer_wire("zone.org."), transfer_wire("other.org.")))
        assert owners([await client.read_frame(reader)]) == ["zone.org."]
        asking = asyncio.create_task(ask_on_its_own(port, "slow.org."))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async with asyncio.timeout(client.DEADLINE_S):
                while True:
                    assert owners([await client.read_frame(reader)]) == ["zone.org."]
        zones.go.set()
        assert (await asking).answer
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        async with asyncio.timeout(client.DEADLINE_S):
            while len(streams):
                await asyncio.sleep(0)


@table("padding", [0, 440, 500, 4000, 15_000])
async def test_a_long_query_with_a_short_name(padding: int) -> None:
    """Over TCP the limit of 512 bytes does not hold: it is a query like any other."""
    message = dns.message.make_query("a.org.", "A", use_edns=0)
    option = dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(padding))
    message.use_edns(0, payload=1232, options=[option])
    async with serving(echo) as (_, port):
        (reply,) = await client.tcp(port, message.to_wire(max_size=65535))
    parsed = dns.message.from_wire(reply)
    assert parsed.rcode() == dns.rcode.NOERROR
    assert len(parsed.answer) == 1


@table("more", [-1, 0, 1, 5000])
async def test_the_first_16_kib_of_a_message_are_parsed(more: int) -> None:
    """A longer one ends in the middle of its OPT there; the connection stays open."""
    message = dns.message.make_query("a.org.", "A", use_edns=0)
    head = len(message.to_wire()) + 4  # code and length of the option
    option = dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes((16 << 10) + more - head))
    message.use_edns(0, payload=1232, options=[option])
    sent = message.to_wire(max_size=65535)
    assert len(sent) == (16 << 10) + more
    async with serving(echo) as (_, port):
        first, second = await client.tcp(port, sent, wire("b.org."))
    fits = more <= 0
    assert dns.message.from_wire(first).rcode() == (dns.rcode.NOERROR if fits else dns.rcode.FORMERR)
    assert owners([second]) == ["b.org."]


class Scarce(socket.socket):
    """A listening socket without file descriptors for connections while ``is_full``."""

    is_full = False

    def accept(self) -> tuple[socket.socket, Any]:
        if self.is_full:
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


@contextlib.asynccontextmanager
async def scarce() -> AsyncIterator[tuple[tcp.TcpListener, Scarce]]:
    """Serve at a socket that can run out of file descriptors."""
    sock = Scarce(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(("127.0.0.1", 0))
    sock.setblocking(False)
    answerer = Answerer("dns://:0", echo)
    streams = tcp.TcpListener(sock, answerer, Memory(), Metrics(), time.monotonic)
    await streams.start()
    try:
        yield streams, sock
    finally:
        await streams.close(1.0)


async def test_without_files_the_longest_idle_is_closed_and_others_wait() -> None:
    async with scarce() as (_, sock), asyncio.timeout(client.DEADLINE_S):
        port = sock.getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(framed(A))
        assert await client.read_frame(reader)  # idle from now on
        sock.is_full = True
        waiting = asyncio.create_task(ask_on_its_own(port, "b.org."))
        assert await reader.read() == b""
        writer.close()
        sock.is_full = False
        assert (await waiting).answer


async def test_closing_ends_the_wait_for_files() -> None:
    loop, failures, over = asyncio.get_running_loop(), list[Any](), asyncio.Event()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    async with scarce() as (streams, sock):
        sock.is_full = True
        _, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
        for _ in range(3):  # the listener finds no file for it
            await asyncio.sleep(0)
        await streams.close(0)
        loop.call_later(0.15, over.set)  # longer than the pause before the next try
        await over.wait()
        writer.close()
    assert failures == []
