r"""Record data in wire form and in text, and names of types, classes and rcodes.

The only module that knows the RDATA formats. LAYOUT describes the types that contain
names, so that all code that reads or changes such names (replies, rewriting, case)
shares one traversal. dnspython converts between RDATA and presentation format (RFC
9499); it is imported for the first conversion, because a server without zone data never
needs it.
"""

import ipaddress
import re
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import dns.rdatatype

from minidns.dns import names
from minidns.dns.model import Name, Rcode, Rdata, RRset

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA = 1, 2, 5, 6, 12, 13, 15, 16, 28
SRV, NAPTR, DNAME, OPT, DS, RRSIG, NSEC, SVCB, HTTPS = (
    33,
    35,
    39,
    41,
    43,
    46,
    47,
    64,
    65,
)
TSIG, IXFR, AXFR, ANY = 250, 251, 252, 255

TYPES: dict[str, int] = {
    **{
        name.replace("_", "-"): int(number)
        for name, number in dns.rdatatype.RdataType.__members__.items()
        if number
    },
    # types that CoreDNS (miekg/dns) knows by name and dnspython does not
    "EID": 31, "NIMLOC": 32, "ATMA": 34, "RKEY": 57, "TALINK": 58,
    "UINFO": 100, "UID": 101, "GID": 102,
}  # fmt: skip
"""Numbers of the types by their names in the registry."""
_TYPE_NAMES = {number: name for name, number in TYPES.items()}
CLASSES = {"IN": 1, "CS": 2, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
_CLASS_NAMES = {number: name for name, number in CLASSES.items()}


def type_name(rtype: int) -> str:
    """Return the mnemonic of a type, else ``TYPE65280`` and the like (RFC 3597 5)."""
    return _TYPE_NAMES.get(rtype) or f"TYPE{rtype}"


def _number(text: str, known: dict[str, int], prefix: str) -> int:
    number = known.get(text.upper())
    if number is None and (match := re.fullmatch(prefix + r"(\d{1,5})", text.upper())):
        number = int(match[1])
    if number is None or number > 65535:
        raise ValueError(f"unknown {prefix.lower()} {text!r}")
    return number


def type_number(text: str) -> int:
    """Return the number of the type called ``text``.

    Raises:
        ValueError: neither a mnemonic nor TYPE and a number.

    """
    return _number(text, TYPES, "TYPE")


def class_name(rclass: int) -> str:
    """Return the mnemonic of a class, else ``CLASS42`` and the like."""
    return _CLASS_NAMES.get(rclass) or f"CLASS{rclass}"


def class_number(text: str) -> int:
    """Return the number of the class called ``text``.

    Raises:
        ValueError: neither a mnemonic nor CLASS and a number.

    """
    return _number(text, CLASSES, "CLASS")


_RCODE_NAMES = {int(code): code.name for code in Rcode}
RCODES = {name: code for code, name in _RCODE_NAMES.items()} | {
    "BADSIG": 16,
    "NOTIMPL": 4,
}
"""Response codes by the names that are valid in a Corefile (miekg/dns)."""


def rcode_name(rcode: int) -> str:
    """Return the mnemonic of a response code, else ``RCODE42`` and the like."""
    return _RCODE_NAMES.get(rcode) or f"RCODE{rcode}"


def rcode_label(rcode: int) -> str:
    """Return the label of a response code in metrics, ``other`` without a mnemonic.

    unlike CoreDNS: an upstream can send 4,096 codes (RFC 6891 6.1.3), and each would
    create a series in every family.
    """
    return _RCODE_NAMES.get(int(rcode), "other")


# The format of the RDATA of a type, as far as needed to locate its names: a number is
# a number of bytes, "n" a name, "s" a character-string, "*" the rest.
Part: TypeAlias = int | str
LAYOUT: dict[int, tuple[Part, ...]] = {
    **dict.fromkeys((NS, CNAME, PTR, DNAME, 3, 4, 7, 8, 9), ("n",)),
    SOA: ("n", "n", 20),
    **dict.fromkeys((MX, 18, 21, 36), (2, "n")),  # MX AFSDB RT KX
    **dict.fromkeys((14, 17), ("n", "n")),  # MINFO RP
    26: (2, "n", "n"),  # PX
    SRV: (6, "n"),
    NAPTR: (4, "s", "s", "s", "n"),
    **dict.fromkeys((24, RRSIG), (18, "n", "*")),  # SIG RRSIG
    30: ("n", "*"),  # NXT
    **dict.fromkeys((SVCB, HTTPS), (2, "n", "*")),
}
"""Formats of the types whose names may be compressed in a message (RFC 3597 4), and of
other types with names that are changed or compared: DNAME, RRSIG, SVCB, HTTPS."""

COMPRESSED = frozenset((NS, CNAME, SOA, PTR, MX, 3, 4, 7, 8, 9, 14))
"""Types whose names are compressed when sending (RFC 1035; never SRV, RFC 2782)."""


def pieces(rtype: int, rdata: Rdata) -> Iterator[tuple[bytes, bool]]:
    """Yield the pieces of ``rdata`` in wire form, each with True if it is a name.

    Data that does not have the layout of its type is a single piece with False.
    """
    layout = LAYOUT.get(rtype)
    if layout is None:
        yield rdata, False
        return
    try:
        cut = list(_cut(layout, rdata))
    except (IndexError, ValueError):
        cut = [(rdata, False)]
    yield from cut


def _cut(layout: tuple[Part, ...], rdata: Rdata) -> Iterator[tuple[bytes, bool]]:
    at = 0
    for part in layout:
        end = at
        if part == "n":
            while size := rdata[end]:
                if size > names.MAX_LABEL:
                    raise ValueError("label of an unknown type")
                end += size + 1
            end += 1
        elif isinstance(part, int):
            end += part
        else:
            end = len(rdata) if part == "*" else at + 1 + rdata[at]
        if end > len(rdata):
            raise ValueError("data is too short")
        yield rdata[at:end], part == "n"
        at = end
    if at != len(rdata):
        raise ValueError("data is too long")


def parts(rtype: int, rdata: Rdata) -> Iterator[bytes | str]:
    """Yield the pieces of ``rdata``: names as text, case unchanged, others as bytes.

    Raises:
        ValueError: the RDATA does not have the layout of its type.

    """
    try:
        for piece, is_name in _cut(LAYOUT.get(rtype, ("*",)), rdata):
            yield names.from_wire(piece) if is_name else piece
    except (IndexError, ValueError) as error:
        raise ValueError(f"{type_name(rtype)} data is malformed: {error}") from error


def map_names(rtype: int, rdata: Rdata, change: Callable[[str], str]) -> Rdata:
    """Return ``rdata`` with every name in it replaced by ``change(name)``.

    Raises:
        ValueError: a changed name is not a domain name.

    """
    if rtype not in LAYOUT:
        return rdata
    return b"".join(
        names.to_wire(change(p)) if isinstance(p, str) else p
        for p in parts(rtype, rdata)
    )


def target(rtype: int, rdata: Rdata) -> Name:
    """Return the last name in ``rdata`` in lower case: the target of CNAME, SRV, MX.

    Raises:
        ValueError: the type holds no name.

    """
    targets = [part for part in parts(rtype, rdata) if isinstance(part, str)]
    if not targets:
        raise ValueError(f"{type_name(rtype)} holds no name")
    return targets[-1].lower()


def a(address: str) -> Rdata:
    """Return the data of an A record; ValueError when not an IPv4 address."""
    return ipaddress.IPv4Address(address).packed


def aaaa(address: str) -> Rdata:
    """Return the data of an AAAA record; ValueError when not an IPv6 address."""
    return ipaddress.IPv6Address(address).packed


def address(rdata: Rdata) -> str:
    """Return the address in the data of an A or AAAA record as text."""
    return str(ipaddress.ip_address(rdata))


def srv(priority: int, weight: int, port: int, target: str) -> Rdata:
    """Return the data of an SRV record (RFC 2782)."""
    return struct.pack("!3H", priority, weight, port) + names.to_wire(target)


class Soa(NamedTuple):
    """Start of authority (RFC 1035 3.3.13); times in seconds."""

    mname: str
    rname: str
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int


def soa(*fields: str | int) -> Rdata:
    """Return the data of an SOA record; fields as in Soa."""
    mname, rname, *numbers = fields
    return (
        names.to_wire(str(mname))
        + names.to_wire(str(rname))
        + struct.pack("!5I", *(int(number) for number in numbers))
    )


def read_soa(rdata: Rdata) -> Soa:
    """Return the fields of an SOA record's data; ValueError when malformed."""
    mname, rname, rest = parts(SOA, rdata)
    return Soa(str(mname), str(rname), *struct.unpack("!5I", rest))  # type: ignore[arg-type]  # the layout's last part is bytes


def txt(*strings: str | bytes) -> Rdata:
    """Return the data of a TXT record; strings over 255 bytes are split."""
    out = b""
    for string in strings:
        raw = string.encode() if isinstance(string, str) else string
        for at in range(0, len(raw) or 1, 255):
            piece = raw[at : at + 255]
            out += bytes((len(piece),)) + piece
    return out


_SAME_FORM: dict[int, int] = {
    **dict.fromkeys((3, 4, 7, 8, 9), NS),  # MD MF MB MG MR
    **dict.fromkeys((14, 58), 17),  # MINFO TALINK: two names, as RP
    32768: DS,  # TA
}
"""Types that dnspython cannot convert, and a type with the same text format."""
_STRINGS = frozenset((TXT, 56, 99, 258, 261, 262))
"""Types of any number of strings: TXT NINFO SPF AVC RESINFO WALLET."""


def from_text(rtype: int, text: str, origin: Name = ".") -> Rdata:
    """Return the RDATA of ``text`` in presentation format (RFC 1035 5.1).

    Names without a final dot are relative to ``origin``. The generic form of RFC 3597 5
    is accepted for every type.

    Raises:
        ValueError: ``text`` is not valid data of that type; the message does not
            contain it, because the file may not be a zone file.

    """
    from dns import exception, ipv4, ipv6, rdata, tokenizer

    if not text.isascii():  # dnspython would encode names by IDNA; CoreDNS keeps bytes
        text = "".join(map(_ascii, text))
    try:
        # most records of a large zone have an address: less work than dnspython's
        # general way, with its rules
        if rtype in (A, AAAA) and not text.startswith("\\#"):
            return ipv4.inet_aton(text) if rtype == A else ipv6.inet_aton(text)
        if rtype in _STRINGS and not text.startswith("\\#"):
            tokens = tokenizer.Tokenizer(text).get_remaining()
            strings = [token.unescape_to_bytes().value for token in tokens]
            if not strings:
                raise ValueError("no string")
            return txt(*strings)
        form = dns.rdatatype.RdataType.make(_SAME_FORM.get(rtype, rtype))
        data = rdata.from_text("IN", form, text, _dnspython_name(origin), False)
        return data.to_wire() or b""
    except (exception.DNSException, ValueError) as error:
        reason = f"the data is not valid for type {type_name(rtype)}"
        raise ValueError(reason) from error


def _ascii(character: str) -> str:
    if character.isascii():
        return character
    return "".join(f"\\{byte:03}" for byte in character.encode())


@lru_cache(maxsize=64)
def _dnspython_name(name: Name) -> "dns.name.Name":
    return dns.name.from_wire(names.to_wire(name), 0)[0]


@lru_cache(maxsize=256)
def seconds(text: str) -> int:
    """Return the seconds of a TTL in the notation of BIND: ``300``, ``1h30m``.

    Raises:
        ValueError: not a TTL of 32 bits.

    """
    from dns import ttl

    try:
        return ttl.from_text(text)
    except ttl.BadTTL as error:
        raise ValueError("not a TTL of 32 bits") from error


def to_text(rtype: int, rdata: Rdata) -> str:
    """Return ``rdata`` in presentation format, safe to show; never raises.

    Malformed data is returned in the generic form of RFC 3597 5.
    """
    from dns.rdata import from_wire

    form = dns.rdatatype.RdataType.make(_SAME_FORM.get(rtype, rtype))
    try:
        text = from_wire("IN", form, rdata, 0, len(rdata)).to_text()
    except Exception:  # dnspython may raise anything on malformed data
        text = ""
    if not text or not text.isascii() or not text.isprintable():
        return f"\\# {len(rdata)} {rdata.hex()}".rstrip()
    return text


def to_lines(rrset: RRset) -> list[str]:
    """Return one line per record in the format of dig: owner, TTL, type, data."""
    head = f"{rrset.owner} {rrset.ttl} {type_name(rrset.rtype)}"
    return [f"{head} {to_text(rrset.rtype, rdata)}" for rdata in rrset.rdata]
