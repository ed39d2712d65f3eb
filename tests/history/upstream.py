"""The resolver that stands behind *forward*: the same reply to the same query, always.

What it replies depends on everything that a real resolver's reply may depend on: RD,
DO, AD, CD, the size and the options of the OPT. It compresses names against the
question, as real ones do: so the question's letters come back in owners and in data.
"""

import asyncio
from functools import lru_cache
from typing import cast

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

_SOA = "ns.{zone} admin.{zone} 7 2 3 4 60"
_MANY = 40
"""Addresses of a name that does not fit into 512 bytes: 640 and more."""


@lru_cache(maxsize=100_000)
def reply(query: bytes, transport: str) -> bytes:
    """Return the reply to ``query``, both without their ids."""
    asked = dns.message.from_wire(b"\0\0" + query, ignore_trailing=True)
    made = dns.message.make_response(asked, recursion_available=True)
    question = asked.question[0]
    owner, labels = question.name, question.name.labels
    first = labels[0].lower()
    zone = owner.parent() if len(labels) > 1 else owner
    if not asked.flags & dns.flags.RD:
        made.set_rcode(dns.rcode.NOERROR)
        ns = dns.rrset.from_text(zone, 60, "IN", "NS", f"ns.{zone}")
        made.authority.append(ns)
        return made.to_wire()[2:]
    if asked.flags & dns.flags.CD:
        made.flags |= dns.flags.CD
    elif asked.flags & dns.flags.AD or asked.ednsflags & dns.flags.DO:
        made.flags |= dns.flags.AD
    if asked.edns >= 0:
        subnets = [option for option in asked.options if option.otype == dns.edns.ECS]
        reasons = [dns.edns.EDEOption(dns.edns.EDECode.SYNTHESIZED, "x")] if first == b"ede" else []
        made.use_edns(0, asked.ednsflags, 1232, options=[*subnets, *reasons])
    _fill(asked, made, first, zone)
    size = 65535 if transport == "tcp" else max(512, asked.payload)
    wire = made.to_wire(max_size=65535)
    if len(wire) > size:
        made.answer.clear()
        made.authority.clear()
        made.flags |= dns.flags.TC
        wire = made.to_wire()
    return wire[2:]


def _fill(asked: dns.message.Message, made: dns.message.Message, first: bytes, zone: dns.name.Name) -> None:
    question = asked.question[0]
    owner = question.name
    soa = dns.rrset.from_text(zone, 60, "IN", "SOA", _SOA.format(zone=zone))
    last = 1
    if subnets := [option for option in asked.options if option.otype == dns.edns.ECS]:
        last += sum(subnets[0].to_wire()) % 50  # another answer for another subnet
    if first.startswith(b"no"):
        made.authority.append(soa)
        made.set_rcode(dns.rcode.NOERROR if first == b"nodata" else dns.rcode.NXDOMAIN)
        return
    if first.startswith(b"fail"):
        made.set_rcode(dns.rcode.SERVFAIL)
        return
    if first.startswith(b"alias"):
        target = dns.name.from_text("target", zone)
        link = dns.rrset.from_text(owner, 60, "IN", "CNAME", str(target))
        made.answer.append(link)
        owner = target
    if question.rdtype == dns.rdatatype.A:
        count = _MANY if first == b"many" else 1
        data = [f"192.0.2.{last + n}" for n in range(count)]
        made.answer.append(dns.rrset.from_text(owner, 60, "IN", "A", *data))
    elif question.rdtype == dns.rdatatype.SRV:
        data = [f"0 0 53 {dns.name.from_text('host', zone)}"]
        made.answer.append(dns.rrset.from_text(owner, 60, "IN", "SRV", *data))
    elif question.rdtype == dns.rdatatype.TXT:
        flags = f"{int(asked.flags)}/{int(asked.ednsflags)}"
        made.answer.append(dns.rrset.from_text(owner, 60, "IN", "TXT", f'"{flags}"'))
    else:
        made.authority.append(soa)


class Upstream:
    """The resolver on loopback, by UDP and TCP at one port."""

    def __init__(self) -> None:
        self.queries: list[bytes] = []
        """The queries received, without IDs."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Begin to reply."""
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port)
        )

    def close(self) -> None:
        """Go away."""
        assert self._server is not None
        assert self._transport is not None
        self._server.close()
        self._transport.close()

    def answer(self, wire: bytes, transport: str) -> bytes:
        """Return the reply to ``wire``."""
        self.queries.append(wire[2:])
        return wire[:2] + reply(wire[2:], transport)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                out = self.answer(await reader.readexactly(size), "tcp")
                writer.write(len(out).to_bytes(2) + out)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the end of a connection, or of the test
        finally:
            writer.transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._upstream.answer(data, "udp"), addr)
