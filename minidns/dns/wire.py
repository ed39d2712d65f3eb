"""Decodes queries, and encodes responses and queries to upstreams.

The only module that knows the wire format of a message. One strict parser reads the
bytes of a client: the header, one question, and of the rest only the OPT. It does not
recurse, and allocates nothing by a count or a length alone. The checks of CoreDNS are
in its server and in miekg/dns: QDCOUNT must be 1, ANCOUNT and NSCOUNT at most 1,
ARCOUNT at most 2, everything else is FORMERR. Here a record that does not belong into a
query is FORMERR as well.
"""

import struct
from functools import lru_cache
from typing import Literal

from minidns.dns import names, query_tail
from minidns.dns.edns import bare_opt, encode_opt
from minidns.dns.message import Records, Truncated, read_name, skip_name, skip_record
from minidns.dns.model import (
    AA,
    AD,
    CD,
    RA,
    RD,
    TC,
    Address,
    Dropped,
    FormatError,
    Opt,
    Query,
    Question,
    Rcode,
    Response,
    RRset,
)

_HEADER = struct.Struct("!6H")
_QTAIL = struct.Struct("!HH")
_QR = 0x8000
_OPCODE = 0x7800
_MIN_UDP = 512
_BADVERS = 16
ECHOED = frozenset((3, 9, 10, 11, 12))
"""Options that CoreDNS echoes: NSID EXPIRE COOKIE TCP-KEEPALIVE PADDING."""


def decode_query(
    wire: bytes,
    transport: Literal["udp", "tcp"] = "udp",
    peer: Address = ("127.0.0.1", 0),
    local: Address = ("127.0.0.1", 53),
    server: str = "dns://:53",
    expected: tuple[bool, bool] = (True, False),
) -> Query:
    """Return the query in ``wire``.

    ``expected`` has its ``asked_before`` and ``like_asked_before``.

    Raises:
        Dropped: a response, or shorter than a header; it must not be answered.
        FormatError: not a supported query; the error has the rcode of the reply.

    """
    ident, flags, an, ns, ar = _read_header(wire)
    spelled, at, qtype, qclass = _read_question(wire, transport)
    qname = spelled.lower()
    opt, end = None, at + 4
    if ar or an or ns:
        opt, end = query_tail.rest(wire, at, (an, ns, ar), qtype)
    is_whole = end == len(wire)  # with bytes after it, the reply is not remembered
    if transport == "tcp":
        max_size = 65535
    else:
        max_size = _MIN_UDP if opt is None or opt.size < _MIN_UDP else opt.size
    asked_before, like_asked_before = expected
    return Query(
        Question(qname, qtype, qclass),
        ident,
        flags,
        opt,
        max_size,
        wire,
        "" if spelled == qname else spelled,
        transport,
        peer,
        local,
        server,
        ".",
        0,
        asked_before and is_whole,
        like_asked_before and is_whole,
    )


def _read_header(wire: bytes) -> tuple[int, int, int, int, int]:
    """Return ID, flags, and the number of records in each section."""
    if len(wire) < 12:
        raise Dropped("shorter than a header")
    ident, flags, qd, an, ns, ar = _HEADER.unpack_from(wire)
    if flags & _QR:
        raise Dropped("a response")  # a reply to a response can loop (CVE-2024-2169)
    # unlike CoreDNS, which answers a NOTIFY like a query
    if flags & _OPCODE:
        raise FormatError("not a query", Rcode.NOTIMP)
    if qd != 1 or an > 1 or ns > 1 or ar > 2:
        raise FormatError("section counts")
    return ident, flags, an, ns, ar


def _read_question(wire: bytes, transport: str) -> tuple[str, int, int, int]:
    """Return the name as it was sent, the offset of the type, type and class."""
    is_long = len(wire) > _MIN_UDP
    if is_long:
        _check_name(wire)
    try:
        spelled, at = question_name(wire)
        qtype, qclass = _QTAIL.unpack_from(wire, at)
    except (IndexError, ValueError, struct.error, Truncated) as exc:
        raise FormatError("question cannot be read") from exc
    if at > 12 + names.MAX_NAME:
        raise FormatError("name longer than 255 bytes")
    if is_long and transport == "udp":  # CoreDNS reads at most 512 bytes
        raise FormatError("longer than 512 bytes", question=wire[12 : at + 4])
    return spelled, at, qtype, qclass


