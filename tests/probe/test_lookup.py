"""Lookups over real sockets: what is counted as an answer, and what as which failure."""

import asyncio
import socket
import time
from collections import Counter

import dns.message

from minidns.dns.model import Question
from minidns.probe.exchange import FixedPorts, Kind, udp
from minidns.probe.lookup import Form, LookupResult, look_up
from tests.probe.fake_server import Behaviour, answers, serving, silence
from tests.table import table

A = Question("a.test.", 1)
ONE = "a.test. 60 A 192.0.2.1"
QUICK, PATIENT = Form(timeout_s=0.1), Form(timeout_s=5.0)


def mangled(change: int) -> Behaviour:
    good = answers(ONE)

    def reply(query: dns.message.Message, transport: str) -> bytes:
        wire = good(query, transport)
        assert wire is not None
        return {0: wire[:20], 1: wire.replace(b"\1a\4test", b"\1b\4test", 1)}[change]

    return reply


FAILURES = [
    # what the server does, the form of the query, the failure, the rcode of the answer
    (answers(ONE), PATIENT, "", 0),
    (answers(), PATIENT, "", 0),
    (answers(rcode=3), PATIENT, "", 3),
    (answers(rcode=2), PATIENT, "SERVFAIL", 2),
    (answers(rcode=5), PATIENT, "REFUSED", 5),
    (silence, QUICK, "no reply", None),
    (silence, Form("tcp", timeout_s=5.0), "closed", None),
    (answers(ONE, truncated=True), PATIENT, "", 0),
    (answers(ONE, truncated=True), Form(timeout_s=5.0, tcp_fallback=False), "truncated", 0),
    (answers(ONE), Form("tcp"), "", 0),
    (mangled(0), QUICK, "malformed reply", None),
    (mangled(1), QUICK, "malformed reply", None),
]


@table(("behaviour", "form", "failure", "rcode"), FAILURES)
async def test_the_failure_of_a_lookup(behaviour: Behaviour, form: Form, failure: str, rcode: int | None) -> None:
    async with serving(behaviour) as server:
        outcome = await look_up(A, server, form)
    assert outcome.failure == failure
    assert (outcome.answer and outcome.answer.rcode) == rcode


async def test_a_reply_after_the_time_out_is_late_and_has_its_latency() -> None:
    async with serving(answers(ONE), delay_s=0.55) as server:
        outcome = await look_up(A, server, Form(timeout_s=0.5))
    assert outcome.failure == "late"
    assert outcome.answer is not None
    assert outcome.seconds >= 0.55


async def test_a_port_where_nobody_listens_is_refused_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        free = sock.getsockname()
    forms = (Form(timeout_s=20.0), Form("tcp", timeout_s=20.0))
    outcomes = [await look_up(A, free, form) for form in forms]
    assert [outcome.kind for outcome in outcomes] == [Kind.REFUSED, Kind.REFUSED]


async def over_a_busy_loop() -> tuple[LookupResult, float]:
    """Look up while the loop is busy; return the outcome and when the server replied."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        started = loop.time()
        task = asyncio.ensure_future(look_up(A, server.getsockname(), Form()))
        wire, client = await loop.run_in_executor(None, server.recvfrom, 4096)
        server.sendto(answers(ONE)(dns.message.from_wire(wire), "udp") or b"", client)
        replied_s = loop.time() - started
        time.sleep(0.2)  # noqa: ASYNC251 - the loop is busy
        return await task, replied_s


async def test_the_latency_is_that_of_the_server_while_the_loop_is_busy() -> None:
    """The kernel's time stamp counts, not the moment at which the loop reads."""
    for _ in range(5):  # a kernel begins to take time stamps when it has the time to
        outcome, replied_s = await over_a_busy_loop()
        assert outcome.failure == ""
        if outcome.seconds < replied_s + 0.1:
            return
    raise AssertionError("the time of reading was counted")


async def ports_and_ids(exchange: FixedPorts | None) -> tuple[int, list[LookupResult]]:
    """Look up 200 names at once; return the number of source ports, and the outcomes."""
    async with serving(answers(ONE)) as server:
        outcomes = await asyncio.gather(
            *(look_up(A, server, Form(), exchange.udp if exchange else udp) for _ in range(200))
        )
    return len({outcome.source_port for outcome in outcomes}), outcomes


async def test_fresh_ports_are_many_and_a_fixed_port_is_one() -> None:
    fresh, outcomes = await ports_and_ids(None)
    assert Counter(outcome.failure for outcome in outcomes) == {"": 200}
    fixed = FixedPorts()
    one, outcomes = await ports_and_ids(fixed)
    fixed.close()
    assert Counter(outcome.failure for outcome in outcomes) == {"": 200}
    assert (fresh > 150, one) == (True, 1)
