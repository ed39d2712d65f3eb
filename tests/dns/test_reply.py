import struct
import sys

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minidns.dns import message, names, rdata
from minidns.dns.model import FormatError, Question, RRset
from minidns.dns.reply import Reply, decode_reply
from minidns.dns.wire import encode_query
from tests.table import table


def reply(*records: str, rcode: int = 0, **edns: object) -> bytes:
    message = dns.message.make_response(dns.message.make_query("a.example.org.", "A"))
    if edns:
        message.use_edns(**edns)  # type: ignore[arg-type]
    message.set_rcode(dns.rcode.Rcode.make(rcode))
    for record in records:
        section, name, ttl, rtype, text = record.split(None, 4)
        rrset = dns.rrset.from_text(name, int(ttl), "IN", rtype, text)
        getattr(message, section).append(rrset)
    return message.to_wire()


def sections(read: Reply) -> tuple[tuple[RRset, ...], ...]:
    return read.answer, read.authority, read.additional


def test_every_section_uncompressed_and_in_order() -> None:
    wire = reply(
        "answer a.example.org. 300 CNAME b.example.org.",
        "answer b.example.org. 60 A 192.0.2.1",
        "authority example.org. 900 NS ns.example.org.",
        "authority example.org. 900 SOA ns.example.org. host.example.org. 1 2 3 4 5",
        "additional ns.example.org. 900 AAAA 2001:db8::1",
        "additional _x._tcp.example.org. 900 SRV 0 1 2 ns.example.org.",
        edns=0,
        payload=1400,
    )
    read = decode_reply(wire)
    assert read.question == Question("a.example.org.", 1, 1)
    lines = [rdata.to_lines(r) for s in sections(read) for r in s]
    assert lines == [
        ["a.example.org. 300 CNAME b.example.org."],
        ["b.example.org. 60 A 192.0.2.1"],
        ["example.org. 900 NS ns.example.org."],
        ["example.org. 900 SOA ns.example.org. host.example.org. 1 2 3 4 5"],
        ["ns.example.org. 900 AAAA 2001:db8::1"],
        ["_x._tcp.example.org. 900 SRV 0 1 2 ns.example.org."],
    ]
    assert read.opt is not None
    assert read.opt.size == 1400


@table("expected", ["a.example.org.", "A.example.org.", "example.org."])
def test_expected_question_does_not_change_the_result(expected: str) -> None:
    whole = decode_reply(GOOD)
    assert whole.question is not None
    for question in (whole.question, Question(expected, 1), Question(expected, 28)):
        assert decode_reply(GOOD, (question, encode_query(question, 1)[12:])) == whole


def test_extended_rcode() -> None:
    assert decode_reply(reply(rcode=23, edns=0)).rcode == 23


def test_ttl_with_the_top_bit_is_zero() -> None:
    wire = reply("answer a.example.org. 300 A 192.0.2.1")
    at = wire.index(struct.pack("!I", 300))
    wire = wire[:at] + struct.pack("!I", (1 << 31) + 5) + wire[at + 4 :]
    assert decode_reply(wire).answer[0].ttl == 0


GOOD = reply("answer a.example.org. 300 CNAME b.example.org.", "answer b.example.org. 60 A 192.0.2.1")
QUESTION_END = 12 + len("a.example.org.") + 1 + 4


@table(
    "wire",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(GOOD[:2], id="two-bytes"),
        pytest.param(b"\xff" * 40, id="forty-times-ff"),
        pytest.param(GOOD[:-1], id="record-cut-short"),
        pytest.param(GOOD[:4] + b"\0\2" + GOOD[6:], id="two-questions"),
        pytest.param(GOOD[:6] + b"\0\3" + GOOD[8:], id="record-announced-but-missing"),
        pytest.param(GOOD[:QUESTION_END] + b"\xc0\xff" + GOOD[QUESTION_END + 2 :], id="forward-pointer"),
        pytest.param(
            GOOD[:QUESTION_END] + struct.pack("!H", 0xC000 | QUESTION_END) + GOOD[QUESTION_END + 2 :],
            id="pointer-to-itself",
        ),
        pytest.param(GOOD[:-6] + b"\xff\xff" + GOOD[-4:], id="rdlength-lies"),
        pytest.param(GOOD[:-6] + b"\0\3" + GOOD[-4:-1], id="a-of-three-bytes"),
    ],
)
def test_malformed(wire: bytes) -> None:
    with pytest.raises(FormatError):
        decode_reply(wire)


