"""Bytes to Query, Response to bytes, and the same for questions to upstreams.

The only module that knows the wire format of a message. A client's bytes are read by
one strict scanner: header, one question, and of the rest only the OPT; nothing in it
recurses or allocates by what a hostile message claims. What CoreDNS answers to odd
messages is in its server and in miekg/dns: QDCOUNT must be 1, ANCOUNT and NSCOUNT at
most 1, ARCOUNT at most 2, everything else FORMERR. Here a record that is none of a
query's business is FORMERR as well.
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
"""NSID EXPIRE COOKIE TCP-KEEPALIVE PADDING: CoreDNS gives these back as they came."""


def decode_query(
    wire: bytes,
    transport: Literal["udp", "tcp"] = "udp",
    peer: Address = ("127.0.0.1", 0),
    local: Address = ("127.0.0.1", 53),
    server: str = "dns://:53",
    expected: tuple[bool, bool] = (True, False),
) -> Query:
    """Return the query in ``wire``; ``expected`` are its ``repeats`` and ``alike``.

    Raises:
        Dropped: a response, or shorter than a header: silence is the right answer.
        FormatError: not a query we can read; its rcode says which error reply it gets.

    """
    # in one piece, though long: every question that is not remembered comes this way,
    # and a call for each part of it would cost as much as the part
    size = len(wire)
    repeats, alike = expected
    if size < 12:
        raise Dropped("shorter than a header")
    ident, flags, qd, an, ns, ar = _HEADER.unpack_from(wire)
    if flags & _QR:
        raise Dropped("a response")  # answering answers makes loops (CVE-2024-2169)
    # unlike CoreDNS: it answers a NOTIFY as if it were a query
    if flags & _OPCODE:
        raise FormatError("not a query", Rcode.NOTIMP)
    if qd != 1 or an > 1 or ns > 1 or ar > 2:
        raise FormatError("section counts")
    if size > _MIN_UDP:
        _check_name(wire)
    try:
        spelled, at = asked_name(wire)
        qtype, qclass = _QTAIL.unpack_from(wire, at)
    except (IndexError, ValueError, struct.error, Truncated) as exc:
        raise FormatError("question cannot be read") from exc
    if at > 12 + names.MAX_NAME:
        raise FormatError("name longer than 255 bytes")
    if size > _MIN_UDP and transport == "udp":  # CoreDNS reads no more than that
        raise FormatError("longer than 512 bytes", question=wire[12 : at + 4])
    qname = spelled.lower()
    opt, end = None, at + 4
    if ar or an or ns:
        opt, end = query_tail.rest(wire, at, (an, ns, ar), qtype)
    is_whole = end == size  # what has bytes after it is not remembered
    if transport == "tcp":
        max_size = 65535
    else:
        max_size = _MIN_UDP if opt is None or opt.size < _MIN_UDP else opt.size
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
        repeats and is_whole,
        alike and is_whole,
    )


def asked_name(wire: bytes) -> tuple[str, int]:
    """Return the question's name as it is spelled, and where it ends.

    Raises:
        IndexError, ValueError, Truncated: it runs past the end, is too long, or
            compressed: for that a question has no need.

    """
    start = 13 + wire[12]
    end = wire.find(0, start) + 1
    if 13 < start <= 13 + names.MAX_LABEL and end:
        try:
            parent = _parent(wire[start:end])
            return f"{names.escaped(wire[13:start])}.{parent}", end
        except ValueError:
            pass  # that zero was not the root but part of a label
    return names.from_wire(wire, 12), skip_name(wire, 12)


@lru_cache(maxsize=1024)  # nearly all names have the parent of another
def _parent(wire: bytes) -> str:
    """Return the name in ``wire``; of the root nothing, to be put behind a label."""
    return names.from_wire(wire) if len(wire) > 1 else ""


def _check_name(wire: bytes) -> None:
    """See that the question's name ends in time: 64 KB of labels are slow to read."""
    try:
        skip_name(wire, 12)
    except (IndexError, Truncated) as exc:
        raise FormatError("name longer than 255 bytes") from exc


def error_reply(
    wire: bytes, rcode: int, record: bytes = b"", question: bytes = b""
) -> bytes:
    """Return the reply to a message that could not be read.

    It is a header, ``question`` and ``record`` if there is one: never longer than what
    was sent. The client's TC, RD, RA, AD and CD come back as received, the opcode only
    with NOTIMP (CoreDNS).
    """
    ident, flags = struct.unpack_from("!HH", wire)
    kept = flags & (TC | RD | RA | AD | CD)
    opcode = flags & _OPCODE if rcode == Rcode.NOTIMP else 0
    flags = _QR | opcode | kept | rcode
    if 12 + len(record) > len(wire):  # its name pointed into the header
        record = b""
    header = _HEADER.pack(ident, flags, bool(question), 0, 0, bool(record))
    return header + question + record


