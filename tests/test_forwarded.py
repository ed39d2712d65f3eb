"""Forwarded queries, from a client's socket to an upstream's and back."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from minidns.corefile import blocks
from minidns.dns.model import Query, Response
from minidns.metrics.registry import Metrics
from minidns.server import udp
from minidns.server.answer import Answerer
from minidns.server.instance import Instance, Listener
from minidns.server.remembered import Memory
from minidns.upstream.exchange import Sockets
from tests.plugins.forwarding import until
from tests.server import client
from tests.server.resolvers import Resolver, held_until
from tests.world import FilesInMemory, World

NAME = "www.example.org"
LISTENER = Listener("dns", "", 53)


@dataclass
class Serving:
    """A Corefile at work behind one socket."""

    port: int
    metrics: Metrics
    answerer: Answerer
    datagrams: udp.UdpListener

    came: int = 0
    """The number of queries that reached the chain."""

    async def ask(self, wire: bytes) -> bytes:
        return await client.udp(self.port, wire)

    def count(self) -> None:
        """Count the queries that reach the chain."""
        chain = self.answerer.top

        async def counting(query: Query) -> Response:
            self.came += 1
            return await chain(query)

        self.answerer.top = counting


async def _never() -> None:
    raise AssertionError("nobody reloads")


@contextlib.asynccontextmanager
async def serving(body: str, *, in_flight: int | None = None) -> AsyncIterator[Serving]:
    world = World()
    sockets = Sockets(world.metrics)
    loop = asyncio.get_running_loop()
    edges = replace(world.edges, exchange=sockets, now=loop.time, sleep=asyncio.sleep)
    text = f". {{\n{body}\n}}"
    parsed = blocks.parse(text, files=FilesInMemory({}), environ={}, known=None)
    memory = Memory()
    loaded = Instance(
        parsed,
        edges,
        world.metrics,
        read=lambda: parsed,
        reload=_never,
        fatal=lambda text: None,
        forget=memory.invalidate,
    )
    answerer = Answerer(str(LISTENER), loaded.routes[LISTENER])
    loaded.answer(LISTENER, answerer)
    await loaded.start()
    sock = udp.bound(socket.SOCK_DGRAM, "127.0.0.1", 0)
    datagrams = udp.UdpListener(sock, answerer, memory, world.metrics, loop.time, in_flight)
    datagrams.start()
    port = sock.getsockname()[1]
    try:
        server = Serving(port, world.metrics, answerer, datagrams)
        server.count()
        yield server
    finally:
        await datagrams.close(5.0)
        await loaded.stop()
        await sockets.close()


def question(name: str = NAME, qtype: str = "A", flags: int = dns.flags.RD, **edns: object) -> bytes:
    made = dns.message.make_query(name, qtype, flags=flags, id=0x1234)
    if edns:
        made.use_edns(**edns)  # type: ignore[arg-type]
    return made.to_wire()


def forward(*to: Resolver, more: str = "") -> str:
    """Return a line that does not wait for long."""
    whom = " ".join(map(str, to))
    return f"forward . {whom} {{\nread_timeout 200ms\n{more}\n}}"


async def test_equal_questions_are_one_whoever_asks_and_however() -> None:
    go = asyncio.Event()
    async with Resolver(held_until(go)) as resolver, serving(f"cache\n{forward(resolver)}") as server:
        asking = [asyncio.create_task(server.ask(question())) for _ in range(50)]
        await until(lambda: resolver.asked)
        alike = [question(NAME.upper()), question(flags=0), question(edns=0)]
        asking += [asyncio.create_task(server.ask(wire)) for wire in alike]
        await until(lambda: server.came == 53)
        await until(lambda: len({call.wire[2:] for call in resolver.asked}) == 3)
        go.set()
        replies = [dns.message.from_wire(wire) for wire in await asyncio.gather(*asking)]
    assert all(str(reply.answer[0][0]) == "192.0.2.1" for reply in replies)


async def test_the_oldest_makes_room_and_leaves_the_others_their_answer() -> None:
    go = asyncio.Event()
    async with Resolver(held_until(go)) as resolver, serving(f"cache\n{forward(resolver)}", in_flight=2) as server:
        first = asyncio.create_task(server.ask(question()))
        await until(lambda: server.came == 1)
        second = asyncio.create_task(server.ask(question()))  # shares the exchange
        await until(lambda: server.came == 2)
        third = asyncio.create_task(server.ask(question("other.org")))
        await until(lambda: server.metrics.value("minidns_dropped_queries_total", {"proto": "udp"}) == 1)
        go.set()
        for each in (second, third):
            assert dns.message.from_wire(await each).answer
        refused = dns.message.from_wire(await first)
        assert refused.rcode() == dns.rcode.SERVFAIL
