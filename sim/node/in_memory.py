"""Carries DNS messages in memory, in virtual time, with the faults of the network.

Stub resolvers, kube-proxy and minidns's encoding are those of the real sockets; only
the transport differs. The loop must have virtual time (`scenario.clock`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

from minidns.dns.model import Address, Query, Rcode, Response
from minidns.dns.rdata import type_name
from minidns.dns.reply import decode_reply
from minidns.dns.wire import encode_response
from minidns.server.answer import Answerer
from minidns.upstream.upstream import Upstream

from ..resolver.protocol import Send, Transport, Wait
from ..resolver.search import Lookup
from .faults import HOP_S, Faults, Locate, Packet, Place
from .kube_proxy import Flow
from .over_sockets import DNS_PORT, LookupResult, Network, Path, QueryRecord

T = TypeVar("T")
Deliver = Callable[[bytes], None]
"""Receives a reply."""

_PORT = 40000
"""Source port of all servers' queries."""


class Loss(NamedTuple):
    """The loss of one query or reply of a type over UDP."""

    what: str
    """query or reply"""
    rtype: str


@dataclass(slots=True)
class Packets:
    """Carries DNS messages between the addresses of a cluster."""

    plane: Network
    hosts: dict[Address, Answerer] = field(default_factory=dict)
    """The servers by address: pods and the external resolver."""
    silent: set[Address] = field(default_factory=set)
    """Addresses whose servers take packets and do not answer."""
    blocks_tcp: bool = False
    """Whether a firewall drops every TCP packet."""
    losses: list[Loss] = field(default_factory=list)
    """The next losses, each of one message."""
    faults: Faults = field(default_factory=Faults)
    locate: Locate = lambda address: Place(frozenset((address,)))

    async def resolve(self, lookup: Lookup, client: str) -> LookupResult:
        """Run ``lookup`` as a client with the address ``client``."""
        now = asyncio.get_running_loop().time
        async with _lookup_packets(self, client) as packets:
            step = lookup.start(now())
            while isinstance(step, Wait):
                packets.send(step.sends)
                try:
                    async with asyncio.timeout_at(step.until):
                        send, wire = await packets.arrived.get()
                except TimeoutError:
                    step = lookup.on_timeout(max(now(), step.until))
                    continue
                if wire:
                    step = lookup.on_reply(now(), send.server, send.source, wire)
                else:
                    step = lookup.on_refused(now(), send.server, send.source)
            return LookupResult(step.outcome, tuple(packets.queries))

    async def exchange(
        self,
        own: str,
        to: Upstream,
        wire: bytes,
        timeout_s: float,
        accept: Callable[[bytes], T | None],
    ) -> T:
        """Query an upstream as the server at ``own``; see ``upstream.Exchange``."""
        # in the network namespace of the pod all of 127.0.0.0/8 is the pod itself
        host = own if to.host.startswith("127.") else to.host
        transport: Transport = "udp" if to.transport == "udp" else "tcp"
        flow = Flow((own, _PORT), (host, to.port), transport.upper())
        path = self.plane.route(flow)
        if path.refused:
            raise ConnectionRefusedError(111, "connection refused")
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        carrying = loop.create_task(
            self.carry(wire, transport, flow, path, partial(_set_once, reply))
        )
        timer = loop.call_later(timeout_s, _set_once, reply, b"")
        try:
            first = await reply
        finally:
            timer.cancel()
            carrying.cancel()
        if not first:
            message = f"read {transport} {own}:{_PORT}->{to}: i/o timeout"
            raise TimeoutError(message)
        if (result := accept(first)) is None:
            raise TimeoutError("i/o timeout")
        return result

    async def carry(
        self,
        wire: bytes,
        transport: Transport,
        flow: Flow,
        path: Path,
        deliver: Deliver,
    ) -> None:
        """Carry a query along ``path``; call ``deliver`` with every reply."""
        if path.endpoint is None:
            return

        async def arrive(delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            if (reply := await self._reply(wire, transport, flow, path)) is not None:
                delays_s = self._delays_s(server, client, transport, len(reply))
                await asyncio.gather(*(_after(d, deliver, reply) for d in delays_s))

        client, server = flow.client[0], path.endpoint[0]
        delays_s = self._delays_s(client, server, transport, len(wire))
        await asyncio.gather(*map(arrive, delays_s))

    def _delays_s(
        self, source: str, destination: str, protocol: str, size: int
    ) -> tuple[float, ...]:
        """Return the seconds until each delivery of a message."""
        if not self.faults.active:
            return (HOP_S,)
        places = self.locate(source), self.locate(destination)
        return self.faults.delays_s(Packet(*places, protocol, size))

    async def _reply(
        self, wire: bytes, transport: Transport, flow: Flow, path: Path
    ) -> bytes | None:
        """Return the reply of the server at the end of ``path``, or None."""
        host = self._host(path.endpoint, transport)
        if host is None:
            return None
        query = host.decode(wire, transport, flow.client, flow.server)
        if query is None or isinstance(query, bytes):
            return query
        rtype = type_name(query.question.qtype)
        if self._loses("query", rtype, transport):
            return None
        reply = await self._answer(host, query, path)
        return None if self._loses("reply", rtype, transport) else reply

    async def _answer(self, host: Answerer, query: Query, path: Path) -> bytes | None:
        """Return the answer of a server under its faults."""
        assert path.endpoint is not None
        if self.faults.active:
            names = self.locate(path.endpoint[0]).names
            treatment = self.faults.at_server(names)
            await asyncio.sleep(treatment.delay_s)
            if treatment.stops:
                self.silent.add(path.endpoint)
            if treatment.stops or treatment.drops:
                return None
            if treatment.fails:
                return encode_response(query, Response(Rcode.SERVFAIL))
        replies = await host.answer(query)
        return replies[0] if replies else None

    def _host(self, at: Address | None, transport: Transport) -> Answerer | None:
        """Return the server at an address, unless it is silent or unreachable."""
        if at is None or at in self.silent or (transport == "tcp" and self.blocks_tcp):
            return None
        return self.hosts.get(at)

    def _loses(self, what: str, rtype: str, transport: Transport) -> bool:
        loss = Loss(what, rtype)
        if transport != "udp" or loss not in self.losses:
            return False
        self.losses.remove(loss)
        return True


def _set_once(future: "asyncio.Future[bytes]", value: bytes) -> None:
    if not future.done():
        future.set_result(value)


async def _after(delay_s: float, deliver: Deliver, reply: bytes) -> None:
    await asyncio.sleep(delay_s)
    deliver(reply)


@dataclass(slots=True)
class _LookupPackets:
    """The packets of one lookup."""

    packets: Packets
    client: str
    queries: list[QueryRecord] = field(default_factory=list)
    arrived: asyncio.Queue[tuple[Send, bytes]] = field(default_factory=asyncio.Queue)
    """Replies; empty ones are refusals."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def send(self, sends: Collection[Send]) -> None:
        """Send queries; those of one socket take the same path."""
        paths: dict[Flow, Path] = {}
        loop = asyncio.get_running_loop()
        for send in sends:
            flow = self._flow(send)
            path = paths.get(flow)
            if path is None:
                path = paths[flow] = self.packets.plane.route(flow)
            else:
                path = self.packets.plane.race(flow, path)
            query = QueryRecord(send, path, loop.time())
            self.queries.append(query)
            if query.path.refused:
                self.arrived.put_nowait((send, b""))
                continue
            deliver = partial(self._arrive, query, flow)
            carrying = self.packets.carry(
                send.wire, send.transport, flow, query.path, deliver
            )
            self.tasks.add(loop.create_task(carrying))

    def _flow(self, send: Send) -> Flow:
        client, server = (self.client, send.source), (send.server, DNS_PORT)
        return Flow(client, server, send.transport.upper())

    def _arrive(self, query: QueryRecord, flow: Flow, wire: bytes) -> None:
        """Pass a reply to the lookup; the record keeps the first one."""
        if query.reply is None:
            query.reply = decode_reply(wire)
            query.ms = (asyncio.get_running_loop().time() - query.at) * 1000
        self.packets.plane.replied(flow)
        self.arrived.put_nowait((query.send, wire))


@asynccontextmanager
async def _lookup_packets(
    packets: Packets, client: str
) -> AsyncIterator[_LookupPackets]:
    lookup = _LookupPackets(packets, client)
    try:
        yield lookup
    finally:
        for task in lookup.tasks:
            task.cancel()
        await asyncio.gather(*lookup.tasks, return_exceptions=True)
