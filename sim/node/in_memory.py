"""Packets in memory: who stands at which address, and what is lost on the way.

The stub resolvers, kube-proxy and minidns's wire are those that run over sockets too;
only what carries the bytes is another. The loop has virtual time (`scenario.clock`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from minidns.dns.model import Address
from minidns.dns.rdata import type_name
from minidns.dns.reply import decode_reply
from minidns.server.answer import Answerer
from minidns.upstream.upstream import Upstream

from ..resolver.protocol import Send, Transport, Wait
from ..resolver.search import Lookup
from .kube_proxy import Flow
from .over_sockets import DNS_PORT, LookupResult, Network, Path, QueryRecord

T = TypeVar("T")

HOP_S = 0.0005
"""Seconds from any address to any other."""
_PORT = 40000
"""From which servers ask; who is asked makes the difference."""


class Loss(NamedTuple):
    """What goes missing: queries or replies, of one type, over UDP."""

    what: str
    """query or reply"""
    rtype: str


@dataclass(slots=True)
class Packets:
    """Carries DNS messages between the addresses of a cluster."""

    plane: Network
    hosts: dict[Address, Answerer] = field(default_factory=dict)
    """Who answers at which address, pods and the world outside."""
    silent: set[Address] = field(default_factory=set)
    """Whose bearers take packets and do nothing with them."""
    blocks_tcp: bool = False
    """Whether a firewall drops every TCP packet."""
    losses: list[Loss] = field(default_factory=list)
    """What will be lost next, each once."""

    async def resolve(self, lookup: Lookup, client: str) -> LookupResult:
        """Run ``lookup`` to its end as a pod with the address ``client``."""
        now = asyncio.get_running_loop().time
        async with _lookup_packets(self, client) as talk:
            step = lookup.start(now())
            while isinstance(step, Wait):
                talk.send(step.sends)
                try:
                    async with asyncio.timeout_at(step.until):
                        send, wire = await talk.arrived.get()
                except TimeoutError:
                    step = lookup.on_timeout(max(now(), step.until))
                    continue
                if wire:
                    step = lookup.on_reply(now(), send.server, send.source, wire)
                else:
                    step = lookup.on_refused(now(), send.server, send.source)
            return LookupResult(step.outcome, tuple(talk.queries))

    async def exchange(
        self,
        own: str,
        to: Upstream,
        wire: bytes,
        timeout_s: float,
        accept: Callable[[bytes], T | None],
    ) -> T:
        """Ask as the server with the address ``own``; see ``upstream.Exchange``."""
        exchange_ = self._exchange(own, to, wire, timeout_s)
        task = asyncio.get_running_loop().create_task(exchange_)
        try:  # in a task of its own: whoever awaits this need not be in one
            reply = await task
        finally:
            task.cancel()
        if (result := accept(reply)) is None:
            raise TimeoutError("i/o timeout")
        return result

    async def _exchange(
        self, own: str, to: Upstream, wire: bytes, timeout_s: float
    ) -> bytes:
        # in a network namespace of its own all of 127.0.0.0/8 is the pod itself
        host = own if to.host.startswith("127.") else to.host
        transport: Transport = "udp" if to.transport == "udp" else "tcp"
        flow = Flow((own, _PORT), (host, to.port), transport.upper())
        path = self.plane.route(flow)
        if path.refused:
            raise ConnectionRefusedError(111, "connection refused")
        try:
            async with asyncio.timeout(timeout_s):
                return await self.carry(wire, transport, flow, path)
        except TimeoutError:
            message = f"read {transport} {own}:{_PORT}->{to}: i/o timeout"
            raise TimeoutError(message) from None

    async def carry(
        self, wire: bytes, transport: Transport, flow: Flow, path: Path
    ) -> bytes:
        """Take a query along ``path``; return the reply, or wait for one for ever."""
        await asyncio.sleep(HOP_S)
        host = self._host(path.endpoint, transport)
        if host is None:
            return await _for_ever()
        query = host.decode(wire, transport, flow.client, flow.server)
        if query is None or isinstance(query, bytes):
            return query or await _for_ever()
        rtype = type_name(query.question.qtype)
        if self._loses("query", rtype, transport):
            await _for_ever()
        replies = await host.answer(query)
        if not replies or self._loses("reply", rtype, transport):
            await _for_ever()
        await asyncio.sleep(HOP_S)
        return replies[0]

    def _host(self, at: Address | None, transport: Transport) -> Answerer | None:
        """Return who takes packets at an address and does something with them."""
        if at is None or at in self.silent or (transport == "tcp" and self.blocks_tcp):
            return None
        return self.hosts.get(at)

    def _loses(self, what: str, rtype: str, transport: Transport) -> bool:
        loss = Loss(what, rtype)
        if transport != "udp" or loss not in self.losses:
            return False
        self.losses.remove(loss)
        return True


async def _for_ever() -> bytes:
    never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    return await never


@dataclass(slots=True)
class _LookupPackets:
    """One look-up's packets."""

    packets: Packets
    client: str
    queries: list[QueryRecord] = field(default_factory=list)
    arrived: asyncio.Queue[tuple[Send, bytes]] = field(default_factory=asyncio.Queue)
    """Replies; empty ones are refusals."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def send(self, sends: Collection[Send]) -> None:
        """Send queries; kube-proxy decides once for those of one socket."""
        paths: dict[Flow, Path] = {}
        loop = asyncio.get_running_loop()
        for send_ in sends:
            flow = self._flow(send_)
            if flow not in paths:
                paths[flow] = self.packets.plane.route(flow)
            query = QueryRecord(send_, paths[flow], loop.time())
            self.queries.append(query)
            self.tasks.add(loop.create_task(self._one(query, flow)))

    def _flow(self, send: Send) -> Flow:
        client, server = (self.client, send.source), (send.server, DNS_PORT)
        return Flow(client, server, send.transport.upper())

    async def _one(self, query: QueryRecord, flow: Flow) -> None:
        """Take one query there and its reply back."""
        send, path = query.send, query.path
        if path.refused:
            self.arrived.put_nowait((send, b""))
            return
        wire = await self.packets.carry(send.wire, send.transport, flow, path)
        query.reply = decode_reply(wire)
        query.ms = (asyncio.get_running_loop().time() - query.at) * 1000
        self.packets.plane.replied(flow)
        self.arrived.put_nowait((send, wire))


@asynccontextmanager
async def _lookup_packets(
    packets: Packets, client: str
) -> AsyncIterator[_LookupPackets]:
    talk = _LookupPackets(packets, client)
    try:
        yield talk
    finally:
        for task in talk.tasks:
            task.cancel()
        await asyncio.gather(*talk.tasks, return_exceptions=True)
