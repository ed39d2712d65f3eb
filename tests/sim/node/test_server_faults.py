"""The effect of server faults on replies, read by another implementation of DNS."""

import asyncio
from random import Random

import dns.flags
import dns.message
import pytest

from minidns.dns.model import Address
from minidns.stub.protocol import Transport
from sim.node.fault_words import parse
from sim.node.faults import Faults
from sim.node.server_faults import LIE, ServerFaults
from sim.scenario import clock
from tests.table import table

AT: Address = ("10.244.0.2", 53)
NAMES = frozenset(("kube-dns", "10.244.0.2"))


def query(rtype: str = "A") -> dns.message.Message:
    message = dns.message.make_query("web.example.org.", rtype, use_edns=0)
    message.id = 77
    return message


def reply(asked: dns.message.Message, rcode: int = 0) -> dns.message.Message:
    message = dns.message.make_response(asked)
    message.set_rcode(dns.rcode.Rcode(rcode))
    message.flags |= dns.flags.AA
    if not rcode:
        rtype = asked.question[0].rdtype
        data = ["192.0.2.1", "192.0.2.2"] if rtype == 1 else ["2001:db8::1"]
        rrset = dns.rrset.from_text("web.example.org.", 60, "IN", rtype, *data)
        message.answer.append(rrset)
    return message


def servers(*texts: str) -> ServerFaults:
    faults = Faults()
    for text in texts:
        faults.add(parse(text.split()))
    return ServerFaults(faults)


def treated(
    of: ServerFaults, asked: dns.message.Message, answered: dns.message.Message, transport: Transport = "udp"
) -> bytes | None:
    sent = answered.to_wire()
    return clock.run(of.reply(AT, NAMES, asked.to_wire(), transport, sent))


@table("rtype", ["A", "AAAA"])
@table(
    ("fault", "rcode", "records", "is_truncated"),
    [
        ("servfail", "SERVFAIL", 0, False),
        ("answer REFUSED", "REFUSED", 0, False),
        ("answer NXDOMAIN", "NXDOMAIN", 0, False),
        ("answer NOERROR", "NOERROR", 0, False),
        ("truncate", "NOERROR", 0, True),
        ("shorten", "NOERROR", 0.5, False),
        ("lie", "NOERROR", 1, False),
    ],
)
def test_replies_are_wrong_as_the_word_says_and_well_formed(
    rtype: str, fault: str, rcode: str, records: float, is_truncated: bool
) -> None:
    asked = query(rtype)
    right = reply(asked)
    wire = treated(servers(f"{fault} at kube-dns"), asked, right)
    assert wire is not None
    parsed = dns.message.from_wire(wire)
    assert asked.is_response(parsed)
    assert dns.rcode.to_text(parsed.rcode()) == rcode
    assert bool(parsed.flags & dns.flags.TC) == is_truncated
    addresses = [str(data) for rrset in parsed.answer for data in rrset]
    if fault == "lie":
        assert addresses == [LIE[asked.question[0].rdtype]]
    else:
        assert len(addresses) == int(records * len(right.answer[0]))


def test_over_tcp_nothing_is_truncated() -> None:
    asked = query("AAAA")
    right = reply(asked).to_wire()
    assert treated(servers("truncate at kube-dns"), asked, reply(asked), "tcp") == right


def test_a_garbled_reply_cannot_be_read() -> None:
    wire = treated(servers("garble at kube-dns"), query(), reply(query()))
    assert wire is not None
    with pytest.raises(dns.exception.DNSException):
        dns.message.from_wire(wire)


def test_a_denial_is_repeated_for_its_time_with_the_id_of_the_query() -> None:
    of = servers("deny 30s at kube-dns")
    asked, again = query(), query()
    again.id = 78

    async def ask(message: dns.message.Message, rcode: int) -> tuple[int, str]:
        wire = await of.reply(AT, NAMES, message.to_wire(), "udp", reply(message, rcode).to_wire())
        parsed = dns.message.from_wire(wire or b"")
        return parsed.id, dns.rcode.to_text(parsed.rcode())

    async def play() -> list[tuple[int, str]]:
        first = await ask(asked, 3)
        await asyncio.sleep(29)
        second = await ask(again, 0)
        await asyncio.sleep(2)
        return [first, second, await ask(again, 0)]

    assert clock.run(play()) == [(77, "NXDOMAIN"), (78, "NXDOMAIN"), (78, "NOERROR")]


@table("effect", ["stop", "crash", "oom", "lose"])
def test_servers_that_stop_or_end_send_no_reply(effect: str) -> None:
    of = servers(f"{effect} at kube-dns")
    ended: list[tuple[Address, str]] = []
    of.on_end = lambda at, cause: ended.append((at, cause))
    assert treated(of, query(), reply(query())) is None
    assert bool(ended) == (effect in ("crash", "oom"))
    assert of.silent == ({AT} if effect == "stop" else set())


def test_any_bytes_pass() -> None:
    chance = Random(1)
    texts = ["shorten", "lie", "truncate", "servfail", "garble"]
    of = servers(*(f"{text} 1/2 at kube-dns" for text in texts))
    asked = query().to_wire()

    async def play() -> int:
        passed = 0
        for _ in range(300):
            noise = chance.randbytes(chance.randrange(12, 80))
            passed += await of.reply(AT, NAMES, noise, "udp", noise) is not None
            passed += await of.reply(AT, NAMES, asked, "udp", noise) is not None
        return passed

    assert clock.run(play()) == 600
