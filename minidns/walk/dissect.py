"""The fields of a DNS message with the bytes that they are in."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.message import FIXED, Truncated, read_name, skip_name
from minidns.dns.model import AA, AD, CD, RA, RD, TC, FormatError, RRset
from minidns.dns.rdata import OPT, class_name, rcode_name, to_text, type_name
from minidns.dns.reply import decode_reply

_QR = 0x8000
_FLAGS = {
    "qr": _QR,
    "aa": AA,
    "tc": TC,
    "rd": RD,
    "ra": RA,
    "ad": AD,
    "cd": CD,
}
_SECTIONS = ("question", "answer", "authority", "additional")


class Field(NamedTuple):
    """A field of a message: bytes ``start`` to ``end`` (exclusive)."""

    start: int
    end: int
    name: str
    value: str


def dissect(wire: bytes) -> Iterator[Field]:
    """Yield the fields of a query or reply, in the order of their bytes.

    Raises:
        FormatError: the message is malformed.

    """
    try:
        yield from _header(wire)
        at = 12
        counts = struct.unpack_from("!4H", wire, 4)
        data = _rdata(wire)
        for section, count in zip(_SECTIONS, counts, strict=True):
            for _ in range(count):
                read = _question if section == "question" else _record
                fields = list(read(wire, at, section, data))
                yield from fields
                at = fields[-1].end
    except (IndexError, struct.error, Truncated, StopIteration) as error:
        raise FormatError("malformed message") from error


def _header(wire: bytes) -> Iterator[Field]:
    ident, flags, *counts = struct.unpack_from("!6H", wire)
    yield Field(0, 2, "ID", f"{ident:#06x}")
    shown = [name for name, bit in _FLAGS.items() if flags & bit]
    rcode = f", rcode {rcode_name(flags & 15)}" if flags & _QR else ""
    yield Field(2, 4, "flags", " ".join(shown) + rcode)
    for index, (section, count) in enumerate(zip(_SECTIONS, counts, strict=True)):
        yield Field(4 + 2 * index, 6 + 2 * index, f"{section} count", str(count))


def _rdata(wire: bytes) -> Iterator[tuple[RRset, bytes]]:
    """Return the records of the message but OPT, each with its data, in order."""
    rrsets = decode_reply(wire, strict=False).rrsets
    return iter([(rrset, data) for rrset in rrsets for data in rrset.rdata])


def _name(wire: bytes, at: int) -> tuple[str, int]:
    return names.text(read_name(wire, at)[0]), skip_name(wire, at)


def _question(
    wire: bytes, at: int, section: str, data: Iterator[tuple[RRset, bytes]]
) -> Iterator[Field]:
    name, end = _name(wire, at)
    qtype, qclass = struct.unpack_from("!2H", wire, end)
    yield Field(at, end, "question name", name)
    yield Field(end, end + 2, "question type", type_name(qtype))
    yield Field(end + 2, end + 4, "question class", class_name(qclass))


def _record(
    wire: bytes, at: int, section: str, data: Iterator[tuple[RRset, bytes]]
) -> Iterator[Field]:
    name, end = _name(wire, at)
    rtype, rclass, ttl, length = FIXED.unpack_from(wire, end)
    start = end + FIXED.size
    if rtype == OPT:
        yield Field(at, end, "OPT name", name)
        yield Field(end, end + 2, "OPT type", "OPT")
        yield Field(end + 2, end + 4, "OPT UDP size", str(rclass))
        do = "do" if ttl & 0x8000 else "no flags"
        yield Field(end + 4, end + 8, "OPT flags", do)
        yield Field(end + 8, start, "OPT length", str(length))
        options = wire[start : start + length].hex() or "none"
        yield Field(start, start + length, "OPT options", options)
        return
    yield Field(at, end, f"{section} name", name)
    yield Field(end, end + 2, f"{section} type", type_name(rtype))
    yield Field(end + 2, end + 4, f"{section} class", class_name(rclass))
    yield Field(end + 4, end + 8, f"{section} TTL", f"{ttl} s")
    yield Field(end + 8, start, f"{section} data length", str(length))
    rrset, rdata = next(data)
    text = to_text(rrset.rtype, rdata)
    yield Field(start, start + length, f"{section} data", text)
