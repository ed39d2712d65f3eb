"""Runs a lookup over real sockets.

The stub resolver decides what is sent, a `Network` maps the cluster address to a real
one on loopback. This is the only module of the data path with sockets.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import asyncio_dgram
from asyncio_dgram.aio import DatagramClient

from minidns.dns.model import Address, FormatError
from minidns.dns.reply import Reply, decode_reply
from minidns.stub.protocol import Failure, Lookup, Outcome, Send, Step, Wait

from .faults import HOP_S, Fault, Packet
from .kube_proxy import Flow
from .links import Links, back

DNS_PORT = 53
_HAS_NET = sys.platform == "linux"
"""Whether programs can send from every address of 127.0.0.0/8."""


class Path(NamedTuple):
    """The destination of the packets of a flow."""

    endpoint: Address | None
    """Cluster address: a pod behind the Service, or the server's own address."""
    real: Address | None
    """Loopback address; None if nothing listens and packets are lost."""
    refused: bool = False
    """Whether the node rejects packets (a Service without endpoints)."""


class Network(Protocol):
    """The network of a node: kube-proxy and conntrack."""

    def route(self, flow: Flow) -> Path:
        """Return the current path of a packet of ``flow``."""
        ...

    def race(self, flow: Flow, first: Path) -> Path:
        """Return the path of a packet sent together with the first of its flow."""
        ...

    def replied(self, flow: Flow) -> None:
        """Record a reply packet of ``flow``."""
        ...

    def client_of(self, flow: Flow) -> Address:
        """Return the client of ``flow`` as its server sees it."""
        ...

    def real_of(self, endpoint: Address, protocol: str) -> Address | None:
        """Return the loopback address of a socket of the cluster, or None."""
        ...


@dataclass(slots=True)
class QueryRecord:
    """One sent query with its reply."""

    send: Send
    path: Path
    at: float
    """Time of sending in loop seconds."""
    port: int = 0
    """The loopback port that it left from over UDP."""
    wire: bytes = b""
    """The reply; empty without one."""
    ms: float = 0.0
    """Milliseconds from query to reply."""

    @property
    def reply(self) -> Reply | None:
        """The decoded reply; None without one, or if it is malformed."""
        if not self.wire:
            return None
        try:
            return decode_reply(self.wire)
        except FormatError:
            return None

    @property
    def size(self) -> int:
        """Bytes of the reply."""
        return len(self.wire)


class LookupResult(NamedTuple):
    """The outcome of a lookup and all its queries."""

    outcome: Outcome
    queries: tuple[QueryRecord, ...]

    def silence(self) -> Iterator[str]:
        """Yield what BIND's tools say about a lookup without any reply."""
        for query in self.queries:
            why = "connection refused" if query.path.refused else "timed out"
            yield f";; communications error to {query.send.server}#53: {why}"
        yield ";; no servers could be reached"


async def resolve(
    lookup: Lookup, client: str, network: Network, links: Links | None = None
) -> LookupResult:
    """Run ``lookup`` as a client with the cluster address ``client``.

    Without ``links`` the network has no faults.
    """
    now = asyncio.get_running_loop().time
    async with _sockets(client, network, links or Links()) as sockets:
        step = lookup.start(now())
        while isinstance(step, Wait):
            await sockets.send(step.sends)
            step = await sockets.step(lookup, step.until)
        return LookupResult(step.outcome, tuple(sockets.queries))


async def exchange(
    send: Send, client: str, network: Network, links: Links, limit_s: float
) -> bytes:
    """Carry one message as a client with that cluster address.

    Return the reply; nothing if none comes in ``limit_s`` or the server refuses.
    """
    async with _sockets(client, network, links) as sockets:
        await sockets.send((send,))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                return (await sockets.arrival()).wire
    return b""


class _Arrival(NamedTuple):
    server: str
    source: int
    wire: bytes
    """The reply; empty for a failure."""
    failure: Failure = Failure.REFUSED


