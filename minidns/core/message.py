"""Names and records in a message: finding them in hostile bytes, packing them small.

Finding is bounded: pointers only go back, and nothing is reserved by what a length
claims.
"""

import struct
from collections.abc import Iterable

from minidns.core import names
from minidns.core.model import Name, RRset
from minidns.core.rdata import COMPRESSED, parts

FIXED = struct.Struct("!HHIH")
"""Type, class, TTL and length of a record."""
_MAX_POINTER = 0x3FFF


class Truncated(Exception):
    """A record or name runs past the end of the message, or points forward."""


def read_name(wire: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    """Return the labels of the name at ``at``, and where it ends in place.

    Raises:
        Truncated: past the end, forward or looping pointer, unknown label type.
        IndexError: past the end.

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
            if (
                at >= lowest
            ):  # only ever backwards: no loop can be made (RFC 1035 4.1.4)
                raise Truncated
            lowest = at
            continue
        if not length:
            return tuple(labels), end or at + 1
        size += length + 1
        if length > 63 or size > names.MAX_NAME:
            raise Truncated
        label = wire[at + 1 : at + 1 + length]
        if len(label) < length:
            raise Truncated
        labels.append(label)
        at += length + 1


def skip_name(wire: bytes, at: int) -> int:
    """Return where the name at ``at`` ends in place; a pointer is not followed.

    Raises:
        Truncated: unknown label type, or over 255 bytes.
        IndexError: past the end.

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
    """Return the type of the record at ``at`` and where it ends.

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
    """A message being packed with compression, up to ``limit`` bytes in all."""

    def __init__(self, question: bytes, limit: int) -> None:
        self._out = bytearray(question)
        self._limit = limit - 12
        self._offsets: dict[bytes, int] = {}
        self._remember(question[:-4], 12)

    def packed(self) -> bytes:
        """Return everything after the header."""
        return bytes(self._out)

    def add_sections(
        self, sections: Iterable[tuple[RRset, ...]], qname: Name, spelled: bytes
    ) -> tuple[bool, list[int]]:
        """Add records in order until one does not fit.

        Return whether all fitted, and how many of each section did. ``spelled`` is how
        ``qname`` stands in the question.
        """
        counts = []
        whole = True
        for section in sections:
            added = 0
            for rrset in section:
                owner = spelled if rrset.owner == qname else names.to_wire(rrset.owner)
                for data in rrset.rdata:
                    whole = whole and self._add(owner, rrset, data)
                    added += whole
            counts.append(added)
        return whole, counts

    def _add(self, owner: bytes, rrset: RRset, data: bytes) -> bool:
        start = len(self._out)
        known = dict(self._offsets) if start > self._limit - 600 else None
        self._name(owner)
        at = len(self._out)
        self._out += FIXED.pack(rrset.rtype, rrset.rclass, rrset.ttl, 0)
        if rrset.rtype in COMPRESSED:
            for part in parts(rrset.rtype, data):
                if isinstance(part, str):
                    self._name(names.to_wire(part))
                else:
                    self._out += part
        else:
            self._out += data
        self._out[at + 8 : at + 10] = (len(self._out) - at - 10).to_bytes(2)
        if len(self._out) <= self._limit:
            return True
        del self._out[start:]
        if known is not None:
            self._offsets = known
        return False

    def _name(self, name: bytes) -> None:
        at = 0
        while name[at]:
            if (offset := self._offsets.get(name[at:])) is not None:
                self._remember(name, len(self._out) + 12, at)
                self._out += name[:at] + (0xC000 | offset).to_bytes(2)
                return
            at += name[at] + 1
        self._remember(name, len(self._out) + 12)
        self._out += name

    def _remember(self, name: bytes, offset: int, upto: int | None = None) -> None:
        at = 0
        while name[at] and (upto is None or at < upto):
            if offset + at <= _MAX_POINTER:  # a pointer has 14 bits
                self._offsets.setdefault(name[at:], offset + at)
            at += name[at] + 1
