import struct

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns import rdata
from minidns.dns.model import DnsError, Dropped, FormatError, Opt, Query, Question, Rcode, Response, RRset
from minidns.dns.wire import (
    authority_serial,
    bad_version,
    decode_query,
    encode_query,
    encode_response,
    error_reply,
    overload_reply,
    response_size,
)
from tests.table import table

ZONE = "cluster.local."


def query_wire(name: str = "web.prod.svc.cluster.local.", qtype: str = "A", **edns: object) -> bytes:
    message = dns.message.make_query(name, qtype)
    if edns:
        message.use_edns(**edns)  # type: ignore[arg-type]
    return message.to_wire()


def record(name: bytes = b"\0", rtype: int = 1, data: bytes = b"\1\2\3\4") -> bytes:
    return name + struct.pack("!HHIH", rtype, 1, 0, len(data)) + data


def counts(wire: bytes, qd: int = 1, an: int = 0, ns: int = 0, ar: int = 0) -> bytes:
    return wire[:4] + struct.pack("!4H", qd, an, ns, ar) + wire[12:]


def opt(options: bytes = b"", size: int = 1232, name: bytes = b"\0") -> bytes:
    return name + struct.pack("!HHIH", 41, size, 0, len(options)) + options


PLAIN = query_wire()
OTHER_CLASS = b"\0" + struct.pack("!HHIH", 1, 3, 0, 4) + b"\1\2\3\4"
HEAD = PLAIN[:12]
TAIL = b"\0\1\0\1"

UNREADABLE = [
    ("no-question", counts(HEAD, 0), Rcode.FORMERR),
    ("question-announced-but-missing", HEAD, Rcode.FORMERR),
    ("two-questions", counts(PLAIN + PLAIN[12:], 2), Rcode.FORMERR),
    ("two-answers", counts(PLAIN + record() * 2, an=2), Rcode.FORMERR),
    ("two-authorities", counts(PLAIN + record() * 2, ns=2), Rcode.FORMERR),
    ("three-additional", counts(PLAIN + record() * 3, ar=3), Rcode.FORMERR),
    ("answer-announced-but-missing", counts(PLAIN, an=1), Rcode.FORMERR),
    ("additional-announced-but-missing", counts(PLAIN, ar=1), Rcode.FORMERR),
    ("label-type-01", HEAD + b"\x41\x01\0" + TAIL, Rcode.FORMERR),
    ("label-type-10", HEAD + b"\x81\x01\0" + TAIL, Rcode.FORMERR),
    ("pointer-to-itself", HEAD + b"\xc0\x0c" + TAIL, Rcode.FORMERR),
    ("pointer-into-the-header", HEAD + b"\xc0\x00" + TAIL, Rcode.FORMERR),
    ("lone-pointer-byte", HEAD + b"\xc0", Rcode.FORMERR),
    ("label-past-the-end", HEAD + b"\x0aabc", Rcode.FORMERR),
    ("no-root", HEAD + b"\x03abc", Rcode.FORMERR),
    ("no-type", HEAD + b"\0", Rcode.FORMERR),
    ("no-class", HEAD + b"\0\0\1", Rcode.FORMERR),
    ("name-of-257", HEAD + b"\1a" * 128 + b"\0" + TAIL, Rcode.FORMERR),
    ("two-opts", counts(PLAIN + opt() * 2, ar=2), Rcode.FORMERR),
    ("opt-with-a-name", counts(PLAIN + opt(name=b"\1a\0"), ar=1), Rcode.FORMERR),
    ("opt-in-the-answer", counts(PLAIN + opt(), an=1), Rcode.FORMERR),
    ("opt-in-authority", counts(PLAIN + opt(), ns=1), Rcode.FORMERR),
    ("opt-longer-than-the-message", counts(PLAIN + opt()[:-2] + b"\xff\xff", ar=1), Rcode.FORMERR),
    ("option-past-the-opt", counts(PLAIN + opt(b"\0\3\0\5a"), ar=1), Rcode.FORMERR),
    ("option-of-3-bytes", counts(PLAIN + opt(b"\0\3\0"), ar=1), Rcode.FORMERR),
    ("33-options", counts(PLAIN + opt(b"\0\3\0\0" * 33), ar=1), Rcode.FORMERR),
    ("rdata-past-the-end", counts(PLAIN + record()[:-2], ar=1), Rcode.FORMERR),
    ("an-authority", counts(PLAIN + record(), ns=1), Rcode.FORMERR),
    ("a-SOA-but-no-IXFR", counts(PLAIN + record(rtype=6), ns=1), Rcode.FORMERR),
    ("answer-of-another-class", counts(PLAIN + OTHER_CLASS, an=1), Rcode.FORMERR),
    ("answer-of-3-bytes", counts(PLAIN + record(data=b"abc"), an=1), Rcode.FORMERR),
    ("answer-other-than-A", counts(PLAIN + record(rtype=16), an=1), Rcode.FORMERR),
    ("an-additional-record", counts(PLAIN + record(), ar=1), Rcode.FORMERR),
    ("a-SIG(0)", counts(PLAIN + record(rtype=24), ar=1), Rcode.FORMERR),
    *((f"opcode-{n}", bytes((*HEAD[:2], n << 3, *PLAIN[3:])), Rcode.NOTIMP) for n in range(1, 16)),
    (
        "opcode-notify-with-the-new-SOA",
        counts(bytes((*HEAD[:2], 0x24, *PLAIN[3:])) + record(rtype=6), an=1),
        Rcode.NOTIMP,
    ),
    ("opcode-15-header-only", counts(bytes((*HEAD[:2], 0x78, *HEAD[3:])), 0), Rcode.NOTIMP),
]


