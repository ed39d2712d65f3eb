"""Carries DNS messages in memory, in virtual time, with the faults of the network.

Stub resolvers, kube-proxy and minidns's encoding are those of the real sockets; only
the transport differs. The loop must have virtual time (`scenario.clock`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import TypeVar

from minidns.dns.model import Address
from minidns.server.answer import Answerer, Responder
from minidns.server.remembered import Memory
from minidns.stub.protocol import Failure, Lookup, Send, Transport, Wait
from minidns.upstream.upstream import Upstream

from .faults import Fault, Faults, Packet
from .kube_proxy import Flow
from .links import Links, back
from .over_sockets import DNS_PORT, LookupResult, Network, Path, QueryRecord
from .server_faults import ServerFaults

T = TypeVar("T")
Deliver = Callable[[bytes], None]
"""Receives a reply, or ``REFUSAL``."""

Observe = Callable[[str, Flow, bytes, Path], None]
"""Receives what happens to a message, its flow, its bytes and the path of the flow."""

REFUSAL = b""
"""What arrives instead of a reply if the other node refuses a packet (ICMP, RST)."""
_PORT = 40000
"""Source port of all servers' queries over UDP."""


@dataclass(slots=True)
class Packets:
    """Carries DNS messages between the addresses of a cluster."""

    plane: Network
    hosts: dict[Address, Answerer] = field(default_factory=dict)
    """The servers by address: pods and the external resolver."""
    memories: dict[Address, Memory] = field(default_factory=dict)
    """The remembered replies of the servers by address."""
    blocks_tcp: bool = False
    """Whether a firewall drops every TCP packet."""
    links: Links = field(default_factory=Links)
    observe: Observe = lambda what, flow, wire, path: None
    """Called when a ``query`` leaves its client, is ``received`` by a server that then
    has ``answered``, and when the ``reply`` arrives at the client."""
    _ports: Iterator[int] = field(default_factory=lambda: cycle(range(50000, 60000)))

    @property
    def faults(self) -> Faults:
        """The active faults."""
        return self.links.faults

    @property
    def servers(self) -> ServerFaults:
        """The state of the servers: silent, ended."""
        return self.links.servers

    async def resolve(self, lookup: Lookup, client: str, port: int = 0) -> LookupResult:
        """Run ``lookup`` as a client with the address ``client``.

        All its packets leave from ``port``, if that is not 0.
        """
        now = asyncio.get_running_loop().time
        packets = _LookupPackets(self, client, port)
        try:
            step = lookup.start(now())
            while isinstance(step, Wait):
                packets.send(step.sends)
                arrival = await packets.next(step.until)
                if arrival is None:
                    step = lookup.on_timeout(max(now(), step.until))
                    continue
                send, wire = arrival
                if wire != REFUSAL:
                    step = lookup.on_reply(now(), send.server, send.source, wire)
                else:
                    step = lookup.on_failure(
                        now(), send.server, send.source, Failure.REFUSED
                    )
            return LookupResult(step.outcome, tuple(packets.queries))
        finally:
            await packets.close()

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
        port = _PORT if transport == "udp" else next(self._ports)
        flow = Flow((own, port), (host, to.port), transport.upper())
        path = self.plane.route(flow)
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        transit = self.carry(wire, transport, flow, path, arrived.put_nowait)
        try:
            async with asyncio.timeout(timeout_s):
                # a wrong reply does not end the wait for the right one
                while (reply := await arrived.get()) != REFUSAL:
                    if (result := accept(reply)) is not None:
                        return result
        except TimeoutError:
            message = f"read {transport} {own}:{port}->{to}: i/o timeout"
            raise TimeoutError(message) from None
        finally:
            transit.cancel()
        raise ConnectionRefusedError(111, "connection refused")

    def carry(
        self,
        wire: bytes,
        transport: Transport,
        flow: Flow,
        path: Path,
        deliver: Deliver,
        *,
        second: bool = False,
    ) -> "Transit":
        """Send a query along ``path``; call ``deliver`` with every reply.

        ``second`` says that another query left the same socket at the same moment.
        """
        transit = Transit(self, wire, transport, flow, path, deliver)
        # each query has a context of its own, in which observers may set variables
        copy_context().run(transit.start, second=second)
        return transit

    async def reply(
        self,
        interceptor: Fault | None,
        wire: bytes,
        transport: Transport,
        flow: Flow,
        path: Path,
    ) -> bytes | None:
        """Return the reply to a query that arrives, REFUSAL, or None without one."""
        if interceptor is None:
            return await self._reply(wire, transport, flow, path)
        return await self._intercept(interceptor, wire, transport, flow)

    async def _intercept(
        self, fault: Fault, wire: bytes, transport: Transport, flow: Flow
    ) -> bytes | None:
        """Return the reply of an interceptor, which asks its own server."""
        now = asyncio.get_running_loop().time
        if (reply := self.links.repeated(fault, wire, now())) is not None:
            return reply
        server = next(iter(self.links.addresses(fault.to)), None)
        path = Path((server, DNS_PORT) if server else None, None)
        reply = await self._reply(wire, transport, flow, path)
        if reply:
            self.links.repeat(fault, wire, reply, now())
        return reply

    async def _reply(
        self, wire: bytes, transport: Transport, flow: Flow, path: Path
    ) -> bytes | None:
        """Return the reply of the server at the end of ``path``, REFUSAL or None."""
        if path.endpoint in self.servers.closed:
            return REFUSAL
        host = self._host(path.endpoint, transport)
        if host is None or path.endpoint is None:
            return None
        self.observe("received", flow, wire, path)
        reply = await self._answer(host, wire, transport, flow, path.endpoint)
        if reply is not None:
            self.observe("answered", flow, reply, path)
        return await self.links.reply(path.endpoint, wire, transport, reply)

    async def _answer(
        self,
        host: Answerer,
        wire: bytes,
        transport: Transport,
        flow: Flow,
        at: Address,
    ) -> bytes | None:
        """Return the reply of a server, from its memory if it remembers one."""
        now = asyncio.get_running_loop().time
        memory = self.memories.get(at) or self.memories.setdefault(at, Memory())
        responder = Responder(host, memory, transport, flow.server, now)
        if self.links.loses("query", wire, transport):
            return None
        replies: list[bytes] = []
        if (known := responder.cached(wire)) is not None:
            replies.append(known)
        elif isinstance(
            query := responder.decode(wire, self.plane.client_of(flow)), tuple
        ):
            await responder.reply(*query, replies.append)
        elif query is not None:
            replies.append(query)
        if self.links.loses("reply", wire, transport) or not replies:
            return None
        return replies[0]

    def _host(self, at: Address | None, transport: Transport) -> Answerer | None:
        """Return the server at an address, unless it is silent or unreachable."""
        silent = self.servers.silent
        if at is None or at in silent or (transport == "tcp" and self.blocks_tcp):
            return None
        return self.hosts.get(at)


