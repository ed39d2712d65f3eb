"""Walks: every step shown equals the packet or the object that it is about."""

import asyncio
import json
from collections import Counter

import dns.message
import dns.rdatatype
import pytest

from minidns.walk.steps import Kind, Walk
from sim.__main__ import main
from sim.node.kind_corefile import KIND
from sim.node.kube_proxy import Flow
from sim.node.over_sockets import Path
from sim.resolver import kinds
from sim.scenario import clock, play
from sim.scenario.stage import OUTSIDE, Stage
from sim.walk.walk import Wanted, walks, wanted_of
from sim.walk.world import WrongWords, perform, world
from tests.table import table

RESOLVERS = ("glibc", "musl", "go", "busybox", "c-ares")
SERVICES = ("web", "db", "empty", "payments", "absent")
NAMES = [
    *(f"{service}{rest}" for service in SERVICES for rest in ("", ".shop", ".shop.svc", ".shop.svc.cluster.local", ".shop.svc.cluster.local.", ".shop.")),
    "kubernetes.default", "kube-dns.kube-system.svc", "db-0.db", "db-1.db.shop.svc", "db-0.db.shop.svc.cluster.local.",
    "google.com", "google.com.", "www.example.org", "api.example.org.", "absent.example.org", "example.test.",
    "_http._tcp.web.shop.svc", "10-244-0-2.kube-system.pod", "web.default", "web.absent.svc", "a.b.c.d.e.f", "WEB.Shop",
    "localhost", "svc.cluster.local.", "x.svc.cluster.local",
]  # fmt: skip
CHAIN = [
    line.split()[0]
    for line in KIND.splitlines()
    if line.startswith("    ") and not line.startswith("     ") and "}" not in line
]


def captured(stage: Stage) -> list[tuple[str, str, bytes]]:
    """Record the packets of a stage beside the walk: what happened, the flow, the bytes."""
    packets: list[tuple[str, str, bytes]] = []
    observe = stage.packets.observe

    def both(what: str, flow: Flow, wire: bytes, path: Path) -> None:
        packets.append((what, str(flow), wire))
        observe(what, flow, wire, path)

    stage.packets.observe = both
    return packets


EVENTS = {Kind.QUERY: "query", Kind.RECEIVE: "received", Kind.ANSWER: "answered", Kind.REPLY: "reply"}


def check_packets(walk: Walk, packets: list[tuple[str, str, bytes]]) -> None:
    """The packets of the steps are those that were captured, with what dnspython reads in them."""
    own = [step for step in walk.steps if step.kind in EVENTS]
    assert [EVENTS[step.kind] for step in own] == [what for what, _, _ in packets]
    for step, (what, flow, wire) in zip(own, packets, strict=True):
        assert step.facts.get("flow", flow) == flow
        if not step.wire:
            assert what == "received"
            continue
        assert step.wire == wire
        message = dns.message.from_wire(wire)
        shown = step.to_json()["packet"]
        assert bytes.fromhex(shown["hex"]) == wire
        if what == "query":
            (asked,) = message.question
            assert (step.facts["name"], step.facts["type"]) == (str(asked.name), dns.rdatatype.to_text(asked.rdtype))
        fields = shown["fields"]
        edges = [0, *(field["end"] for field in fields)]
        assert [field["start"] for field in fields] == edges[:-1]  # every byte is in one field
        assert edges[-1] == len(wire)
        for section in ("answer", "authority"):
            records = [
                (str(rrset.name), str(rrset.ttl) + " s", data.to_text())
                for rrset in getattr(message, section)
                for data in rrset
            ]
            values = {
                part: [f["value"] for f in fields if f["name"] == f"{section} {part}"]
                for part in ("name", "TTL", "data")
            }
            assert list(zip(values["name"], values["TTL"], values["data"], strict=True)) == records


def check_objects(stage: Stage, walk: Walk) -> None:
    """The objects of the steps are in the cluster, with this resourceVersion, or are not there."""
    for step in walk.steps:
        if step.kind is Kind.ROUTE:
            namespace, name = step.facts["service"].split("/")
            service = stage.cluster.get("Service", namespace, name)
            assert service["spec"]["clusterIP"] == step.facts["cluster_ip"]
            slices = stage.cluster.list("EndpointSlice", namespace, f"kubernetes.io/service-name={name}")
            ready = {
                a for one in slices for end in one["endpoints"] if end["conditions"]["ready"] for a in end["addresses"]
            }
            assert set(step.facts["candidates"]) == ready
            assert step.facts["endpoint"].partition(":")[0] in ready
        if step.kind is Kind.REASON:
            for source in step.facts["sources"]:
                if source["kind"] not in ("Service", "Namespace", "EndpointSlice", "Pod"):
                    continue
                namespace, _, name = source["name"].rpartition("/")
                obj = stage.cluster.find(source["kind"], namespace, name)
                assert source["found"] == (obj is not None)
                if obj is not None and source["resourceVersion"]:
                    assert (obj["metadata"]["resourceVersion"], obj["metadata"]["uid"]) == (
                        source["resourceVersion"],
                        source["uid"],
                    )


def check_chain(walk: Walk) -> None:
    """The plugins of each query are those of the Corefile, each once per question; the last one answered."""
    lanes = Counter(step.lane for step in walk.steps if step.kind is Kind.RECEIVE and step.who == "DNS server")
    for lane in lanes:
        names = [step.facts["plugin"] for step in walk.steps if step.kind is Kind.PLUGIN and step.lane == lane]
        assert names
        assert names[0] == "errors"
        assert set(names) <= set(CHAIN)


