"""Parses an upstream's reply from untrusted bytes.

The cost is bounded: a name is parsed once per offset, pointers only go backwards, and
no memory is allocated by a count or a length alone. The names in the result are
uncompressed, so that no other module handles pointers.
"""

import struct

from msgspec import Struct

from minidns.dns import names
from minidns.dns.message import FIXED, BadName, Truncated, read_name
from minidns.dns.model import FormatError, Opt, Question, RRset
from minidns.dns.rdata import LAYOUT, OPT
from minidns.dns.structure import GATEWAYS, STRUCTURES, size_of

_HEADER = struct.Struct("!6H")
_QTAIL = struct.Struct("!HH")


class Reply(Struct, frozen=True):
    """A response from an upstream, with uncompressed names in their original case."""

    id: int
    flags: int
    rcode: int
    """The response code with the upper bits from the OPT (RFC 6891 6.1.3)."""
    question: Question | None
    spelled: str
    """The question's name in the case that the upstream returned."""
    answer: tuple[RRset, ...]
    authority: tuple[RRset, ...]
    additional: tuple[RRset, ...]
    opt: Opt | None

    @property
    def rrsets(self) -> tuple[RRset, ...]:
        """The RRsets of the answer, authority and additional section, in this order."""
        return (*self.answer, *self.authority, *self.additional)


class CutShort(FormatError):
    """The message or the data of a record ends in the middle of one of its parts."""


def decode_reply(
    wire: bytes, sent: tuple[Question, bytes] | None = None, *, strict: bool = True
) -> Reply:
    """Return the response in ``wire``, adjacent records of one owner and type merged.

    ``sent`` is the question of the query with the bytes of its question section: most
    replies repeat it byte by byte, and then it is not parsed. Bytes after the last
    record are ignored. Unless ``strict``, the parser accepts what CoreDNS accepts
    (miekg/dns Unpack): counts larger than the number of records, a header alone with
    any counts, more than one OPT (the last one is used), and any number of questions
    (the result has none unless there is exactly one).

    Raises:
        CutShort: the message, or the data of a record, ends too early.
        FormatError: the message is malformed otherwise.

    """
    try:
        return _Reader(wire, sent, strict=strict).reply()
    except (BadName, _Malformed, ValueError) as exc:
        raise FormatError("malformed reply") from exc
    except (IndexError, struct.error, Truncated) as exc:
        raise CutShort("malformed reply") from exc


class _Malformed(Exception):
    """The message is complete, but inconsistent."""


_MAX_RDATA = 65535
_SIZES = {1: 4, 28: 16}
"""Size of A and AAAA data in bytes."""


