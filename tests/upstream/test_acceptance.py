"""Acceptance of replies, and the records of a reply that are relayed."""

import itertools
import struct

import dns.edns
import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.model import RD, TC, DnsError, Opt, Question, Rcode, RRset, replace
from minidns.dns.rdata import CNAME
from minidns.dns.reply import Reply
from minidns.dns.wire import encode_query
from minidns.upstream.acceptance import (
    MAX_CHAIN,
    Doubtful,
    SentQuery,
    chain_of,
    response_of,
    scrubbed,
    without_hop_by_hop,
)
from tests.table import table
from tests.world import texts

QUESTION = Question("www.example.org.", 1)
SENT = SentQuery(QUESTION, encode_query(QUESTION, 0x1234))
WIRE = encode_query(QUESTION, 0x1234, RD)


def reply(*records: str, section: str = "answer") -> dns.message.Message:
    message = dns.message.make_response(dns.message.from_wire(WIRE))
    for record in records:
        owner, ttl, rtype, *data = record.split()
        rrset = dns.rrset.from_text(owner, int(ttl), "IN", rtype, " ".join(data))
        getattr(message, section).append(rrset)
    return message


GOOD = reply("www.example.org. 300 A 192.0.2.1").to_wire()
COUNTS = struct.Struct("!4H")


def with_byte(at: int, value: int) -> bytes:
    return GOOD[:at] + bytes((value,)) + GOOD[at + 1 :]


def with_question(question: bytes) -> bytes:
    return GOOD[:12] + question + GOOD[12 + 21 :]


NAME = WIRE[12:29]
assert NAME.endswith(b"\x03org\0")

FORMERR, FAILED, CUT = "FORMERR", "failed", "TC"
"""The results of CoreDNS 1.14.7 for a reply with the right id."""
DOUBTFUL = [
    pytest.param(WIRE, FORMERR, id="the-query-itself"),
    pytest.param(with_question(NAME.replace(b"www", b"wwx") + b"\0\1\0\1"), FORMERR, id="another-name"),
    pytest.param(with_question(NAME + b"\0\x1c\0\1"), FORMERR, id="another-type"),
    pytest.param(with_question(NAME + b"\0\1\0\3"), FORMERR, id="another-class"),
    pytest.param(GOOD[:12], FORMERR, id="header-that-counts-records"),
    pytest.param(GOOD[:4] + bytes(8), FORMERR, id="header"),
    pytest.param(GOOD[:4] + COUNTS.pack(0, 1, 0, 0) + NAME + GOOD[35:], FORMERR, id="no-question"),
    pytest.param(GOOD[:4] + COUNTS.pack(2, 0, 0, 0) + (NAME + b"\0\1\0\1") * 2, FORMERR, id="two-questions"),
    pytest.param(GOOD[:-1], CUT, id="record-cut-short"),
    pytest.param(GOOD[:-6] + b"\0\5\xc0\0\2\1", CUT, id="length-past-the-end"),
    pytest.param(GOOD[:-6] + b"\0\3\xc0\0\2\1", CUT, id="length-too-short"),
    pytest.param(GOOD[:33] + b"\xff\xff" + GOOD[35:], CUT, id="pointer-past-end"),
    pytest.param(GOOD[:33] + b"\xc0\x21" + GOOD[35:], FAILED, id="pointer-to-itself"),
    pytest.param(GOOD[:33] + b"\x80\x21" + GOOD[35:], FAILED, id="label-type"),
    pytest.param(GOOD[:-6] + b"\0\5\xc0\0\2\1\0", FAILED, id="length-too-long"),
]
NO_REPLIES = [
    pytest.param(b"", id="empty"),
    pytest.param(GOOD[:11], id="shorter-than-a-header"),
    pytest.param(b"\xff" * 40, id="garbage"),
    pytest.param(GOOD[:2], id="two-bytes"),
    pytest.param(b"\x12\x35" + GOOD[2:], id="another-id"),
]
OPT_RECORD = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
SURVIVED = [
    pytest.param(with_byte(2, GOOD[2] | 0x20), id="another-opcode"),
    pytest.param(GOOD + bytes(9), id="bytes-after-the-end"),
    *(
        pytest.param(GOOD[:4] + COUNTS.pack(1, *counts) + GOOD[12:], id=f"counts-{counts}")
        for counts in ((65535, 0, 0), (1, 7, 0), (1, 0, 9), (2, 2, 2))
    ),
    pytest.param(GOOD[:4] + COUNTS.pack(1, 1, 0, 2) + GOOD[12:] + OPT_RECORD * 2, id="two-OPTs"),
    pytest.param(GOOD[:4] + COUNTS.pack(1, 1, 1, 1) + GOOD[12:] + OPT_RECORD * 2, id="OPT-in-another-section"),
]


