"""The comparison that deploy/e2e makes in a cluster sees differences, and only those."""

import asyncio
import importlib.util
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.table import table

PATH = Path(__file__).parents[2] / "deploy/e2e/compare.py"
ZONE = """\
web.shop.svc.cluster.local 5 IN A 10.96.0.3
all.shop.svc.cluster.local 5 IN A 10.244.0.1
all.shop.svc.cluster.local 5 IN A 10.244.0.2
_dns._udp.web.shop.svc.cluster.local 5 IN SRV 0 100 53 web.shop.svc.cluster.local.
3.0.96.10.in-addr.arpa 5 IN PTR web.shop.svc.cluster.local.
"""
SOA = "cluster.local 5 IN SOA ns.dns.cluster.local. h.cluster.local. {} 7200 1800 86400 5"


@pytest.fixture(scope="module")
def compare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compare", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reply(query: bytes, zone: str, serial: int = 1) -> bytes:
    asked = dns.message.from_wire(query)
    (question,) = asked.question
    made = dns.message.make_response(asked)
    for line in zone.splitlines():
        owner, ttl, _, type_, data = line.split(maxsplit=4)
        name = dns.name.from_text(owner)
        if (name, dns.rdatatype.from_text(type_)) == (question.name, question.rdtype):
            made.answer.append(dns.rrset.from_text(owner + ".", int(ttl), "IN", type_, data))
    if not made.answer:
        made.set_rcode(dns.rcode.NXDOMAIN)
        owner, ttl, _, type_, data = SOA.format(serial).split(maxsplit=4)
        made.authority.append(dns.rrset.from_text(owner + ".", int(ttl), "IN", type_, data))
    return bytes(made.to_wire())


NAMES = (
    ("web.shop.svc.cluster.local", "A"),
    ("all.shop.svc.cluster.local", "A"),
    ("_dns._udp.web.shop.svc.cluster.local", "SRV"),
    ("3.0.96.10.in-addr.arpa", "PTR"),
    ("none.shop.svc.cluster.local", "A"),
)
ALIKE = {
    "the same": ZONE,
    "another order": "".join(reversed(ZONE.splitlines(keepends=True))),
    "other TTLs": ZONE.replace(" 5 IN", " 30 IN"),
    "other letters": ZONE.replace("web.shop", "Web.Shop", 1),
}
OTHER = {
    "another address": (0, ZONE.replace("10.96.0.3", "10.96.0.4")),
    "an address more": (1, ZONE + "all.shop.svc.cluster.local 5 IN A 10.244.0.3\n"),
    "another target": (2, ZONE.replace("53 web", "53 all")),
    "another port": (2, ZONE.replace("100 53", "100 54")),
    "another name": (3, ZONE.replace("PTR web", "PTR all")),
    "another rcode": (4, ZONE + "none.shop.svc.cluster.local 5 IN A 10.244.0.3\n"),
}


def differs(compare: ModuleType, monkeypatch: pytest.MonkeyPatch, question: tuple[str, str], zone: str) -> str:
    replies: dict[str, Callable[[bytes], bytes]] = {
        "first": lambda query: reply(query, ZONE, 1),
        "second": lambda query: reply(query, zone, 2),
    }
    monkeypatch.setattr(compare, "ask", lambda server, query: replies[server](query))
    return str(compare.differ("first", "second", *question, 7))


@table("zone", ALIKE.values(), ids=ALIKE)
@table("question", NAMES)
def test_alike(compare: ModuleType, monkeypatch: pytest.MonkeyPatch, question: tuple[str, str], zone: str) -> None:
    assert differs(compare, monkeypatch, question, zone) == ""


@table(("number", "zone"), OTHER.values(), ids=OTHER)
def test_other(compare: ModuleType, monkeypatch: pytest.MonkeyPatch, number: int, zone: str) -> None:
    assert differs(compare, monkeypatch, NAMES[number], zone) != ""


def test_queries_are_what_dnspython_reads(compare: ModuleType) -> None:
    read = dns.message.from_wire(compare.encode_query("web.shop", 28, 5))
    (question,) = read.question
    assert (str(question.name), question.rdtype, read.id) == ("web.shop.", 28, 5)


def test_questions_depend_on_the_seed_alone(compare: ModuleType) -> None:
    names = [f"n{number}.svc" for number in range(9)]
    first = compare.questions(names, 50, 1)
    assert first == compare.questions(names, 50, 1) != compare.questions(names, 50, 2)
    assert len({type_ for _, type_ in first}) == len(compare.TYPES)


async def test_a_truncated_reply_is_asked_again_over_tcp(compare: ModuleType) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        whole = reply(await reader.readexactly(size), ZONE)
        writer.write(struct.pack("!H", len(whole)) + whole)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    query = compare.encode_query("all.shop.svc.cluster.local", 1, 7)
    async with server:
        got = await asyncio.to_thread(compare.ask_by_tcp, "127.0.0.1", query, port)
    assert len(compare.decode_reply(got)[2]) == 2
