"""Lookups as a program makes them: search domains, both families, other servers."""

from random import Random

import dns.message
import dns.rdatatype
import pytest

from minidns.probe.exchange import Kind
from minidns.probe.libc import look_up_as, with_server
from tests.probe.fake_server import Behaviour, Reply, answers, serving
from tests.table import table

CONF = """\
nameserver 192.0.2.99
search shop.svc.cluster.local svc.cluster.local
options ndots:5 timeout:1 attempts:1
"""
WEB = answers("web.shop.svc.cluster.local. 60 A 192.0.2.1")


def recording(asked: list[str], behaviour: Behaviour) -> Behaviour:
    def reply(query: dns.message.Message, transport: str) -> Reply:
        question = query.question[0]
        asked.append(f"{question.name} {dns.rdatatype.to_text(question.rdtype)}")
        return behaviour(query, transport)

    return reply


def only(name: str, behaviour: Behaviour) -> Behaviour:
    def reply(query: dns.message.Message, transport: str) -> Reply:
        found = str(query.question[0].name) == name
        return (behaviour if found else answers(rcode=3))(query, transport)

    return reply


@pytest.mark.parametrize("library", ["glibc", "musl"])
async def test_search_domains_are_tried_for_both_families(library: str) -> None:
    asked: list[str] = []
    behaviour = only("web.svc.cluster.local.", answers("web.svc.cluster.local. 60 A 192.0.2.7"))
    async with serving(recording(asked, behaviour)) as server:
        got = await look_up_as(library, "web", server, CONF, Random(1))
    assert (got.kind, got.failure) == (Kind.REPLY, "")
    assert got.answer is not None
    assert got.answer.lines() == ["web.svc.cluster.local. A 192.0.2.7"]
    assert set(asked) == {
        f"web.{domain} {rtype}"
        for domain in ("shop.svc.cluster.local.", "svc.cluster.local.")
        for rtype in ("A", "AAAA")
    }


FAILURES: list[tuple[Behaviour, str, int | None]] = [
    (answers(rcode=3), "", 3),
    (answers(rcode=2), "SERVFAIL", 2),
    (lambda query, transport: None, "no reply", None),
]


@pytest.mark.slow
@table("library", ["glibc", "musl"])
@table(("behaviour", "failure", "rcode"), FAILURES)
async def test_what_a_program_gets(behaviour: Behaviour, failure: str, rcode: int | None, library: str) -> None:
    async with serving(behaviour) as server:
        got = await look_up_as(library, "a.test", server, CONF.replace("5", "1"), Random(1))
    assert (got.failure, got.answer and got.answer.rcode) == (failure, rcode)


async def test_a_refused_port_is_a_refusal() -> None:
    got = await look_up_as("glibc", "a.test", ("127.0.0.1", 1), CONF, Random(1))
    assert got.failure == "refused"


def test_the_server_replaces_those_of_the_file() -> None:
    assert with_server(CONF, "10.96.0.10").splitlines() == ["nameserver 10.96.0.10", *CONF.splitlines()[1:]]
