"""A look-up driven over real sockets: the stub decides, kube-proxy routes, we send.

The only module of the data path with sockets. Addresses of the cluster exist in the
simulation alone; a Network says where on loopback a packet to one of them goes.
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
    """Where packets of a flow go."""

    endpoint: Address | None
    """In the cluster: a pod behind the Service, or the address itself."""
    real: Address | None
    """On loopback; None: nothing is there, packets are lost."""
    refused: bool = False
    """Whether the node answers "port unreachable" (a Service without endpoints)."""


class Network(Protocol):
    """The node's part: kube-proxy, conntrack, and what stands for the wire."""

    def route(self, flow: Flow) -> Path:
        """Return where a packet of ``flow`` goes now."""
        ...

    def replied(self, flow: Flow) -> None:
        """Note that a packet of ``flow`` came back."""
        ...


@dataclass(slots=True)
class Asked:
    """One query on the wire and what became of it."""

    send: Send
    path: Path
    at: float
    """Loop seconds."""
    reply: Reply | None = None
    ms: float = 0.0
    """Milliseconds until the reply."""


class Resolved(NamedTuple):
    """A look-up's outcome and every query it took."""

    outcome: Outcome
    asked: tuple[Asked, ...]


async def resolve(lookup: Lookup, client: str, network: Network) -> Resolved:
    """Run ``lookup`` to its end as a client that has the cluster address ``client``.

    Cancellation closes every socket.
    """
    now = asyncio.get_running_loop().time
    async with _sockets(client, network) as sockets:
        step = lookup.start(now())
        while isinstance(step, Wait):
            await sockets.send(step.sends)
            step = await sockets.step(lookup, step.until)
        return Resolved(step.outcome, tuple(sockets.asked))


class _Arrival(NamedTuple):
    server: str
    source: int
    wire: bytes
    """Empty: a refusal."""


@dataclass(slots=True)
class _Sockets:
    """The open sockets of one look-up, one for each source port and destination."""

    client: str
    network: Network
    asked: list[Asked] = field(default_factory=list)
    _arrived: asyncio.Queue[_Arrival] = field(default_factory=asyncio.Queue)
    _datagrams: dict[tuple[int, Address], DatagramClient] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def send(self, sends: Iterable[Send]) -> None:
        """Send queries; those of one TCP connection together."""
        for (server, source, transport), batch in groupby(sends, _socket_of):
            queries = list(batch)
            path = self.network.route(self._flow(queries[0]))
            at = asyncio.get_running_loop().time()
            self.asked += [Asked(query, path, at) for query in queries]
            wires = [query.wire for query in queries]
            if path.refused:
                self._arrived.put_nowait(_Arrival(server, source, b""))
            elif path.real is not None and transport == "tcp":
                self._start(self._stream(server, source, path.real, wires))
            elif path.real is not None:
                await self._packets(server, source, path.real, wires)

    async def step(self, lookup: Lookup, until: float) -> Step:
        """Wait for something to happen, at most ``until``, and tell ``lookup``."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout_at(until):
                arrival = await self._arrived.get()
        except TimeoutError:
            return lookup.on_timeout(max(now(), until))
        if not arrival.wire:
            return lookup.on_refused(now(), arrival.server, arrival.source)
        self._note(arrival, now())
        return lookup.on_reply(now(), *arrival)

    async def close(self) -> None:
        """Close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for datagrams in self._datagrams.values():
            datagrams.close()

    def _flow(self, send: Send) -> Flow:
        client, server = (self.client, send.source), (send.server, DNS_PORT)
        return Flow(client, server, send.transport.upper())

    def _note(self, arrival: _Arrival, now: float) -> None:
        """Write a reply down beside the query it is to."""
        with contextlib.suppress(FormatError):
            reply = decode_reply(arrival.wire)
            for asked in self.asked:
                send = asked.send
                if (send.server, send.source) == arrival[:2] and not asked.reply:
                    if send.question != reply.question:
                        continue
                    asked.reply, asked.ms = reply, (now - asked.at) * 1000
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
        # nobody has the real port any more: a dead pod is silent, it does not refuse
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
        """Ask over one TCP connection, all questions at once (RFC 7766 6.2.1.1)."""
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