@dataclass(slots=True)
class _Sockets:
    """The open sockets of one lookup, one per source port and destination."""

    client: str
    network: Network
    links: Links
    queries: list[QueryRecord] = field(default_factory=list)
    _arrived: asyncio.Queue[_Arrival] = field(default_factory=asyncio.Queue)
    _datagrams: dict[tuple[int, Address], DatagramClient] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _ways: "dict[tuple[str, int, str, bytes], _Way]" = field(default_factory=dict)
    """The last way of a query by its socket and ID."""

    async def send(self, sends: Iterable[Send]) -> None:
        """Send queries; the queries of one TCP connection together."""
        for (server, source, transport), batch in groupby(sends, _socket_of):
            sends_ = list(batch)
            path = self.network.route(self._flow(sends_[0]))
            at = asyncio.get_running_loop().time()
            records = []
            for index, query in enumerate(sends_):
                flow = self._flow(query)
                taken = self.network.race(flow, path) if index else path
                record = QueryRecord(query, taken, at)
                self.queries.append(record)
                if taken == path:
                    records.append(record)
            if path.refused:
                self._arrived.put_nowait(_Arrival(server, source, b""))
            elif path.real is not None:
                ways = [self._way(r, second=i > 0) for i, r in enumerate(records)]
                if transport == "tcp":
                    self._start(self._stream(ways))
                else:
                    for way in ways:
                        await self._datagram(way)

    def _way(self, query: QueryRecord, *, second: bool = False) -> "_Way":
        """Return the way of a query, which an interceptor may change."""
        send, (endpoint, real, _) = query.send, query.path
        assert endpoint is not None
        flow = self._flow(send)
        packet = self.links.packet(
            flow, endpoint, send.transport, len(send.wire), second=second
        )
        interceptor = self.links.interceptor(packet)
        if interceptor is not None:
            address = next(iter(self.links.addresses(interceptor.to)), "")
            endpoint = address, DNS_PORT
            real = self.network.real_of(endpoint, flow.protocol)
        way = _Way(query, packet, endpoint, real, interceptor)
        self._ways[*_socket_of(send), send.wire[:2]] = way
        return way

    async def arrival(self) -> _Arrival:
        """Return what arrives next."""
        return await self._arrived.get()

    async def step(self, lookup: Lookup, until: float) -> Step:
        """Wait for an arrival until ``until``; return the lookup's next step."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(until):
                arrival = await self.arrival()
        except TimeoutError:
            return lookup.on_timeout(max(now(), until))
        if not arrival.wire:
            server, source, _, failure = arrival
            return lookup.on_failure(now(), server, source, failure)
        self._record_reply(arrival, now())
        return lookup.on_reply(now(), *arrival[:3])

    async def close(self) -> None:
        """Close all sockets."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for datagrams in self._datagrams.values():
            datagrams.close()

    def _flow(self, send: Send) -> Flow:
        client, server = (self.client, send.source), (send.server, DNS_PORT)
        return Flow(client, server, send.transport.upper())

    def _own(self, send: Send) -> str | None:
        """Return the loopback address that stands for the client, if there is one.

        10.244.0.5 is 127.244.0.5: so servers tell clients apart, and see the node
        where kube-proxy masquerades.
        """
        host, _ = self.network.client_of(self._flow(send))
        return f"127.{host.partition('.')[2]}" if "." in host and _HAS_NET else None

    def _record_reply(self, arrival: _Arrival, now: float) -> None:
        """Store a reply in the record of its query."""
        with contextlib.suppress(FormatError):
            reply = decode_reply(arrival.wire)
            for query in self.queries:
                send = query.send
                if (send.server, send.source) == arrival[:2] and not query.reply:
                    if send.question != reply.question:
                        continue
                    query.wire, query.ms = arrival.wire, (now - query.at) * 1000
                    self.network.replied(self._flow(send))
                    return

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(work))

    async def _datagram(self, way: "_Way") -> None:
        """Send a query over UDP, as often and as late as its link delivers it."""
        if (known := self._repeated(way)) is not None:
            self._start(self._deliver(way, known))
            return
        send = way.query.send
        if self.links.loses("query", send.wire, "udp"):
            return
        key = send.source, way.endpoint
        if key not in self._datagrams and way.real is not None:
            datagrams = await _connected(way.real, self._own(send))
            self._datagrams[key] = datagrams
            self._start(self._receive(datagrams, send))
        if key in self._datagrams:
            way.query.port = self._datagrams[key].sockname[1]
        for delay_s in self.links.delays_s(way.packet):
            if delay_s <= HOP_S:
                await self._transmit(key, send.wire)
            else:
                self._start(self._transmit(key, send.wire, delay_s - HOP_S))

    async def _transmit(
        self, key: tuple[int, Address], wire: bytes, delay_s: float = 0
    ) -> None:
        await asyncio.sleep(delay_s)
        # the real port may be closed: a dead pod drops packets, it does not refuse them
        with contextlib.suppress(OSError):
            if key in self._datagrams:
                await self._datagrams[key].send(wire)

    async def _receive(self, datagrams: DatagramClient, send: Send) -> None:
        while True:
            wire, _ = await datagrams.recv()
            way = self._ways.get((*_socket_of(send), wire[:2]))
            if wire and way is not None and self.links.is_faulty:
                self._start(self._return(way, wire))
            elif wire:
                self._arrived.put_nowait(_Arrival(send.server, send.source, wire))

    def _repeated(self, way: "_Way") -> bytes | None:
        if way.interceptor is None:
            return None
        now = asyncio.get_running_loop().time()
        return self.links.repeated(way.interceptor, way.query.send.wire, now)

    async def _return(self, way: "_Way", wire: bytes) -> None:
        """Carry a reply of a server back, under the faults of the server."""
        send = way.query.send
        if self.links.loses("reply", send.wire, send.transport):
            return
        reply = await self.links.reply(way.endpoint, send.wire, send.transport, wire)
        if reply is None:
            return
        if way.interceptor is not None:
            now = asyncio.get_running_loop().time()
            self.links.repeat(way.interceptor, send.wire, reply, now)
        await self._deliver(way, reply)

    async def _deliver(self, way: "_Way", reply: bytes) -> None:
        """Carry a reply over the links back to the client."""
        send = way.query.send
        for delay_s in self.links.delays_s(back(way.packet, len(reply))):
            await asyncio.sleep(max(delay_s - HOP_S, 0))
            self._arrived.put_nowait(_Arrival(send.server, send.source, reply))

    async def _stream(self, ways: "list[_Way]") -> None:
        """Send queries over one TCP connection, pipelined (RFC 7766 6.2.1.1)."""
        first, by_id = ways[0], {way.query.send.wire[:2]: way for way in ways}
        delays_s = self.links.delays_s(first.packet)
        if not delays_s or first.real is None:
            return
        await asyncio.sleep(max(delays_s[0] - HOP_S, 0))
        refusal = _Arrival(first.query.send.server, first.query.send.source, b"")
        try:
            own = self._own(first.query.send)
            reader, writer = await asyncio.open_connection(
                *first.real, local_addr=own and (own, 0)
            )
        except OSError:
            self._arrived.put_nowait(refusal)
            return
        try:
            wires = [way.query.send.wire for way in ways]
            writer.writelines(len(wire).to_bytes(2) + wire for wire in wires)
            for _ in wires:
                length = int.from_bytes(await reader.readexactly(2))
                wire = await reader.readexactly(length)
                await self._return(by_id.get(wire[:2], first), wire)
        except asyncio.IncompleteReadError:
            self._arrived.put_nowait(refusal._replace(failure=Failure.CLOSED))
        except OSError:
            self._arrived.put_nowait(refusal._replace(failure=Failure.RESET))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class _Way(NamedTuple):
    """The way of one query."""

    query: QueryRecord
    packet: Packet
    endpoint: Address
    """The pod that answers: an interceptor's, or that of the path."""
    real: Address | None
    interceptor: Fault | None


async def _connected(to: Address, own: str | None) -> DatagramClient:
    """Return a connected socket that sends from the address ``own``, if not None."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    if own:
        sock.bind((own, 0))
    sock.connect(to)
    client = await asyncio_dgram.from_socket(sock)
    assert isinstance(client, DatagramClient)
    return client


def _socket_of(send: Send) -> tuple[str, int, str]:
    return send.server, send.source, send.transport


@contextlib.asynccontextmanager
async def _sockets(
    client: str, network: Network, links: Links
) -> AsyncIterator[_Sockets]:
    sockets = _Sockets(client, network, links)
    try:
        yield sockets
    finally:
        await sockets.close()