class _Reader:
    def __init__(
        self, wire: bytes, sent: tuple[Question, bytes] | None, *, strict: bool
    ) -> None:
        self._wire = wire
        self._strict = strict
        self._names: dict[int, tuple[bytes, int]] = {}
        self._shown: dict[bytes, str] = {}
        self._expected: Question | None = None
        if sent is not None and wire.startswith(sent[1], 12):
            self._expected, section = sent
            packed = section[:-4]
            self._names[12] = packed, 12 + len(packed)
            self._shown[packed] = self._expected.qname
        self._opt: Opt | None = None
        self._extended = 0

    def reply(self) -> Reply:
        ident, flags, qd, an, ns, ar = _HEADER.unpack_from(self._wire)
        if len(self._wire) == 12 and not self._strict:
            qd = an = ns = ar = 0
        question, spelled, at = self._questions(qd)
        answer, at = self._section(at, an)
        authority, at = self._section(at, ns)
        additional, at = self._section(at, ar)
        rcode = flags & 15 | self._extended << 4
        return Reply(
            ident,
            flags,
            rcode,
            question,
            spelled,
            answer,
            authority,
            additional,
            self._opt,
        )

    def _questions(self, count: int) -> tuple[Question | None, str, int]:
        """Return the question if it is the only one, its name as sent, and the end."""
        if count == 1 and self._expected is not None:
            return self._expected, self._expected.qname, self._names[12][1] + 4
        if count > 1 and self._strict:
            raise _Malformed
        question, spelled, at = None, "", 12
        for _ in range(count):
            packed, at = self._name(at)
            spelled = self._text(packed)
            qtype, qclass = _QTAIL.unpack_from(self._wire, at)
            question = Question(spelled.lower(), qtype, qclass)
            at += 4
        return (question if count == 1 else None), spelled, at

    def _name(self, at: int) -> tuple[bytes, int]:
        """Return the name at ``at`` in wire form, and the offset after it.

        Names are cached by offset: thousands of records may point at one long name.
        """
        wire = self._wire
        if wire[at] < 0xC0:
            return self._names.get(at) or self._read_name(at)
        start = (wire[at] & 0x3F) << 8 | wire[at + 1]
        if start >= len(wire):
            raise Truncated
        if start >= at:
            raise BadName
        known = self._names.get(start) or self._read_name(start)
        return known[0], at + 2

    def _read_name(self, start: int) -> tuple[bytes, int]:
        wire, end = self._wire, start
        while 0 < (length := wire[end]) <= 63:
            end += length + 1
        rest = b"\0" if not length else self._known(end, start)
        if rest is not None and end - start + len(rest) <= names.MAX_NAME:
            result = wire[start:end] + rest, end + (2 if length else 1)
        else:
            labels, end = read_name(wire, start)
            result = b"".join([bytes((len(x),)) + x for x in labels]) + b"\0", end
        self._names[start] = result
        return result

    def _known(self, at: int, start: int) -> bytes | None:
        """Return the cached name that a pointer at ``at`` leads to, or None.

        The pointer must lead backwards from ``start``, where its own name begins.
        """
        wire = self._wire
        if wire[at] < 0xC0:
            return None
        to = (wire[at] & 0x3F) << 8 | wire[at + 1]
        return self._names[to][0] if to < start and to in self._names else None

    def _text(self, packed: bytes) -> str:
        return self._shown.get(packed) or names.read(packed)

    def _section(self, at: int, count: int) -> tuple[tuple[RRset, ...], int]:
        if not count:
            return (), at
        wire, size = self._wire, len(self._wire)
        groups: list[tuple[tuple[bytes, int, int, int], list[bytes]]] = []
        last: tuple[bytes, int, int, int] | None = None
        for _ in range(count):
            if at == size and not self._strict:
                break
            owner, at = self._name(at)
            rtype, rclass, ttl, length = FIXED.unpack_from(wire, at)
            at += FIXED.size
            end = at + length
            if end > size:
                raise Truncated
            if rtype == OPT:
                self._read_opt(rclass, ttl, at, end)
            else:
                # RFC 2181 8
                key = (owner, rtype, 0 if ttl >= 1 << 31 else ttl, rclass)
                if key != last:
                    groups.append((key, []))
                    last = key
                groups[-1][1].append(self._rdata(rtype, at, end))
            at = end
        rrsets = [
            RRset(self._text(owner), rtype, ttl, tuple(rdata), rclass)
            for (owner, rtype, ttl, rclass), rdata in groups
        ]
        return tuple(rrsets), at

    def _rdata(self, rtype: int, at: int, end: int) -> bytes:
        structure = STRUCTURES.get(rtype)
        wire = self._wire
        if structure is None or (at == end and rtype not in LAYOUT):
            size = _SIZES.get(rtype, end - at)
            if 0 < end - at < size:
                raise Truncated
            if end - at != size:
                raise _Malformed
            return wire[at:end]
        out, start = b"", at
        for part in structure:
            if part == "gateway":
                part = GATEWAYS.get(wire[start + 1], 0)
            if part == "n":
                packed, at = self._name_within(at, end)
                out += packed
            elif part == "names":
                while at < end and len(out) <= _MAX_RDATA:
                    packed, at = self._name_within(at, end)
                    out += packed
            else:
                size = part if isinstance(part, int) else size_of(part, wire[at:end])
                out += wire[at : at + size]
                at += size
                if at > end:
                    raise Truncated
        # names that were compressed may need more room than a record has
        if at != end or len(out) > _MAX_RDATA:
            raise _Malformed
        return out

    def _name_within(self, at: int, end: int) -> tuple[bytes, int]:
        """Return the name at ``at`` of record data that ends at ``end``, and its end.

        One that runs past the data is malformed, not cut short: CoreDNS asks for TCP
        only if the owner of a record or another part of its data is cut short.
        """
        try:
            packed, at = self._name(at)
        except (IndexError, Truncated):
            raise _Malformed from None
        if at > end:
            raise _Malformed
        return packed, at

    def _read_opt(self, size: int, ttl: int, at: int, end: int) -> None:
        if self._opt is not None and self._strict:
            raise _Malformed
        options = []
        while at < end:
            code, length = struct.unpack_from("!HH", self._wire, at)
            at += 4 + length
            if at > end:
                raise Truncated
            options.append((code, self._wire[at - length : at]))
        self._extended = ttl >> 24
        self._opt = Opt(size, bool(ttl & 0x8000), tuple(options), ttl >> 16 & 255)