def overload_reply(wire: bytes) -> bytes:
    """Return SERVFAIL with the question to a query that nobody has time to read.

    It is empty where there is to be no reply: to what is no query, or cannot be read.
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

    A message that fits goes out uncompressed; else it is compressed, and what still
    does not fit is left out from the end, with TC (as CoreDNS does; the OPT stays).
    However many records there are, no more are looked at than can be sent.
    """
    qname = query.question.qname
    question = _question(query)
    head = names.to_wire(qname) if response.lower_case else question[:-4]
    opt = _reply_opt(query, response)
    sections = (response.answer, response.authority, response.additional)
    tc = response.tc
    room = _plain_limit(query, response) - 12 - len(question) - len(opt)
    plain = _uncompressed(sections, qname, head, room)
    if plain is not None:
        body, counts = question + plain[0], plain[1]
    else:
        records = Records(question, _limit(query, response) - len(opt))
        whole, counts = records.add_sections(sections, qname, head)
        tc = tc or not whole
        body = records.packed()
    flags = _reply_flags(query, response, _header_rcode(response.rcode, opt))
    flags |= TC if tc else 0
    answer, authority, additional = counts
    header = _HEADER.pack(query.id, flags, 1, answer, authority, additional + bool(opt))
    return header + body + opt


def _uncompressed(
    sections: tuple[tuple[RRset, ...], ...], qname: str, head: bytes, room: int
) -> tuple[bytes, list[int]] | None:
    """Return all records without compression, and how many there are of each section.

    None if they take more than ``room`` bytes. ``head`` is ``qname`` in the letters
    that owners have.
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
    """Return how many bytes a reply may have: never less than 512 (RFC 1035 2.3.4)."""
    if query.transport == "tcp":
        return query.max_size
    return max(_MIN_UDP, min(query.max_size, response.max_size))


def _plain_limit(query: Query, response: Response) -> int:
    """Return up to how many bytes a reply goes out uncompressed (CoreDNS)."""
    limit = _limit(query, response)
    if query.transport == "tcp":
        return limit
    return min(limit, 1220 if ":" in query.peer[0] else 1480)


def _question(query: Query) -> bytes:
    """Return the question section with the client's own letters."""
    spelled = query.spelled or query.question.qname
    if query.wire:
        if "\\" not in spelled and spelled != ".":
            # a dot less, a length and 0 more
            return query.wire[12 : 12 + len(spelled) + 5]
        # to undo escapes is what a hostile name costs most
        return query.wire[12 : skip_name(query.wire, 12) + 4]
    return names.to_wire(spelled) + _QTAIL.pack(*query.question[1:])


def _header_rcode(rcode: int, opt: bytes) -> int:
    """Return the low four bits of ``rcode``, which the header has room for.

    Without an OPT for the others (RFC 6891 6.1.3) it is SERVFAIL: BADVERS would read as
    NOERROR.
    """
    return rcode & 15 if opt or rcode <= 15 else Rcode.SERVFAIL


def _reply_flags(query: Query, response: Response, rcode: int) -> int:
    copied = query.flags & (RD | CD)
    if response.rd is not None:
        copied = copied & CD | (RD if response.rd else 0)
    return (
        _QR
        | copied
        | (AA if response.aa else 0)
        | (RA if response.ra else 0)
        | (AD if response.ad else 0)
        | rcode
    )


def _reply_opt(query: Query, response: Response) -> bytes:
    """Return the OPT of the reply, empty to a query without one (RFC 6891 6.1.1).

    Unless a plugin put one there (*rewrite*).
    """
    asked, opt = query.opt, response.opt
    if opt is None:
        if asked is None:
            return b""
        # the client's own size comes back (CoreDNS), and few of its options
        size, do, options, _ = asked
        size = size if size < response.max_size else response.max_size
        if not options:
            return bare_opt(size, do, response.rcode >> 4)
        opt = Opt(size, do, tuple([o for o in options if o[0] in ECHOED]))
    return encode_opt(opt, response.rcode >> 4)


def response_size(query: Query, response: Response) -> int:
    """Return how long the reply is uncompressed, without the OPT the server adds.

    What CoreDNS's log and metrics show as the size of a response.
    """
    size = 16 + names.wire_size(query.question.qname)
    for rrsets in (response.answer, response.authority, response.additional):
        for rrset in rrsets:
            each = names.wire_size(rrset.owner) + 10
            for data in rrset.rdata:
                size += each + len(data)
    return size + (len(encode_opt(response.opt)) if response.opt else 0)


def encode_query(
    question: Question,
    ident: int,
    flags: int = RD,
    opt: Opt | None = None,
    spelled: str = "",
) -> bytes:
    """Return a query; ``spelled`` is the name with the letters it is to be sent in."""
    body = names.to_wire(spelled or question.qname) + _QTAIL.pack(*question[1:])
    tail = encode_opt(opt) if opt else b""
    return _HEADER.pack(ident, flags, 1, 0, 0, bool(opt)) + body + tail


def bad_version(query: Query) -> Response | None:
    """Return the answer to an EDNS version we do not speak (RFC 6891 6.1.3), if so."""
    if query.opt is not None and query.opt.version:
        return Response(_BADVERS, opt=Opt(0, query.opt.do))
    return None


def authority_serial(wire: bytes) -> int | None:
    """Return the serial of the SOA that an IXFR carries (RFC 1995 3), if it has one."""
    try:
        at = 12
        _, at = read_name(wire, at)
        _, end = skip_record(wire, at + 4)
        return int.from_bytes(wire[end - 20 : end - 16])
    except (IndexError, struct.error, Truncated):
        return None