def accepted_of(sent: SentQuery, wire: bytes) -> Reply:
    """Return the accepted reply in ``wire``."""
    result = sent.accept(wire)
    assert isinstance(result, Reply)
    return result


def outcome(sent: SentQuery, wire: bytes) -> str:
    """Return the result of a doubtful reply."""
    result = sent.accept(wire)
    assert isinstance(result, Doubtful)
    try:
        reply = result.settled()
    except DnsError as exc:
        return exc.rcode.name if isinstance(exc.rcode, Rcode) else str(exc.rcode)
    except OSError:
        return FAILED
    assert reply.flags & TC
    assert not (reply.answer)
    assert not (reply.authority)
    assert not (reply.additional)
    return CUT


@table("wire", SURVIVED)
def test_readable_replies_are_accepted_as_by_coredns(wire: bytes) -> None:
    reply = accepted_of(SENT, wire)
    assert texts(reply.answer) == ["www.example.org. 300 A 192.0.2.1"]


@table(("wire", "expected"), DOUBTFUL)
def test_wrong_replies_have_the_result_of_coredns(wire: bytes, expected: str) -> None:
    assert outcome(SENT, wire) == expected
    by_stream = FAILED if expected == CUT else expected
    assert outcome(replace(SENT, is_stream=True), wire) == by_stream


def test_good_reply_is_accepted() -> None:
    accepted = accepted_of(SENT, GOOD)
    assert texts(accepted.answer) == ["www.example.org. 300 A 192.0.2.1"]


@table("wire", NO_REPLIES)
def test_unrelated_bytes_are_ignored(wire: bytes) -> None:
    assert SENT.accept(wire) is None


@pytest.mark.parametrize(("spelled"), [b"\3wWw\7eXAmple\3ORG\0", NAME], ids=["mixed-case", "as-sent"])
def test_names_are_equal_in_any_case(spelled: bytes) -> None:
    assert SENT.accept(with_question(spelled + b"\0\1\0\1")) is not None


@table(
    ("rcode", "taken"),
    [(1, True), (4, True), (0, False), (2, False), (3, False), (5, False)],
    ids=["FORMERR", "NOTIMP", "NOERROR", "SERVFAIL", "NXDOMAIN", "REFUSED"],
)
def test_a_bare_header_says_that_the_query_was_not_understood(rcode: int, *, taken: bool) -> None:
    header = GOOD[:3] + bytes((rcode,)) + bytes(8)
    assert isinstance(SENT.accept(header), Reply) == taken


@pytest.mark.parametrize(
    ("wire", "limit"),
    [
        pytest.param(reply(*["www.example.org. 9 A 192.0.2.1"]).to_wire(), 40, id="whole-and-longer-than-the-limit"),
        pytest.param(with_byte(2, GOOD[2] | (TC >> 8))[:-1], 512, id="cut-with-TC"),
    ],
)
def test_too_long_or_cut_replies_are_truncated(wire: bytes, limit: int) -> None:
    accepted = accepted_of(replace(SENT, limit=limit), wire)
    assert accepted.flags & TC
    assert accepted.answer == ()


