"""Accepts or rejects replies of upstreams, and selects the parts that are relayed.

These are the rules against forged and broken replies that need no network: a reply must
match the query that was sent, and records of other names are removed from it.
"""

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct

from minidns.dns import names, rdata
from minidns.dns.model import (
    AA,
    AD,
    CD,
    RA,
    RD,
    TC,
    DnsError,
    FormatError,
    Name,
    Opt,
    Question,
    Rcode,
    Response,
    RRset,
    Source,
    replace,
)
from minidns.dns.reply import CutShort, Reply, decode_reply

_QR = 0x8000
RELAYED_FLAGS = RD | AD | CD | 0x7800
"""The client's flags that are sent upstream, with the opcode (CoreDNS)."""
HOP_BY_HOP = frozenset((10, 11, 12))
"""Options between two neighbours: COOKIE, TCP-KEEPALIVE, PADDING (RFC 7873, 7828,
7830)."""
REFUSES_EDNS = frozenset((int(Rcode.FORMERR), int(Rcode.NOTIMP)))
"""Response codes of servers without EDNS (RFC 6891 7)."""
_TRANSFERS = frozenset((rdata.AXFR, rdata.IXFR))
_REDIRECTIONS = frozenset((rdata.CNAME, rdata.DNAME))
MAX_CHAIN = 64
"""limit: names in the alias chain of an answer; resolvers follow about twenty."""


T = TypeVar("T")


class Doubtful(NamedTuple, Generic[T]):
    """A reply that has the ID of the query, but is wrong in another way.

    It may be forged, so a better one may follow. ``outcome`` is used if none does.
    """

    outcome: T | DnsError | OSError

    def settled(self) -> T:
        """Return the outcome, or raise it."""
        if isinstance(self.outcome, DnsError | OSError):
            raise self.outcome
        return self.outcome


class SentQuery(Struct, frozen=True):
    """A query that was sent to an upstream."""

    question: Question
    wire: bytes
    """The message that was sent."""
    limit: int = 65535
    """Maximum bytes of the reply."""
    is_stream: bool = False
    """True over TCP, TLS and HTTPS, where no message is lost or cut short."""

    def accept(self, wire: bytes) -> Reply | Doubtful[Reply] | None:
        """Return the reply in ``wire``; None if it is to another query (RFC 5452 9).

        A datagram that is longer than the limit, or cut short with TC set, is returned
        with TC and without records, so that the client asks again over TCP (CoreDNS).
        The opcode is not checked, and the parser is not strict.

        A message with the right ID that is no reply to the question is Doubtful, with
        the outcome of CoreDNS: FORMERR to the client if the message is well-formed; TC
        if it is cut short, over UDP; otherwise a failure of the upstream.
        """
        if len(wire) < 12:
            return Doubtful(_malformed()) if self.is_stream else None
        if wire[:2] != self.wire[:2]:
            return None
        if len(wire) > self.limit:
            return self._matching(self._truncated(wire))
        try:
            return self._matching(self._decoded(wire))
        except CutShort:
            if self.is_stream:
                return Doubtful(_malformed())
            cut = self._matching(self._truncated(wire))
            if wire[2] & (TC >> 8) or isinstance(cut, Doubtful):
                return cut
            return Doubtful(cut)
        except FormatError:
            return Doubtful(_malformed())

    def _decoded(self, wire: bytes) -> Reply:
        section = self.wire[12 : 16 + names.wire_size(self.question.qname)]
        return decode_reply(wire, (self.question, section), strict=False)

    def _truncated(self, wire: bytes) -> Reply | None:
        """Return only the question of ``wire``, with TC; None if it has none."""
        try:
            reply = self._decoded(wire[:6] + bytes(6) + wire[12:])
        except FormatError:
            return None
        return replace(reply, flags=reply.flags | TC)

    def _matching(self, reply: Reply | None) -> Reply | Doubtful[Reply]:
        if reply is not None and reply.flags & _QR:
            if reply.question == self.question:
                return reply
            # a server that cannot parse a query returns the header alone
            if reply.rcode in REFUSES_EDNS and _is_bare(reply):
                return reply
        return Doubtful(DnsError(rcode=Rcode.FORMERR))


def _malformed() -> ConnectionError:
    return ConnectionError("malformed reply")


def _is_bare(reply: Reply) -> bool:
    return not (reply.question or reply.answer or reply.authority or reply.additional)


def without_hop_by_hop(opt: Opt) -> Opt:
    """Return ``opt`` without the options that are for its receiver only."""
    if not opt.options:
        return opt
    relayed = tuple(option for option in opt.options if option[0] not in HOP_BY_HOP)
    return opt._replace(options=relayed)


def chain_of(question: Question, answer: Iterable[RRset]) -> frozenset[Name]:
    """Return the name of the question and all names that its CNAMEs lead to."""
    aliases: dict[Name, list[RRset]] = {}
    for rrset in answer:
        if rrset.rtype == rdata.CNAME:
            aliases.setdefault(rrset.owner.lower(), []).append(rrset)
    if not aliases:
        return frozenset((question.qname,))
    chain, ahead = {question.qname}, [question.qname]
    while ahead and len(chain) <= MAX_CHAIN:
        for rrset in aliases.get(ahead.pop(), ()):
            # an owner should have one (RFC 2181 10.1), and must not cost thousands
            targets = {names.read(data).lower() for data in rrset.rdata[:8]}
            ahead += targets - chain
            chain |= targets
    return frozenset(chain)


def scrubbed(question: Question, reply: Reply) -> Reply:
    """Return ``reply`` without records that do not belong to its question.

    These are records of the answer section whose owner is neither the name in the
    question nor one that it leads to. The other sections stay as they are (CoreDNS):
    nothing in them is ever used to answer another question.
    """
    answer = reply.answer
    if question.qtype in _TRANSFERS or _is_chain_in_order(question.qname, answer):
        return reply
    chain = chain_of(question, answer)
    redirected = {rrset.owner.lower() for rrset in answer if rrset.rtype == rdata.DNAME}
    own = chain | {
        owner
        for owner in redirected
        if any(names.is_below(name, owner) for name in chain)
    }
    answer = tuple([rrset for rrset in answer if rrset.owner.lower() in own])
    return replace(reply, answer=answer)


def _is_chain_in_order(qname: Name, answer: Iterable[RRset]) -> bool:
    """Return whether every record belongs to ``qname`` or to its alias before it.

    This is a cheap test that most replies pass.
    """
    name = qname
    for owner, rtype, _, data, _ in answer:
        if owner != name and owner.lower() != name:
            return False
        if rtype == rdata.CNAME and len(data) == 1:
            name = names.read(data[0]).lower()
        elif rtype in _REDIRECTIONS:
            return False
    return True


def response_of(
    reply: Reply, client: Opt | None, rule: str = "", sources: tuple[Source, ...] = ()
) -> Response:
    """Return the response from ``reply`` to a query with the OPT ``client``."""
    opt = None
    if reply.opt is not None and client is not None:
        # with the size and DO of the client (CoreDNS)
        options = without_hop_by_hop(reply.opt).options
        opt = Opt(client.size, client.do or reply.opt.do, options)
    flags = reply.flags
    return Response(
        reply.rcode,
        reply.answer,
        reply.authority,
        reply.additional,
        aa=bool(flags & AA),
        ra=bool(flags & RA),
        ad=bool(flags & AD),
        tc=bool(flags & TC),
        rd=bool(flags & RD),
        opt=opt,
        rule=rule,
        sources=sources,
    )
