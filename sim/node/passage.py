"""The way from a pod to a server as a socket: for programs that open real ones.

A program in this process sends to an address on loopback; its messages cross the links
from its pod to the server, and meet their faults.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias, cast

from minidns.dns.model import Address, Question
from minidns.dns.rdata import A
from minidns.stub.protocol import Send, Transport

from .kind_corefile import HOST
from .links import Links
from .over_sockets import Network, exchange

TIMEOUT_S = 30.0
"""Seconds for which a reply may be on its way: more than any client waits."""
_NO_QUESTION = Question(".", A)
_PORTS = count(1024)
Carry: TypeAlias = Callable[[bytes, Transport], Awaitable[bytes]]
"""Carries a message and returns its reply; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A way that is open; `close` ends it."""

    address: Address
    """Where it begins, on loopback."""
    _datagrams: asyncio.DatagramTransport
    _streams: asyncio.Server

    async def close(self) -> None:
        """Close the sockets of the way."""
        self._datagrams.close()
        self._streams.close()
        await self._streams.wait_closed()


async def passage(client: str, network: Network, links: Links, server: str) -> Passage:
    """Open the way from the pod at ``client`` to the server at a cluster address."""

    async def carry(wire: bytes, transport: Transport) -> bytes:
        send = Send(server, next(_PORTS), transport, _NO_QUESTION, wire)
        return await exchange(send, client, network, links, TIMEOUT_S)

    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                reply = await carry(await reader.readexactly(size), "tcp")
                if not reply:
                    break
                writer.write(len(reply).to_bytes(2) + reply)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()

    # cancelled while it starts outside of the block, it would leave its socket open
    streams = await asyncio.start_server(connected, HOST, 0, start_serving=False)
    try:
        address: Address = streams.sockets[0].getsockname()[:2]
        await streams.start_serving()
        datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(carry), local_addr=address
        )
    except BaseException:
        streams.close()
        raise
    return Passage(address, datagrams, streams)


class _Datagrams(asyncio.DatagramProtocol):
    """Carries each datagram, and its reply back to whom it came from."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        task = asyncio.get_running_loop().create_task(self._pass(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass(self, data: bytes, addr: Address) -> None:
        if reply := await self._carry(data, "udp"):
            self._transport.sendto(reply, addr)