def check_result(walk: Walk, known: set[str]) -> None:
    """The result is made of replies: each address is in one that the resolver received, now or before (``known``)."""
    replies = [dns.message.from_wire(step.wire) for step in walk.steps if step.kind is Kind.REPLY and not step.inside]
    known |= {
        data.to_text() for reply in replies for rrset in reply.answer for data in rrset if rrset.rdtype in (1, 28)
    }
    assert set(walk.result.facts["addresses"]) <= known
    times = [step.at for step in walk.steps]
    assert times == sorted(times)


@pytest.mark.slow
@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize(
    "names", [pytest.param(NAMES, marks=pytest.mark.survive, id="all"), pytest.param(NAMES[::4], id="some")]
)
def test_each_step_equals_the_packet_or_the_object(names: list[str], resolver: str) -> None:
    assert len(NAMES) == 50

    async def all_names() -> None:
        async with world() as stage:
            packets, known = captured(stage), set[str]()
            for name in names:
                del packets[:]
                sides = await walks(stage, Wanted(("shop", "cart"), name, kinds.find(resolver)))
                assert [side.service for side in sides] == ["kube-dns", "kube-dns-2"]
                sent = list(packets)
                for side in sides:
                    count = sum(step.kind in EVENTS for step in side.steps)
                    check_packets(side, sent[:count])
                    sent = sent[count:]
                    check_objects(stage, side)
                    check_chain(side)
                    check_result(side, known)
                assert not sent

    clock.run(all_names())


def of(*words: str, pod: str = "shop/cart", name: str = "web", resolver: str = "") -> tuple[Walk, ...]:
    """Return the walks of a lookup with faults."""

    async def play_() -> tuple[Walk, ...]:
        async with world() as stage:
            await perform(stage, play.steps("\n".join(words), 1))
            return await walks(stage, wanted_of(stage, pod, name, resolver, "A"))

    return clock.run(play_())


def kinds_of(walk: Walk) -> list[str]:
    return [step.kind.value for step in walk.steps if not step.inside]


@pytest.mark.slow
@table(
    ("words", "shown", "missing"),
    [
        pytest.param("lose link shop/cart>node", "fault timeout", "receive", id="a lost query has its fault and a time-out"),
        pytest.param("lose link node>shop/cart", "answer fault timeout", "reply", id="a lost reply was answered"),
        pytest.param("break kube-dns", "timeout", "receive plugin", id="a silent server receives nothing"),
        pytest.param("scale coredns 0", "route refused", "receive", id="a Service without endpoints refuses"),
        pytest.param("servfail at kube-dns", "answer fault reply", "", id="a server's fault is between its answer and the reply"),
    ],
)  # fmt: skip
def test_a_fault_is_a_step_where_it_strikes(words: str, shown: str, missing: str) -> None:
    broken, _ = of(words)
    at = iter(kinds_of(broken))
    assert all(kind in at for kind in shown.split())
    assert not set(missing.split()) & set(kinds_of(broken))


def test_the_second_lookup_of_an_upstream_name_is_a_cache_hit_with_its_age() -> None:
    async def twice() -> tuple[tuple[Walk, ...], tuple[Walk, ...]]:
        async with world() as stage:
            wanted = Wanted(("shop", "cart"), "google.com.", None, (1,))
            await perform(stage, play.steps("scale coredns 1\nscale coredns-2 1", 1))
            first = await walks(stage, wanted)
            await asyncio.sleep(12)
            return first, await walks(stage, wanted)

    first, second = clock.run(twice())
    for before, after in zip(first, second, strict=True):
        assert any(step.who == "external resolver" for step in before.steps)
        assert not any(step.who == "external resolver" for step in after.steps)
        (hit,) = [step for step in after.steps if step.kind is Kind.PLUGIN and step.facts["plugin"] == "cache"]
        assert "12 s" in hit.says


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["shop/nobody", "web"], "shop/cart", id="an unknown pod: the pods"),
        pytest.param(["shop/cart", "web", "--as", "mystery"], "musl-1.2.5", id="an unknown resolver: the resolvers"),
        pytest.param(["shop/cart", "web", "--fault", "melt all"], "melt", id="an unknown fault: its words"),
        pytest.param(["shop/cart", "."], "name", id="the root is no name"),
        pytest.param(["a/b/c", "web"], "NAMESPACE/NAME", id="not a pod"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_named_with_what_there_is(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["walk", *arguments])
    shown = capsys.readouterr()
    assert said in shown.err
    assert not shown.out


def test_the_command_prints_lines_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["walk", "shop/cart", "web", "-o", "json"]) == 0
    sides = json.loads(capsys.readouterr().out)["walks"]
    assert [side["own"] for side in sides] == [True, False]
    assert sides[0]["steps"][-1]["facts"]["addresses"]
    assert main(["walk", "shop/cart", "absent"]) == 1
    assert "no Service shop/absent" in capsys.readouterr().out


def test_words_are_checked_in_the_stage_too() -> None:
    with pytest.raises(WrongWords, match="melt"):
        of("melt all")


@pytest.mark.slow
def test_no_walk_leaves_its_observer_behind() -> None:
    async def unrelated() -> tuple[int, int, bool]:
        async with world() as stage:
            (side, _) = await walks(stage, Wanted(("shop", "cart"), "web"))
            count = len(side.steps)
            await stage.look_up(("shop", "cart"), "db", (1,))
            return count, len(side.steps), OUTSIDE in stage.packets.hosts

    before, after, there = clock.run(unrelated())
    assert before == after
    assert there
