import logging

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Query, Rcode, Response, Reuse, RRset
from minidns.dns.rdata import AAAA, A, a, aaaa
from minidns.plugins import loadbalance
from minidns.plugins.site import Site
from tests.table import table
from tests.world import World, always, chain, plugin, query, settle

TWO = RRset("a.example.org.", A, 30, (a("192.0.2.1"), a("192.0.2.2")))
WEIGHTS = "a.example.org\n192.0.2.2 255\n"

PARSING = "Error during parsing"
REFUSED = {
    "policy": ("loadbalance foo", "unknown policy: foo"),
    "round-robin-with-more": ("loadbalance round_robin x", f"Corefile:2 - {PARSING}: unknown property for round_robin"),
    "round-robin-option": ("loadbalance {\nreload 30s\n}", f"Corefile:3 - {PARSING}: unknown property 'reload'"),
    "prefer-no-network": (
        "loadbalance {\nprefer 10.0.0.1\n}",
        f'Corefile:3 - {PARSING}: invalid CIDR "10.0.0.1": invalid CIDR address: 10.0.0.1',
    ),
    "prefer-bad-mask": (
        "loadbalance {\nprefer 10.0.0.0/33\n}",
        f'Corefile:3 - {PARSING}: invalid CIDR "10.0.0.0/33": invalid CIDR address: 10.0.0.0/33',
    ),
    "weighted-without-file": ("loadbalance weighted", f"Corefile:2 - {PARSING}: missing weight file argument"),
    "weighted-two-files": ("loadbalance weighted a b", f"Corefile:2 - {PARSING}: unexpected argument(s)"),
    "weighted-option": (
        "loadbalance weighted w {\nprefer 10.0.0.0/8\n}",
        f"Corefile:3 - {PARSING}: unknown property 'prefer'",
    ),
    "reload-without": (
        "loadbalance weighted w {\nreload\n}",
        f"Corefile:3 - {PARSING}: reload duration value is missing",
    ),
    "reload-two": ("loadbalance weighted w {\nreload 1s 2s\n}", f"Corefile:3 - {PARSING}: unexpected argument"),
    "reload-without-unit": (
        "loadbalance weighted w {\nreload 5\n}",
        f"Corefile:3 - {PARSING}: invalid reload duration '5'",
    ),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), loadbalance.PLUGIN.set_up, "loadbalance", body)
    assert str(caught.value) == message


async def firsts(body: str, response: Response, sent: Query | None = None) -> set[bytes]:
    """Return which addresses come first in many answers."""
    tested, _ = plugin(World(), loadbalance.PLUGIN.set_up, "loadbalance", body)
    handler = chain(tested, last=always(response))
    replies = [await handler(sent or query("a.example.org")) for _ in range(50)]
    return {reply.answer[0].rdata[0] for reply in replies}


ROUND_ROBIN = ("loadbalance", "loadbalance round_robin", "loadbalance {\n}")


@table("body", ROUND_ROBIN)
async def test_round_robin(body: str) -> None:
    assert await firsts(body, Response(answer=(TWO,))) == set(TWO.rdata)


UNTOUCHED = {
    "other-rcode": (Response(Rcode.NXDOMAIN, answer=(TWO,)), query("a.example.org")),
    "transfer": (Response(answer=(TWO,)), query("example.org", "AXFR")),
    "incremental": (Response(answer=(TWO,)), query("example.org", "IXFR")),
}


@table(("response", "sent"), UNTOUCHED.values(), ids=UNTOUCHED)
async def test_untouched(response: Response, sent: Query) -> None:
    tested, _ = plugin(World(), loadbalance.PLUGIN.set_up, "loadbalance", "loadbalance")
    handler = chain(tested, last=always(response))
    for _ in range(10):
        assert await handler(sent) is response


async def test_repetitions_are_turned_by_the_edge() -> None:
    tested, _ = plugin(World(), loadbalance.PLUGIN.set_up, "loadbalance", "loadbalance")
    last = always(Response(answer=(TWO,), reuse=Reuse()))
    reply = await chain(tested, last=last)(query("a.example.org"))
    assert reply.reuse == Reuse(rotates=True)