def question_name(wire: bytes) -> tuple[str, int]:
    """Return the question's name in the case of the query, and the offset after it.

    Raises:
        IndexError, ValueError, Truncated: it runs past the end, is too long, or
            compressed, which no question needs.

    """
    start = 13 + wire[12]
    end = wire.find(0, start) + 1
    if 13 < start <= 13 + names.MAX_LABEL and end:
        try:
            parent = _parent(wire[start:end])
            return f"{names.escaped(wire[13:start])}.{parent}", end
        except ValueError:
            pass  # the zero was part of a label, not the root
    return names.from_wire(wire, 12), skip_name(wire, 12)


@lru_cache(maxsize=1024)  # most names share their parent with others
def _parent(wire: bytes) -> str:
    """Return the name in ``wire`` to append to a label; empty for the root."""
    return names.from_wire(wire) if len(wire) > 1 else ""


def _check_name(wire: bytes) -> None:
    """Check the length of the question's name: 64 KB of labels are slow to parse."""
    try:
        skip_name(wire, 12)
    except (IndexError, Truncated) as exc:
        raise FormatError("name longer than 255 bytes") from exc


def error_reply(
    wire: bytes, rcode: int, record: bytes = b"", question: bytes = b""
) -> bytes:
    """Return the reply to a message that could not be parsed.

    It consists of a header, ``question`` and ``record``, and is never longer than the
    message. TC, RD, RA, AD and CD are copied from it, the opcode only with NOTIMP
    (CoreDNS).
    """
    ident, flags = struct.unpack_from("!HH", wire)
    copied = flags & (TC | RD | RA | AD | CD)
    opcode = flags & _OPCODE if rcode == Rcode.NOTIMP else 0
    flags = _QR | opcode | copied | rcode
    if 12 + len(record) > len(wire):  # its name was a pointer into the header
        record = b""
    header = _HEADER.pack(ident, flags, bool(question), 0, 0, bool(record))
    return header + question + record


def overload_reply(wire: bytes) -> bytes:
    """Return SERVFAIL with the question, for a query that is rejected under overload.

    It is empty if the message is not a query or cannot be parsed: no reply is sent.
    """
    if len(wire) < 17 or wire[2] & 0xF8 or wire[4:6] != b"\0\1":
        return b""
    try:
        end = skip_name(wire, 12) + 4
    except (IndexError, Truncated):
        return b""
    if end > len(wire):
        return b""
    flags = _QR | int.from_bytes(wire[2:4]) & (RD | CD) | Rcode.SERVFAIL
    return wire[:2] + _AFTER_ID.pack(flags, 1, 0, 0, 0) + wire[12:end]


_AFTER_ID = struct.Struct("!5H")


def encode_response(query: Query, response: Response) -> bytes:
    """Return ``response`` as bytes no longer than its and the query's ``max_size``.

    A message that fits is sent uncompressed; else it is compressed, and records that
    still do not fit are removed from the end, with TC set (as in CoreDNS; the OPT
    stays). No more records are visited than can be sent.
    """
    qname = query.question.qname
    question = _question(query)
    head = names.to_wire(qname) if response.lower_case else question[:-4]
    opt = _reply_opt(query, response)
    sections = (response.answer, response.authority, response.additional)
    tc = response.tc
    limit = _limit(query, response)
    room = _plain_limit(query, limit) - 12 - len(question) - len(opt)
    plain = _uncompressed(sections, qname, head, room)
    if plain is not None:
        body, counts = question + plain[0], plain[1]
    else:
        records = Records(question, limit - len(opt))
        whole, counts = records.add_sections(sections, qname, head)
        tc = tc or not whole
        body = records.packed()
    rcode = _header_rcode(response.rcode, opt)
    flags = _reply_flags(query, response) | rcode | (TC if tc else 0)
    answer, authority, additional = counts
    header = _HEADER.pack(query.id, flags, 1, answer, authority, additional + bool(opt))
    return header + body + opt


def _uncompressed(
    sections: tuple[tuple[RRset, ...], ...], qname: str, head: bytes, room: int
) -> tuple[bytes, list[int]] | None:
    """Return all records without compression, and their number per section.

    Return None if they take more than ``room`` bytes. ``head`` is ``qname`` in wire
    form, in the case that owners are sent in.
    """
    parts: list[bytes] = []
    counts: list[int] = []
    for rrsets in sections:
        count = 0
        for owner, rtype, ttl, rdata, rclass in rrsets:
            name = head if owner == qname else names.to_wire(owner)
            room -= len(rdata) * (len(name) + 10)
            if room < 0:
                return None
            fixed = name + _FIXED.pack(rtype, rclass, ttl)
            for data in rdata:
                parts.append(fixed + len(data).to_bytes(2) + data)
                room -= len(data)
            count += len(rdata)
        counts.append(count)
    return (b"".join(parts), counts) if room >= 0 else None


