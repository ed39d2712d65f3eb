from random import Random

import dns.flags
import dns.message
import pytest

from minidns.dns.rdata import AAAA, A
from minidns.stub.glibc import Glibc
from minidns.stub.protocol import Lookup, Wait
from tests.stub.script import Play
from tests.table import table

ONE = "nameserver 192.0.2.1\n"


def resolver(text: str = ONE) -> Glibc:
    return Glibc(text, Random(1))


def test_queries_as_another_library_reads_them() -> None:
    a, aaaa = resolver().queries("Web.example.org", (A, AAAA))
    for query, kind in ((a, "A"), (aaaa, "AAAA")):
        message = dns.message.from_wire(query.wire)
        assert message.id == query.id
        assert message.question[0].to_text() == f"Web.example.org. IN {kind}"
        assert dns.flags.to_text(message.flags) == "RD"
        assert message.edns == -1
    assert a.id != aaaa.id


def test_ids_of_one_lookup_are_never_equal() -> None:
    one = resolver()
    assert all(len({query.id for query in one.queries("a.", (A, AAAA))}) == 2 for _ in range(2000))


@table("name", ["a..b", "x" * 64, ".".join(["x" * 60] * 5)])
def test_text_that_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match=r"label|long"):
        resolver().queries(name, (A,))


def test_ports_are_those_a_kernel_gives() -> None:
    one = resolver()
    ports = {one.port() for _ in range(500)}
    assert len(ports) > 400
    assert all(32768 <= port <= 60999 for port in ports)


@table("junk", [b"", b"\0" * 11, b"\xff" * 40])
def test_malformed_messages_change_nothing(junk: bytes) -> None:
    glibc = resolver()
    lookup = Lookup(glibc, glibc.look_up("a.b", (A,)))
    first = lookup.start(0)
    assert isinstance(first, Wait)
    (send,) = first.sends
    again = lookup.on_reply(1, send.server, send.source, junk)
    assert again == Wait((), first.until)


def test_an_event_of_an_unknown_socket_changes_nothing() -> None:
    glibc = resolver()
    lookup = Lookup(glibc, glibc.look_up("a.b", (A,)))
    first = lookup.start(0)
    assert isinstance(first, Wait)
    (send,) = first.sends
    reply = send.wire[:2] + b"\x81\x83" + send.wire[4:]
    step = lookup.on_reply(1, send.server, send.source + 1, reply)
    assert step == Wait((), first.until)


def test_equal_seeds_give_equal_packets() -> None:
    plays = [Play({"A": "OK", "AAAA": "SERVFAIL"}) for _ in range(2)]
    for play in plays:
        play.run(ONE + "search a.example\noptions rotate\n", "web")
    assert plays[0].sent == plays[1].sent


@pytest.mark.parametrize("name", ["192.0.2.7", "2001:db8::7"])
def test_an_address_is_its_own_answer(name: str) -> None:
    play = Play({})
    assert play.run(ONE, name).addresses == (name,)
    assert play.sent == []
