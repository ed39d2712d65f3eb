"""What the faults of servers do to their replies, and to the servers.

A fault acts on the reply that the server has made, so the same code serves replies in
memory and real ones. A server that stops stays silent; one that crashes is ended by its
node, until then its port refuses.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from minidns.dns import model, rdata
from minidns.dns.model import (
    AA,
    RA,
    TC,
    Address,
    Dropped,
    FormatError,
    Query,
    Question,
    Rcode,
    Response,
    RRset,
)
from minidns.dns.reply import Reply, decode_reply
from minidns.dns.wire import decode_query, encode_response
from minidns.stub.protocol import Transport

from ..controllers.containers import OOM_KILLED
from .faults import Fault, Faults, Served

LIE = {rdata.A: "198.51.100.66", rdata.AAAA: "2001:db8:bad::66"}
"""The wrong addresses that a lying server answers (RFC 5737, RFC 3849)."""
CAUSES = {"crash": "Error, exit code 137", "oom": OOM_KILLED}
"""Reasons of the end of a container by effect."""


class _Denial(NamedTuple):
    until: float
    reply: bytes


@dataclass(slots=True)
class ServerFaults:
    """Applies the faults of servers to their replies."""

    faults: Faults = field(default_factory=Faults)
    silent: set[Address] = field(default_factory=set)
    """Addresses whose servers take packets and do not answer."""
    closed: set[Address] = field(default_factory=set)
    """Addresses of pods whose server has ended: their node refuses packets."""
    on_end: Callable[[Address, str], None] = lambda at, cause: None
    """Called when a fault ends the server at an address, with the cause."""
    on_stop: Callable[[Address], None] = lambda at: None
    """Called when a fault stops the server at an address."""
    on_resume: Callable[[], None] = lambda: None
    """Called when all servers that were stopped go on."""
    _denials: dict[tuple[str, Address, Question], _Denial] = field(default_factory=dict)

    def resume(self) -> None:
        """Let all servers that are silent go on."""
        self.silent.clear()
        self.on_resume()

    async def reply(
        self,
        at: Address,
        names: frozenset[str],
        wire: bytes,
        transport: Transport,
        reply: bytes | None,
    ) -> bytes | None:
        """Return the reply that leaves the server at ``at`` for the query ``wire``.

        None means that there is none.
        """
        if at in self.silent or at in self.closed:
            return None
        if not self.faults.concerns_server(names):
            return reply
        query = query_of(wire, transport)
        if query is None:
            return reply
        served = Served(names, query.question, transport, len(reply or b""))
        treatment = self.faults.at_server(served)
        await asyncio.sleep(treatment.delay_s)
        if at in self.silent or at in self.closed:
            return None
        for fault in treatment.hits:
            match fault.effect:
                case "stop":
                    self.silent.add(at)
                    self.on_stop(at)
                    return None
                case "crash" | "oom":
                    self.on_end(at, CAUSES[fault.effect])
                    return None
                case "lose":
                    return None
        return self._edited(at, query, treatment.hits, reply)

    def _edited(
        self, at: Address, query: Query, hits: Sequence[Fault], reply: bytes | None
    ) -> bytes | None:
        reply = self._denied(at, query, hits, reply)
        for fault in hits:
            edit = _EDITS.get(fault.effect)
            if edit is not None and reply is not None:
                reply = edit(fault, query, reply)
        return reply

    def _denied(
        self, at: Address, query: Query, hits: Sequence[Fault], reply: bytes | None
    ) -> bytes | None:
        """Return an earlier denial, if the server still repeats it."""
        now = asyncio.get_running_loop().time()
        for fault in self.faults.active.values():
            denial = self._denials.get((fault.text, at, query.question))
            if denial is not None and denial.until > now:
                return query.wire[:2] + denial.reply[2:]
        for fault in hits:
            if fault.effect == "deny" and reply and reply[3] & 15 == Rcode.NXDOMAIN:
                key = fault.text, at, query.question
                self._denials[key] = _Denial(now + fault.delay_s, reply)
        return reply


def query_of(wire: bytes, transport: Transport) -> Query | None:
    """Return the query in ``wire``, or None if it is malformed."""
    try:
        return decode_query(wire, transport)
    except (Dropped, FormatError):
        return None


def _answer(fault: Fault, query: Query, reply: bytes) -> bytes:
    rcode = Rcode.SERVFAIL if fault.effect == "servfail" else fault.rcode
    return encode_response(query, Response(rcode))


def _truncate(fault: Fault, query: Query, reply: bytes) -> bytes:
    """Return no records, with TC set; TCP carries whole replies."""
    if query.transport != "udp":
        return reply
    flags = int.from_bytes(reply[2:4])
    response = Response(flags & 15, aa=bool(flags & AA), ra=bool(flags & RA), tc=True)
    return encode_response(query, response)


def _shorten(fault: Fault, query: Query, reply: bytes) -> bytes:
    def half(rrset: RRset) -> RRset:
        return rrset._replace(rdata=rrset.rdata[: len(rrset.rdata) // 2])

    return _with_answer(query, reply, half)


def _lie(fault: Fault, query: Query, reply: bytes) -> bytes:
    def wrong(rrset: RRset) -> RRset:
        address = LIE.get(rrset.rtype)
        if address is None:
            return rrset
        read = rdata.a if rrset.rtype == rdata.A else rdata.aaaa
        return rrset._replace(rdata=(read(address),))

    return _with_answer(query, reply, wrong)


def _with_answer(query: Query, reply: bytes, change: Callable[[RRset], RRset]) -> bytes:
    try:
        response = response_of(decode_reply(reply))
    except FormatError:
        return reply
    answer = tuple(new for new in map(change, response.answer) if new.rdata)
    return encode_response(query, model.replace(response, answer=answer))


def response_of(reply: Reply) -> Response:
    """Return the response that is encoded as ``reply``."""
    return Response(
        reply.rcode,
        reply.answer,
        reply.authority,
        reply.additional,
        aa=bool(reply.flags & AA),
        ra=bool(reply.flags & RA),
        tc=bool(reply.flags & TC),
        opt=reply.opt,
    )


def _garble(fault: Fault, query: Query, reply: bytes) -> bytes:
    return reply[: max(len(reply) // 2, 12)]


_EDITS: dict[str, Callable[[Fault, Query, bytes], bytes]] = {
    "servfail": _answer,
    "answer": _answer,
    "truncate": _truncate,
    "shorten": _shorten,
    "lie": _lie,
    "garble": _garble,
}
