"""One lookup at one server: the query, the reply in terms of its content, the failure.

Only the content of an answer is compared: the rcode and the set of records. Order and
TTL are kept beside it, because servers may differ in both without being wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from secrets import randbits
from typing import TypeAlias

from minidns.dns import rdata
from minidns.dns.model import RD, TC, Address, FormatError, Name, Opt, Question
from minidns.dns.reply import Reply, decode_reply
from minidns.dns.wire import encode_query
from minidns.probe.exchange import Exchange, Kind, Reception, tcp, udp

Record: TypeAlias = tuple[Name, int, bytes]
"""Owner, type and RDATA, names in lower case (RFC 4343)."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a client asks: everything about a query but its question."""

    transport: str = "udp"
    """``udp`` or ``tcp``."""
    edns_size: int = 1232
    """The UDP payload size of the OPT record; 0 for a query without EDNS."""
    timeout_s: float = 5.0
    """The client's time-out, by default that of glibc (resolv.conf(5))."""
    tcp_fallback: bool = True
    """Whether a truncated reply is asked for again over TCP (RFC 7766 5)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of a reply."""

    rcode: int
    records: frozenset[Record] = frozenset()
    """The answer section without order and TTL."""
    order: tuple[Record, ...] = field(default=(), compare=False)
    """The records in the order in which they came."""
    ttls: tuple[int, ...] = field(default=(), compare=False)
    truncated: bool = False
    """True if TC is set and the whole answer was not obtained over TCP."""

    def lines(self) -> list[str]:
        """Return the rcode, or the records in presentation format without TTLs."""
        text = [
            f"{owner} {rdata.type_name(rtype)} {rdata.to_text(rtype, data)}"
            for owner, rtype, data in sorted(self.records)
        ]
        note = ["(truncated)"] if self.truncated else []
        if self.rcode or not text:
            name = rdata.rcode_name(self.rcode)
            return [name if self.rcode or note else "NODATA", *text, *note]
        return text + note


@dataclass(frozen=True, slots=True)
class LookupResult:
    """The result of one lookup."""

    kind: Kind
    answer: Answer | None
    """The content of the reply, also of a late one; None without a readable reply."""
    seconds: float
    source_port: int = 0
    ident: int = 0
    """ID of the query."""
    transport: str = "udp"
    """The transport of the last exchange: ``tcp`` after a truncated reply."""
    is_kernel_time: bool = False
    """True if the kernel took the time at which the reply was received."""
    reason: str = ""
    """Why there is no answer, for people."""

    @property
    def failure(self) -> str:
        """Why a client would call this lookup failed; empty for an answer.

        NXDOMAIN and NODATA are answers. Whether they are right only a second server or
        the objects of the cluster can tell.
        """
        if self.kind is not Kind.REPLY:
            return str(self.kind)
        if self.answer is None:
            return "malformed reply"
        if self.answer.rcode not in (0, 3):
            return rdata.rcode_name(self.answer.rcode)
        return "truncated" if self.answer.truncated else ""


async def look_up(
    question: Question, to: Address, form: Form, exchange: Exchange = udp
) -> LookupResult:
    """Look ``question`` up at the server ``to``.

    ``exchange`` sends datagrams. A truncated reply is asked for again over TCP unless
    the form says otherwise.
    """
    opt = Opt(form.edns_size) if form.edns_size else None
    query = encode_query(question, randbits(16), RD, opt)
    if form.transport == "tcp":
        return _result(question, await tcp(to, query, form.timeout_s), "tcp")
    first = _result(question, await exchange(to, query, form.timeout_s), "udp")
    if not (first.answer and first.answer.truncated and form.tcp_fallback):
        return first
    second = _result(question, await tcp(to, query, form.timeout_s), "tcp")
    return second if second.answer else _not_whole(first, second)


def _not_whole(first: LookupResult, second: LookupResult) -> LookupResult:
    """Return a truncated result, with the reason that TCP did not help."""
    reason = f"truncated, and over TCP: {second.failure}"
    seconds = first.seconds + second.seconds
    return replace(first, seconds=seconds, transport="tcp", reason=reason)


def _result(question: Question, got: Reception, transport: str) -> LookupResult:
    answer, reason = None, got.reason
    if got.wire:
        try:
            answer = read_answer(got.wire, question)
        except FormatError as error:
            reason = str(error)
    return LookupResult(
        got.kind,
        answer,
        got.seconds,
        got.source_port,
        got.ident,
        transport,
        got.is_kernel_time,
        reason,
    )


def read_answer(wire: bytes, question: Question) -> Answer:
    """Return the content of the reply ``wire`` to ``question``.

    Raises:
        FormatError: it is malformed, or answers another question.

    """
    reply = decode_reply(wire, strict=False)
    if reply.question is not None and reply.question != question:
        raise FormatError("the reply repeats another question")
    try:
        order = tuple(records_of(reply))
    except ValueError as error:
        raise FormatError("the reply holds malformed records") from error
    return Answer(
        rcode=reply.rcode,
        records=frozenset(order),
        order=order,
        ttls=tuple(rrset.ttl for rrset in reply.answer for _ in rrset.rdata),
        truncated=bool(reply.flags & TC),
    )


def records_of(reply: Reply) -> Iterator[Record]:
    """Yield the records of the answer section, in order.

    Raises:
        ValueError: the data of a record is malformed.

    """
    for rrset in reply.answer:
        owner, rtype = rrset.owner.lower(), rrset.rtype
        for data in rrset.rdata:
            yield owner, rtype, rdata.map_names(rtype, data, str.lower)