@table(("wire", "rcode"), [pytest.param(w, r, id=name) for name, w, r in UNREADABLE])
def test_unreadable_queries_get_a_header(wire: bytes, rcode: Rcode) -> None:
    with pytest.raises(FormatError) as caught:
        decode_query(wire)
    assert caught.value.rcode == rcode
    reply = error_reply(wire, caught.value.rcode)
    assert len(reply) == 12 <= len(wire)
    assert reply[:2] == wire[:2]
    parsed = dns.message.from_wire(reply)
    assert parsed.flags & dns.flags.QR
    assert not parsed.flags & dns.flags.AA
    assert int(parsed.rcode()) == rcode
    assert parsed.opcode() == (wire[2] >> 3 & 15 if rcode == Rcode.NOTIMP else 0)


LONG = {
    "padded": counts(PLAIN + opt(b"\0\x0c\2\0" + bytes(512)), ar=1),
    "bytes-after-the-message": PLAIN + bytes(512),
    "records": counts(PLAIN + record() * 60, ar=2),
    "capitals": (HEAD + b"\3WeB\3oRg\0" + TAIL).ljust(513, b"x"),
    "longest-name": (HEAD + (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0" + TAIL).ljust(4096, b"x"),
    "the-root": (HEAD + b"\0" + TAIL).ljust(1024, b"\0"),
}


@table("wire", LONG.values(), ids=LONG)
def test_replies_to_long_udp_queries_have_the_question(wire: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        decode_query(wire)
    reply = error_reply(wire, caught.value.rcode, b"", caught.value.question)
    assert dns.message.from_wire(reply).rcode() == dns.rcode.FORMERR
    assert reply[12:] == wire[12 : 12 + len(reply) - 12]
    question = dns.message.from_wire(wire[:512], ignore_trailing=True, continue_on_error=True).question  # fmt: skip
    assert dns.message.from_wire(reply).question == question


def test_more_than_512_bytes_without_a_readable_question_get_a_header() -> None:
    wire = HEAD + b"\xc0\x0c" + bytes(600)
    with pytest.raises(FormatError) as caught:
        decode_query(wire)
    assert caught.value.question == b""


@table(
    "wire",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(PLAIN[:11], id="shorter-than-a-header"),
        pytest.param(PLAIN[:2] + b"\x81" + PLAIN[3:], id="a-response"),
        pytest.param(PLAIN[:2] + b"\x80" + HEAD[3:], id="a-response-without-question"),
    ],
)
def test_messages_that_are_not_answered(wire: bytes) -> None:
    with pytest.raises(Dropped):
        decode_query(wire)


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(PLAIN + b"\n", id="bytes-after-the-message"),
        pytest.param(counts(PLAIN + record(), an=1), id="one-answer"),
    ],
)
def test_odd_but_answered(wire: bytes) -> None:
    assert decode_query(wire).question.qname == "web.prod.svc.cluster.local."


