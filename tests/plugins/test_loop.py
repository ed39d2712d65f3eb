"""*loop*: the probe, its window, and the ring that ends the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace as changed

import dns.message
import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns.model import DnsError, Handler, Query, Question, Rcode, Response, Reuse
from minidns.dns.wire import decode_query, encode_response
from minidns.plugins import cache, forward, loop
from minidns.plugins.site import Site
from minidns.upstream.exchange import Sockets
from minidns.upstream.upstream import Upstream
from tests.plugins.forwarding import until
from tests.table import table
from tests.world import InstanceAlone, World, always, chain, directives, query, settle

HINFO = "HINFO"


def fatals(site: Site) -> list[str]:
    assert isinstance(site.instance, InstanceAlone)
    return site.instance.fatals


class Probing:
    """A *loop* whose probes a test answers, in hand-moved time from 0."""

    def __init__(self, keys: str = ".", bound: tuple[str, ...] = ()) -> None:
        self.world = World(answer=self.answer)
        self.world.clock.time = 0
        self.site = self.world.site(f"{keys} {{\nloop\n}}\n")
        self.site.listen.addresses = bound
        self.answers_from = 0.0
        tested = loop.PLUGIN.set_up(directives(self.site, "loop"), self.site)
        assert tested is not None
        self.handler: Handler = tested(always(Response(Rcode.NXDOMAIN)))

    async def answer(self, to: Upstream, wire: bytes) -> bytes:
        if self.world.clock.time < self.answers_from:
            raise ConnectionRefusedError("read udp: connection refused")
        return dns.message.make_response(dns.message.from_wire(wire)).to_wire()

    async def start(self) -> None:
        for hook in self.site.hooks.serving:
            await hook()
        await settle()

    @property
    def probes(self) -> list[tuple[Upstream, bytes]]:
        return self.world.upstreams.asked

    @property
    def name(self) -> str:
        return dns.message.from_wire(self.probes[0][1]).question[0].name.to_text()

    async def see(self, times: int = 1, name: str = "", qtype: str = HINFO) -> None:
        """Let a client ask for the probe's name."""
        for _ in range(times):
            with suppress(DnsError):
                await self.handler(query(name or self.name, qtype))


@pytest.fixture
async def probing() -> AsyncIterator[Probing]:
    probing = Probing()
    await probing.start()
    yield probing
    await probing.site.stop()


async def test_the_probe_is_an_unguessable_hinfo() -> None:
    names = set()
    for _ in range(20):
        probing = Probing()
        await probing.start()
        question = dns.message.from_wire(probing.probes[0][1]).question[0]
        first, second, root = question.name.to_text().split(".")
        assert first.isdecimal()
        assert second.isdecimal()
        assert (root, question.rdtype.name) == ("", HINFO)
        names |= {first, second}
        await probing.site.stop()
    assert len(names) == 40
    assert max(map(int, names)) > 1 << 55  # not a counter, not a clock


@table(
    ("keys", "bound", "to", "zone"),
    [
        (".", (), Upstream("127.0.0.1", 53), "."),
        (".:5353", (), Upstream("127.0.0.1", 5353), "."),
        (".", ("192.0.2.1", "192.0.2.2"), Upstream("192.0.2.1", 53), "."),
        (".", ("2001:db8::1",), Upstream("2001:db8::1", 53), "."),
        ("example.org:1053 example.net", (), Upstream("127.0.0.1", 1053), "example.org."),
    ],
    ids=["default", "port", "bound", "ipv6", "first-key"],
)
async def test_where_it_goes(keys: str, bound: tuple[str, ...], to: Upstream, zone: str) -> None:
    probing = Probing(keys, bound)
    await probing.start()
    assert probing.probes[0][0] == to
    assert probing.name.endswith(zone)
    assert len(probing.name.rstrip(".").split(".")) == 2 + len(zone.split(".")) - 1 - (zone == ".")
    await probing.site.stop()


async def test_it_is_sent_each_second_until_there_is_an_answer() -> None:
    probing = Probing()
    probing.answers_from = 3
    await probing.start()
    await probing.world.clock.advance(60)
    assert len(probing.probes) == 4
    assert len({wire[12:] for _, wire in probing.probes}) == 1  # the same name


async def test_it_gives_up_after_half_a_minute() -> None:
    probing = Probing()
    probing.answers_from = 1000
    await probing.start()
    await probing.world.clock.advance(100)
    assert len(probing.probes) == 30
    await probing.see(10)
    assert fatals(probing.site) == []


async def test_any_answer_will_do(probing: Probing) -> None:
    await probing.world.clock.advance(10)
    assert len(probing.probes) == 1


async def test_the_third_sight_is_fatal(probing: Probing) -> None:
    await probing.see(2)
    assert fatals(probing.site) == []
    await probing.see(1)
    assert fatals(probing.site) == [
        'plugin/loop: Loop (192.0.2.53:40000 -> :53) detected for zone ".",'
        " see https://coredns.io/plugins/loop#troubleshooting."
        f' Query: "HINFO {probing.name}"'
    ]


