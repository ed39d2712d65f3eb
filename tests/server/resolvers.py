"""Resolvers on loopback that do, over UDP, TCP and TLS, what a test's script says."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from minidns.dns.model import Address
from minidns.upstream.upstream import Upstream


@dataclass
class Call:
    """A query as a resolver got it."""

    wire: bytes
    transport: str
    peer: Address
    local: Address
    send: Callable[[bytes], None]
    """Give these bytes back, over TCP as one message."""
    writer: asyncio.StreamWriter | None = None
    """The connection, over TCP."""

    @property
    def id(self) -> int:
        return int.from_bytes(self.wire[:2])


Script: TypeAlias = Callable[[Call], Awaitable[None]]


def reply(wire: bytes, *records: str, rcode: str = "NOERROR") -> dns.message.Message:
    """Return a reply to the query ``wire`` with ``records`` as its answer."""
    message = dns.message.make_response(dns.message.from_wire(wire), recursion_available=True)
    message.set_rcode(dns.rcode.from_text(rcode))
    for record in records:
        owner, ttl, rtype, *data = record.split()
        message.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, " ".join(data)))
    return message


def good(wire: bytes) -> bytes:
    """Return the right reply to any query: 192.0.2.1 at the name asked for."""
    owner = dns.message.from_wire(wire).question[0].name
    return reply(wire, f"{owner} 300 A 192.0.2.1").to_wire()


async def answer_well(call: Call) -> None:
    """Reply as a resolver does."""
    call.send(good(call.wire))


def held_until(go: asyncio.Event) -> Script:
    """Return a script that answers well, when it may go."""

    async def held(call: Call) -> None:
        await go.wait()
        call.send(good(call.wire))

    return held


async def say_nothing(call: Call) -> None:
    """Let the query be lost."""


class Resolver:
    """A resolver at a port of its own; None for a transport refuses it."""

    def __init__(
        self,
        udp: Script | None = answer_well,
        tcp: Script | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.asked: list[Call] = []
        self.connections = 0
        self.host, self.port = host, port
        self._udp, self._tcp, self._tls = udp, tcp, tls
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._transport: asyncio.DatagramTransport | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def upstream(self, transport: str = "udp") -> Upstream:
        return Upstream(self.host, self.port, transport)

    async def __aenter__(self) -> "Resolver":
        for _ in range(20):
            try:
                await self._bind()
            except OSError:
                if self.port and self._server is None:
                    raise
                self.close()  # the port was free for one transport only
            else:
                return self
        raise AssertionError("no port that is free for UDP and TCP")

    async def _bind(self) -> None:
        loop = asyncio.get_running_loop()
        port = self.port
        if self._tcp is not None:
            self._server = await asyncio.start_server(self._connected, self.host, port, ssl=self._tls)
            port = self._server.sockets[0].getsockname()[1]
        if self._udp is not None:
            self._transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(self.host, port)
            )
            port = self._transport.get_extra_info("sockname")[1]
        self.port = port

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)
        for end in ends:
            if isinstance(end, Exception):
                raise AssertionError("the resolver's script failed") from end

    def close(self) -> None:
        """Go away: what is asked from now on is refused."""
        if self._server is not None:
            self._server.close()
        if self._transport is not None:
            self._transport.close()
        for writer in self._writers:
            writer.transport.abort()

    def run(self, script: Script, call: Call) -> None:
        self.asked.append(call)

        async def play() -> None:
            await script(call)

        self._tasks.append(asyncio.get_running_loop().create_task(play()))

    def datagram(self, wire: bytes, peer: Address) -> None:
        assert self._transport is not None
        assert self._udp is not None
        transport = self._transport
        local = transport.get_extra_info("sockname")
        call = Call(wire, "udp", peer, local, lambda out: transport.sendto(out, peer))
        self.run(self._udp, call)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        peer, local = (writer.get_extra_info(x) for x in ("peername", "sockname"))
        assert self._tcp is not None
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                wire = await reader.readexactly(size)
                self.run(
                    self._tcp,
                    Call(wire, "tcp", peer, local, lambda out: writer.write(len(out).to_bytes(2) + out), writer),
                )
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._resolver.datagram(data, addr)