def test_a_query_with_everything() -> None:
    wire = query_wire(
        "WeB.Prod.cluster.LOCAL.",
        "AAAA",
        edns=0,
        payload=4096,
        ednsflags=dns.flags.DO,
        options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"12345678")],
    )
    query = decode_query(wire, peer=("192.0.2.1", 5353))
    assert query.question == Question("web.prod.cluster.local.", 28, 1)
    assert query.spelled == "WeB.Prod.cluster.LOCAL."
    assert query.opt == Opt(4096, True, ((10, b"12345678"),))
    assert query.rd
    assert query.do
    assert query.max_size == 4096
    assert query.peer == ("192.0.2.1", 5353)


@table(
    ("size", "transport", "limit"),
    [(0, "udp", 512), (100, "udp", 512), (512, "udp", 512), (4096, "udp", 4096), (600, "tcp", 65535)],
)
def test_the_size_a_reply_may_have(size: int, transport: str, limit: int) -> None:
    wire = query_wire(edns=0, payload=size)
    assert decode_query(wire, transport).max_size == limit  # type: ignore[arg-type]


NAMES = [
    ("root", b"\0", "."),
    ("one-label", b"\3Org\0", "Org."),
    ("dot-in-the-first-label", b"\3a.b\3org\0", "a\\.b.org."),
    ("dot-in-another-label", b"\1x\3a.b\0", "x.a\\.b."),
    ("zero-in-the-first-label", b"\3a\0b\3org\0", "a\\000b.org."),
    ("zero-in-another-label", b"\1x\3a\0b\0", "x.a\\000b."),
    ("zero-in-the-last-label", b"\1x\2a\0\0", "x.a\\000."),
    ("labels-of-63", (b"\x3f" + b"a" * 63) * 2 + b"\0", ("a" * 63 + ".") * 2),
    ("name-of-255", b"\1a" * 127 + b"\0", "a." * 127),
]


@table("rest", [b"", b"junk"], ids=["whole", "with-bytes-after-it"])
@table("like", [False, True])
@table("before", [False, True])
def test_a_query_with_bytes_after_it_is_not_remembered(before: bool, like: bool, rest: bytes) -> None:
    message = dns.message.make_query("web.default.svc.cluster.local.", "A")
    query = decode_query(message.to_wire() + rest, expected=(before, like))
    remembered = (before, like) if not rest else (False, False)
    assert (query.asked_before, query.like_asked_before) == remembered


@table(("raw", "spelled"), [pytest.param(r, s, id=name) for name, r, s in NAMES])
def test_cached_names_are_read_alike(raw: bytes, spelled: str) -> None:
    for _ in range(2):
        query = decode_query(counts(HEAD + raw + TAIL + opt(size=1400), ar=1))
        assert query.owner == spelled
        assert query.question == Question(spelled.lower(), 1)
        assert query.opt == Opt(1400)


@given(st.binary(max_size=600))
def test_any_bytes_at_all(wire: bytes) -> None:
    try:
        query = decode_query(wire)
    except DnsError:
        return
    reply = encode_response(query, Response())
    assert reply[:2] == wire[:2]


@given(st.binary(max_size=80), st.integers(0, 3), st.integers(0, 3))
def test_any_bytes_after_a_header(body: bytes, an: int, ar: int) -> None:
    wire = counts(HEAD + body, an=an, ar=ar)
    try:
        query = decode_query(wire)
    except DnsError:
        return
    reply = dns.message.from_wire(encode_response(query, Response(Rcode.NXDOMAIN)))
    assert reply.id == int.from_bytes(wire[:2])


# -- responses

SOA = RRset(ZONE, 6, 30, (rdata.soa(f"ns.dns.{ZONE}", f"hostmaster.{ZONE}", 1, 7200, 1800, 86400, 30),))


def addresses(count: int, owner: str = "web.prod.svc.cluster.local.") -> RRset:
    return RRset(owner, 1, 30, tuple(rdata.a(f"10.0.{n >> 8}.{n & 255}") for n in range(count)))


def test_an_answer_echoes_the_question_in_its_case() -> None:
    query = decode_query(query_wire("WEB.prod.svc.cluster.local."))
    wire = encode_response(query, Response(answer=(addresses(2),), aa=True))
    parsed = dns.message.from_wire(wire)
    assert str(parsed.question[0].name) == "WEB.prod.svc.cluster.local."
    assert str(parsed.answer[0].name) == "WEB.prod.svc.cluster.local."
    assert {str(data) for data in parsed.answer[0]} == {"10.0.0.0", "10.0.0.1"}
    assert parsed.flags & dns.flags.AA
    assert parsed.flags & dns.flags.RD
    assert not parsed.flags & dns.flags.RA
    assert b"\xc0\x0c" not in wire  # what fits is not compressed


