"""The shortcut: whatever goes that way ends as it would by the chain."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from minidns.core import corefile
from minidns.core.metrics import Histogram, Metrics
from minidns.core.model import Query, Rcode, Response
from minidns.instance import Listener, Loaded
from minidns.net import udp
from minidns.net.answer import Answerer
from minidns.net.exchange import Sockets
from minidns.net.memory import Memory
from minidns.shortcut import Shortcut
from tests.net import client
from tests.net.resolvers import (
    Call,
    Resolver,
    Script,
    answer_well,
    good,
    held_until,
    reply,
    say_nothing,
)
from tests.plugins.forwarding import until
from tests.world import FilesInMemory, World

NAME = "www.example.org"
LISTENER = Listener("dns", "", 53)
ALL = "errors\nprometheus 127.0.0.1:0\nloadbalance\nloop\ncache 30\n"


@dataclass
class Serving:
    """A Corefile at work behind one socket."""

    port: int
    metrics: Metrics
    loaded: Loaded
    answerer: Answerer
    datagrams: udp.Datagrams

    async def ask(self, wire: bytes) -> bytes:
        return await client.udp(self.port, wire)


async def _never() -> None:
    raise AssertionError("nobody reloads")


@contextlib.asynccontextmanager
async def serving(
    body: str, *, short: bool = True, more: str = "", in_flight: int | None = None
) -> AsyncIterator[Serving]:
    world = World()
    sockets = Sockets(world.metrics)
    loop = asyncio.get_running_loop()
    edges = replace(world.edges, exchange=sockets, now=loop.time, sleep=asyncio.sleep)
    text = f". {{\n{body}\n}}\n{more}"
    parsed = corefile.parse(text, files=FilesInMemory({}), environ={}, known=None)
    memory = Memory()
    loaded = Loaded(
        parsed,
        edges,
        world.metrics,
        read=lambda: parsed,
        reload=_never,
        fatal=lambda text: None,
        forget=memory.forget,
    )
    answerer = Answerer(str(LISTENER), loaded.routes[LISTENER])
    loaded.answer(LISTENER, answerer)
    if not short:
        answerer.shortcut = None
    await loaded.start()
    sock = udp.bind("127.0.0.1", 0)
    datagrams = udp.Datagrams(
        sock, answerer, memory, world.metrics, loop.time, in_flight
    )
    datagrams.start()
    port = sock.getsockname()[1]
    try:
        yield Serving(port, world.metrics, loaded, answerer, datagrams)
    finally:
        await datagrams.close(5.0)
        await loaded.stop()
        await sockets.close()


def question(
    name: str = NAME, qtype: str = "A", flags: int = dns.flags.RD, **edns: object
) -> bytes:
    made = dns.message.make_query(name, qtype, flags=flags, id=0x1234)
    if edns:
        made.use_edns(**edns)  # type: ignore[arg-type]
    return made.to_wire()


Numbers = Mapping[tuple[str, ...], object]


def counted(metrics: Metrics) -> dict[str, Numbers]:
    """Return every number, but of times only how many there were."""
    found: dict[str, Numbers] = {}
    for family in metrics.families():
        if isinstance(family, Histogram):
            timed = family.name.endswith("duration_seconds")
            found[family.name] = {
                labels: sum(cells[:-1]) if timed else tuple(cells)
                for labels, cells in family.values.items()
            }
        else:
            found[family.name] = dict(family.totals())
    return found


def records(*texts: str, **changes: object) -> Callable[[bytes], bytes]:
    """Return what makes a reply of these records, ``@`` being the name asked for."""

    def made(wire: bytes) -> bytes:
        asked = dns.message.from_wire(wire)
        owner = str(asked.question[0].name)
        message = reply(wire, *(text.replace("@", owner) for text in texts))
        for name, value in changes.items():
            if name == "edns":
                assert isinstance(value, dict)
                message.use_edns(**value)
            elif name == "rcode":
                assert isinstance(value, int)
                message.set_rcode(dns.rcode.Rcode.make(value))
            else:
                assert isinstance(value, int)
                message.flags |= value
        return message.to_wire()

    return made


def spoilt(at: int, *values: int) -> Callable[[bytes], bytes]:
    """Return what makes a good reply with other bytes at ``at``."""

    def made(wire: bytes) -> bytes:
        out = bytearray(good(wire))
        out[at : at + len(values)] = bytes(values)
        return bytes(out)

    return made


_SOA = "ns.example.org. host.example.org. 1 2 3 4 5"


_SIGNED = "8 3 60 20991231000000 20000101000000 1 example.org. c2lnbmVk"


def denial(
    rcode: str, *texts: str, zone: str = "example.org."
) -> Callable[[bytes], bytes]:
    """Return what makes a reply that says no."""

    def made(wire: bytes) -> bytes:
        owner = str(dns.message.from_wire(wire).question[0].name)
        named = (text.replace("@", owner) for text in texts)
        message = reply(wire, *named, rcode=rcode)
        soa = dns.rrset.from_text(zone, 60, "IN", "SOA", _SOA)
        message.authority.append(soa)
        return message.to_wire()

    return made


REPLIES: dict[str, Callable[[bytes], bytes]] = {
    "one-address": good,
    "three-addresses": records("@ 60 A 192.0.2.1", "@ 60 A 192.0.2.2", "@ 60 A 192.0.2.3"),
    "as-many-as-fit-512": records(*(f"@ 60 A 192.0.2.{n}" for n in range(10))),
    "some-more-than-fit-512": records(*(f"@ 60 A 192.0.2.{n}" for n in range(16))),
    "more-than-fit-512": records(*(f"@ 60 A 192.0.2.{n}" for n in range(24))),
    "ttl-0": records("@ 0 A 192.0.2.1"),
    "ttl-below-the-least": records("@ 1 A 192.0.2.1"),
    "ttl-above-the-most": records("@ 86400 A 192.0.2.1"),
    "ttl-negative": spoilt(39, 0xFF, 0xFF, 0xFF, 0xFF),
    "ttls-differ": lambda wire: good(wire)[:6] + b"\0\2" + good(wire)[8:33] + b"".join(
        b"\xc0\x0c\0\1\0\1" + bytes((0, 0, 0, ttl, 0, 4, 192, 0, 2, ttl)) for ttl in (9, 7)
    ),
    "no-opt": records("@ 60 A 192.0.2.1", edns={"edns": -1}),
    "opt": records("@ 60 A 192.0.2.1", edns={"edns": 0, "payload": 1400}),
    "opt-do": records("@ 60 A 192.0.2.1", edns={"edns": 0, "ednsflags": dns.flags.DO}),
    "opt-with-an-option": records(
        "@ 60 A 192.0.2.1",
        edns={"edns": 0, "options": [dns.edns.GenericOption("65001", b"abc")]},
    ),
    "authoritative": records("@ 60 A 192.0.2.1", flags=dns.flags.AA),
    "authentic": records("@ 60 A 192.0.2.1", flags=dns.flags.AD),
    "alias": records("@ 60 CNAME b.example.org.", "b.example.org. 30 A 192.0.2.9"),
    "alias-of-an-alias": records(
        "@ 60 CNAME b.example.net.",
        "b.example.net. 0 CNAME c.example.net.",
        "c.example.net. 30 A 192.0.2.9",
    ),
    "alias-last": records("b.example.org. 30 A 192.0.2.9", "@ 60 CNAME b.example.org."),
    "alias-of-many": records(
        "@ 60 CNAME b.example.org.", *(f"b.example.org. 30 A 192.0.2.{n}" for n in range(5))
    ),
    "alias-of-more-than-fit-512": records(
        "@ 60 CNAME b.example.org.", *(f"b.example.org. 30 A 192.0.2.{n}" for n in range(40))
    ),
    "alias-of-nothing": records("@ 60 CNAME b.example.org."),
    "alias-of-itself": records("@ 60 CNAME @"),
    "alias-signed": records(
        "@ 60 CNAME b.example.org.",
        f"@ 60 RRSIG CNAME {_SIGNED}",
        "b.example.org. 30 A 192.0.2.9",
        f"b.example.org. 30 RRSIG A {_SIGNED}",
        flags=dns.flags.AD,
        edns={"edns": 0, "ednsflags": dns.flags.DO},
    ),
    "alias-beside-another-name": records(
        "@ 60 CNAME b.example.org.", "b.example.org. 9 A 192.0.2.9", "evil. 9 A 192.0.2.66"
    ),
    "another-name": records("evil.example.org. 60 A 192.0.2.66"),
    "another-type": records("@ 60 TXT hello"),
    "beside-another-name": records("@ 60 A 192.0.2.1", "evil.example.org. 60 A 192.0.2.66"),
    "nodata": denial("NOERROR"),
    "name-error": denial("NXDOMAIN"),
    "nodata-of-an-alias": denial("NOERROR", "@ 60 CNAME b.example.org."),
    "name-error-of-an-alias": denial("NXDOMAIN", "@ 60 CNAME b.example.org."),
    "denial-of-another-zone": denial("NXDOMAIN", zone="evil."),
    "name-error-without-a-zone": records(rcode=3),
    "name-error-with-addresses": records(*(f"@ 60 A 192.0.2.{n}" for n in range(6)), rcode=3),
    "nothing-at-all": records(),
    "failure": records(rcode=2),
    "refusal": records(rcode=5),
    "format-error": records(rcode=1),
    "cut": records("@ 60 A 192.0.2.1", flags=dns.flags.TC),
    "wrong-length": spoilt(43, 0, 3),
    "bytes-behind": lambda wire: good(wire) + b"more",
    "nothing-but-a-header": lambda wire: good(wire)[:12],
}  # fmt: skip
QUERIES = {
    "plain": question(),
    "opt": question(edns=0, payload=1232),
    "opt-4096": question(edns=0, payload=4096),
    "opt-small": question(edns=0, payload=100),
    "do": question(edns=0, ednsflags=dns.flags.DO),
    "cookie": question(edns=0, options=[dns.edns.GenericOption("10", b"12345678")]),
    "version-1": question(edns=1),
    "not-recursive": question(flags=0),
    "checking-disabled": question(flags=dns.flags.RD | dns.flags.CD),
    "authentic-wanted": question(flags=dns.flags.RD | dns.flags.AD),
    "letters": question("wWw.eXample.org"),
    "an-escape": question(r"a\.b.example.org"),
    "a-zero": question(r"a\000b.example.org"),
    "the-root": question("."),
    "just-512-back": question(".".join(["a" * 59] * 4)),
    "over-512-back": question(".".join(["a" * 61] * 4)),
    "longest-label": question("a" * 63 + ".org"),
    "text": question(qtype="TXT"),
    "any": question(qtype="ANY"),
    "chaos": question()[:-2] + b"\0\3",
    "notify": b"\x12\x34\x21\0" + question()[4:],
    "two-questions": question()[:4] + b"\0\2" + question()[6:],
    "bytes-behind": question() + b"abc",
    "too-long-a-name": question()[:12] + (b"\x3f" + b"a" * 63) * 5 + b"\0\0\1\0\1",
    "compressed": question()[:12] + b"\xc0\x0c\0\1\0\1",
    "cut": question()[:-3],
}


@dataclass
class Seen:
    """What was to be seen from outside."""

    replies: list[bytes]
    asked: list[tuple[str, bytes]]
    numbers: str
    said: list[str]


def forward(*to: Resolver, more: str = "") -> str:
    """Return a line that does not wait for long."""
    whom = " ".join(map(str, to))
    return f"forward . {whom} {{\nread_timeout 200ms\n{more}\n}}"


async def seen(
    wire: bytes, script: Script, caplog: pytest.LogCaptureFixture, *, short: bool
) -> Seen:
    """Ask three times: an upstream, the cache, the memory; then another name, twice.

    Those two are asked at once, and which of them is answered first is left to chance,
    and so is the order of addresses.
    """
    caplog.clear()
    async with (
        Resolver(script, script) as resolver,
        serving(f"{ALL}{forward(resolver)}", short=short) as server,
    ):
        replies = [await server.ask(wire) for _ in range(3)]
        other = wire.replace(b"\3www", b"\3ftp")
        both = await asyncio.gather(server.ask(other), server.ask(other))
        replies += sorted(bytes(sorted(each)) for each in both)
        numbers = counted(server.metrics)
    return Seen(
        replies,
        [(call.transport, call.wire[2:]) for call in resolver.asked],
        repr(numbers).replace(str(resolver.port), "PORT"),
        [re.sub(r"\d{4,5}", "N", record.getMessage()) for record in caplog.records],
    )


@pytest.mark.parametrize("edns", [False, True], ids=["no-opt", "opt"])
@pytest.mark.parametrize("made", REPLIES.values(), ids=REPLIES)
async def test_a_reply_is_passed_on_kept_and_counted_as_by_the_chain(
    made: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture, *, edns: bool
) -> None:
    async def script(call: Call) -> None:
        call.send(made(call.wire))

    wire = question(edns=0, payload=1232) if edns else question()
    by_chain = await seen(wire, script, caplog, short=False)
    assert await seen(wire, script, caplog, short=True) == by_chain


@pytest.mark.parametrize("wire", QUERIES.values(), ids=QUERIES)
async def test_a_query_is_answered_as_by_the_chain(
    wire: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(call: Call) -> None:
        name = call.wire[12 : call.wire.index(0, 12) + 1]
        head = call.wire[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + name
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
        call.send(head + call.wire[12 + len(name) :][:4] + record)

    by_chain = await seen(wire, script, caplog, short=False)
    assert await seen(wire, script, caplog, short=True) == by_chain


async def not_by_the_chain(query: Query) -> Response:
    raise AssertionError(f"{query.question} came by the chain")


SHORT = {
    "plain", "opt", "opt-4096", "opt-small", "do", "not-recursive", "checking-disabled",
    "authentic-wanted", "just-512-back", "longest-label", "the-root", "over-512-back",
}  # fmt: skip
"""Of QUERIES those that take the shortcut."""
ODD = {
    "another-name", "alias-of-more-than-fit-512", "failure", "refusal", "format-error", "cut",
    "wrong-length", "nothing-but-a-header",
}  # fmt: skip
"""Of REPLIES those of which the chain has to take care."""


@pytest.mark.parametrize(("name", "wire"), QUERIES.items(), ids=QUERIES)
async def test_which_queries_take_it(
    name: str, wire: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        Resolver() as resolver,
        serving(f"cache\n{forward(resolver)}") as server,
    ):
        server.answerer.top = not_by_the_chain
        if name in SHORT:
            answered = dns.message.from_wire(await server.ask(wire))
            assert str(answered.answer[0][0]) == "192.0.2.1"
        else:
            await server.ask(wire)
            assert not resolver.asked


@pytest.mark.parametrize(("name", "made"), REPLIES.items(), ids=REPLIES)
async def test_which_replies_take_it(
    name: str, made: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async def script(call: Call) -> None:
        call.send(made(call.wire))

    async with (
        Resolver(script, script) as resolver,
        serving(f"cache\n{forward(resolver)}") as server,
    ):
        by_chain = []

        async def noted(query: Query) -> Response:
            by_chain.append(query.question.qname)
            return Response(Rcode.REFUSED)

        server.answerer.top = noted
        await server.ask(question())
        assert bool(by_chain) == (name in ODD)


CHAINS = {
    # id: lines of the block, other blocks, whether there is a shortcut
    "kubeadm": (f"{ALL}forward . 192.0.2.1", "", True),
    "the-least": ("cache\nforward . 192.0.2.1", "", True),
    "several-upstreams": ("cache\nforward . 192.0.2.1 192.0.2.2", "", True),
    "another-block": ("cache\nforward . 192.0.2.1", "local. {\nwhoami\n}", True),
    "no-cache": ("forward . 192.0.2.1", "", False),
    "no-forward": ("cache\nwhoami", "", False),
    "two-lines": ("cache\nforward a. 192.0.2.1\nforward . 192.0.2.1", "", False),
    "one-zone-forwarded": ("cache\nforward a. 192.0.2.1", "", False),
    "one-zone-cached": ("cache 30 a.\nforward . 192.0.2.1", "", False),
    "failover": ("cache\nforward . 192.0.2.1 {\nfailover REFUSED\n}", "", False),
    "log": ("log\ncache\nforward . 192.0.2.1", "", False),
    "rewrite": ("rewrite name a. b.\ncache\nforward . 192.0.2.1", "", False),
    "hosts": ("hosts {\n192.0.2.1 a\n}\ncache\nforward . 192.0.2.1", "", False),
    "acl": ("acl {\nblock\n}\ncache\nforward . 192.0.2.1", "", False),
    "header": ("header {\nresponse set ra\n}\ncache\nforward . 192.0.2.1", "", False),
}


@pytest.mark.parametrize(("body", "more", "has_one"), CHAINS.values(), ids=CHAINS)
async def test_which_chains_have_one(body: str, more: str, *, has_one: bool) -> None:
    async with serving(body, more=more) as server:
        assert (server.answerer.shortcut is not None) == has_one


NOT_OURS = {
    "another-block": ("a.local", "", "local. {\nwhoami\n}"),
    "excepted": ("a.local", "except local", ""),
    "not-kept": ("a.local", "", ""),
}


@pytest.mark.parametrize(("name", "option", "more"), NOT_OURS.values(), ids=NOT_OURS)
async def test_names_with_which_something_else_is_done(
    name: str, option: str, more: str
) -> None:
    async with (
        Resolver() as resolver,
        serving(
            f"cache {{\ndisable success local\n}}\n{forward(resolver, more=option)}",
            more=more,
        ) as server,
    ):
        chain, by_chain = server.answerer.top, []

        async def noted(query: Query) -> Response:
            by_chain.append(query.question.qname)
            return await chain(query)

        server.answerer.top = noted
        for each in (name, "notlocal", f"x.{name}"):
            await server.ask(question(each))
    assert by_chain == [f"{name}.", f"x.{name}."]


async def test_equal_questions_are_one_whoever_asks_and_however() -> None:
    go = asyncio.Event()
    async with (
        Resolver(held_until(go)) as resolver,
        serving(f"cache\n{forward(resolver)}") as server,
    ):
        asking = [asyncio.create_task(server.ask(question())) for _ in range(50)]
        await until(lambda: resolver.asked)
        alike = [question(NAME.upper()), question(flags=0), question(edns=0)]
        asking += [asyncio.create_task(server.ask(wire)) for wire in alike]
        line = server.loaded.sites[0].shortcut["forward"][0]
        await until(lambda: line.in_flight == 53)
        assert len(resolver.asked) == 1  # and those that differ a little wait in line
        go.set()
        replies = [
            dns.message.from_wire(wire) for wire in await asyncio.gather(*asking)
        ]
    assert all(str(each.answer[0][0]) == "192.0.2.1" for each in replies)


async def test_as_many_as_may_be_asked_at_a_time() -> None:
    async with (
        Resolver(say_nothing) as resolver,
        serving(f"cache\n{forward(resolver, more='max_concurrent 2')}") as server,
    ):
        names = ("a.org", "b.org")
        asking = [asyncio.create_task(server.ask(question(each))) for each in names]
        await until(lambda: len(resolver.asked) == 2)
        refused = dns.message.from_wire(await server.ask(question("c.org")))
        assert refused.rcode() == dns.rcode.REFUSED
        for each in await asyncio.gather(*asking):
            assert dns.message.from_wire(each).rcode() == dns.rcode.SERVFAIL
        line = server.loaded.sites[0].shortcut["forward"][0]
        assert line.in_flight == 0


@pytest.mark.parametrize("first", ["silent", "gone"])
@pytest.mark.parametrize("short", [False, True], ids=["chain", "shortcut"])
async def test_the_next_upstream_is_asked(first: str, *, short: bool) -> None:
    async with (
        Resolver(say_nothing) as bad,
        Resolver() as fine,
        serving(
            f"cache\n{forward(bad, fine, more='policy sequential')}", short=short
        ) as server,
    ):
        if first == "gone":
            bad.close()
        answered = dns.message.from_wire(await server.ask(question()))
        assert str(answered.answer[0][0]) == "192.0.2.1"
        assert len(fine.asked) == 1
        assert [each for each in bad.asked if b"www" in each.wire] == bad.asked[:1]


@pytest.mark.parametrize("short", [False, True], ids=["chain", "shortcut"])
async def test_where_somebody_guesses_it_goes_on_by_tcp(*, short: bool) -> None:
    async def flood(call: Call) -> None:
        for each in range(1, 100):
            call.send((call.id ^ each).to_bytes(2) + good(call.wire)[2:])

    async with (
        Resolver(flood, answer_well) as resolver,
        serving(f"cache\n{forward(resolver)}", short=short) as server,
    ):
        answered = dns.message.from_wire(await server.ask(question()))
        assert str(answered.answer[0][0]) == "192.0.2.1"
        assert [call.transport for call in resolver.asked] == ["udp", "tcp"]


async def test_a_forged_reply_neither_wins_nor_ends_the_wait() -> None:
    async def forged(call: Call) -> None:
        true = good(call.wire)
        call.send((call.id ^ 1).to_bytes(2) + true[2:])  # another id
        call.send(true[:13] + b"x" + true[14:])  # another name
        call.send(true[:2] + b"\1" + true[3:])  # a query
        call.send(true)

    async with (
        Resolver(forged) as resolver,
        serving(f"cache\n{forward(resolver)}") as server,
    ):
        answered = dns.message.from_wire(await server.ask(question()))
        assert str(answered.question[0].name) == f"{NAME}."
        assert str(answered.answer[0][0]) == "192.0.2.1"


async def test_the_oldest_makes_room_and_leaves_the_others_their_answer() -> None:
    go = asyncio.Event()
    async with (
        Resolver(held_until(go)) as resolver,
        serving(f"cache\n{forward(resolver)}", in_flight=2) as server,
    ):
        line = server.loaded.sites[0].shortcut["forward"][0]
        first = asyncio.create_task(server.ask(question()))
        await until(lambda: line.in_flight == 1)
        second = asyncio.create_task(server.ask(question()))  # shares the exchange
        await until(lambda: line.in_flight == 2)
        third = asyncio.create_task(server.ask(question("other.org")))
        await until(lambda: len(resolver.asked) == 3)  # for the second it is asked anew
        dropped = server.metrics.value(
            "minidns_dropped_queries_total", {"proto": "udp"}
        )
        assert dropped == 1
        go.set()
        for each in (second, third):
            assert dns.message.from_wire(await each).answer
        assert not first.done()
        first.cancel()
        await until(lambda: line.in_flight == 0)
        assert len(line.flights) == 0


async def test_closing_lets_what_is_asked_be_answered() -> None:
    go = asyncio.Event()
    async with (
        Resolver(held_until(go)) as resolver,
        serving(f"cache\n{forward(resolver)}") as server,
    ):
        asking = asyncio.create_task(server.ask(question()))
        await until(lambda: resolver.asked)
        closing = asyncio.create_task(server.datagrams.close(5.0))
        await asyncio.sleep(0)
        go.set()
        assert dns.message.from_wire(await asking).answer
        await closing


async def test_what_has_no_end_is_given_up_in_the_end() -> None:
    async with (
        Resolver(say_nothing) as resolver,
        serving(f"cache\n{forward(resolver)}") as server,
    ):
        asking = asyncio.create_task(server.ask(question()))
        await until(lambda: resolver.asked)
        await server.datagrams.close(0.0)
        line = server.loaded.sites[0].shortcut["forward"][0]
        assert (line.in_flight, len(line.flights)) == (0, 0)
        asking.cancel()


async def test_too_long_a_name_in_a_form_that_is_known() -> None:
    async with (
        Resolver() as resolver,
        serving(f"cache\n{forward(resolver)}") as server,
    ):
        await server.ask(question())
        answered = dns.message.from_wire(await server.ask(QUERIES["too-long-a-name"]))
        assert answered.rcode() == dns.rcode.FORMERR
        assert len(resolver.asked) == 1


async def test_forms_are_bounded() -> None:
    async with (
        Resolver() as resolver,
        serving(f"cache\n{forward(resolver)}") as server,
    ):
        for size in range(600):
            wire = question(f"n{size}.org", edns=0, payload=size)
            assert dns.message.from_wire(await server.ask(wire)).answer
        shortcut = server.answerer.shortcut
        assert isinstance(shortcut, Shortcut)
        assert 0 < len(shortcut._forms) <= 256