_FIXED = struct.Struct("!HHI")


def _limit(query: Query, response: Response) -> int:
    """Return the maximum size of a reply, at least 512 bytes (RFC 1035 2.3.4)."""
    if query.transport == "tcp":
        return query.max_size
    return max(_MIN_UDP, min(query.max_size, response.max_size))


def _plain_limit(query: Query, limit: int) -> int:
    """Return the maximum size of an uncompressed reply (CoreDNS)."""
    if query.transport == "tcp":
        return limit
    return min(limit, 1220 if ":" in query.peer[0] else 1480)


def _question(query: Query) -> bytes:
    """Return the question section in the case of the query."""
    spelled = query.spelled or query.question.qname
    if query.wire:
        if "\\" not in spelled and spelled != ".":
            # wire form: one more byte than the text; 4 for type and class
            return query.wire[12 : 12 + len(spelled) + 5]
        # unescaping would be the most expensive step for a hostile name
        return query.wire[12 : skip_name(query.wire, 12) + 4]
    return names.to_wire(spelled) + _QTAIL.pack(*query.question[1:])


def _header_rcode(rcode: int, opt: bytes) -> int:
    """Return the low four bits of ``rcode`` for the header.

    Without an OPT for the upper bits (RFC 6891 6.1.3) a larger rcode becomes SERVFAIL:
    BADVERS would look like NOERROR.
    """
    return rcode & 15 if opt or rcode <= 15 else Rcode.SERVFAIL


def _reply_flags(query: Query, response: Response) -> int:
    copied = query.flags & (RD | CD)
    if response.rd is not None:
        copied = copied & CD | (RD if response.rd else 0)
    return (
        _QR
        | copied
        | (AA if response.aa else 0)
        | (RA if response.ra else 0)
        | (AD if response.ad else 0)
    )


def _reply_opt(query: Query, response: Response) -> bytes:
    """Return the OPT of the reply; empty if the query had none (RFC 6891 6.1.1).

    A plugin may have added one to the response (*rewrite*).
    """
    query_opt, opt = query.opt, response.opt
    if opt is None:
        if query_opt is None:
            return b""
        # CoreDNS echoes the payload size of the client, and few of its options
        size, do, options, _ = query_opt
        size = size if size < response.max_size else response.max_size
        if not options:
            return bare_opt(size, do, response.rcode >> 4)
        opt = Opt(size, do, tuple([o for o in options if o[0] in ECHOED]))
    return encode_opt(opt, response.rcode >> 4)


def response_size(query: Query, response: Response) -> int:
    """Return the uncompressed size of the reply in bytes, without the server's OPT.

    The log and the metrics of CoreDNS show this size.
    """
    qname = query.question.qname
    head = names.wire_size(qname)
    size = 16 + head
    for rrsets in (response.answer, response.authority, response.additional):
        for owner, _, _, rdata, _ in rrsets:
            fixed = 10 + (head if owner == qname else names.wire_size(owner))
            for data in rdata:
                size += fixed + len(data)
    return size + (len(encode_opt(response.opt)) if response.opt else 0)


def encode_query(
    question: Question,
    ident: int,
    flags: int = RD,
    opt: Opt | None = None,
    spelled: str = "",
) -> bytes:
    """Return a query; ``spelled`` is the name in the case to send."""
    body = names.to_wire(spelled or question.qname) + _QTAIL.pack(*question[1:])
    tail = encode_opt(opt) if opt else b""
    return _HEADER.pack(ident, flags, 1, 0, 0, bool(opt)) + body + tail


def bad_version(query: Query) -> Response | None:
    """Return BADVERS for an unsupported EDNS version (RFC 6891 6.1.3), else None."""
    if query.opt is not None and query.opt.version:
        return Response(_BADVERS, opt=Opt(0, query.opt.do))
    return None


def authority_serial(wire: bytes) -> int | None:
    """Return the serial of the SOA in an IXFR query (RFC 1995 3), None without one."""
    try:
        at = 12
        _, at = read_name(wire, at)
        _, end = skip_record(wire, at + 4)
        return int.from_bytes(wire[end - 20 : end - 16])
    except (IndexError, struct.error, Truncated):
        return None