def test_a_forged_long_datagram_must_match_too() -> None:
    wire = b"\x12\x35" + GOOD[2:] + bytes(5000)
    assert replace(SENT, limit=512).accept(wire) is None
    wrong = with_question(NAME + b"\0\x1c\0\1") + bytes(5000)
    assert outcome(replace(SENT, limit=512), wrong) == FORMERR


@given(st.binary(max_size=600))
def test_any_bytes_are_a_reply_or_none(wire: bytes) -> None:
    sent = replace(SENT, wire=wire[:2] + SENT.wire[2:])
    accepted = sent.accept(wire)
    assert not isinstance(accepted, Reply) or accepted.id == int.from_bytes(wire[:2])


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_one_changed_byte_never_changes_the_question(at: int, value: int) -> None:
    accepted = SENT.accept(with_byte(at, value))
    assert not isinstance(accepted, Reply) or accepted.question in (QUESTION, None)


# What belongs to the question

OWN = "www.example.org. 300 A 192.0.2.1"
FOREIGN = "bank.example.net. 300 A 192.0.2.66"
SCRUBBED = [
    pytest.param([OWN], [OWN], id="own"),
    pytest.param([FOREIGN], [], id="another-owner"),
    pytest.param([OWN, FOREIGN], [OWN], id="own-and-another"),
    pytest.param(
        ["www.example.org. 60 CNAME B.Example.NET.", "b.example.net. 60 A 192.0.2.1"],
        ["B.Example.NET. 60 A 192.0.2.1", "www.example.org. 60 CNAME B.Example.NET."],
        id="letters-in-any-case",
    ),
    pytest.param(
        [
            "www.example.org. 60 CNAME a.example.net.",
            "a.example.net. 60 CNAME b.example.net.",
            "b.example.net. 60 A 192.0.2.1",
            FOREIGN,
        ],
        [
            "a.example.net. 60 CNAME b.example.net.",
            "b.example.net. 60 A 192.0.2.1",
            "www.example.org. 60 CNAME a.example.net.",
        ],
        id="chain",
    ),
    pytest.param(
        ["b.example.net. 60 A 192.0.2.1", "www.example.org. 60 CNAME b.example.net."],
        ["b.example.net. 60 A 192.0.2.1", "www.example.org. 60 CNAME b.example.net."],
        id="chain-out-of-order",
    ),
    pytest.param(
        ["www.example.org. 60 CNAME b.example.org.", "b.example.org. 60 CNAME www.example.org."],
        ["b.example.org. 60 CNAME www.example.org.", "www.example.org. 60 CNAME b.example.org."],
        id="loop",
    ),
    pytest.param(["example.net. 60 CNAME bank.example.net.", FOREIGN], [], id="chain-from-another-name"),
    pytest.param(
        [
            "example.org. 60 DNAME example.net.",
            "www.example.org. 60 CNAME www.example.net.",
            "www.example.net. 60 A 192.0.2.1",
        ],
        [
            "example.org. 60 DNAME example.net.",
            "www.example.net. 60 A 192.0.2.1",
            "www.example.org. 60 CNAME www.example.net.",
        ],
        id="DNAME",
    ),
    pytest.param(["example.com. 60 DNAME example.net."], [], id="DNAME-of-another"),
]


@table(("records", "expected"), SCRUBBED)
def test_only_records_of_the_question_are_relayed(records: list[str], expected: list[str]) -> None:
    accepted = accepted_of(SENT, reply(*records).to_wire())
    assert texts(scrubbed(QUESTION, accepted).answer) == expected


SOA = "ns.example.org. admin.example.org. 1 2 3 4 5"


@table(
    "record",
    [
        pytest.param(f"example.org. 60 SOA {SOA}", id="SOA-above"),
        pytest.param(f"example.net. 60 SOA {SOA}", id="SOA-elsewhere"),
        pytest.param(f"a.www.example.org. 60 SOA {SOA}", id="SOA-below"),
        pytest.param("example.net. 60 NS ns.example.net.", id="NS-elsewhere"),
        pytest.param(FOREIGN, id="address-of-another-name"),
    ],
)
@table("section", ["authority", "additional"])
def test_sections_other_than_the_answer_are_passed_on(record: str, section: str) -> None:
    """CoreDNS relays them unchanged."""
    accepted = accepted_of(SENT, reply(record, section=section).to_wire())
    assert texts(getattr(scrubbed(QUESTION, accepted), section)) == [record]