def test_flags() -> None:
    query = decode_query(query_wire())
    wire = encode_response(query, Response(Rcode.NXDOMAIN, authority=(SOA,), ra=True, ad=True, tc=True))
    flags = dns.message.from_wire(wire, raise_on_truncation=False).flags
    assert flags & dns.flags.RA
    assert flags & dns.flags.AD
    assert flags & dns.flags.TC


@table(
    ("sent", "back"),
    [
        pytest.param((10, b"12345678"), True, id="cookie-comes-back"),
        pytest.param((3, b""), True, id="nsid-comes-back-empty"),
        pytest.param((8, b"\0\1\x18\0\x0a\0\0"), False, id="client-subnet-does-not"),
        pytest.param((65001, b"x"), False, id="unknown-does-not"),
    ],
)
def test_edns_options(sent: tuple[int, bytes], *, back: bool) -> None:
    wire = query_wire(
        edns=0, payload=1400, options=[dns.edns.GenericOption(dns.edns.OptionType.make(sent[0]), sent[1])]
    )
    reply = dns.message.from_wire(encode_response(decode_query(wire), Response()))
    assert reply.payload == 1400
    assert [(int(o.otype), o.to_wire()) for o in reply.options] == ([sent] if back else [])


def test_no_opt_for_queries_without_one() -> None:
    reply = encode_response(decode_query(PLAIN), Response())
    assert dns.message.from_wire(reply).edns == -1


def test_opt_of_a_plugin_is_sent() -> None:
    reply = encode_response(decode_query(PLAIN), Response(opt=Opt(1232)))
    assert dns.message.from_wire(reply).payload == 1232


@table("rcode", [*range(12), 16, 19, 21, 3841, 4095])
def test_extended_rcodes_to_clients_without_edns_are_failures(rcode: int) -> None:
    reply = dns.message.from_wire(encode_response(decode_query(PLAIN), Response(rcode)))
    assert reply.rcode() == (rcode if rcode < 16 else dns.rcode.SERVFAIL)
    with_edns = encode_response(decode_query(query_wire(edns=0)), Response(rcode))
    assert dns.message.from_wire(with_edns).rcode() == rcode


def test_bad_version() -> None:
    query = decode_query(query_wire(edns=1, payload=1232))
    response = bad_version(query)
    assert response is not None
    reply = dns.message.from_wire(encode_response(query, response))
    assert reply.rcode() == dns.rcode.BADVERS
    assert reply.edns == 0
    assert bad_version(decode_query(PLAIN)) is None


@table("count", [1, 10, 28, 29, 30, 60, 200, 2000])
@table("size", [512, 1232, 4096])
def test_never_longer_than_allowed(count: int, size: int) -> None:
    query = decode_query(query_wire(edns=0, payload=size))
    wire = encode_response(query, Response(answer=(addresses(count),), aa=True))
    assert len(wire) <= size
    parsed = dns.message.from_wire(wire, raise_on_truncation=False)
    count_sent = len(parsed.answer[0])
    assert bool(parsed.flags & dns.flags.TC) == (count_sent < count)
    assert parsed.edns == 0
    if count_sent < count:  # as many as fit: another one would be too much
        assert len(wire) + 16 > size


def test_omitted_additional_records_set_tc() -> None:
    query = decode_query(PLAIN)
    response = Response(
        answer=(addresses(1),), additional=tuple(addresses(1, f"a{n}.other.example.org.") for n in range(60))
    )
    parsed = dns.message.from_wire(encode_response(query, response), raise_on_truncation=False)
    assert len(parsed.answer[0]) == 1
    assert parsed.flags & dns.flags.TC


def test_big_replies_are_compressed_though_they_fit() -> None:
    query = decode_query(query_wire(edns=0, payload=4096))
    wire = encode_response(query, Response(answer=(addresses(60),)))
    assert b"\xc0\x0c" in wire
    assert len(dns.message.from_wire(wire).answer[0]) == 60


def test_compression_stops_where_pointers_end() -> None:
    query = decode_query(query_wire(), "tcp")
    response = Response(answer=tuple(addresses(1, f"name-{n}.example.org.") for n in range(2500)))
    wire = encode_response(query, response)
    parsed = dns.message.from_wire(wire, raise_on_truncation=False)
    assert [str(rrset.name) for rrset in parsed.answer] == [f"name-{n}.example.org." for n in range(len(parsed.answer))]
    assert len(parsed.answer) > 2000


