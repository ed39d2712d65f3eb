"""Messages, streams and files as hypothesis makes them: sound, odd and hostile."""

import json
from collections.abc import Iterable

from hypothesis import assume
from hypothesis import strategies as st

from minidns.dns import names, rdata
from minidns.dns.model import Opt, Query, Question, Response, RRset
from minidns.dns.wire import decode_query, encode_query
from tests.survival.datagrams import rows

SEEDS = [row.wire for row in rows() if len(row.wire) < 600]

LABELS = st.binary(min_size=1, max_size=63)
NAMES = st.lists(LABELS, max_size=8).map(names.text).filter(lambda n: len(wire(n)) <= 255)
HOSTS = st.sampled_from(["a.example.org.", "b.example.org.", "example.org.", "x.y.example.net.", "org.", "."])
TYPES = st.integers(0, 65535)
OPTS = st.builds(
    Opt,
    st.integers(0, 65535),
    st.booleans(),
    st.lists(st.tuples(st.integers(13, 65535), st.binary(max_size=20)), max_size=4).map(tuple),
    st.just(0),
)


def wire(name: str) -> bytes:
    """Return the wire form, however long it is."""
    try:
        return names.to_wire(name)
    except ValueError:
        return bytes(256)


def data_of(rtype: int) -> st.SearchStrategy[bytes]:
    match rtype:
        case rdata.A:
            return st.binary(min_size=4, max_size=4)
        case rdata.AAAA:
            return st.binary(min_size=16, max_size=16)
        case rdata.NS | rdata.CNAME | rdata.PTR:
            return HOSTS.map(names.to_wire)
        case rdata.MX:
            return HOSTS.map(lambda name: b"\0\1" + names.to_wire(name))
        case rdata.SRV:
            return HOSTS.map(lambda name: rdata.srv(0, 1, 80, name))
        case rdata.SOA:
            return HOSTS.map(lambda name: rdata.soa(name, name, 1, 2, 3, 4, 5))
        case rdata.TXT:
            return st.binary(max_size=255).map(rdata.txt)
        case _:
            return st.binary(max_size=40)


KNOWN = (rdata.A, rdata.AAAA, rdata.NS, rdata.CNAME, rdata.MX, rdata.SRV, rdata.SOA, rdata.TXT, 65280)  # fmt: skip
RRSETS = st.sampled_from(KNOWN).flatmap(
    lambda rtype: st.builds(
        RRset,
        HOSTS,
        st.just(rtype),
        st.integers(0, 2**31 - 1),
        st.lists(data_of(rtype), min_size=1, max_size=8).map(tuple),
        st.just(1),
    )
)
SECTIONS = st.lists(RRSETS, max_size=6).map(tuple)
RESPONSES = st.builds(
    Response,
    st.sampled_from([0, 2, 3, 5]),
    SECTIONS,
    SECTIONS,
    SECTIONS,
    aa=st.booleans(),
    ra=st.booleans(),
    ad=st.booleans(),
)


@st.composite
def queries(draw: st.DrawFn, transport: str = "udp") -> Query:
    sent = encode_query(
        Question(draw(NAMES), draw(TYPES), 1),
        draw(st.integers(0, 65535)),
        draw(st.sampled_from([0, 0x0100, 0x0110])),
        draw(st.none() | OPTS),
    )
    assume(len(sent) <= 512)
    return decode_query(sent, transport)  # type: ignore[arg-type]


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """Return a hostile datagram with a few bytes changed, or any bytes at all."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.binary(max_size=300))
    sent = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        if not sent:
            break
        at = draw(st.integers(0, len(sent) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                del sent[at:]
            case 1:
                sent[at:at] = draw(st.sampled_from([b"\0", b"\xc0", b"\x0c", b"\xff"]))
            case _:
                sent[at] = draw(st.integers(0, 255))
    return bytes(sent)


def flat(rrsets: Iterable[RRset]) -> list[tuple[str, int, int, bytes]]:
    """Return records one by one."""
    return [(r.owner, r.rtype, r.ttl, data) for r in rrsets for data in r.rdata]


WORDS = st.sampled_from(
    (
        *(".:53", "{", "}", "\n", " ", "forward", ".", "192.0.2.1", "cache", "30", '"'),
        *("(s)", "import", "s", "{$X}", "{%X%}", "kubernetes", "log", "\\", "\0", "é", "#"),
    )
)
COREFILES = st.lists(WORDS | st.text(max_size=5), max_size=40).map("".join)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["metadata", "name", "spec", "kind", "code", "object"]), inner)
    ),
    max_leaves=8,
)
LINES = st.builds(
    lambda kind, obj: json.dumps({"type": kind, "object": obj}).encode(),
    st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "ODD", 7]),
    JSON,
)
