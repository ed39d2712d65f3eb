"""*forward*: replies with the right id that are wrong in another way, and nothing else.

Each row says what CoreDNS 1.14.7 gives the client (miekg/dns Unpack, plugin/pkg/proxy,
request.Match). The client gets the same and does not wait for any timeout. That a good
reply after such a one wins is shown in ``test_forward_hostile``.
"""

import struct
import time
from collections.abc import Callable
from typing import NamedTuple

import dns.message
import pytest

from minidns.dns.model import DnsError, Opt, Query, Rcode
from minidns.upstream import stream, udp
from tests.plugins.forwarding import Forwarding, forwarding
from tests.server.resolvers import Call, Resolver, good
from tests.table import table
from tests.world import query, texts

NAME = "www.example.org."
SOON_S = 1.2
"""Far below the two seconds of one timeout, for two tries on a busy machine."""
NAME_WIRE = b"\3www\7example\3org\0"
COUNTS = struct.Struct("!4H")
RECORD_AT = 33
"""The offset of the answer's record, after the header and the question."""
OPT_RECORD = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
TXT_RECORD = b"\xc0\x0c\0\x10\0\1\0\0\1\x2c\0\2\1x"


def counted(wire: bytes, *counts: int, end: bytes = b"", question: bytes = b"") -> bytes:
    """Return ``wire`` with other counts, another question, and bytes at its end."""
    question = question or wire[12:RECORD_AT]
    return wire[:4] + COUNTS.pack(*counts) + question + wire[RECORD_AT:] + end


def flagged(wire: bytes, *, clear: int = 0, put: int = 0) -> bytes:
    flags = int.from_bytes(wire[2:4]) & ~clear | put
    return wire[:2] + flags.to_bytes(2) + wire[4:]


def patched(wire: bytes, at: int, new: bytes) -> bytes:
    at %= len(wire)
    return wire[:at] + new + wire[at + len(new) :]


def question(name: bytes = NAME_WIRE, rtype: int = 1, rclass: int = 1) -> bytes:
    return name + rtype.to_bytes(2) + rclass.to_bytes(2)


class Row(NamedTuple):
    make: Callable[[bytes], bytes]
    """Changes a good reply into the malformed one."""
    udp: str
    tcp: str


ANSWER, FORMERR, SERVFAIL, TC = "answer", "FORMERR", "SERVFAIL", "TC"

ROWS = {
    # it can be read, and is the reply to the question
    "another-opcode": Row(lambda w: flagged(w, put=0x2800), ANSWER, ANSWER),
    "opcode-notify": Row(lambda w: flagged(w, put=0x2000), ANSWER, ANSWER),
    "reserved-bit": Row(lambda w: flagged(w, put=0x40), ANSWER, ANSWER),
    "two-OPTs": Row(lambda w: counted(w, 1, 1, 0, 2, end=OPT_RECORD * 2), ANSWER, ANSWER),
    "three-OPTs": Row(lambda w: counted(w, 1, 1, 0, 3, end=OPT_RECORD * 3), ANSWER, ANSWER),
    "OPT-in-the-authority": Row(lambda w: counted(w, 1, 1, 1, 0, end=OPT_RECORD), ANSWER, ANSWER),
    "OPT-in-the-answer": Row(lambda w: counted(w, 1, 2, 0, 0, end=OPT_RECORD), ANSWER, ANSWER),
    "ARCOUNT-too-large": Row(lambda w: counted(w, 1, 1, 0, 1), ANSWER, ANSWER),
    "ARCOUNT-too-large-after-an-OPT": Row(
        lambda w: counted(w, 1, 1, 0, 5, end=OPT_RECORD), ANSWER, ANSWER
    ),
    "NSCOUNT-too-large": Row(lambda w: counted(w, 1, 1, 3, 0), ANSWER, ANSWER),
    "ANCOUNT-too-large": Row(lambda w: counted(w, 1, 65535, 0, 0), ANSWER, ANSWER),
    "all-counts-too-large": Row(lambda w: counted(w, 1, 9, 9, 9), ANSWER, ANSWER),
    "bytes-after-the-end": Row(lambda w: w + b"\xff" * 7, ANSWER, ANSWER),
    "question-in-capitals": Row(
        lambda w: counted(w, 1, 1, 0, 0, question=question(b"\3WWW\7EXAMPLE\3ORG\0")),
        ANSWER, ANSWER,
    ),
    # it can be read, and is not
    "no-question": Row(lambda w: counted(w, 0, 0, 0, 0)[:12], FORMERR, FORMERR),
    "no-question-SERVFAIL": Row(
        lambda w: flagged(counted(w, 0, 0, 0, 0)[:12], put=2), FORMERR, FORMERR
    ),
    "no-question-REFUSED": Row(
        lambda w: flagged(counted(w, 0, 0, 0, 0)[:12], put=5), FORMERR, FORMERR
    ),
    "header-that-counts-records": Row(lambda w: w[:12], FORMERR, FORMERR),
    "no-question-but-an-answer": Row(
        lambda w: counted(w, 0, 1, 0, 0, question=b"\xff")[:12] + question()[:-4] + w[35:],
        FORMERR, FORMERR,
    ),
    "two-questions": Row(
        lambda w: counted(w, 2, 1, 0, 0, question=question() * 2), FORMERR, FORMERR
    ),
    "another-name": Row(
        lambda w: counted(w, 1, 1, 0, 0, question=question(b"\3wwx\7example\3org\0")),
        FORMERR, FORMERR,
    ),
    "another-type": Row(
        lambda w: counted(w, 1, 1, 0, 0, question=question(rtype=28)), FORMERR, FORMERR
    ),
    "another-class": Row(
        lambda w: counted(w, 1, 1, 0, 0, question=question(rclass=3)), FORMERR, FORMERR
    ),
    "no-QR": Row(lambda w: flagged(w, clear=0x8000), FORMERR, FORMERR),
    # it ends too early
    "cut-in-the-data": Row(lambda w: w[:-1], TC, SERVFAIL),
    "cut-in-the-record": Row(lambda w: w[:-9], TC, SERVFAIL),
    "cut-in-the-owner": Row(lambda w: w[:-15], TC, SERVFAIL),
    "cut-with-TC": Row(lambda w: flagged(w[:-3], put=0x200), TC, SERVFAIL),
    "length-past-the-end": Row(lambda w: patched(w, -6, b"\0\5"), TC, SERVFAIL),
    "length-too-short": Row(lambda w: patched(w, -6, b"\0\3"), TC, SERVFAIL),
    "OPT-with-a-cut-option": Row(
        lambda w: counted(w, 1, 1, 0, 1, end=OPT_RECORD[:-2] + b"\0\4\0\3\0\x09"), TC, SERVFAIL
    ),
    # it cannot be read
    "length-too-long": Row(
        lambda w: counted(patched(w, -6, b"\0\5"), 1, 2, 0, 0, end=b"\0" + TXT_RECORD),
        SERVFAIL, SERVFAIL,
    ),
    "pointer-to-itself": Row(lambda w: patched(w, RECORD_AT, b"\xc0\x21"), SERVFAIL, SERVFAIL),
    "label-of-unknown-type": Row(
        lambda w: patched(w, RECORD_AT, b"\x80\x0c"), SERVFAIL, SERVFAIL
    ),
}  # fmt: skip