async def test_the_text_shows_where_the_server_listens() -> None:
    probing = Probing("example.org:1053", ("2001:db8::1",))
    await probing.start()
    sent = changed_peer(query(probing.name, HINFO), "2001:db8::53")
    for _ in range(2):
        await probing.handler(sent)
    with pytest.raises(DnsError) as caught:
        await probing.handler(sent)
    assert (caught.value.rcode, caught.value.text) == (Rcode.SERVFAIL, "")
    (text,) = fatals(probing.site)
    assert text.startswith(
        'plugin/loop: Loop ([2001:db8::53]:40000 -> [2001:db8::1]:1053) detected for zone "example.org.", see '
    )
    await probing.site.stop()


def changed_peer(sent: Query, peer: str) -> Query:
    return query(sent.question.qname, HINFO, peer=peer)


async def test_only_the_probe_itself_counts(probing: Probing) -> None:
    first, second, _ = probing.name.split(".")
    await probing.see(5, qtype="A")
    await probing.see(5, name=f"{second}.{first}.")
    await probing.see(5, name=f"x.{probing.name}")
    await probing.see(5, name="example.org.")
    assert fatals(probing.site) == []


async def test_two_seconds_after_the_answer_it_is_over(probing: Probing) -> None:
    await probing.see(2)
    await probing.world.clock.advance(1.9)
    await probing.see(1)
    assert len(fatals(probing.site)) == 1
    fatals(probing.site).clear()
    await probing.world.clock.advance(0.2)
    await probing.see(100)
    assert fatals(probing.site) == []


async def test_a_probe_without_answer_begins_the_count_anew() -> None:
    probing = Probing()
    probing.answers_from = 2
    await probing.start()
    await probing.see(2)
    await probing.world.clock.advance(1)  # the second probe fails, too
    await probing.see(2)
    assert fatals(probing.site) == []
    await probing.site.stop()


async def test_a_stopped_site_counts_nothing(probing: Probing) -> None:
    await probing.site.stop()
    await probing.see(10)
    assert fatals(probing.site) == []


async def test_a_probe_is_never_repeated_by_the_edge(probing: Probing) -> None:
    tested = loop.PLUGIN.set_up(directives(probing.site, "loop"), probing.site)
    assert tested is not None
    await probing.start()
    name = dns.message.from_wire(probing.probes[-1][1]).question[0].name.to_text()
    handler = tested(always(Response(reuse=Reuse())))
    assert (await handler(query(name, HINFO))).reuse is None
    assert (await handler(query("example.org.", HINFO))).reuse == Reuse()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("loop now", "Corefile:2 - Error during parsing: Wrong argument count or"
         " unexpected line ending after 'now'"),
        ("loop\nloop", "this plugin can only be used once per Server Block"),
    ],
)  # fmt: skip
async def test_what_is_said_of_anything_else(body: str, text: str) -> None:
    site = World().site(f". {{\n{body}\n}}\n")
    with pytest.raises(ConfigError) as caught:
        loop.PLUGIN.set_up(directives(site, "loop"), site)
    assert str(caught.value) == text


# A ring over real sockets


class Listener(asyncio.DatagramProtocol):
    """A UDP port in front of a handler."""

    def __init__(self) -> None:
        self.handler: Handler = always(Response())
        self.asked: list[Question] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])

    async def __aenter__(self) -> "Listener":
        running = asyncio.get_running_loop()
        self.transport, _ = await running.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.transport is not None
        self.transport.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self.answer(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, data: bytes, addr: tuple[str, int]) -> None:
        sent = decode_query(data, "udp", addr)
        self.asked.append(sent.question)
        try:
            response = await self.handler(sent)
        except DnsError as exc:
            response = Response(exc.rcode)
        assert self.transport is not None
        self.transport.sendto(encode_response(sent, response), addr)


@pytest.mark.parametrize("rings", [True, False], ids=["ring", "no-ring"])
async def test_a_server_that_forwards_to_itself_ends(*, rings: bool) -> None:
    running = asyncio.get_running_loop()
    world, sockets = World(), Sockets()
    world.edges = changed(world.edges, exchange=sockets, now=running.time, sleep=asyncio.sleep)
    async with Listener() as own, Listener() as other:
        to = own.port if rings else other.port
        body = f"loop\ncache\nforward . 127.0.0.1:{to}"
        site = world.site(f".:{own.port} {{\n{body}\n}}\n")
        tested = (
            cache.PLUGIN.set_up(directives(site, "cache"), site),
            loop.PLUGIN.set_up(directives(site, "loop"), site),
            forward.PLUGIN.set_up(directives(site, "forward"), site),
        )
        plugins = [item for item in tested if item is not None]
        own.handler = chain(*plugins, last=always(Response()))
        for hook in site.hooks.serving:
            await hook()
        if rings:
            await until(lambda: fatals(site))
            assert f"-> :{own.port}) detected for zone" in fatals(site)[0]
        else:
            await until(lambda: other.asked)
            await asyncio.sleep(0.1)  # nothing more is to come
            assert (len(own.asked), fatals(site)) == (1, [])
        await site.stop()
    await sockets.close()