async def test_preferred_networks_come_first() -> None:
    body = "loadbalance {\nprefer 192.0.2.2/32 2001:db8::/32\nprefer 10.0.0.0/8\n}"
    assert await firsts(body, Response(answer=(TWO,))) == {a("192.0.2.2")}
    both = (TWO, RRset("a.example.org.", AAAA, 30, (aaaa("2001:db8::1"),)))
    assert await firsts(body, Response(answer=both)) == {a("192.0.2.2")}


# weighted


class Weighted:
    def __init__(self, files: dict[str, str], options: str = "") -> None:
        self.world = World(files=files)
        body = f"loadbalance weighted w {{\n{options}\n}}"
        self.made, self.site = plugin(self.world, loadbalance.PLUGIN.set_up, "loadbalance", body)

    async def start(self) -> None:
        await started(self.site)

    async def first(self, qtype: str = "A") -> bytes:
        """Return the address that comes first in nearly all answers."""
        handler = chain(self.made, last=always(Response(answer=(TWO,))))
        replies = [await handler(query("a.example.org", qtype)) for _ in range(50)]
        result = [reply.answer[0].rdata[0] for reply in replies]
        return max(set(result), key=result.count)


async def started(site: Site) -> None:
    for hook in site.hooks.start:
        await hook()
    await settle()


@table(("qtype", "first"), [("A", 2), ("SRV", 2), ("TXT", 1)])
async def test_weighted(qtype: str, first: int) -> None:
    weighted = Weighted({"w": WEIGHTS})
    await weighted.start()
    assert await weighted.first(qtype) == a(f"192.0.2.{first}")
    await weighted.site.stop()


async def test_weight_file_is_below_the_root() -> None:
    world = World(files={"/etc/w": WEIGHTS})
    site = world.site(".:53 {\nloadbalance weighted w\n}")
    site.root = "/etc"
    loadbalance.PLUGIN.set_up(site.block.named("loadbalance"), site)
    await started(site)
    await site.stop()


async def test_weights_are_read_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    weighted = Weighted({}, "reload 10s")
    await weighted.start()
    weighted.world.files.texts["w"] = WEIGHTS
    await weighted.world.clock.advance(10)
    assert await weighted.first() == a("192.0.2.2")
    await weighted.world.clock.advance(10)
    weighted.world.files.texts["w"] = "a.example.org\n192.0.2.1 x"
    await weighted.world.clock.advance(10)
    assert await weighted.first() == a("192.0.2.2"), "the old ones stay"
    del weighted.world.files.texts["w"]
    await weighted.world.clock.advance(10)
    assert [f"{record.levelname} {record.getMessage()}" for record in caplog.records] == [
        "WARNING Failed to open weight file:open w: no such file or directory. Will try again in 10s",
        "INFO Successfully reloaded weight file w",
        "ERROR wrong weight value in line 2 of weight file w",
        "ERROR open w: no such file or directory",
    ]
    await weighted.site.stop()


UNUSABLE = {
    "malformed": ({"w": "192.0.2.1 1"}, "", "missing domain name in line 1 of weight file w"),
    "missing-and-never-read-again": ({}, "reload 0s", "weight file open error"),
}


@pytest.mark.parametrize(("files", "options", "message"), UNUSABLE.values(), ids=UNUSABLE)
async def test_unusable_weight_file(files: dict[str, str], options: str, message: str) -> None:
    weighted = Weighted(files, options)
    with pytest.raises(ConfigError) as caught:
        await weighted.start()
    assert str(caught.value) == f"plugin/loadbalance: {message}"


async def test_weighted_answers_are_not_repeated_by_the_edge() -> None:
    weighted = Weighted({"w": WEIGHTS})
    await weighted.start()
    last = always(Response(answer=(TWO,), reuse=Reuse()))
    reply = await chain(weighted.made, last=last)(query("a.example.org"))
    assert reply.reuse is None
    await weighted.site.stop()