@table(
    ("rtype", "before", "names", "after"),
    [
        (55, b"\0\0\0\0", 300, b""),  # HIP: any number of names
        (45, b"\0\3\0", 1, bytes(65400)),  # IPSECKEY
        (46, bytes(18), 1, bytes(65400)),  # RRSIG
        (64, b"\0\1", 1, struct.pack("!HH", 7, 65300) + bytes(65300)),  # SVCB
    ],
    ids=["HIP", "IPSECKEY", "RRSIG", "SVCB"],
)
def test_data_whose_names_were_compressed_must_fit_into_a_record(
    rtype: int, before: bytes, names: int, after: bytes
) -> None:
    data = before + b"\xc0\x0c" * names + after
    head = struct.pack("!6H", 1, 0x8000, 1, 1, 0, 0) + b"\1a" * 126 + b"\0\0\1\0\1"
    with pytest.raises(FormatError):
        decode_reply(head + b"\xc0\x0c" + struct.pack("!HHIH", rtype, 1, 0, len(data)) + data)


@given(st.binary(max_size=300), st.integers(0, 4), st.integers(0, 4))
def test_any_bytes_after_a_question(body: bytes, an: int, ns: int) -> None:
    head = GOOD[:6] + struct.pack("!3H", an, ns, 0) + GOOD[12:QUESTION_END]
    try:
        read = decode_reply(head + body)
    except FormatError:
        return
    assert sum(len(rrset.rdata) for rrset in read.answer) <= an


@given(st.data())
def test_any_mutation(data: st.DataObject) -> None:
    wire = bytearray(
        reply("answer a.example.org. 300 MX 10 b.example.org.", "authority example.org. 5 SOA a. b. 1 2 3 4 5")
    )
    for _ in range(data.draw(st.integers(1, 5))):
        wire[data.draw(st.integers(12, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = decode_reply(bytes(wire))
    except FormatError:
        return
    for section in sections(read):
        for rrset in section:
            assert all(line.isprintable() for line in rdata.to_lines(rrset))


@table("rtype", [2, 5, 12])
def test_thousands_of_records_with_one_long_name_are_cheap(rtype: int) -> None:
    name = b"\1a" * 126 + b"\0"
    head = struct.pack("!6H", 1, 0x8000, 1, 4000, 0, 0) + name + b"\0\1\0\1"
    record = b"\xc0\x0c" + struct.pack("!HHIH", rtype, 1, 0, 2) + b"\xc0\x0c"
    steps = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal steps
        steps += event == "call"

    sys.setprofile(count)
    try:
        assert decode_reply(head + record * 4000).answer
    finally:
        sys.setprofile(None)
    assert steps < 4000 * 5  # calls, not seconds: per record, not per label


TRICKY = st.lists(
    st.sampled_from((0, 1, 2, 3, 12, 13, 20, 34, 40, 63, 64, 0x61, 0x80, 0xC0, 0xC0)), min_size=4, max_size=40
).map(bytes)


LONG = b"".join(b"\x3f" + b"a" * 63 for _ in range(3)) + b"\x3b" + b"a" * 59 + b"\0"


@pytest.mark.slow
@given(TRICKY, st.lists(st.integers(20, 60), min_size=1, max_size=6))
@example(b"\0\0\1a\xc0\x28\1b\0", [40, 36])  # forward, to what is known
@example(b"\1a\x80\x0c", [12, 34])  # no pointer
@example(LONG + b"\1b\xc0\x22", [34, 34 + len(LONG)])  # 255 bytes
@example(LONG + b"\2bb\xc0\x22", [34, 34 + len(LONG)])  # and one more
def test_cached_names_equal_names_read_one_by_one(junk: bytes, pointers: list[int]) -> None:
    head = struct.pack("!6H", 1, 0x8000, 1, 1 + len(pointers), 0, 0)
    wire = head + b"\3www\1a\0\0\1\0\1"
    wire += b"\0" + struct.pack("!HHIH", 10, 1, 0, len(junk)) + junk
    owners = []
    for number, to in enumerate(pointers):
        owners.append(len(wire))
        wire += struct.pack("!HHHIHB", 0xC000 | to, 12, 1, number, 1, 0)
    try:
        expected = [b".".join(message.read_name(wire, at)[0]) for at in owners]
    except (message.Truncated, IndexError):
        with pytest.raises(FormatError):
            decode_reply(wire)
        return
    assert [flat(rrset.owner) for rrset in decode_reply(wire).answer[1:]] == expected


def flat(name: str) -> bytes:
    """Return the labels of ``name``, joined by dots."""
    wire, labels, at = names.to_wire(name), [], 0
    while size := wire[at]:
        labels.append(wire[at + 1 : at + 1 + size])
        at += size + 1
    return b".".join(labels)


def test_round_trip_through_the_oracle() -> None:
    read = decode_reply(GOOD)
    assert read.id == dns.message.from_wire(GOOD).id
    assert read.flags & dns.flags.QR