def long_chain(links: int) -> tuple[Question, dns.message.Message]:
    names = [f"n{number}.example.org." for number in range(links + 1)]
    question = Question(names[0], 1)
    wire = encode_query(question, 1)
    message = dns.message.make_response(dns.message.from_wire(wire))
    for owner, target in reversed(list(itertools.pairwise(names))):
        message.answer.append(dns.rrset.from_text(owner, 60, "IN", "CNAME", target))
    return question, message


@pytest.mark.slow
@pytest.mark.parametrize(("links", "expected"), [(50, 50), (2000, MAX_CHAIN + 1)])
def test_alias_chains_are_followed_up_to_the_limit(links: int, expected: int) -> None:
    question, message = long_chain(links)
    accepted = accepted_of(SentQuery(question, encode_query(question, 1)), message.to_wire(max_size=65535))
    assert len(scrubbed(question, accepted).answer) == expected


def test_thousands_of_aliases_of_one_name_are_cheap() -> None:
    target = b"\1x" * 120 + b"\0"
    rdatas = tuple(b"\2" + number.to_bytes(2) + target for number in range(5000))
    answer = (RRset(QUESTION.qname, CNAME, 60, rdatas),)
    assert len(chain_of(QUESTION, answer)) == 1 + 8


def test_transfers_are_not_scrubbed() -> None:
    question = Question("example.org.", 252)
    message = dns.message.make_response(dns.message.from_wire(encode_query(question, 1)))
    message.answer.append(dns.rrset.from_text("a.example.org.", 1, "IN", "A", "192.0.2.1"))
    accepted = accepted_of(SentQuery(question, encode_query(question, 1)), message.to_wire())
    assert scrubbed(question, accepted) == accepted


# Flags and EDNS


@table("flag", ["AA", "RA", "AD", "TC", "RD"])
def test_flags_are_relayed(flag: str) -> None:
    for value in (True, False):
        message = reply(OWN)
        message.flags = dns.flags.Flag(dns.flags.QR)
        if value:
            message.flags |= dns.flags.Flag[flag]
        accepted = accepted_of(SENT, message.to_wire())
        assert getattr(response_of(accepted, None), flag.lower()) == value


COOKIE, KEEPALIVE, PADDING, NSID, ECS = 10, 11, 12, 3, 8


def test_options_of_one_hop_are_not_relayed() -> None:
    codes = (NSID, ECS, COOKIE, KEEPALIVE, PADDING, 65001)
    opt = Opt(1232, True, tuple((code, b"12345678") for code in codes))
    relayed = [code for code, _ in without_hop_by_hop(opt).options]
    assert relayed == [NSID, ECS, 65001]
    assert without_hop_by_hop(Opt(512)) == Opt(512)


def test_options_of_the_upstream_are_sent_in_the_clients_opt() -> None:
    message = reply(OWN)
    message.use_edns(0, dns.flags.DO, 4096, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"upstream")])
    accepted = accepted_of(SENT, message.to_wire())
    assert response_of(accepted, None).opt is None
    client_opt = Opt(1232, False, ((NSID, b""),))
    assert response_of(accepted, client_opt).opt == Opt(1232, True, ((NSID, b"upstream"),))
    plain = accepted_of(SENT, GOOD)
    assert response_of(plain, client_opt).opt is None


def test_the_extended_rcode_is_relayed() -> None:
    message = reply()
    message.use_edns(0, 0, 1232)
    message.set_rcode(23)  # type: ignore[arg-type]  # an int is one, too
    accepted = accepted_of(SENT, message.to_wire())
    assert response_of(accepted, Opt(1232)).rcode == 23
