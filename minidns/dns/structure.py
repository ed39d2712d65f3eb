"""The structure of record data by type, as far as it can be malformed.

miekg/dns unpacks each record of a reply field by field, so a CoreDNS that forwards
refuses a reply with one record whose data does not fit its type. A resolver library at
the client refuses it as well. Types that are not listed have no structure to check.

A number in a structure is that many bytes. "n" is a name and "names" any number of
them; "s" is a character-string, "strings" any number of them, "s?" one that may be
missing; "block" is a length of two bytes and that many bytes; "*" is the rest.
"gateway" is an address or a name, and which of them the second byte of the data says.
"""

import struct
from collections.abc import Callable

from minidns.dns.message import Truncated
from minidns.dns.rdata import HTTPS, LAYOUT, SVCB, TSIG, TXT, Part

STRUCTURES: dict[int, tuple[Part, ...]] = {
    **LAYOUT,
    **dict.fromkeys((TXT, 56, 99, 258, 261), ("strings",)),  # NINFO SPF AVC RESINFO
    13: ("s", "s"),  # HINFO
    **dict.fromkeys((19, 100), ("s",)),  # X25 UINFO
    20: ("s", "s?"),  # ISDN
    27: ("s", "s", "s"),  # GPOS
    23: ("n",),  # NSAP-PTR
    58: ("n", "n"),  # TALINK
    107: (2, "n"),  # LP
    # KEY DS DNSKEY RKEY CDS CDNSKEY URI TA DLV
    **dict.fromkeys((25, 43, 48, 57, 59, 60, 256, 32768, 32769), (4, "*")),
    37: (5, "*"),  # CERT
    44: (2, "*"),  # SSHFP
    **dict.fromkeys((52, 53), (3, "*")),  # TLSA SMIMEA
    63: (6, "*"),  # ZONEMD
    257: (1, "s", "*"),  # CAA
    29: (16,),  # LOC
    **dict.fromkeys((101, 102), (4,)),  # UID GID
    **dict.fromkeys((105, 108), (6,)),  # L32 EUI48
    109: (8,),  # EUI64
    **dict.fromkeys((104, 106), (10,)),  # NID L64
    **dict.fromkeys((30, 47), ("n", "bitmap")),  # NXT NSEC
    50: (4, "s", "s", "bitmap"),  # NSEC3
    51: (4, "s"),  # NSEC3PARAM
    62: (6, "bitmap"),  # CSYNC
    42: ("prefixes",),  # APL
    45: (3, "gateway", "*"),  # IPSECKEY
    260: (2, "gateway"),  # AMTRELAY
    55: ("hip", "names"),
    **dict.fromkeys((SVCB, HTTPS), (2, "n", "parameters")),
    128: (),  # NXNAME
    249: ("n", 12, "block", "block"),  # TKEY
    TSIG: ("n", 8, "block", 4, "block"),
}
"""Parts of the data of each type. Data without any byte is valid for every type."""

GATEWAYS: dict[int, Part] = {1: 4, 2: 16, 3: "n"}
"""Part of a gateway by its type (RFC 4025 2.3); other types have no data."""


def _strings(data: bytes) -> int:
    at = 0
    while at < len(data):
        at += 1 + data[at]
    return at


def _bitmap(data: bytes) -> int:
    """Return the end of a type bitmap (RFC 4034 4.1.2)."""
    at, previous = 0, -1
    while at < len(data):
        window, length = data[at], data[at + 1]
        if window <= previous or not 0 < length <= 32:
            raise ValueError("type bitmap is malformed")
        previous = window
        at += 2 + length
    return at


_FAMILIES = {1: 4, 2: 16}
"""Bytes of an address by the address family of an APL item."""


def _prefixes(data: bytes) -> int:
    """Return the end of the items of an APL record (RFC 3123 4)."""
    at = 0
    while at < len(data):
        family, prefix, length = struct.unpack_from("!HBB", data, at)
        size, length = _FAMILIES.get(family, -1), length & 0x7F
        if prefix > 8 * size or length > size:
            raise ValueError("APL item is malformed")
        at += 4 + length
        if length and at <= len(data) and not data[at - 1]:
            raise ValueError("APL address ends with a zero byte")
    return at


def _parameters(data: bytes) -> int:
    """Return the end of the SvcParams of an SVCB or HTTPS record (RFC 9460 2.2)."""
    at, previous = 0, -1
    while at < len(data):
        key, length = struct.unpack_from("!HH", data, at)
        value = data[at + 4 : at + 4 + length]
        at += 4 + length
        if len(value) < length:
            raise Truncated
        if not previous < key < 65535 or not _is_value(key, value):
            raise ValueError("SvcParams are malformed")
        previous = key
    return at


def _is_value(key: int, value: bytes) -> bool:
    """Return whether a SvcParam may have ``value`` (RFC 9460 7 and 8, RFC 9540 4)."""
    size = len(value)
    match key:
        case 0:  # mandatory
            return size % 2 == 0
        case 1 if _strings(value) > size:  # alpn
            raise Truncated
        case 2 | 8:  # no-default-alpn, ohttp
            return not size
        case 3:  # port
            return size == 2
        case 4:  # ipv4hint
            return size > 0 and size % 4 == 0
        case 6:  # ipv6hint; not one that is an IPv4 address
            hints = (value[at : at + 16] for at in range(0, size, 16))
            mapped = bytes(10) + b"\xff\xff"
            return (
                size > 0
                and size % 16 == 0
                and not any(hint.startswith(mapped) for hint in hints)
            )
    return True


_SIZES: dict[Part, Callable[[bytes], int]] = {
    "*": len,
    "s": lambda data: 1 + data[0],
    "s?": lambda data: 1 + data[0] if data else 0,
    "block": lambda data: 2 + int.from_bytes(data[:2]),
    "hip": lambda data: 4 + data[0] + int.from_bytes(data[2:4]),  # RFC 8005 5
    "strings": _strings,
    "bitmap": _bitmap,
    "prefixes": _prefixes,
    "parameters": _parameters,
}


def size_of(part: str, data: bytes) -> int:
    """Return the bytes that ``part``, which is no name, has at the start of ``data``.

    It may be more than there are: then the data is cut short.

    Raises:
        IndexError: the data ends before its size can be read; or struct.error, or
            Truncated.
        ValueError: the part is malformed.

    """
    return _SIZES[part](data)
