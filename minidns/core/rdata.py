r"""Record data and the registry's names: values to wire form and to text.

The only module that knows what stands inside the RDATA of a type. Types that hold
names are described by LAYOUT, so that whoever must find or change those names (reply
reader, rewriting, letters' case) shares one walk; text of the rarer types is dnslib's.
"""

import ipaddress
import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import dnslib

from minidns.core import names
from minidns.core.model import Name, Rcode, Rdata, RRset

A, NS, CNAME, SOA, PTR, HINFO, MX, TXT, AAAA = 1, 2, 5, 6, 12, 13, 15, 16, 28
SRV, NAPTR, DNAME, OPT, DS, RRSIG, SVCB, HTTPS = 33, 35, 39, 41, 43, 46, 64, 65
TSIG, IXFR, AXFR, ANY = 250, 251, 252, 255

_MORE_TYPES = {
    "MD": 3, "MF": 4, "MB": 7, "MG": 8, "MR": 9, "NULL": 10, "MINFO": 14, "X25": 19,
    "ISDN": 20, "RT": 21, "PX": 26, "GPOS": 27, "NXT": 30, "EID": 31, "NIMLOC": 32,
    "ATMA": 34, "NSAPPTR": 23, "NSEC3PARAM": 51, "SMIMEA": 53, "NINFO": 56, "RKEY": 57,
    "TALINK": 58, "CDS": 59, "CDNSKEY": 60, "OPENPGPKEY": 61, "CSYNC": 62, "ZONEMD": 63,
    "SVCB": 64, "SPF": 99, "UINFO": 100, "UID": 101, "GID": 102, "UNSPEC": 103,
    "NID": 104, "L32": 105, "L64": 106, "LP": 107, "EUI48": 108, "EUI64": 109,
    "MAILB": 253, "MAILA": 254, "URI": 256, "AVC": 258, "AMTRELAY": 260,
}  # fmt: skip
TYPES: dict[str, int] = {
    **{name: number for number, name in dnslib.QTYPE.forward.items()},
    **_MORE_TYPES,
}
"""Numbers of the types by their names in the registry."""
_TYPE_NAMES = {number: name for name, number in TYPES.items()}
CLASSES = {"IN": 1, "CS": 2, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
_CLASS_NAMES = {number: name for name, number in CLASSES.items()}


def type_name(rtype: int) -> str:
    """Return the mnemonic of a type, ``TYPE65280`` where there is none (RFC 3597 5)."""
    return _TYPE_NAMES.get(rtype) or f"TYPE{rtype}"


def _number(text: str, known: dict[str, int], prefix: str) -> int:
    number = known.get(text.upper())
    if number is None and (found := re.fullmatch(prefix + r"(\d{1,5})", text.upper())):
        number = int(found[1])
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
    """Return the mnemonic of a class, ``CLASS42`` where there is none."""
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
"""Response codes by all names that a Corefile may call them (miekg/dns)."""


def rcode_name(rcode: int) -> str:
    """Return the mnemonic of a response code, ``RCODE42`` where there is none."""
    return _RCODE_NAMES.get(rcode) or f"RCODE{rcode}"


# Layout: what the RDATA of a type consists of, as far as needed to find its names.
# A number is that many bytes, "n" a name, "s" a character-string, "*" the rest.
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
}
"""Types whose names may be compressed in a message (RFC 3597 4), and DNAME, RRSIG."""

COMPRESSED = frozenset((NS, CNAME, SOA, PTR, MX, 3, 4, 7, 8, 9, 14))
"""Types whose names are compressed when sending (RFC 1035; never SRV, RFC 2782)."""


