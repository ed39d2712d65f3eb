"""Hostile datagrams, row by row: what is sent, and what may come back.

This is the table that the ids U01 to U126 refer to, also those in docs/differences.md:
malformed, odd and hostile queries. A number has a letter for each of several inputs.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from minidns.dns import names
from tests.survival.messages import asked, header, labels, more, opt, option, question, record, tsig, with_opt
from tests.survival.world import GOOD, OUTSIDE

DROP = "nothing"
HEADER = "FORMERR, 12 bytes"
QUESTION = "FORMERR and the question"
"""The outcome of queries longer than 512 bytes; CoreDNS reads their question."""
WITH_OPT = "FORMERR and an OPT, 23 bytes"
NOT_IMPLEMENTED = "NOTIMP, 12 bytes"
BAD_VERSION = "BADVERS"
BAD_KEY = "NOTAUTH and a TSIG"
REFUSED = "REFUSED"
NAME_ERROR = "NXDOMAIN"
NODATA = "NODATA"
ANSWER = "an answer"

RCODES = {
    HEADER: "FORMERR",
    QUESTION: "FORMERR",
    WITH_OPT: "FORMERR",
    NOT_IMPLEMENTED: "NOTIMP",
    BAD_VERSION: "BADVERS",
    BAD_KEY: "NOTAUTH",
    REFUSED: "REFUSED",
    NAME_ERROR: "NXDOMAIN",
    NODATA: "NOERROR",
    ANSWER: "NOERROR",
}
LENGTHS = {HEADER: 12, NOT_IMPLEMENTED: 12, WITH_OPT: 23}
ERRORS = frozenset((HEADER, QUESTION, WITH_OPT, NOT_IMPLEMENTED, BAD_VERSION, BAD_KEY, REFUSED))
"""Kinds that are never longer than the query, and have no data."""


class Row(NamedTuple):
    """One datagram."""

    id: str
    what: str
    wire: bytes
    kind: str
    differs: str = ""
    """Why the kind is not what the table asks for: what CoreDNS does comes first."""


def rows() -> Iterator[Row]:
    yield from _headers()
    yield from _names()
    yield from _edns()
    yield from _signatures()
    yield from _types()
    yield from _spellings()
    yield from _flags()
    yield from _sizes()
    yield from _cluster_names()
    yield from _formerr()


def _headers() -> Iterator[Row]:
    yield Row("U01", "0 bytes", b"", DROP)
    yield Row("U02a", "1 byte", b"\0", DROP)
    yield Row("U02b", "11 bytes", bytes(11), DROP)
    yield Row("U03", "header without a question", header(0), HEADER)
    yield Row("U04", "header, a question announced", header(1), HEADER)
    yield Row("U05", "a response", asked(flags=0x8180), DROP)
    yield Row("U06", "a response, header only", header(0, flags=0x8180), DROP)
    yield Row("U07", "a FORMERR response", header(0, flags=0x8181), DROP)
    yield Row("U08", "two questions, the same", header(2) + question() * 2, HEADER)
    two = question() + question(OUTSIDE)
    yield Row("U09", "two questions", header(2) + two, HEADER)
    yield Row("U10", "65535 questions announced", header(65535) + question(), HEADER)
    yield Row("U11", "100 questions", header(100) + question() * 100, HEADER)
    yield Row("U12", "65535 answers announced", header(an=65535) + question(), HEADER)
    yield Row("U13", "an authority announced", header(ns=1) + question(), HEADER)
    yield Row("U14", "65535 additional announced", header(ar=65535) + question(), HEADER)
    yield Row(
        "U15", "an answer in the query", more(record(), an=1), ANSWER,
        "CoreDNS lets one answer record through; it is read over, and never kept",
    )  # fmt: skip
    yield Row("U16", "a foreign additional record", more(record()), HEADER)
    for number, opcode in (("U17", 1), ("U18", 2), ("U19", 3), ("U21", 5)):
        wire = asked(flags=opcode << 11)
        yield Row(number, f"opcode {opcode}", wire, NOT_IMPLEMENTED)
    notify = asked(flags=4 << 11)
    yield Row(
        "U20", "opcode NOTIFY", notify, NOT_IMPLEMENTED,
        "CoreDNS answers it like a query",
    )  # fmt: skip
    for number, opcode in (("U22", 6), ("U23", 15)):
        wire = asked(flags=opcode << 11)
        yield Row(number + "a", f"opcode {opcode}", wire, NOT_IMPLEMENTED)
        wire = header(0, flags=opcode << 11)
        yield Row(number + "b", f"opcode {opcode}, header", wire, NOT_IMPLEMENTED)


def _names() -> Iterator[Row]:
    tail = b"\0\1\0\1"

    def row(number: str, what: str, name: bytes, kind: str = HEADER) -> Row:
        return Row(number, what, header() + name + tail, kind)

    yield row("U24", "label type 01", b"\x41" + b"a" * 65 + b"\0")
    yield row("U25", "label type 10", b"\x81" + b"a" * 65 + b"\0")
    local = (b"conf-a", b"svc", b"cluster", b"local")
    yield row("U26", "label of 63", labels(b"a" * 63, *local), NAME_ERROR)
    yield row("U27", "name of 255", labels(b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 61), NAME_ERROR)  # fmt: skip
    yield row("U28", "name of 256", labels(b"a" * 63, b"b" * 63, b"c" * 63, b"d" * 62))
    yield row("U29", "127 labels", labels(*[b"a"] * 127), NAME_ERROR)
    yield row("U30", "128 labels", labels(*[b"a"] * 128))
    yield row("U31", "name of 1,000", labels(*[b"a" * 60] * 17))
    yield row("U32", "a pointer to itself", b"\xc0\x0c")
    yield row("U33", "two pointers in a loop", b"\xc0\x0e\xc0\x0c")
    yield row("U34", "a forward pointer", b"\xc0\x12")
    yield row("U35", "a pointer past the end", b"\xc3\xff")
    yield row("U36", "a pointer into the header", b"\xc0\x00")
    yield Row("U37", "a lone c0", header() + b"\xc0", HEADER)
    yield row("U38", "label and pointer, a growing loop", b"\1a\xc0\x0c")
    chain = b"".join((0xC000 | 14 + 2 * n).to_bytes(2) for n in range(200))
    yield row("U39", "200 forward pointers", chain)
    back = b"\0" + b"".join((0xC000 | 46 + 2 * n).to_bytes(2) for n in range(300))
    yield Row("U40", "300 hops back", header(ar=1) + question() + back, QUESTION)
    cut = names.to_wire(GOOD)[:-1]
    yield Row("U41", "no root", header() + cut, HEADER)
    yield Row("U42", "label past the end", header() + b"\x3fabc", HEADER)
    yield Row("U43", "no type", header() + names.to_wire(GOOD), HEADER)
    yield Row("U44", "no class", header() + names.to_wire(GOOD) + b"\0\1", HEADER)
    for number, what, rest in (("U45", "a byte", b"\0"), ("U46", "400 bytes", bytes(400)), ("U47", "a newline", b"\n")):
        yield Row(number, f"{what} after the message", asked() + rest, ANSWER)


def _edns() -> Iterator[Row]:
    yield Row("U48", "two OPTs", more(opt(), opt()), HEADER)
    yield Row("U49", "OPT in the answer", more(opt(), an=1), HEADER)
    yield Row("U50", "OPT in authority", more(opt(), ns=1), HEADER)
    yield Row("U51", "OPT with a name", more(opt(name=labels(b"a"))), HEADER)
    yield Row("U52", "OPT of 65535", more(opt(length=65535)), HEADER)
    yield Row("U53", "option past the OPT", with_opt(b"\0\3\0\x40ab"), HEADER)
    yield Row("U54", "option of 3 bytes", with_opt(b"\0\3\0"), HEADER)
    for number, version in (("U55a", 1), ("U55b", 255)):
        wire = with_opt(ttl=version << 16)
        yield Row(number, f"EDNS version {version}", wire, BAD_VERSION)
    yield Row("U56a", "size 0", with_opt(size=0), ANSWER)
    yield Row("U56b", "size 1", with_opt(size=1), ANSWER)
    yield Row(
        "U57", "size 65535", with_opt(size=65535), ANSWER,
        "not held to 1232: CoreDNS takes the client's size; bufsize limits it",
    )  # fmt: skip
    yield Row("U58", "flags 7fff", with_opt(ttl=0x7FFF), ANSWER)
    yield Row("U59", "DO", with_opt(ttl=0x8000), ANSWER)
    yield Row("U60", "an extended rcode", with_opt(ttl=0xFF000000), ANSWER)
    yield Row("U61", "an unknown option", with_opt(option(65001, b"x")), ANSWER)
    yield Row("U62a", "200 options", with_opt(option(65001) * 200), QUESTION)
    yield Row("U62b", "12,000 options", with_opt(option(65001) * 12000), QUESTION)
    for number, size in (("U63a", 7), ("U63b", 12), ("U63c", 41)):
        wire = with_opt(option(10, bytes(size)))
        yield Row(number, f"a cookie of {size} bytes", wire, WITH_OPT)
    echoed = "CoreDNS gives the option back as it came: as long as the query, no longer"
    yield Row("U64", "a cookie", with_opt(option(10, bytes(8))), ANSWER, echoed)
    for number, what, data in (
        ("U65a", "family 9", b"\0\x09\x18\0\x0a\0\0"),
        ("U65b", "prefix 33", b"\0\1\x21\0\x0a\0\0\0\0"),
        ("U65c", "cut", b"\0\1\x18"),
    ):
        yield Row(number, f"a client subnet, {what}", with_opt(option(8, data)), WITH_OPT)
    subnet = option(8, b"\0\1\x18\0\x0a\0\0")
    yield Row("U66", "a client subnet", with_opt(subnet), ANSWER)
    yield Row("U67", "keepalive", with_opt(option(11)), ANSWER, echoed)
    yield Row("U68", "padding", with_opt(option(12, bytes(100))), ANSWER, echoed)
    yield Row("U69", "NSID with data", with_opt(option(3, b"x")), ANSWER, echoed)


def _signatures() -> Iterator[Row]:
    yield Row("U70", "TSIG of an unknown key", more(tsig()), BAD_KEY)
    yield Row("U71", "TSIG not last", more(tsig(), opt()), HEADER)
    garbage = record(labels(b"key"), 250, b"junk", rclass=255, ttl=0)
    yield Row("U72", "TSIG of garbage", more(garbage), HEADER)
    sig0 = record(b"\0", 24, b"junk", rclass=255, ttl=0)
    yield Row("U73", "SIG(0) of garbage", more(sig0), HEADER)


def _types() -> Iterator[Row]:
    yield Row("U74", "type 0", asked(qtype=0), NODATA)
    for number, name, qtype in (("a", "OPT", 41), ("b", "TKEY", 249), ("c", "TSIG", 250)):
        yield Row(f"U75{number}", f"type {name}", asked(qtype=qtype), NODATA)
    yield Row("U76", "type IXFR", asked(qtype=251), REFUSED)
    yield Row("U77", "type AXFR by UDP", asked(qtype=252), REFUSED)
    yield Row("U78a", "type MAILA", asked(qtype=254), NODATA)
    yield Row("U78b", "type MAILB", asked(qtype=253), NODATA)
    yield Row("U79", "type ANY", asked(qtype=255), NODATA)
    for number, qtype in (("a", 10), ("b", 46), ("c", 65), ("d", 65535)):
        yield Row(f"U80{number}", f"type {qtype}", asked(qtype=qtype), NODATA)
    other = "CoreDNS takes any class where forward is configured"
    for number, qclass in (("a", 0), ("b", 2), ("c", 4), ("d", 254), ("e", 65535)):
        wire = asked(qclass=qclass)
        yield Row(f"U81{number}", f"class {qclass}", wire, ANSWER, other)
    yield Row("U82", "class CH", asked(qclass=3), ANSWER, other)
    yield Row("U83", "class ANY", asked(qclass=255), ANSWER, other)
    relayed = "forwarded like any other name; nothing of ours is told"
    for number, name in (("a", "version.bind."), ("b", "id.server.")):
        wire = asked(name, 16, 3)
        yield Row(f"U84{number}", f"{name} CH TXT", wire, NAME_ERROR, relayed)


HOSTILE = {
    "U85": ("NUL", b"a\0b"),
    "U86": ("a dot inside", b"web.conf-a"),
    "U87": ("a backslash", b"a\\b"),
    "U88": ("a space", b"a b"),
    "U89": ("a newline and a fake line", b"a\n[ERROR] fake"),
    "U90": ("CR LF", b"a\r\nb"),
    "U91": ("an escape sequence", b"a\x1b[31mb"),
    "U92": ("bytes that are no UTF-8", b"\xff\xfe\x80"),
    "U93": ("UTF-8", "é".encode()),
    "U94": ("quotes", b"a\"b'c"),
    "U95": ("a format of printf", b"%s%n%x"),
    "U96": ("a script", b"<script>alert(1)</script>"),
    "U97": ("a format of Python", b"{0.__class__}"),
    "U98": ("a wildcard", b"*"),
    "U99a": ("an underscore", b"_"),
    "U99b": ("an at sign", b"@"),
    "U99c": ("an equals sign", b"a=b"),
}
"""Seventeen labels that must not mean anything to a log, a metric or a page."""


def hostile_name(number: str) -> bytes:
    """Return a name with one of the hostile labels, in wire form."""
    return labels(HOSTILE[number][1], b"conf-a", b"svc", b"cluster", b"local")


def _spellings() -> Iterator[Row]:
    for number, (what, _) in HOSTILE.items():
        yield Row(number, what, asked(hostile_name(number)), NAME_ERROR)


def _flags() -> Iterator[Row]:
    yield Row("U100a", "the root, A", asked(".", 1), NAME_ERROR)
    yield Row("U100b", "the root, ANY", asked(".", 255), NAME_ERROR)
    yield Row("U101", "all flags", asked(flags=0x07FF), ANSWER)
    yield Row("U102", "TC", asked(flags=0x0200), ANSWER)
    yield Row("U103a", "Z", asked(flags=0x0040), ANSWER)
    yield Row("U103b", "AA and RA", asked(flags=0x0480), ANSWER)
    yield Row("U103c", "rcode 15", asked(flags=0x000F), ANSWER)
    yield Row("U104", "id 0", b"\0\0" + asked()[2:], ANSWER)
    yield Row("U105a", "RD=0, our zone", asked(flags=0), ANSWER)
    yield Row("U105b", "RD=0, outside", asked(OUTSIDE, flags=0), ANSWER)
    mixed = names.to_wire("WeB.CoNf-A.sVc.cLuStEr.LoCaL.")
    yield Row("U106", "mixed case", asked(mixed), ANSWER)


def _sizes() -> Iterator[Row]:
    padded = partial(option, 12)
    yield Row("U107", "4,096 bytes, padded", with_opt(padded(bytes(4040))), QUESTION)
    yield Row("U108", "60,000 bytes, padded", with_opt(padded(bytes(59944))), QUESTION)
    yield Row("U109", "1,000 records", header(ar=1000) + question() + record() * 1000, HEADER)  # fmt: skip
    deep = labels(*[b"a"] * 126)
    many = record(b"\xc0\x0c") * 3900
    yield Row("U110", "3,900 records at one long name", header(ar=3900) + question(deep) + many, HEADER)  # fmt: skip
    yield Row("U111a", "an A of 65535 bytes", more(record(length=65535)), HEADER)
    yield Row("U111b", "an A of 3 bytes", more(record(data=b"abc")), HEADER)
    yield Row("U112", "a TTL of 2^31", more(record(ttl=1 << 31)), HEADER)


def _cluster_names() -> Iterator[Row]:
    apex = asked("cluster.local.", 16)
    yield Row("U117", "the apex, TXT", apex, NAME_ERROR, "CoreDNS denies the zone itself")
    for number, name, qtype, kind in (
        ("U118a", "svc.cluster.local.", 1, NODATA),
        ("U118b", "pod.cluster.local.", 1, NODATA),
        ("U118c", "conf-a.svc.cluster.local.", 1, NODATA),
        ("U119a", f"a.b.c.d.e.f.g.h.{GOOD}", 1, NAME_ERROR),
        ("U119b", "_a._b._c.svc.cluster.local.", 33, NAME_ERROR),
        ("U120a", f"_._tcp.{GOOD}", 33, ANSWER),
        ("U120b", f"http.tcp.{GOOD}", 33, ANSWER),
        ("U121a", "999-1-1-1.conf-a.pod.cluster.local.", 1, NAME_ERROR),
        ("U121b", "1-2-3.conf-a.pod.cluster.local.", 1, NAME_ERROR),
        ("U122a", "1--2-3-4.conf-a.pod.cluster.local.", 1, NODATA),
        ("U122b", "--1.conf-a.pod.cluster.local.", 1, NODATA),
        ("U123", "svc.cluster.local.cluster.local.", 1, NAME_ERROR),
        ("U124a", "5.4.3.2.1.in-addr.arpa.", 12, NAME_ERROR),
        ("U124b", "1.1.1.256.in-addr.arpa.", 12, NAME_ERROR),
        ("U124c", "1.1.1.x.in-addr.arpa.", 12, NAME_ERROR),
        ("U124d", "1.1.1.01.in-addr.arpa.", 12, NAME_ERROR),
        ("U124e", "1.1.1.-1.in-addr.arpa.", 12, NAME_ERROR),
        ("U125a", "1.10.in-addr.arpa.", 12, NAME_ERROR),
        ("U125b", "1.ip6.arpa.", 12, NAME_ERROR),
        ("U125c", "1." * 33 + "ip6.arpa.", 12, NAME_ERROR),
        ("U125d", "g." + "1." * 31 + "ip6.arpa.", 12, NAME_ERROR),
    ):
        yield Row(number, f"{name} type {qtype}", asked(name, qtype), kind)


def _formerr() -> Iterator[Row]:
    """Packets after the descriptions of BIND's system test *formerr*."""
    key = record(labels(b"a"), 25, b"\2\0\3\1" + bytes(8), rclass=4)
    rrsig = record(labels(b"a"), 46, b"\0\1\x08")
    nsec3 = record(labels(b"@@@@"), 50, b"\1\0\0\0\0\x14" + bytes(20))
    update = 5 << 11
    for number, (what, (wire, kind)) in enumerate(
        {
            "no question": (header(0), HEADER),
            "the same question twice": (header(2) + question() * 2, HEADER),
            "two names": (header(2) + question() + question(OUTSIDE), HEADER),
            "two types": (header(2) + question() + question(qtype=28), HEADER),
            "two classes": (header(2) + question() + question(qclass=3), HEADER),
            "question cut": (asked()[:-3], HEADER),
            "name too long": (header() + b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x3f" + b"d" * 63 + b"\0\0\1\0\1", HEADER),
            "the same answer twice": (more(record(), record(), an=2), HEADER),
            "a question type as an answer": (more(record(rtype=255), an=1), HEADER),
            "answer cut": (more(record()[:-3], an=1), HEADER),
            "answer of another class": (more(record(rclass=3), an=1), HEADER),
            "KEY of another class": (more(key, an=1), HEADER),
            "RRSIG cut short": (more(rrsig, an=1), HEADER),
            "NSEC3 with a bad owner": (more(nsec3, ns=1), HEADER),
            "OPT with a name": (more(opt(name=labels(b"a", b"b"))), HEADER),
            "TSIG not last": (more(tsig(), record()), HEADER),
            "TSIG of class IN": (more(tsig(rclass=1)), HEADER),
            "UPDATE of a type with a hole": (header(ns=1, flags=update) + question(qtype=6) + record(rtype=255, rclass=254, ttl=1), NOT_IMPLEMENTED),
        }.items()
    ):  # fmt: skip
        yield Row(f"U126{chr(97 + number)}", what, wire, kind)
