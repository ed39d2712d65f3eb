from random import Random

import dns.message
import pytest

from minidns.dns.rdata import AAAA, A
from sim.resolver.protocol import Mode, Session
from sim.resolver.resolv_conf import GLIBC


def session(options: str = "") -> Session:
    return Session(GLIBC.conf(f"options {options}\n"), Random(1))


def test_questions_as_another_library_reads_them() -> None:
    a, aaaa = session().asks("Web.example.org.", (A, AAAA))
    for ask, kind in ((a, "A"), (aaaa, "AAAA")):
        message = dns.message.from_wire(ask.wire)
        assert message.id == ask.id
        assert message.question[0].to_text() == f"Web.example.org. IN {kind}"
        assert dns.flags.to_text(message.flags) == "RD"
        assert message.edns == -1
    assert a.id != aaaa.id


def test_edns0_offers_1200_bytes() -> None:
    (ask,) = session("edns0").asks("a.example.", (A,))
    message = dns.message.from_wire(ask.wire)
    assert (message.edns, message.payload) == (0, 1200)


def test_what_is_no_name() -> None:
    with pytest.raises(ValueError, match="empty label"):
        session().asks("a..b.", (A,))


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ("", Mode.PARALLEL),
        ("single-request", Mode.SINGLE),
        ("single-request-reopen", Mode.REOPEN),
        ("single-request single-request-reopen", Mode.REOPEN),
    ],
)
def test_mode_to_begin_with(options: str, mode: Mode) -> None:
    assert session(options).mode == mode


def test_ports_are_those_a_kernel_gives() -> None:
    ports = {session().port() for _ in range(3)} | {
        s.port() for s in [session()] for _ in range(500)
    }
    assert len(ports) > 400
    assert all(32768 <= port <= 60999 for port in ports)
