"""Lookups against servers that are described in words, in virtual time.

A server has a behaviour, such as ``drop 1/2`` or ``delay 300``; names have addresses.
A name without an address does not exist. What has a rate is drawn from a seed.
"""

import heapq
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from random import Random
from typing import NamedTuple

from minidns.dns import names, rdata, wire
from minidns.dns.model import FormatError, Query, Rcode, Response, RRset
from minidns.dns.rdata import AAAA, A
from minidns.dns.reply import decode_reply
from minidns.stub.protocol import Failure, Lookup, Resolver, Send, Step, Wait

from .kinds import Kind
from .report import Report, Sent, make_report

_REPLY_S = 0.001
"""Seconds from a query to its reply."""
_TTL = 30
EFFECTS = {
    "drop": "loses queries",
    "closed": "nobody listens",
    "servfail": "answers SERVFAIL",
    "refused": "answers REFUSED",
    "nxdomain": "answers NXDOMAIN",
    "nodata": "answers NODATA",
    "truncate": "truncates every reply over UDP",
    "delay": "answers MILLISECONDS later: delay 300",
}
"""What a server can do; all but ``delay`` take a rate such as 1/2."""
_RCODES = {
    "servfail": Rcode.SERVFAIL,
    "refused": Rcode.REFUSED,
    "nxdomain": Rcode.NXDOMAIN,
    "nodata": Rcode.NOERROR,
}


class Behaviour(NamedTuple):
    """What a server does with queries, at a rate."""

    effect: str = ""
    rate: Fraction = Fraction(1)
    delay_s: float = 0.0


def parse_behaviour(text: str) -> Behaviour:
    """Return the behaviour that ``text`` describes.

    Raises:
        ValueError: it is not known; the message lists those there are.

    """
    effect, *rest = text.split() or [""]
    if effect not in EFFECTS or len(rest) > 1:
        known = "\n".join(f"  {name:9} {what}" for name, what in EFFECTS.items())
        raise ValueError(f"a server cannot do {text!r}; it can:\n{known}")
    if effect == "delay":
        if not rest or not rest[0].isdecimal():
            raise ValueError("delay needs milliseconds, such as: delay 300")
        return Behaviour("delay", delay_s=int(rest[0]) / 1000)
    try:
        rate = Fraction(rest[0]) if rest else Fraction(1)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(-1)
    if not 0 <= rate <= 1:
        raise ValueError(f"{rest[0]} is no rate from 0 to 1, such as 1/2")
    return Behaviour(effect, rate)


def parse_address(text: str) -> tuple[str, str]:
    """Return name and address of ``NAME=ADDRESS``; raises ValueError."""
    name, equals, address = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not NAME=ADDRESS")
    names.to_wire(name.removesuffix(".") + ".")
    return names.absolute(name), str(ipaddress.ip_address(address))


@dataclass(slots=True)
class Servers:
    """The described servers, and the packets on their way."""

    behaviours: Mapping[str, Behaviour]
    """By the address of the server."""
    addresses: Iterable[tuple[str, str]]
    """Pairs of an absolute name and one of its addresses."""
    rng: Random
    sent: list[Sent] = field(default_factory=list)
    _now: float = 0.0
    _coming: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    """Time of arrival, order, position in ``sent``, reply (empty for a refusal)."""
    _order: "count[int]" = field(default_factory=count)

    def look_up(
        self, kind: Kind, resolver: Resolver, name: str, types: tuple[int, ...]
    ) -> Report:
        """Run a lookup to its end; return its report."""
        lookup = Lookup(resolver, resolver.look_up(name, types))
        step = lookup.start(self._now)
        while isinstance(step, Wait):
            for send in step.sends:
                self._accept(send)
            step = self._wait(lookup, step.until)
        return make_report(kind, self.sent, step.outcome, self._now)

    def _wait(self, lookup: Lookup, until: float) -> Step:
        if not self._coming or self._coming[0][0] > until:
            self._now = max(self._now, until)
            return lookup.on_timeout(self._now)
        self._now, _, position, message = heapq.heappop(self._coming)
        sent = self.sent[position]
        server, source = sent.send.server, sent.send.source
        if not message:
            self.sent[position] = sent._replace(is_refused=True)
            return lookup.on_failure(self._now, server, source, Failure.REFUSED)
        ms = (self._now - sent.at) * 1000
        reply = decode_reply(message, strict=False)
        self.sent[position] = sent._replace(reply=reply, ms=ms)
        return lookup.on_reply(self._now, server, source, message)

    def _accept(self, send: Send) -> None:
        behaviour = self.behaviours.get(send.server, Behaviour())
        if behaviour.rate < 1 and self.rng.random() >= behaviour.rate:
            behaviour = Behaviour()
        self.sent.append(Sent(send, self._now))
        at = self._now + behaviour.delay_s
        message = b""
        if behaviour.effect == "drop":
            return
        if behaviour.effect != "closed":
            at += _REPLY_S
            message = self._reply(send, behaviour.effect)
        arrival = at, next(self._order), len(self.sent) - 1, message
        heapq.heappush(self._coming, arrival)

    def _reply(self, send: Send, effect: str) -> bytes:
        try:
            query = wire.decode_query(send.wire, send.transport)
        except FormatError:
            return send.wire[:2] + b"\x81\x81" + bytes(8)
        return wire.encode_response(query, self._response(query, send, effect))

    def _response(self, query: Query, send: Send, effect: str) -> Response:
        if effect in _RCODES:
            return Response(_RCODES[effect], ra=True)
        if effect == "truncate" and send.transport == "udp":
            return Response(tc=True, ra=True)
        owner, qtype, _ = query.question
        own = [address for name, address in self.addresses if name == owner]
        if not own:
            return Response(Rcode.NXDOMAIN, ra=True)
        wanted = [a for a in own if (AAAA if ":" in a else A) == qtype]
        data = tuple(rdata.from_text(qtype, address) for address in wanted)
        answer = (RRset(owner, qtype, _TTL, data),) if data else ()
        return Response(answer=answer, ra=True)