def pieces(rtype: int, rdata: Rdata) -> Iterator[tuple[bytes, bool]]:
    """Yield the pieces of ``rdata`` in wire form, and whether each is a name.

    Data without the layout of its type is one piece that is no name.
    """
    layout = LAYOUT.get(rtype)
    if layout is None:
        yield rdata, False
        return
    try:
        found = list(_cut(layout, rdata))
    except (IndexError, ValueError):
        found = [(rdata, False)]
    yield from found


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
    """Yield the pieces of ``rdata``: bytes, and names as text with their case.

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
    """Return the last name in ``rdata``, lower-cased: where CNAME, SRV, MX ... point.

    Raises:
        ValueError: the type holds no name.

    """
    found = [part for part in parts(rtype, rdata) if isinstance(part, str)]
    if not found:
        raise ValueError(f"{type_name(rtype)} holds no name")
    return found[-1].lower()


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


_WORD = re.compile(r'\s*(?:"((?:\\.|[^"\\])*)"|((?:\\.|[^\s"\\])+))', re.DOTALL)
_ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)


def words(text: str) -> list[str]:
    r"""Split ``text`` at white space, quotes kept together and taken off.

    >>> words('10 "two words" a\\ b')
    ['10', 'two words', 'a\\ b']
    """
    return [quoted or plain for quoted, plain in _WORD.findall(text)]


def _string(word: str) -> bytes:
    def byte(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes((int(code) & 255,)) if len(code) == 3 else code

    return _ESCAPE.sub(byte, word.encode())


def from_text(rtype: int, text: str, origin: Name = ".") -> Rdata:
    """Return the data that ``text`` says in zone-file form (RFC 1035 5.1).

    Names without a final dot are relative to ``origin``.

    Raises:
        ValueError: not the data of that type.

    """
    fields = words(text)
    if fields[:1] == ["\\#"]:  # any type at all (RFC 3597 5)
        raw = bytes.fromhex("".join(fields[2:]))
        if len(fields) < 2 or int(fields[1]) != len(raw):
            raise ValueError(f"{text!r}: length and data differ")
        return raw
    if rtype in (A, AAAA):
        return a(text.strip()) if rtype == A else aaaa(text.strip())
    if rtype in (TXT, 99, HINFO):
        if not fields:
            raise ValueError(f"{type_name(rtype)} needs a string")
        return txt(*map(_string, fields))
    if rtype in _NUMBERS:
        return _named_from_text(rtype, fields, origin)
    return _dnslib_from_text(rtype, text)


_NUMBERS: dict[int, str] = {
    **dict.fromkeys((NS, CNAME, PTR, DNAME), ""),
    **dict.fromkeys((MX, 18, 21, 36), "!H"),
    SRV: "!3H",
    NAPTR: "!2H",
    SOA: "!5I",
    17: "",
}
"""Numbers in the text of the types that hold names; after the names for SOA."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str) -> int:
    """Return the seconds of a TTL as BIND writes it: ``300``, ``1h30m``.

    Raises:
        ValueError: not a time.

    """
    if text.isdecimal():
        return int(text)
    found = re.findall(r"(\d+)([smhdw])", text.lower())
    if "".join(n + u for n, u in found) != text.lower() or not found:
        raise ValueError(f"{text!r} is not a TTL")
    return sum(int(n) * _UNITS[u] for n, u in found)


def _named_from_text(rtype: int, fields: list[str], origin: Name) -> Rdata:
    def name(word: str) -> bytes:
        if word == "@":
            return names.to_wire(origin)
        if word.endswith(".") and not word.endswith("\\."):
            return names.to_wire(word)
        return names.to_wire(f"{word}." if origin == "." else f"{word}.{origin}")

    layout, form = LAYOUT[rtype], _NUMBERS[rtype]
    count = struct.calcsize(form) // (4 if form.endswith("I") else 2) if form else 0
    wanted = count + sum(part in ("n", "s") for part in layout)
    if len(fields) != wanted:
        raise ValueError(f"{type_name(rtype)} needs {wanted} fields, has {len(fields)}")
    out = b""
    for part in layout:
        if isinstance(part, int):
            taken, fields = fields[:count], fields[count:]
            out += struct.pack(form, *map(seconds if rtype == SOA else int, taken))
        else:
            word = fields.pop(0)
            out += name(word) if part == "n" else txt(_string(word))[:256]
    return out


def _dnslib_from_text(rtype: int, text: str) -> Rdata:
    try:
        (record,) = dnslib.RR.fromZone(f". 0 IN {type_name(rtype)} {text}")
        packed = dnslib.DNSBuffer()
        record.rdata.pack(packed)
    except Exception as exc:  # dnslib raises anything on text it cannot read
        raise ValueError(
            f"{type_name(rtype)} {text!r}: {exc or 'not readable'}"
        ) from exc
    return bytes(packed.data)


def _quoted(raw: bytes) -> str:
    return (
        '"'
        + "".join(
            f"\\{chr(byte)}"
            if byte in b'"\\'
            else chr(byte)
            if 32 <= byte < 127
            else f"\\{byte:03}"
            for byte in raw
        )
        + '"'
    )


def _strings(raw: bytes) -> Iterator[str]:
    at = 0
    while at < len(raw):
        size = raw[at]
        yield _quoted(raw[at + 1 : at + 1 + size])
        at += size + 1


def to_text(rtype: int, rdata: Rdata) -> str:
    """Return ``rdata`` in zone-file form, safe to show; never raises."""
    try:
        return _to_text(rtype, rdata)
    except Exception:  # malformed data has a text too
        return f"\\# {len(rdata)} {rdata.hex()}".rstrip()


def _to_text(rtype: int, rdata: Rdata) -> str:
    if rtype in (A, AAAA):
        return address(rdata)
    if rtype in (TXT, 99, HINFO):
        return " ".join(_strings(rdata))
    if rtype in _NUMBERS:
        form = _NUMBERS[rtype]
        shown = []
        for layout, part in zip(LAYOUT[rtype], parts(rtype, rdata), strict=True):
            if isinstance(part, str):
                shown.append(part)
            elif layout == "s":
                shown.append(_quoted(part[1:]))
            else:
                shown += map(str, struct.unpack(form, part))
        return " ".join(shown)
    reader = dnslib.RDMAP.get(type_name(rtype))
    if reader is None:
        raise ValueError("no text form")
    buffer = dnslib.DNSBuffer(rdata)
    text = str(reader.parse(buffer, len(rdata)))
    if not text.isprintable():
        raise ValueError("text would not be safe to show")
    return text


def to_lines(rrset: RRset) -> list[str]:
    """Return one line per record: owner, TTL, type, data, as dig shows them."""
    head = f"{rrset.owner} {rrset.ttl} {type_name(rrset.rtype)}"
    return [f"{head} {to_text(rrset.rtype, rdata)}" for rdata in rrset.rdata]
