"""Names and records in a message: parsing of untrusted bytes, packing with compression.

The cost of parsing is bounded: pointers only go backwards, and no memory is allocated
by a length field alone.
"""

import struct
from collections.abc import Iterable

from minidns.dns import names
from minidns.dns.model import Name, Rdata, RRset
from minidns.dns.rdata import COMPRESSED, LAYOUT, pieces

FIXED = struct.Struct("!HHIH")
"""Type, class, TTL and length of a record."""
_MAX_POINTER = 0x3FFF


class Truncated(Exception):
    """A record or name runs past the end of the message, or points forward."""


class BadName(Truncated):
    """A complete but malformed name: bad pointer, label type or length."""


def read_name(wire: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """Return the labels of the name at ``at``, and the offset after it.

    Raises:
        BadName: forward or looping pointer, unknown label type, over 255 bytes.
        Truncated, IndexError: the name runs past the end of the message.

    """
    labels: list[bytes] = []
    end = 0
    lowest = at
    size = 1
    while True:
        length = wire[at]
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | wire[at + 1]
            if at >= len(wire):
                raise Truncated
            # only backwards, so that there are no loops (RFC 1035 4.1.4)
            if at >= lowest:
                raise BadName
            lowest = at
            continue
        if not length:
            return tuple(labels), end or at + 1
        size += length + 1
        if length > 63 or size > names.MAX_NAME:
            raise BadName
        label = wire[at + 1 : at + 1 + length]
        if len(label) < length:
            raise Truncated
        labels.append(label)
        at += length + 1


def skip_name(wire: bytes, at: int) -> int:
    """Return the offset after the name at ``at``; pointers are not followed.

    Raises:
        Truncated: unknown label type, or over 255 bytes.
        IndexError: the name runs past the end of the message.

    """
    start = at
    while length := wire[at]:
        if length >= 0xC0:
            wire[at + 1]
            return at + 2
        at += length + 1
        if length > 63 or at - start > names.MAX_NAME:
            raise Truncated
    return at + 1


def skip_record(wire: bytes, at: int) -> tuple[int, int]:
    """Return the type of the record at ``at`` and the offset after it.

    Raises:
        Truncated: it runs past the end.
        IndexError, struct.error: the same.

    """
    at = skip_name(wire, at)
    rtype, _, _, length = FIXED.unpack_from(wire, at)
    end = at + FIXED.size + length
    if end > len(wire):
        raise Truncated
    return rtype, end


class Records:
    """Builder of a compressed message of at most ``limit`` bytes.

    The rules are those of miekg/dns: the offsets of a name and of all its suffixes are
    stored, and later names point at the longest known suffix. Names in the RDATA of
    types newer than RFC 1035 are stored, but not compressed (RFC 3597 4).
    """

    def __init__(self, question: bytes, limit: int) -> None:
        self._out = bytearray(question)
        self._limit = limit - 12
        self._offsets: dict[bytes, int] = {}
        self._remember(question[:-4], 12)

    def packed(self) -> bytes:
        """Return the message without its header."""
        return bytes(self._out)

    def add_sections(
        self, sections: Iterable[tuple[RRset, ...]], qname: Name, spelled: bytes
    ) -> tuple[bool, list[int]]:
        """Add records in order until one does not fit.

        Return whether all fit, and the number of records added per section. ``spelled``
        is ``qname`` in wire form, in the case that owners are sent in.
        """
        counts = []
        whole = True
        for section in sections:
            added = 0
            for rrset in section if whole else ():
                owner = spelled if rrset.owner == qname else names.to_wire(rrset.owner)
                fitting = self._add_rrset(owner, rrset)
                added += fitting
                if fitting < len(rrset.rdata):
                    whole = False
                    break
            counts.append(added)
        return whole, counts

    def _add_rrset(self, owner: bytes, rrset: RRset) -> int:
        """Add records until one does not fit; return the number of those added."""
        fixed = FIXED.pack(rrset.rtype, rrset.rclass, rrset.ttl, 0)[:-2]
        written = b""
        for number, data in enumerate(rrset.rdata):
            start = len(self._out)
            if number < 2:
                self._name(owner, compress=True)
                written = bytes(self._out[start:])
            else:  # from the second record on, the owner is written the same way
                self._out += written
            self._out += fixed
            self._add_data(rrset.rtype, data)
            if len(self._out) > self._limit:
                del self._out[start:]
                return number
        return len(rrset.rdata)

    def _add_data(self, rtype: int, data: Rdata) -> None:
        """Add ``data`` and its length."""
        if rtype not in LAYOUT:  # it holds no names
            self._out += len(data).to_bytes(2) + data
            return
        at = len(self._out) + 2
        self._out += b"\0\0"
        compress = rtype in COMPRESSED
        for part, is_name in pieces(rtype, data):
            if is_name:
                self._name(part, compress=compress)
            else:
                self._out += part
        # compression decides the length of the data, so it is written last
        self._out[at - 2 : at] = (len(self._out) - at).to_bytes(2)

    def _name(self, name: bytes, *, compress: bool) -> None:
        known = self._remember(name, len(self._out) + 12)
        if known is None or not compress:
            self._out += name
        else:
            at, offset = known
            self._out += name[:at] + (0xC000 | offset).to_bytes(2)

    def _remember(self, name: bytes, offset: int) -> tuple[int, int] | None:
        """Store the suffixes of ``name``, which will be written at ``offset``.

        Return the position of the longest suffix of ``name`` that was known before, and
        its offset in the message; None if there is no such suffix.
        """
        at = 0
        while name[at]:
            suffix = name[at:]
            if (earlier := self._offsets.get(suffix)) is not None:
                return at, earlier
            if offset + at <= _MAX_POINTER:  # a pointer has 14 bits
                self._offsets[suffix] = offset + at
            at += name[at] + 1
        return None
