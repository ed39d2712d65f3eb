"""DNS servers that do as a table says, and time that passes only while waiting."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

from minidns.dns import rdata, wire
from minidns.dns.model import FormatError, Rcode, Response, RRset
from minidns.dns.rdata import AAAA, A, type_name
from minidns.stub.glibc import Glibc
from minidns.stub.protocol import BOTH, Failure, Lookup, Outcome, Resolver, Send, Wait

Does = str | tuple[float, str]
"""What a server does: OK (an address), NODATA, an rcode, TC (whole over TCP), LAME,
REFUSE (nobody listens), CLOSE or RESET (of a connection), or "" for silence. As a
tuple: after so many seconds."""
FAILURES = {"REFUSE": Failure.REFUSED, "CLOSE": Failure.CLOSED, "RESET": Failure.RESET}
ADDRESSES = {A: "192.0.2.7", AAAA: "2001:db8::7"}


def reply_to(send: Send, does: str) -> bytes:
    """Return the bytes of the reply that ``does`` means."""
    try:
        query = wire.decode_query(send.wire, send.transport)
    except FormatError:
        return send.wire[:2] + b"\x81\x81" + bytes(8)
    response = Response(aa=True)
    if does == "LAME":
        response = Response()
    elif does == "TC" and send.transport == "udp":
        response = Response(tc=True, aa=True)
    elif does in ("OK", "TC"):
        owner, qtype, _ = query.question
        data = rdata.from_text(qtype, ADDRESSES[qtype])
        response = Response(answer=(RRset(owner, qtype, 30, (data,)),), aa=True)
    elif does != "NODATA":
        response = Response(Rcode[does], aa=True)
    return wire.encode_response(query, response)


@dataclass
class Play:
    """One look-up after another against scripted servers, in virtual time."""

    answers: Mapping[str, Does | Sequence[Does]]
    """By the most telling key there is, see ``_keys``; NXDOMAIN where there is none.

    The parts of a list are played one after another, the last one for ever.
    """
    now: float = 0.0
    log: list[str] = field(default_factory=list)
    """``seconds server name TYPE`` of every query, those over TCP marked."""
    sent: list[Send] = field(default_factory=list)
    _played: dict[str, int] = field(default_factory=dict)
    _coming: list[tuple[float, int, Send, str]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)

    def run(self, resolver: Resolver | str, name: str, types: tuple[int, ...] = BOTH) -> Outcome:
        """Play the lookup to its end; a text is the resolv.conf of glibc."""
        if isinstance(resolver, str):
            resolver = Glibc(resolver, Random(1))
        lookup = Lookup(resolver, resolver.look_up(name, types))
        step = lookup.start(self.now)
        while isinstance(step, Wait):
            for send in step.sends:
                self._accept(send)
            if not self._coming or self._coming[0][0] > step.until:
                self.now = max(self.now, step.until)
                step = lookup.on_timeout(self.now)
                continue
            self.now, _, send, does = heapq.heappop(self._coming)
            if does in FAILURES:
                step = lookup.on_failure(self.now, send.server, send.source, FAILURES[does])
            else:
                reply = reply_to(send, does)
                step = lookup.on_reply(self.now, send.server, send.source, reply)
        return step.outcome

    def _accept(self, send: Send) -> None:
        qname, kind = send.question.qname, type_name(send.question.qtype)
        tcp = " TCP" if send.transport == "tcp" else ""
        self.log.append(f"{self.now:g} {send.server} {qname} {kind}{tcp}")
        self.sent.append(send)
        delay, does = self._does(send)
        if does:
            at = self.now + delay
            heapq.heappush(self._coming, (at, next(self._order), send, does))

    def _does(self, send: Send) -> tuple[float, str]:
        for key in _keys(send):
            if key in self.answers:
                found = self.answers[key]
                if isinstance(found, list):
                    at = self._played[key] = self._played.get(key, -1) + 1
                    found = found[min(at, len(found) - 1)]
                if isinstance(found, str):
                    return 0.0, found
                assert isinstance(found, tuple)
                return found
        return 0.0, "NXDOMAIN"


def _keys(send: Send) -> tuple[str, ...]:
    name, kind = send.question.qname, type_name(send.question.qtype)
    return (f"{send.server} {kind}", send.server, f"{name} {kind}", name, kind)