async def outcome(forward: Forwarding, sent: Query) -> str:
    try:
        response = await forward.ask(sent)
    except DnsError as exc:
        return Rcode(exc.rcode).name
    assert response.rcode == Rcode.NOERROR
    if response.tc:
        assert not (response.answer)
        assert not (response.authority)
        assert not (response.additional)
        return TC
    assert [text.lower() for text in texts(response.answer)] == [f"{NAME} 300 a 192.0.2.1"]
    return ANSWER


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait 20 ms for a better reply: none comes here."""
    for module in (udp, stream):
        monkeypatch.setattr(module, "GRACE_S", 0.02)


@pytest.mark.slow
@table("row", ROWS.values(), ids=ROWS)
@table("opt", [None, Opt(1232)], ids=["plain", "edns"])
@table("transport", ["udp", "tcp"])
async def test_the_client_gets_at_once_what_coredns_gives(row: Row, transport: str, opt: Opt | None) -> None:
    async def misbehave(call: Call) -> None:
        plain = dns.message.from_wire(call.wire)
        plain.use_edns(False)
        call.send(row.make(good(plain.to_wire())))

    async with Resolver(misbehave, misbehave) as resolver, forwarding(f"forward . {resolver}") as forward:
        began = time.monotonic()
        sent = query(NAME, transport=transport, opt=opt)
        expected = row.udp if transport == "udp" else row.tcp
        assert await outcome(forward, sent) == expected
        assert time.monotonic() - began < SOON_S
        tries = [call for call in resolver.asked if NAME_WIRE in call.wire]
        assert len(tries) == (2 if expected == SERVFAIL else 1)


@pytest.mark.parametrize("size", [0, 2, 11])
async def test_a_stream_that_gives_less_than_a_header_has_failed(size: int) -> None:
    async def stutter(call: Call) -> None:
        call.send(call.wire[:size])

    async with Resolver(None, stutter) as resolver, forwarding(f"forward . {resolver}") as forward:
        began = time.monotonic()
        assert await outcome(forward, query(NAME, transport="tcp")) == SERVFAIL
        assert time.monotonic() - began < SOON_S


async def test_another_upstream_is_asked_after_one_that_cannot_be_read() -> None:
    async def misbehave(call: Call) -> None:
        call.send(ROWS["pointer-to-itself"].make(good(call.wire)))

    async with (
        Resolver(misbehave) as bad,
        Resolver() as well,
        forwarding(f"forward . {bad} {well} {{\npolicy sequential\n}}") as forward,
    ):
        assert await outcome(forward, query(NAME)) == ANSWER
        assert len(well.asked) == 1


async def test_the_last_of_several_opts_counts() -> None:
    """The upper bits of the rcode are its own (miekg/dns IsEdns0)."""
    badvers = b"\0\0\x29\x04\xd0\1\0\0\0\0\0"

    async def answer(call: Call) -> None:
        plain = dns.message.from_wire(call.wire)
        plain.use_edns(False)
        wire = good(plain.to_wire())
        call.send(counted(wire, 1, 1, 0, 2, end=badvers + OPT_RECORD))

    async with Resolver(answer) as resolver, forwarding(f"forward . {resolver}") as forward:
        assert await outcome(forward, query(NAME, opt=Opt(1232))) == ANSWER
