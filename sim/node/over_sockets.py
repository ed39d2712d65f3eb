"""Runs a lookup over real sockets.

The stub resolver decides what is sent, a `Network` maps the cluster address to a real
one on loopback. This is the only module of the data path with sockets.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import asyncio_dgram
from asyncio_dgram.aio import DatagramClient

from minidns.dns.model import Address, FormatError
from minidns.dns.reply import Reply, decode_reply

from ..resolver.protocol import Send, Wait
from ..resolver.search import Lookup, Outcome, Step
from .kube_proxy import Flow

DNS_PORT = 53


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


@dataclass(slots=True)
class QueryRecord:
    """One sent query with its reply."""

    send: Send
    path: Path
    at: float
    """Time of sending in loop seconds."""
    reply: Reply | None = None
    ms: float = 0.0
    """Milliseconds from query to reply."""


class LookupResult(NamedTuple):
    """The outcome of a lookup and all its queries."""

    outcome: Outcome
    queries: tuple[QueryRecord, ...]


async def resolve(lookup: Lookup, client: str, network: Network) -> LookupResult:
    """Run ``lookup`` as a client with the cluster address ``client``."""
    now = asyncio.get_running_loop().time
    async with _sockets(client, network) as sockets:
        step = lookup.start(now())
        while isinstance(step, Wait):
            await sockets.send(step.sends)
            step = await sockets.step(lookup, step.until)
        return LookupResult(step.outcome, tuple(sockets.queries))


class _Arrival(NamedTuple):
    server: str
    source: int
    wire: bytes
    """The reply; empty for a refusal."""


@dataclass(slots=True)
class _Sockets:
    """The open sockets of one lookup, one per source port and destination."""

    client: str
    network: Network
    queries: list[QueryRecord] = field(default_factory=list)
    _arrived: asyncio.Queue[_Arrival] = field(default_factory=asyncio.Queue)
    _datagrams: dict[tuple[int, Address], DatagramClient] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def send(self, sends: Iterable[Send]) -> None:
        """Send queries; the queries of one TCP connection together."""
        for (server, source, transport), batch in groupby(sends, _socket_of):
            sends_ = list(batch)
            path = self.network.route(self._flow(sends_[0]))
            at = asyncio.get_running_loop().time()
            wires = []
            for index, query in enumerate(sends_):
                flow = self._flow(query)
                taken = self.network.race(flow, path) if index else path
                self.queries.append(QueryRecord(query, taken, at))
                if taken == path:
                    wires.append(query.wire)
            if path.refused:
                self._arrived.put_nowait(_Arrival(server, source, b""))
            elif path.real is not None and transport == "tcp":
                self._start(self._stream(server, source, path.real, wires))
            elif path.real is not None:
                await self._packets(server, source, path.real, wires)

    async def step(self, lookup: Lookup, until: float) -> Step:
        """Wait for an arrival until ``until``; return the lookup's next step."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(until):
                arrival = await self._arrived.get()
        except TimeoutError:
            return lookup.on_timeout(max(now(), until))
        if not arrival.wire:
            return lookup.on_refused(now(), arrival.server, arrival.source)
        self._record_reply(arrival, now())
        return lookup.on_reply(now(), *arrival)

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

    def _record_reply(self, arrival: _Arrival, now: float) -> None:
        """Store a reply in the record of its query."""
        with contextlib.suppress(FormatError):
            reply = decode_reply(arrival.wire)
            for query in self.queries:
                send = query.send
                if (send.server, send.source) == arrival[:2] and not query.reply:
                    if send.question != reply.question:
                        continue
                    query.reply, query.ms = reply, (now - query.at) * 1000
                    self.network.replied(self._flow(send))
                    return

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.get_running_loop().create_task(work))

    async def _packets(
        self, server: str, source: int, real: Address, wires: list[bytes]
    ) -> None:
        datagrams = self._datagrams.get((source, real))
        if datagrams is None:
            datagrams = await asyncio_dgram.connect(real)
            self._datagrams[source, real] = datagrams
            self._start(self._receive(datagrams, server, source))
        # the real port may be closed: a dead pod drops packets, it does not refuse them
        with contextlib.suppress(OSError):
            for wire in wires:
                await datagrams.send(wire)

    async def _receive(
        self, datagrams: DatagramClient, server: str, source: int
    ) -> None:
        while True:
            wire, _ = await datagrams.recv()
            if wire:
                self._arrived.put_nowait(_Arrival(server, source, wire))

    async def _stream(
        self, server: str, source: int, real: Address, wires: list[bytes]
    ) -> None:
        """Send queries over one TCP connection, pipelined (RFC 7766 6.2.1.1)."""
        try:
            reader, writer = await asyncio.open_connection(*real)
        except OSError:
            self._arrived.put_nowait(_Arrival(server, source, b""))
            return
        try:
            writer.writelines(len(wire).to_bytes(2) + wire for wire in wires)
            for _ in wires:
                length = int.from_bytes(await reader.readexactly(2))
                wire = await reader.readexactly(length)
                self._arrived.put_nowait(_Arrival(server, source, wire))
        except (OSError, asyncio.IncompleteReadError):
            self._arrived.put_nowait(_Arrival(server, source, b""))
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _socket_of(send: Send) -> tuple[str, int, str]:
    return send.server, send.source, send.transport


@contextlib.asynccontextmanager
async def _sockets(client: str, network: Network) -> AsyncIterator[_Sockets]:
    sockets = _Sockets(client, network)
    try:
        yield sockets
    finally:
        await sockets.close()
