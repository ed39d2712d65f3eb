"""A DNS server on loopback whose answers a test decides."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from minidns.dns.model import Address

Reply = bytes | None
Behaviour = Callable[[dns.message.Message, str], Reply]
"""Returns the reply to a query over a transport (``udp`` or ``tcp``), None for none."""


def answers(*lines: str, rcode: int = 0, truncated: bool = False) -> Behaviour:
    """Return a behaviour that answers each query with the same records.

    With ``truncated`` the replies over UDP have TC and no records.
    """

    def reply(query: dns.message.Message, transport: str) -> bytes:
        message = dns.message.make_response(query)
        message.set_rcode(dns.rcode.Rcode(rcode))
        if truncated and transport == "udp":
            message.flags |= dns.flags.TC
        else:
            for line in lines:
                owner, ttl, rtype, data = line.split(maxsplit=3)
                message.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, data))
        return message.to_wire()

    return reply


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Return a behaviour that is each of these once, and then the last one for ever."""
    left = list(behaviours)

    def reply(query: dns.message.Message, transport: str) -> Reply:
        current = left.pop(0) if len(left) > 1 else left[0]
        return current(query, transport)

    return reply


def silence(query: dns.message.Message, transport: str) -> None:
    """Answer nothing."""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, behaviour: Behaviour, delay_s: float) -> None:
        self._behaviour, self._delay_s = behaviour, delay_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        reply = self._behaviour(dns.message.from_wire(data), "udp")
        if reply is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self._delay_s, self._transport.sendto, reply, addr)


@asynccontextmanager
async def serving(behaviour: Behaviour, *, delay_s: float = 0.0) -> AsyncIterator[Address]:
    """Serve on a free port over UDP and TCP; yield the address."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2))
        reply = behaviour(dns.message.from_wire(await reader.readexactly(size)), "tcp")
        if reply is not None:
            await asyncio.sleep(delay_s)
            writer.write(len(reply).to_bytes(2) + reply)
        writer.close()

    loop = asyncio.get_running_loop()
    for _ in range(20):  # a port that is free for TCP may be taken for UDP
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        address: Address = server.sockets[0].getsockname()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(behaviour, delay_s), local_addr=address
            )
            break
        except OSError:
            server.close()
    try:
        yield address
    finally:
        transport.close()
        server.close()
        await server.wait_closed()
