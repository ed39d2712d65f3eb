"""What *shadow* asks, of whom, how often, and what it makes of the answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import pytest

from minidns.commands.shadow import lines
from minidns.corefile import blocks
from minidns.corefile.blocks import ConfigError, Directive
from minidns.plugins import shadow
from minidns.plugins.shadow.asking import MAX_IN_FLIGHT
from minidns.plugins.shadow.found import MAX_RECORDS, Found
from minidns.plugins.shadow.servers import SILENT_AFTER, AskedServer
from minidns.probe.exchange import Kind
from minidns.probe.lookup import Answer, LookupResult
from minidns.probe.servers import Target
from minidns.server import explain
from tests.conformance.api import Api, Tree
from tests.plugins.clusters import TREES, tree
from tests.probe.fake_server import Behaviour, answers, in_turn
from tests.probe.fake_server import serving as fake
from tests.serving import Serving, serving
from tests.table import table
from tests.whole import whole
from tests.world import World

WEB, NOTHING = "web.a.svc.cluster.local", "nothing.a.svc.cluster.local"
RIGHT, OTHER = answers(f"{WEB}. 5 A 10.96.0.1"), answers(f"{WEB}. 5 A 10.96.0.9")
NXDOMAIN, SERVFAIL = answers(rcode=3), answers(rcode=2)
COREFILE = ".:0 {\nshadow SERVERS {\nrate RATE\nkeep 3\n}\nkubernetes cluster.local\n}\n"


def kube_dns(port: int) -> list[Tree]:
    """Return an EndpointSlice of kube-dns with a ready and an unready pod."""
    endpoints = [
        {"addresses": ["127.0.0.1"], "targetRef": {"name": "coredns-1"}},
        {"addresses": ["127.0.0.2"], "targetRef": {"name": "coredns-2"}, "conditions": {"ready": False}},
    ]
    labels = {"labels": {"kubernetes.io/service-name": "kube-dns"}}
    ports = [{"name": "metrics", "port": 1, "protocol": "TCP"}, {"name": "dns", "port": port, "protocol": "UDP"}]
    return [tree("EndpointSlice", "kube-system/kube-dns-1", metadata=labels, endpoints=endpoints, ports=ports)]


@asynccontextmanager
async def shadowing(*servers: str, rate: int = 100, trees: Sequence[Tree] = ()) -> AsyncIterator[Serving]:
    """Serve a cluster, and ask ``servers`` the same."""
    text = COREFILE.replace("SERVERS", " ".join(servers)).replace("RATE", str(rate))
    async with serving(text, World(list_watch=Api([*TREES, *trees]).list_watch)) as ours:
        await ours.pass_(1.0)
        yield ours


async def ask(ours: Serving, name: str, rtype: str = "A", *, tcp: bool = False, **flags: Any) -> dns.message.Message:
    (sockets,) = ours.server.serving.sockets.values()
    query = dns.message.make_query(name, rtype, **flags)
    exchange = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await exchange(query, "127.0.0.1", timeout=5, port=sockets.port)


async def report(ours: Serving) -> dict[str, Any]:
    """Return what was found, once all rounds are over."""
    while tasks := [task for task in asyncio.all_tasks() if task.get_name() == "shadow"]:
        await asyncio.wait(tasks, timeout=0.01)
        await ours.pass_(1.0)
    assert ours.server.serving.instance is not None
    found: dict[str, Any] = json.loads(explain.shadow(ours.server.serving.instance).body)
    assert list(lines(found))
    return found


CLASSES: dict[str, tuple[str, Behaviour, str | None, str | None]] = {
    # name, behaviour of the server; class, at fault
    "the-same": (WEB, RIGHT, None, None),
    "the-same-denial": (NOTHING, NXDOMAIN, None, None),
    "another-address": (WEB, OTHER, "other records", None),
    "a-denial": (WEB, NXDOMAIN, "wrong rcode", None),
    "an-answer-where-we-deny": (NOTHING, answers(f"{NOTHING}. 5 A 10.96.0.7"), "wrong rcode", None),
    "another-ttl": (WEB, answers(f"{WEB}. 7 A 10.96.0.1"), "TTL or order", None),
    "behind-for-a-while": (WEB, in_turn(NXDOMAIN, RIGHT), "stale", "server"),
    "unsteady": (WEB, in_turn(SERVFAIL, RIGHT, SERVFAIL, RIGHT), "unsteady", "server"),
}


@table(("name", "behaviour", "kind", "at_fault"), CLASSES.values(), ids=CLASSES)
async def test_the_class_of_a_difference(
    name: str, behaviour: Behaviour, kind: str | None, at_fault: str | None
) -> None:
    async with fake(behaviour) as (host, port), shadowing(f"{host}:{port}") as ours:
        await ask(ours, name)
        found = await report(ours)
    assert found["questions"] == 1
    assert found["classes"] == ({kind: 1} if kind else {})
    shown = found["differences"]
    assert [each["class"] for each in shown] == [each for each in found["classes"] if each != "TTL or order"]
    if shown:
        assert shown[0]["at_fault"] == (f"{host}:{port}" if at_fault else None)
        objects = {(each["kind"], each["name"], each["found"]) for each in shown[0]["objects"]}
        assert ("Service", "a/" + name.partition(".")[0], name == WEB) in objects


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
async def test_remembered_replies_are_compared_and_stay_the_same(tcp: bool) -> None:
    async with fake(NXDOMAIN) as (host, port), shadowing(f"{host}:{port}") as ours:
        texts = set()
        for _ in range(20):
            reply = await ask(ours, WEB, tcp=tcp)
            texts.add(reply.to_text().partition("\n")[2])
            await ours.pass_(0.1)
        found = await report(ours)
    assert len(texts) == 1
    assert found["questions"] > 2
    assert found["classes"] == {"wrong rcode": found["questions"]}


NOT_TAKEN: dict[str, dict[str, Any]] = {
    "any": {"rtype": "ANY"},
    "hinfo-which-loop-counts": {"rtype": "HINFO"},
    "another-class": {"rdclass": "CH"},
    "signatures": {"want_dnssec": True},
}


@table("asked", NOT_TAKEN.values(), ids=NOT_TAKEN)
async def test_a_question_that_others_answer_differently_by_right_is_not_taken(asked: dict[str, Any]) -> None:
    async with fake(NXDOMAIN) as (host, port), shadowing(f"{host}:{port}") as ours:
        await ask(ours, WEB, **asked)
        found = await report(ours)
    assert (found["questions"], found["skipped"]) == (0, {"not comparable": 1})


async def test_the_ready_pods_of_the_service_are_asked() -> None:
    async with fake(RIGHT) as (_, port), shadowing("kube-system/kube-dns", trees=kube_dns(port)) as ours:
        await ask(ours, WEB)
        found = await report(ours)
    (server,) = found["servers"]
    assert (server["server"], server["address"], server["lookups"]) == ("coredns-1", f"127.0.0.1:{port}", 1)
    assert found["classes"] == {}


async def test_without_a_pod_nothing_is_asked() -> None:
    async with shadowing("kube-system/kube-dns") as ours:
        await ask(ours, WEB)
        found = await report(ours)
    assert (found["servers"], found["skipped"]) == ([], {"no server": 1})


@table(
    ("server", "shown"),
    [
        pytest.param({"lookups": 3}, "3 lookups, p50 1.0 ms, p99 2.0 ms", id="all answered"),
        pytest.param({"lookups": 1}, "1 lookup, p50 1.0 ms, p99 2.0 ms", id="one"),
        pytest.param({"lookups": 3, "failures": {"refused": 3}}, "3 lookups, failed: 3 refused", id="no reply, no latency"),
        pytest.param({"lookups": 0}, "0 lookups", id="nothing was asked yet"),
    ],
)  # fmt: skip
def test_a_server_is_shown_with_the_latencies_of_its_replies(server: dict[str, Any], shown: str) -> None:
    counts = {"questions": 1, "differing": 0, "faults": 0, "since": "", "skipped": {}, "classes": {}, "differences": []}
    base = {"server": "s", "address": "a", "failures": {}, "left_alone": 0, "p50": 0.001, "p99": 0.002}
    _, line = lines({**counts, "servers": [base | server]})
    assert line.strip() == f"s (a): {shown}"


async def test_several_servers_each_have_their_differences() -> None:
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(fake(each)) for each in (RIGHT, OTHER, NXDOMAIN)]
        words = [f"{host}:{port}" for host, port in places]
        ours = await stack.enter_async_context(shadowing(*words))
        await ask(ours, WEB)
        found = await report(ours)
    assert [(each["server"], each["class"]) for each in found["differences"]] == [
        (words[1], "other records"),
        (words[2], "wrong rcode"),
    ]


@pytest.mark.parametrize("behaviour", [RIGHT, NXDOMAIN], ids=["alike", "differing"])
async def test_the_rate_also_counts_what_is_asked_again(behaviour: Behaviour) -> None:
    async with fake(behaviour) as (host, port), shadowing(f"{host}:{port}", rate=2) as ours:
        for _ in range(100):
            await ask(ours, WEB)
            await ours.pass_(0.1)
        found = await report(ours)
    (server,) = found["servers"]
    assert 0 < server["lookups"] <= 2 * 10 + 8  # those in flight at the end have rounds left


async def test_only_the_newest_differences_are_kept_and_questions_in_flight_are_bounded() -> None:
    async with fake(NXDOMAIN) as (host, port), shadowing(f"{host}:{port}", rate=1000) as ours:
        (site,) = ours.server.serving.instance.sites  # type: ignore[union-attr]
        sampler = site.listen.sampler
        assert sampler is not None
        reply = (await ask(ours, WEB)).to_wire()
        for _ in range(3 * MAX_IN_FLIGHT):
            sampler.take([reply])
        found = await report(ours)
    assert found["skipped"]["busy"] >= 2 * MAX_IN_FLIGHT
    assert len(found["differences"]) == 3


def test_long_answers_are_kept_in_part() -> None:
    found = Found(1, World().metrics)
    outcome = {"records": ["x" * 1000] * 1000}
    found.keep({"reference": outcome, "answer": outcome})
    assert len(str(found.kept)) < 2 * 400 * MAX_RECORDS


def test_a_silent_server_is_left_alone_for_longer_and_longer() -> None:
    world = World()
    server = AskedServer(Target("x", ("192.0.2.1", 53)), world.edges)
    silent, answered = LookupResult(Kind.NO_REPLY, None, 2.0), LookupResult(Kind.REPLY, Answer(0), 0.1)
    for _ in range(SILENT_AFTER - 1):
        server.add(silent)
        assert server.is_asked
    pauses = []
    for _ in range(8):
        server.add(silent)
        assert not server.is_asked
        pauses.append(server.asked_again_at - world.clock.time)
        world.clock.time = server.asked_again_at
        assert server.is_asked
    assert pauses[0] < 2
    assert 60 <= pauses[-1] <= 120
    server.add(answered)
    server.add(silent)
    assert server.is_asked


REFUSED = {
    "no-address": ("shadow 10.0.0.300", "10.0.0.300: NAMESPACE/SERVICE or an address is needed"),
    "a-rate-of-nothing": ("shadow {\nrate 0\n}", "the rate is from 1 to 1000"),
    "too-much-to-keep": ("shadow {\nkeep 100000\n}", "from 1 to 1000 differences"),
    "an-unknown-option": ("shadow {\npods x\n}", "unknown property 'pods'"),
    "twice": ("shadow\nshadow", "can only be used once"),
}


@table(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, reason: str) -> None:
    site = World().site(f". {{\n{text}\n}}")
    with pytest.raises(ConfigError, match=reason):
        shadow.PLUGIN.set_up(site.block.named("shadow"), site)


async def test_a_service_needs_the_plugin_kubernetes() -> None:
    with pytest.raises(ConfigError, match="plugin/shadow: kube-system/kube-dns: only a server block"):
        async with whole(".:53 {\nshadow\nwhoami\n}"):
            pass


def test_the_flag_adds_it_beside_kubernetes() -> None:
    world = World()
    text = ".:53 {\nwhoami\n}\na:53 {\nkubernetes a\nBOTH\n}\n"
    added = Directive("shadow", ("10.0.0.1",), "-shadow", 1)
    for own, there in (("", ("10.0.0.1",)), ("shadow 10.0.0.2", ("10.0.0.2",))):
        parsed = blocks.parse(text.replace("BOTH", own), files=world.files, environ={})
        changed = blocks.with_directive(parsed, added, beside="kubernetes")
        assert [each.args for block in changed.blocks for each in block.named("shadow")] == [there]
    with pytest.raises(ConfigError, match="-shadow: no server block has the plugin kubernetes"):
        blocks.with_directive(blocks.parse(".:53", files=world.files, environ={}), added, beside="kubernetes")