def test_srv_targets_are_never_compressed() -> None:
    query = decode_query(PLAIN)
    target = "web.prod.svc.cluster.local."
    srv = RRset("_http._tcp." + target, 33, 30, tuple(rdata.srv(0, 1, n, target) for n in range(10)))
    wire = encode_response(query, Response(answer=(srv,)))
    assert wire.count(b"\3web\4prod") >= 8
    dns.message.from_wire(wire, raise_on_truncation=False)


def test_response_size_is_the_uncompressed_one() -> None:
    query = decode_query(query_wire(edns=0, payload=1232))
    response = Response(answer=(addresses(3),), authority=(SOA,))
    opt_size = 11
    assert response_size(query, response) == len(encode_response(query, response)) - opt_size


def test_query_to_an_upstream() -> None:
    question = Question("example.org.", 28)
    wire = encode_query(question, 7, opt=Opt(1232, True), spelled="eXample.org.")
    parsed = dns.message.from_wire(wire)
    assert parsed.id == 7
    assert str(parsed.question[0].name) == "eXample.org."
    assert parsed.payload == 1232
    assert decode_query(wire).question == question


def test_serial_of_an_ixfr() -> None:
    message = dns.message.make_query("cluster.local.", "IXFR")
    message.authority.append(_soa_rrset())
    assert authority_serial(message.to_wire()) == 77
    assert authority_serial(PLAIN) is None


def _soa_rrset() -> "dns.rrset.RRset":
    return dns.rrset.from_text("cluster.local.", 0, "IN", "SOA", "a. b. 77 1 1 1 1")


def test_internal_queries_have_no_bytes() -> None:
    query = Query(Question("a.org.", 1), max_size=65535)
    assert dns.message.from_wire(encode_response(query, Response())).question


OVERLOADED = {
    "query": (PLAIN, True),
    "with-edns": (counts(PLAIN + opt(), ar=1), True),
    "the-root": (HEAD + b"\0" + TAIL, True),
    "flags": (bytes((*PLAIN[:2], 0x07, 0xFF, *PLAIN[4:])), True),
    "response": (bytes((*PLAIN[:2], 0x80, *PLAIN[3:])), False),
    "notify": (bytes((*PLAIN[:2], 0x20, *PLAIN[3:])), False),
    "header": (HEAD, False),
    "nothing": (b"", False),
    "two-questions": (counts(PLAIN, 2), False),
    "no-root": (HEAD + b"\x03abc" + TAIL, False),
    "name-too-long": (HEAD + b"\1a" * 200 + b"\0" + TAIL, False),
    "no-class": (PLAIN[:-2], False),
}


@table(("wire", "answered"), OVERLOADED.values(), ids=OVERLOADED)
def test_overloaded(wire: bytes, answered: bool) -> None:
    reply = overload_reply(wire)
    assert bool(reply) == answered
    if answered:
        query, parsed = map(dns.message.from_wire, (wire, reply))
        assert parsed.rcode() == dns.rcode.SERVFAIL
        assert parsed.id == query.id
        assert parsed.question == query.question
        copied = dns.flags.RD | dns.flags.CD
        assert parsed.flags == dns.flags.QR | query.flags & copied | dns.rcode.SERVFAIL
        assert len(reply) <= len(wire)


@given(st.binary(max_size=80))
def test_overloaded_by_anything(wire: bytes) -> None:
    assert len(overload_reply(wire)) <= len(wire)


@table("opt", [None, 512, 600])
@table("over", [-2, -1, 0, 1, 2])
def test_replies_around_the_limit_to_the_byte(opt: int | None, over: int) -> None:
    """One that has exactly the bytes allowed is whole; one more and it is cut."""
    message = dns.message.make_query("a.org.", "TXT")
    if opt is not None:
        message.use_edns(0, payload=opt)
    query = decode_query(message.to_wire())
    limit = opt or 512
    bare = encode_response(query, Response())
    # one record: a pointer or the name, type, class, TTL, length, and the data
    room = limit - len(bare) - len(b"\1a\3org\0") - 10
    pointed = room + len(b"\1a\3org\0") - 2  # with the owner compressed
    for size, is_whole in ((room + over, True), (pointed + over, over <= 0)):
        rrset = RRset("a.org.", 16, 30, (bytes(size),))
        reply = encode_response(query, Response(answer=(rrset,)))
        assert len(reply) <= limit
        assert bool(reply[2] & 2) is not is_whole
        assert int.from_bytes(reply[6:8]) == is_whole
