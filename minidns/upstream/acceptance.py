"""An upstream's reply: whether it answers what was asked, and what of it is passed on.

The rules against forged and broken replies that need no network: what does not match
is no reply at all, and records that answer nobody's question are left out.
"""

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

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
)
from minidns.dns.reply import CutShort, Reply, decode_reply

_QR = 0x8000
RELAYED_FLAGS = RD | AD | CD | 0x7800
"""Bits of the client's flags that go upstream; the opcode, too (CoreDNS)."""
HOP_BY_HOP = frozenset((10, 11, 12))
"""COOKIE, TCP-KEEPALIVE, PADDING: between two neighbors (RFC 7873, 7828, 7830)."""
REFUSES_EDNS = frozenset((int(Rcode.FORMERR), int(Rcode.NOTIMP)))
"""What a server says that does not know EDNS (RFC 6891 7)."""
_TRANSFERS = frozenset((rdata.AXFR, rdata.IXFR))
_LEADING_ON = frozenset((rdata.CNAME, rdata.DNAME))
MAX_CHAIN = 64
"""Names that an answer may lead through; resolvers follow about twenty."""


T = TypeVar("T")


class Doubtful(NamedTuple, Generic[T]):
    """What a reply leads to that has the query's id, and is wrong in another way.

    A better one may follow: that this one is from the upstream is not certain.
    """

    outcome: T | DnsError | OSError

    def settled(self) -> T:
        """Return the outcome, or raise it."""
        if isinstance(self.outcome, DnsError | OSError):
            raise self.outcome
        return self.outcome


class Asked(NamedTuple):
    """A query on its way to an upstream."""

    question: Question
    id: int
    limit: int = 65535
    """Bytes the reply may have."""
    is_stream: bool = False
    """Whether it goes over TCP, TLS or HTTPS, where no message is lost or cut."""

    def accept(self, wire: bytes) -> Reply | Doubtful[Reply] | None:
        """Return the reply in ``wire``; None if it is none to this query (RFC 5452 9).

        A datagram longer than was asked for, or cut short with TC set, comes back with
        TC and without records: the client is to ask again over TCP (CoreDNS). The
        opcode is not looked at, and what ``decode_reply`` can read when it is not
        strict is read.

        Of one that has the right id and is not a reply to the question all the same,
        the outcome is what CoreDNS makes of it: FORMERR to the client if it can be read
        to its end; if it ends too early TC over UDP; else a failure of the upstream.
        """
        if len(wire) < 12:
            return Doubtful(_malformed()) if self.is_stream else None
        if int.from_bytes(wire[:2]) != self.id:
            return None
        if len(wire) > self.limit:
            return self._matching(self._truncated(wire))
        try:
            return self._matching(self._decoded(wire))
        except CutShort:
            if self.is_stream:
                return Doubtful(_malformed())
            found = self._matching(self._truncated(wire))
            if wire[2] & (TC >> 8) or isinstance(found, Doubtful):
                return found
            return Doubtful(found)
        except FormatError:
            return Doubtful(_malformed())

    def _decoded(self, wire: bytes) -> Reply:
        return decode_reply(wire, self.question.qname, strict=False)

    def _truncated(self, wire: bytes) -> Reply | None:
        """Return the question in ``wire`` alone, with TC; None if there is none."""
        try:
            reply = self._decoded(wire[:6] + bytes(6) + wire[12:])
        except FormatError:
            return None
        return reply._replace(flags=reply.flags | TC)

    def _matching(self, reply: Reply | None) -> Reply | Doubtful[Reply]:
        if reply is not None and reply.flags & _QR:
            if reply.question == self.question:
                return reply
            # a server that cannot read a query gives back the header alone
            bare = reply.question is None and not _records(reply)
            if bare and reply.rcode in REFUSES_EDNS:
                return reply
        return Doubtful(DnsError(rcode=Rcode.FORMERR))


def _malformed() -> ConnectionError:
    return ConnectionError("malformed reply")


def _records(reply: Reply) -> bool:
    return bool(reply.answer or reply.authority or reply.additional)


def without_hop_by_hop(opt: Opt) -> Opt:
    """Return ``opt`` without the options that are not meant for the next server."""
    if not opt.options:
        return opt
    kept = tuple(option for option in opt.options if option[0] not in HOP_BY_HOP)
    return opt._replace(options=kept)


def chain_of(question: Question, answer: Iterable[RRset]) -> frozenset[Name]:
    """Return the names that answer the question: its own, and where CNAMEs lead."""
    aliases: dict[Name, list[RRset]] = {}
    for rrset in answer:
        if rrset.rtype == rdata.CNAME:
            aliases.setdefault(rrset.owner.lower(), []).append(rrset)
    if not aliases:
        return frozenset((question.qname,))
    found, ahead = {question.qname}, [question.qname]
    while ahead and len(found) <= MAX_CHAIN:
        for rrset in aliases.get(ahead.pop(), ()):
            # one of an owner, as a rule (RFC 2181 10.1); never thousands
            targets = {names.read(each).lower() for each in rrset.rdata[:8]}
            ahead += targets - found
            found |= targets
    return frozenset(found)


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
    return reply._replace(answer=answer)


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
        elif rtype in _LEADING_ON:
            return False
    return True


def response_of(
    reply: Reply, asked: Opt | None, rule: str = "", sources: tuple[Source, ...] = ()
) -> Response:
    """Return what a client whose query had the OPT ``asked`` is given of ``reply``."""
    opt = None
    if reply.opt is not None and asked is not None:
        # size and DO are the client's own again (CoreDNS)
        options = without_hop_by_hop(reply.opt).options
        opt = Opt(asked.size, asked.do or reply.opt.do, options)
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
