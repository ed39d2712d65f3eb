"""Clients on different transports and address families never share a remembered reply.

One memory serves the four sockets of a listener, as in production. The handler answers
by what it sees of the client: so a reply that crosses from one channel to another shows.
"""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import dns.message
import pytest

from minidns.dns import rdata
from minidns.dns.model import Handler, Query, Response, Reuse, RRset
from minidns.metrics.registry import Metrics
from minidns.server import tcp, udp
from minidns.server.answer import Answerer
from minidns.server.remembered import Memory
from tests.server import client
from tests.table import table

WIRE = dns.message.make_query("web.org.", "A", id=7).to_wire()
SEEN = {
    ("udp", False): "192.0.2.1",
    ("udp", True): "192.0.2.2",
    ("tcp", False): "192.0.2.3",
    ("tcp", True): "192.0.2.4",
}
CHANNELS = tuple(SEEN)
TAILS = (b"", b"4", b"6", b"t4", b"t6", b"t", b"udp4", b"tcp6", b"\0")
"""Bytes after a message; among them what channels are or were called."""


async def by_channel(query: Query) -> Response:
    data = rdata.a(SEEN[query.transport, ":" in query.peer[0]])
    rrset = RRset(query.owner, 1, 30, (data,))
    return Response(answer=(rrset,), reuse=Reuse(depends_on=("web",)))


class Edge:
    """The sockets of one listener."""

    def __init__(self, ports: dict[bool, int], memory: Memory) -> None:
        self._ports = ports
        self.memory = memory

    async def ask(self, channel: tuple[str, bool], wire: bytes = WIRE) -> bytes:
        transport, ipv6 = channel
        host, port = ("::1" if ipv6 else "127.0.0.1"), self._ports[ipv6]
        if transport == "udp":
            return await client.udp(port, wire, host=host)
        (reply,) = await client.tcp(port, wire, host=host)
        return reply

    async def address(self, channel: tuple[str, bool], wire: bytes = WIRE) -> str:
        reply = dns.message.from_wire(await self.ask(channel, wire))
        return str(reply.answer[0][0])


@contextlib.asynccontextmanager
async def edge(handler: Handler = by_channel, *, batches: bool = True, grace_s: float = 0.0) -> AsyncIterator[Edge]:
    memory, answerer = Memory(), Answerer("dns://:0", handler)
    now, ports = time.monotonic, {}
    opened: list[udp.UdpListener | tcp.TcpListener] = []
    for ipv6, host in ((False, "127.0.0.1"), (True, "::1")):
        stream = udp.bound(socket.SOCK_STREAM, host, 0)
        ports[ipv6] = port = stream.getsockname()[1]
        packets = udp.bound(socket.SOCK_DGRAM, host, port)
        datagrams = udp.UdpListener(packets, answerer, memory, Metrics(), now, batches=batches)
        datagrams.start()
        streams = tcp.TcpListener(stream, answerer, memory, Metrics(), now)
        await streams.start()
        opened += [datagrams, streams]
    try:
        yield Edge(ports, memory)
    finally:
        await asyncio.gather(*(each.close(grace_s) for each in opened))


@pytest.mark.parametrize("batches", [True, False], ids=["batches", "one-by-one"])
@pytest.mark.parametrize(
    ("first", "second"),
    tuple(itertools.permutations(CHANNELS, 2)),
    ids=lambda channel: f"{channel[0]}{6 if channel[1] else 4}",
)
async def test_one_channel_never_decides_what_another_gets(
    first: tuple[str, bool], second: tuple[str, bool], *, batches: bool
) -> None:
    async with edge(batches=batches) as at:
        for tail in TAILS:
            for channel in (first, second):
                for _ in range(3):
                    assert await at.address(channel, WIRE + tail) == SEEN[channel]


@table("tail", TAILS[1:])
@table("channel", CHANNELS)
async def test_bytes_after_the_message_are_answered_and_not_remembered(channel: tuple[str, bool], tail: bytes) -> None:
    async with edge() as at:
        for wire in (WIRE, dns.message.make_query("a.org.", "A", use_edns=0).to_wire()):
            for _ in range(3):
                await at.ask(channel, wire + tail)
        assert not at.memory.entries


Change = Callable[[Memory], None]
CHANGES: dict[str, Change] = {
    "a-change-of-what-it-follows-from": lambda memory: memory.invalidate(["web"]),
    "another-change": lambda memory: memory.invalidate(["other"]),
    "a-reload": lambda memory: memory.clear(),
}


@table("change", CHANGES.values(), ids=CHANGES)
@table("channel", CHANNELS)
async def test_what_became_stale_while_the_chain_waited_is_not_remembered(
    channel: tuple[str, bool], change: Change
) -> None:
    reached, go, truth = asyncio.Event(), asyncio.Event(), ["192.0.2.1"]

    async def slow(query: Query) -> Response:
        data = rdata.a(truth[0])
        reached.set()
        await go.wait()
        rrset = RRset(query.owner, 1, 30, (data,))
        return Response(answer=(rrset,), reuse=Reuse(depends_on=("web",)))

    async with edge(slow) as at:
        go.set()
        await at.ask(channel)  # the next one would be remembered
        go.clear()
        reached.clear()
        asking: Awaitable[str] = asyncio.ensure_future(at.address(channel))
        await reached.wait()
        truth[0] = "192.0.2.9"
        change(at.memory)
        go.set()
        assert await asking == "192.0.2.1"
        assert await at.address(channel) == "192.0.2.9"


async def with_timeout(query: Query) -> Response:
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        return await by_channel(query)
    raise AssertionError("the time is over")


async def with_task_group(query: Query) -> Response:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(by_channel(query))
    return await task


async def with_current_task(query: Query) -> Response:
    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(asyncio.CancelledError):
        task.cancel()
        await asyncio.sleep(0)
    task.uncancel()
    return await by_channel(query)


@table("handler", [with_timeout, with_task_group, with_current_task])
@table("channel", CHANNELS)
async def test_handlers_run_in_ordinary_tasks(channel: tuple[str, bool], handler: Handler) -> None:
    async with edge(handler) as at:
        assert await at.address(channel) == SEEN[channel]


@table("grace_s", [0.0, 5.0], ids=["at-once", "with-time"])
@table("channel", CHANNELS)
async def test_all_clients_that_wait_at_close_get_a_reply(channel: tuple[str, bool], grace_s: float) -> None:
    """One that is not answered in time gets SERVFAIL by UDP, and an end by TCP."""
    count, go, waiting = 5, asyncio.Event(), 0

    async def slow(query: Query) -> Response:
        nonlocal waiting
        waiting += 1
        await go.wait()
        return await by_channel(query)

    async with edge(slow, grace_s=grace_s) as at:
        asking = [asyncio.ensure_future(at.ask(channel)) for _ in range(count)]
        async with asyncio.timeout(5):
            while waiting < count:
                await asyncio.sleep(0)
        if grace_s:
            asyncio.get_running_loop().call_later(0.05, go.set)
    replies = await asyncio.gather(*asking, return_exceptions=True)
    for reply in replies:
        if isinstance(reply, bytes):
            assert bool(dns.message.from_wire(reply).answer) == bool(grace_s)
        else:
            assert channel[0] == "tcp"
            assert not grace_s
