"""Services outside the cluster, in a block with *kubernetes*."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.message
import pytest

from minidns import plugins
from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Query, Rcode, Response
from minidns.dns.rdata import AXFR
from minidns.dns.wire import encode_response
from minidns.plugins import chain, k8s_external
from minidns.plugins.site import Site
from tests.conformance.api import Api, Tree
from tests.table import table
from tests.world import World, handler_of, query, texts

ZONE = "ext.example.org."


def tree(kind: str, namespace: str, name: str, **more: object) -> Tree:
    return {"kind": kind, "metadata": {"namespace": namespace, "name": name}, **more}


def balanced(name: str, *addresses: str) -> Tree:
    ingress = [{"ip" if address[0].isdigit() else "hostname": address} for address in addresses]
    return tree(
        "Service",
        "a",
        name,
        spec={"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 80}]},
        status={"loadBalancer": {"ingress": ingress}},
    )


TREES = [
    {"kind": "Namespace", "metadata": {"name": "a"}},
    balanced("lb", "192.0.2.1"),
    balanced("named", "alias.example.net"),
    tree("Service", "a", "h", spec={"clusterIP": "None"}),
]


class Running:
    def __init__(self, site: Site, world: World, forgotten: list[object]) -> None:
        self.site, self.world, self.forgotten = site, world, forgotten

    async def ask(self, name: str, qtype: str = "A", **more: str) -> Response:
        assert self.site.top is not None
        return await self.site.top(query(name, qtype, **more))  # type: ignore[arg-type]


@asynccontextmanager
async def running(body: str = "", api: Api | None = None, more: str = "", start: bool = True) -> AsyncIterator[Running]:
    world = World(list_watch=(api or Api(TREES)).list_watch)
    site = world.site(
        f".:53 {{\nk8s_external {ZONE} {{\n{body}\n}}\nkubernetes cluster.local\n"
        f'template IN A example.net {{\nanswer "{{{{ .Name }}}} 60 IN A 192.0.2.99"\n}}\n'
        f"{more}\n}}\n"
    )
    forgotten: list[object] = []
    site.forget = forgotten.extend
    site.top = chain.build(plugins.configure(site))
    if start:
        for hook in site.hooks.start:
            await hook()
    try:
        yield Running(site, world, forgotten)
    finally:
        await site.stop()


async def test_an_answer_says_what_it_follows_from_and_may_be_repeated() -> None:
    async with running() as k:
        response = await k.ask(f"lb.a.{ZONE}")
        assert texts(response.answer) == [f"lb.a.{ZONE} 5 A 192.0.2.1"]
        assert (response.aa, response.rule) == (True, "external/address")
        assert [source.name for source in response.sources] == ["a", "a/lb"]
        assert response.reuse is not None
        assert ("service", "a", "lb") in response.reuse.depends_on


async def test_a_change_ends_what_may_be_repeated() -> None:
    api = Api(TREES)
    async with running(api=api) as k:
        response = await k.ask(f"lb.a.{ZONE}")
        assert response.reuse is not None
        api.apply(balanced("lb", "192.0.2.2"))
        await k.world.clock.advance(1)
        assert set(response.reuse.depends_on) & set(k.forgotten)
        changed = await k.ask(f"lb.a.{ZONE}")
    assert texts(changed.answer) == [f"lb.a.{ZONE} 5 A 192.0.2.2"]


async def test_the_alias_of_a_balancer_is_followed_by_the_server_itself() -> None:
    async with running() as k:
        response = await k.ask(f"named.a.{ZONE}")
    assert texts(response.answer) == [
        "alias.example.net. 60 A 192.0.2.99",
        f"named.a.{ZONE} 5 CNAME alias.example.net.",
    ]
    assert response.reuse is None


async def test_negative_answers_carry_the_soa_of_the_zone() -> None:
    async with running("ttl 60\napex names") as k:
        missing = await k.ask(f"x.a.{ZONE}")
        nodata = await k.ask(f"lb.a.{ZONE}", "AAAA")
    (soa,) = texts(missing.authority)
    assert soa.startswith(f"{ZONE} 60 SOA ns1.names.{ZONE} hostmaster.names.{ZONE}")
    assert (missing.rcode, nodata.rcode) == (Rcode.NXDOMAIN, Rcode.NOERROR)
    assert texts(nodata.authority) == [soa]


LETTERS = {
    # CoreDNS: SOA and NS are named by the zone of the Corefile, the rest by the query
    "soa": ("EXT.Example.org.", "SOA", ZONE),
    "ns": ("EXT.Example.org.", "NS", ZONE),
    "soa-of-nodata": ("EXT.Example.org.", "A", ZONE),
    "soa-of-nxdomain": ("X.a.EXT.Example.org.", "A", ZONE),
    "address": ("LB.a.EXT.Example.org.", "A", "LB.a.EXT.Example.org."),
}


@table(("name", "qtype", "owner"), LETTERS.values(), ids=LETTERS)
async def test_letters_of_owners(name: str, qtype: str, owner: str) -> None:
    async with running() as k:
        sent = query(name, qtype)
        assert k.site.top is not None
        wire = encode_response(sent, await k.site.top(sent))
    message = dns.message.from_wire(wire)
    (rrset,) = message.answer or message.authority
    assert rrset.name.to_text() == owner


async def test_before_the_first_sync_absence_is_a_failure() -> None:
    async with running(start=False) as k:
        response = await k.ask(f"lb.a.{ZONE}")
        assert (response.rcode, response.reuse) == (Rcode.SERVFAIL, None)
        assert (await k.ask(ZONE, "SOA")).rcode == Rcode.NOERROR


OPTIONS = {
    "fallthrough-all": ("fallthrough", f"x.a.{ZONE}", True),
    "fallthrough-zones": (f"fallthrough b.{ZONE}", f"x.a.{ZONE}", False),
    "fallthrough-in-its-zone": (f"fallthrough b.{ZONE}", f"x.b.{ZONE}", True),
    "fallthrough-not-for-NODATA": ("fallthrough", f"a.{ZONE}", False),
    "fallthrough-not-below-its-own-names": ("fallthrough", f"x.dns.{ZONE}", False),
    "fallthrough-not-below-the-name-server": ("fallthrough", f"x.ns1.dns.{ZONE}", False),
    "fallthrough-not-below-another-apex": ("fallthrough\napex ns", f"x.ns.{ZONE}", False),
    "fallthrough-not-below-an-apex-of-two-labels": ("fallthrough\napex a.b", f"x.a.b.{ZONE}", False),
    "fallthrough-not-at-an-apex-of-two-labels": ("fallthrough\napex a.b", f"a.b.{ZONE}", False),
    "fallthrough-beside-the-apex": ("fallthrough\napex a.b", f"x.b.{ZONE}", True),
    "other-zones-pass": ("", "www.example.org", True),
    "kubernetes-has-its-own": ("", "x.a.svc.cluster.local", False),
}


@table(("body", "name", "passed"), OPTIONS.values(), ids=OPTIONS)
async def test_what_is_passed_on(body: str, name: str, passed: bool) -> None:
    async with running(body, more="whoami") as k:
        response = await k.ask(name)
    assert (response.rule.startswith("whoami")) == passed


async def test_headless_shows_endpoints() -> None:
    slice_ = tree(
        "EndpointSlice", "a", "h-1", endpoints=[{"addresses": ["10.2.0.1"]}], ports=[{"name": "http", "port": 80}]
    )
    slice_["metadata"]["labels"] = {"kubernetes.io/service-name": "h"}
    async with running("headless", Api([*TREES, slice_])) as k:
        assert texts((await k.ask(f"h.a.{ZONE}")).answer) == [f"h.a.{ZONE} 5 A 10.2.0.1"]
    async with running("", Api([*TREES, slice_])) as k:
        assert (await k.ask(f"h.a.{ZONE}")).rcode == Rcode.NXDOMAIN


async def test_transfer_hands_the_zone_out() -> None:
    async with running(more=f"transfer {ZONE} {{\nto *\n}}") as k:
        response = await k.ask(ZONE, "AXFR", transport="tcp")
        assert f"lb.a.{ZONE} 5 A 192.0.2.1" in texts(response.answer)
        assert response.answer[0] == response.answer[-1]
        assert AXFR not in {rrset.rtype for rrset in response.answer}


REFUSED = {
    "unknown": ("bogus", "unknown property 'bogus'"),
    "headless-word": ("headless x", "unknown property 'x'"),
    "ttl-none": ("ttl", "Wrong argument count or unexpected line ending after 'ttl'"),
    "ttl-word": ("ttl x", 'strconv.Atoi: parsing "x": invalid syntax'),
    "ttl-high": ("ttl 3601", "ttl must be in range [0, 3600]: 3601"),
    "ttl-low": ("ttl -1", "ttl must be in range [0, 3600]: -1"),
    "apex-none": ("apex", "Wrong argument count or unexpected line ending after 'apex'"),
    "apex-no-name": ("apex a..b", "apex: a..b.: empty label"),
}


@table(("body", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, text: str) -> None:
    site = World().site(f". {{\nk8s_external {ZONE} {{\n{body}\n}}\nkubernetes\n}}\n")
    with pytest.raises(ConfigError) as caught:
        k8s_external.PLUGIN.set_up(site.block.named("k8s_external"), site)
    assert text in str(caught.value)


def test_without_kubernetes_there_is_nothing_to_answer_from() -> None:
    site = World().site(f". {{\nk8s_external {ZONE}\n}}\n")
    with pytest.raises(ConfigError) as caught:
        plugins.configure(site)
    assert str(caught.value) == "plugin/k8s_external: kubernetes plugin not loaded"


async def test_the_zones_of_the_last_line_count_and_options_add_up() -> None:
    world = World(list_watch=Api(TREES).list_watch)
    site = world.site(
        "a.org b.org {\nk8s_external x.org {\nttl 7\n}\nk8s_external {\nheadless\n}\nkubernetes cluster.local\n}\n"
    )

    async def last(_: Query) -> Response:
        return Response(rule="passed")

    plugin = handler_of(k8s_external.PLUGIN, site)
    plugins.find("kubernetes").set_up(site.block.named("kubernetes"), site)
    handler = plugin(last)
    assert (await handler(query("x.org", "SOA"))).rule == "passed"
    assert (await handler(query("b.org", "SOA"))).answer[0].ttl == 7