@dataclass(slots=True)
class Transit:
    """A query on its way to a server, and the replies on their way back.

    Timers move the messages; only the server that answers runs in a task.
    """

    packets: Packets
    wire: bytes
    transport: Transport
    flow: Flow
    path: Path
    deliver: Deliver
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, *, second: bool) -> None:
        """Send the query; see `Packets.carry`."""
        links, path = self.packets.links, self.path
        self.packets.observe("query", self.flow, self.wire, path)
        if path.refused:
            self.deliver(REFUSAL)
        if path.endpoint is None:
            return
        query = links.packet(
            self.flow, path.endpoint, self.transport, len(self.wire), second=second
        )
        interceptor = links.interceptor(query)
        for delay_s in links.delays_s(query):
            self._later(delay_s, self._arrive, query, interceptor)

    def cancel(self) -> list[asyncio.Task[None]]:
        """Drop what is still on its way; return the tasks that have not ended yet."""
        for timer in self._timers:
            timer.cancel()
        running = [task for task in self._tasks if not task.done()]
        for task in running:
            task.cancel()
        return running

    def _later(self, delay_s: float, move: Callable[..., None], *args: object) -> None:
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(delay_s, move, *args))

    def _arrive(self, query: Packet, interceptor: Fault | None) -> None:
        """Let the server answer a query that has arrived."""
        answering = self._answer(query, interceptor)
        self._tasks.append(asyncio.get_running_loop().create_task(answering))

    async def _answer(self, query: Packet, interceptor: Fault | None) -> None:
        reply = await self.packets.reply(
            interceptor, self.wire, self.transport, self.flow, self.path
        )
        if reply is not None:
            links = self.packets.links
            for delay_s in links.delays_s(back(query, len(reply))):
                self._later(delay_s, self._return, reply)

    def _return(self, reply: bytes) -> None:
        self.packets.observe("reply", self.flow, reply, self.path)
        self.deliver(reply)


@dataclass(slots=True)
class _LookupPackets:
    """The packets of one lookup."""

    packets: Packets
    client: str
    port: int = 0
    """The source port of all packets; 0 for those that the resolver draws."""
    queries: list[QueryRecord] = field(default_factory=list)
    arrived: deque[tuple[Send, bytes]] = field(default_factory=deque)
    """Replies and refusals."""
    transits: list[Transit] = field(default_factory=list)
    _waiter: asyncio.Future[None] | None = None
    """Done when something arrives, or when the wait is over."""

    def send(self, sends: Collection[Send]) -> None:
        """Send queries; those of one socket take the same path."""
        paths: dict[Flow, Path] = {}
        loop = asyncio.get_running_loop()
        for send in sends:
            flow = self._flow(send)
            path = paths.get(flow)
            second = path is not None
            if path is None:
                path = paths[flow] = self.packets.plane.route(flow)
            else:
                path = self.packets.plane.race(flow, path)
            query = QueryRecord(send, path, loop.time())
            self.queries.append(query)
            deliver = partial(self._arrive, query, flow)
            transit = self.packets.carry(
                send.wire, send.transport, flow, query.path, deliver, second=second
            )
            self.transits.append(transit)

    def _flow(self, send: Send) -> Flow:
        port = self.port or send.source
        client, server = (self.client, port), (send.server, DNS_PORT)
        return Flow(client, server, send.transport.upper())

    def _arrive(self, query: QueryRecord, flow: Flow, wire: bytes) -> None:
        """Pass a reply to the lookup; the record keeps the first one."""
        if wire == REFUSAL:
            query.path = query.path._replace(refused=True)
        elif query.reply is None:
            query.wire = wire
            query.ms = (asyncio.get_running_loop().time() - query.at) * 1000
        if wire != REFUSAL:
            self.packets.plane.replied(flow)
        self.arrived.append((query.send, wire))
        self._wake()

    async def next(self, until: float) -> tuple[Send, bytes] | None:
        """Return the next reply or refusal, or None if none arrives until then."""
        loop = asyncio.get_running_loop()
        timer = loop.call_at(until, self._wake)
        try:
            if not self.arrived:
                self._waiter = loop.create_future()
                await self._waiter
        finally:
            timer.cancel()
            self._waiter = None
        return self.arrived.popleft() if self.arrived else None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def close(self) -> None:
        """Drop what is still on its way."""
        running = [task for transit in self.transits for task in transit.cancel()]
        if running:
            await asyncio.gather(*running, return_exceptions=True)
