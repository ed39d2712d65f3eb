"""The size of replies, their compression, and what is left out, against a model.

The model computes lengths only, from the rules of miekg/dns (Msg.Len, Msg.Truncate) and
of CoreDNS's Scrub; dnspython reads what was packed.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias

import dns.flags
import dns.message
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minidns.dns import names, rdata
from minidns.dns.model import Opt, Query, Question, Response, RRset
from minidns.dns.rdata import AAAA, CNAME, MX, NAPTR, NS, PTR, SOA, SRV, TXT, A
from minidns.dns.wire import encode_response, response_size
from tests.table import table

Section: TypeAlias = tuple[RRset, ...]
Part: TypeAlias = "int | tuple[str, bool]"
"""Bytes without names, or a name and whether it may be a pointer."""


def layout(rrset: RRset, data: bytes) -> Iterator[Part]:
    """Yield the parts of the data, for the types of these tests."""
    match rrset.rtype:
        case rdata.NS | rdata.CNAME | rdata.PTR:
            yield names.from_wire(data), True
        case rdata.MX:
            yield 2
            yield names.from_wire(data[2:]), True
        case rdata.SRV:
            yield 6
            yield names.from_wire(data[6:]), False
        case rdata.SOA:
            first = names.from_wire(data)
            yield first, True
            yield names.from_wire(data[names.wire_size(first) :]), True
            yield 20
        case rdata.NAPTR:
            yield 7
            yield names.from_wire(data[7:]), False
        case _:
            yield len(data)


class Model(NamedTuple):
    """The expected message according to the rules of CoreDNS."""

    size: int
    counts: tuple[int, int, int]
    tc: bool


def name_size(name: str, at: int, known: set[str], *, compress: bool) -> int:
    labels = names.labels(names.from_wire(names.to_wire(name)))
    size = 0
    for number, label in enumerate(labels):
        suffix = ".".join(labels[number:])
        if suffix in known:
            return size + 2 if compress else names.wire_size(name)
        if at + size < 2**14:
            known.add(suffix)
        size += names.wire_size(f"{label}.") - 1
    return size + 1


def model(query: Query, response: Response, opt: int) -> Model:
    sections = (response.answer, response.authority, response.additional)
    question = names.wire_size(query.spelled or query.question.qname) + 4
    limit = query.max_size
    whole = response_size(query, response) + opt
    plain = limit
    if query.transport == "udp":
        plain = min(limit, 1220 if ":" in query.peer[0] else 1480)
    all_counts = [sum(len(rrset.rdata) for rrset in section) for section in sections]
    if whole <= plain:
        return Model(whole, (*all_counts,), response.tc)  # type: ignore[arg-type]
    known: set[str] = set()
    name_size(query.spelled or query.question.qname, 12, known, compress=True)
    at, counts, full = 12 + question, [0, 0, 0], False
    for number, rrset in chain.from_iterable(
        ((number, rrset) for rrset in section) for number, section in enumerate(sections)
    ):
        owner = rrset.owner
        if owner == query.question.qname and query.spelled:
            owner = query.spelled
        for data in rrset.rdata:
            if full:
                break
            end = at + name_size(owner, at, known, compress=True) + 10
            for part in layout(rrset, data):
                end += part if isinstance(part, int) else name_size(part[0], end, known, compress=part[1])
            if full := end > limit - opt:
                break
            at = end
            counts[number] += 1
    tc = response.tc or counts != all_counts
    return Model(at + opt, (*counts,), tc)  # type: ignore[arg-type]


LABELS = ("a", "b", "db-0", "web", "prod", "svc", "Web", "\\046", "x" * 40)
ZONES = ("cluster.local.", "svc.cluster.local.", "org.", "Cluster.local.")
owners = st.builds(
    lambda left, zone: ".".join((*left, zone)),
    st.lists(st.sampled_from(LABELS), min_size=1, max_size=3),
    st.sampled_from(ZONES),
)
alias = owners.map(names.to_wire)
datas = {
    A: st.binary(min_size=4, max_size=4),
    AAAA: st.binary(min_size=16, max_size=16),
    CNAME: alias,
    NS: alias,
    PTR: alias,
    MX: alias.map(lambda name: b"\0\1" + name),
    SRV: alias.map(lambda name: b"\0\0\0\1\0\x50" + name),
    SOA: st.tuples(alias, alias).map(lambda two: b"".join(two) + bytes(20)),
    NAPTR: alias.map(lambda name: b"\0\1\0\1\0\0\0" + name),
    TXT: st.binary(max_size=60).map(rdata.txt),
}


@st.composite
def rrsets(draw: st.DrawFn) -> RRset:
    rtype = draw(st.sampled_from(list(datas)))
    data = draw(st.lists(datas[rtype], min_size=1, max_size=12))
    return RRset(draw(owners), rtype, 5, tuple(data))


sections = st.lists(rrsets(), max_size=6).map(tuple)


@pytest.mark.slow
@given(
    owners,
    sections,
    sections,
    sections,
    st.sampled_from((512, 513, 700, 1232, 1480, 4096)),
    st.booleans(),
    st.sampled_from(("10.0.0.1", "fd00::1")),
)
def test_size_and_counts_are_those_of_the_model(
    owner: str, answer: Section, authority: Section, additional: Section,
    size: int, has_opt: bool, peer: str,
) -> None:  # fmt: skip
    qname = owner.lower()
    query = Query(
        Question(qname, A),
        opt=Opt(size) if has_opt else None,
        max_size=size if has_opt else 512,
        spelled=owner if owner != qname else "",
        peer=(peer, 1),
    )
    check(query, Response(0, answer, authority, additional))


def check(query: Query, response: Response) -> Model:
    """Compare with the model, and check that dnspython reads the same records."""
    wire = encode_response(query, response)
    opt = 11 if query.opt else 0
    expected = model(query, response, opt)
    message = dns.message.from_wire(wire)
    ends = dns.message.from_wire(wire, one_rr_per_rrset=True)
    counts = (len(ends.answer), len(ends.authority), len(ends.additional))
    tc = bool(message.flags & dns.flags.TC)
    assert Model(len(wire), counts, tc) == expected
    assert expected.size <= max(512, query.max_size)
    return expected


NAME = "_http._tcp.web.prod.svc.cluster.local."


def services(count: int, label: str, additional: int | None = None) -> Response:
    """Return SRV records and target addresses, as of a headless Service."""
    ends = [f"{label}{n}.web.prod.svc.cluster.local." for n in range(count)]
    answer = RRset(NAME, SRV, 5, tuple(rdata.srv(0, 16, 80, end) for end in ends))
    extra = [RRset(end, A, 5, (bytes(4),)) for end in ends[:additional]]
    return Response(answer=(answer,), additional=tuple(extra))


def srv_query(size: int = 0, transport: Literal["udp", "tcp"] = "udp") -> Query:
    opt = Opt(size) if size else None
    return Query(Question(NAME, SRV), opt=opt, max_size=size or 512, transport=transport)


@table(("width", "size"), [(18, 499), (19, 505), (20, 511)])
def test_additional_owners_are_pointers_to_srv_targets(width: int, size: int) -> None:
    expected = check(srv_query(), services(6, "e" * width, 3))
    assert expected == (size, (6, 0, 3), False)


@table("count", range(1, 20))
@table("width", range(1, 16, 2))
def test_replies_around_512_bytes(count: int, width: int) -> None:
    check(srv_query(), services(count, "e" * width))


def test_180_endpoints_over_tcp_fit_uncompressed() -> None:
    check(srv_query(65535, "tcp"), services(180, "10-244-0-"))


@pytest.mark.slow
@settings(max_examples=20)
@example(4096)
@given(st.integers(512, 9000))
def test_any_edns_size(size: int) -> None:
    check(srv_query(size), services(180, "10-244-0-"))


NAMED = [3, 4, 7, 8, 9, rdata.NS, rdata.CNAME, rdata.PTR]


@table("rtype", NAMED)
def test_every_type_of_rfc_1035_is_compressed(rtype: int) -> None:
    data = [names.to_wire(f"{n}.host.example.org.") for n in range(60)]
    response = Response(answer=(RRset("example.org.", rtype, 5, tuple(data)),))
    query = Query(Question("example.org.", rtype), opt=Opt(1232), max_size=1232)
    wire = encode_response(query, response)
    assert dns.message.from_wire(wire).flags & dns.flags.TC == 0
    ours = rdata.target(rtype, data[0])
    assert ours == "0.host.example.org."


@pytest.mark.slow
@given(owners.map(str.lower), sections)
def test_never_larger_than_dnspythons(owner: str, answer: Section) -> None:
    # dnspython compresses SRV and NAPTR targets, and across letters' case
    def lower(rrset: RRset) -> RRset:
        data = tuple(rdata.map_names(rrset.rtype, d, str.lower) for d in rrset.rdata)
        return rrset._replace(owner=rrset.owner.lower(), rdata=data)

    compressible = [lower(rrset) for rrset in answer if rrset.rtype not in (SRV, NAPTR)]
    query = Query(Question(owner, A), opt=Opt(65535), max_size=65535)
    wire = encode_response(query, Response(answer=tuple(compressible)))
    if len(wire) <= 512:
        return  # sent uncompressed
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    size = len(message.to_wire(max_size=65535))
    uncompressed = response_size(query, Response(answer=tuple(compressible))) + 11
    assert len(wire) <= (size if uncompressed > 1480 else uncompressed)


@given(st.integers(1, 60), st.binary(max_size=30))
def test_malformed_data_is_sent_as_it_is(rtype: int, data: bytes) -> None:
    rrset = RRset("example.org.", rtype, 5, (data,) * 60)
    query = Query(Question("example.org.", rtype), max_size=65535, transport="tcp")
    big = Response(answer=(rrset, RRset("big.", TXT, 5, (bytes(60000),) * 2)))
    assert data in encode_response(query, big) or not data
