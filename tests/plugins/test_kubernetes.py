"""The plugin at work: sync, fallthrough, rights, age, aliases that lead outside."""

import asyncio
import logging

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns import rdata
from minidns.dns.model import DnsError, Handler, Opt, Query, Rcode, Response, Reuse, RRset, Source, replace
from minidns.dns.rdata import A
from minidns.kubernetes.resources import Access, ListWatch, Resource
from minidns.plugins import kubernetes
from tests.conformance.api import Api
from tests.plugins.clusters import BODY, SVC, TREES, ends, ext, running, silent, svc
from tests.process import mentions
from tests.table import table
from tests.world import World, query, settle, texts


async def test_answers_and_what_they_follow_from() -> None:
    async with running(Api(TREES).list_watch) as k:
        response = await k.ask(f"web.a.{SVC}")
    assert texts(response.answer) == [f"web.a.{SVC} 30 A 10.96.0.1"]
    assert (response.aa, response.ra, response.rcode) == (True, False, Rcode.NOERROR)
    assert not response.authority
    assert response.rule == "service/cluster-ip"
    assert response.sources == (
        Source("Namespace", "a", "Namespace--a", "1001"),
        Source("Service", "a/web", "Service-a-web", "1003"),
    )


async def test_negative_answers_carry_the_soa_and_what_is_missing() -> None:
    async with running(Api(TREES).list_watch) as k:
        response = await k.ask("no.a.svc.Cluster.local")
    assert response.rcode == Rcode.NXDOMAIN
    assert [rrset.owner for rrset in response.authority] == ["Cluster.local."]
    assert response.sources[-1] == Source("Service", "a/no", found=False)


@table(
    ("name", "qtype", "passed"),
    [
        ("example.org", "A", True),
        ("xcluster.local", "A", True),
        ("1.2.3.4.in-addr.arpa", "PTR", True),
        ("1.0.96.10.in-addr.arpa", "A", True),
        ("1.0.96.10.IN-ADDR.ARPA", "TXT", True),
        ("1.0.96.10.in-addr.arpa", "SOA", False),
        ("in-addr.arpa", "A", False),
        (f"no.a.{SVC}", "A", False),
        (f"web.a.{SVC}", "AAAA", False),
    ],
)
async def test_what_is_passed_on(name: str, qtype: str, passed: bool) -> None:
    async with running(Api(TREES).list_watch) as k:
        assert ((await k.ask(name, qtype)).rule == "next") == passed


@table(
    ("body", "name", "passed"),
    [
        ("fallthrough", f"no.a.{SVC}", True),
        ("fallthrough", f"web.a.{SVC}", False),
        (f"fallthrough {SVC}", "foo.cluster.local", False),
        (f"fallthrough {SVC}", "NO.a.SVC.cluster.local", True),
        ("", "1.2.3.4.in-addr.arpa", False),
    ],
)
async def test_fallthrough(body: str, name: str, passed: bool) -> None:
    async with running(Api(TREES).list_watch, body) as k:
        assert ((await k.ask(name)).rule == "next") == passed


@pytest.mark.parametrize("qtype", ["AXFR", "IXFR"])
async def test_transfers_are_refused_here(qtype: str) -> None:
    async with running(Api(TREES).list_watch) as k:
        with pytest.raises(DnsError) as caught:
            await k.ask("cluster.local", qtype, transport="tcp")
    assert caught.value.rcode == Rcode.REFUSED
    assert not caught.value.text


UNSYNCED = {
    "unknown-is-SERVFAIL": (f"web.a.{SVC}", "A", Rcode.SERVFAIL),
    "namespace-is-SERVFAIL": (f"a.{SVC}", "A", Rcode.SERVFAIL),
    "foreign-label-is-SERVFAIL": ("foo.cluster.local", "A", Rcode.SERVFAIL),
    "apex-SOA": ("cluster.local", "SOA", Rcode.NOERROR),
    "apex-A": ("cluster.local", "A", Rcode.NOERROR),
    "svc": (SVC, "A", Rcode.NOERROR),
    "dns-version": ("dns-version.cluster.local", "TXT", Rcode.NOERROR),
    "SOA-anywhere": (f"no.a.{SVC}", "SOA", Rcode.NOERROR),
}


@table(("name", "qtype", "rcode"), UNSYNCED.values(), ids=UNSYNCED)
async def test_before_the_first_sync(name: str, qtype: str, rcode: Rcode) -> None:
    async with running(silent, wait=False) as k:
        await settle()
        response = await k.ask(name, qtype)
        assert not k.ready
    assert (response.rcode, response.aa, response.reuse) == (rcode, True, None)
    if not response.answer:
        assert " 0 7200 1800 86400 30" in texts(response.authority)[0]


async def test_before_the_first_sync_names_fall_through_all_the_same() -> None:
    async def repeatable(_: Query) -> Response:
        return Response(rule="next", reuse=Reuse())

    async with running(silent, wait=False, passed_on=repeatable) as k:
        response = await k.ask("8.8.8.8.in-addr.arpa", "PTR")
    assert response.rule == "next"
    assert response.reuse is None  # it may be ours once we are synced


async def test_start_waits_for_the_api_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "minidns.plugins.kubernetes"):
        async with running(silent, "startup_timeout 1200ms", wait=False) as k:
            await k.world.clock.advance(1.1)
            messages = [record.message for record in caplog.records]
            (line,) = messages
            waiting = "waiting for Kubernetes API before starting server"
            assert mentions(line, f"{waiting} *v1.Service")
            await k.world.clock.advance(0.2)
    unsynced = "starting server with unsynced Kubernetes API *v1.Service"
    assert mentions(caplog.records[-1].message, unsynced)
    assert caplog.records[-1].levelno == logging.WARNING


async def test_a_ready_api_delays_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "minidns.plugins.kubernetes"):
        async with running(Api(TREES).list_watch) as k:
            assert k.ready
            assert k.world.clock.time == 1000.0
    assert not caplog.records


async def test_one_kind_forbidden() -> None:
    api = Api(TREES)
    api.forbidden = lambda resource: resource.plural == "endpointslices"
    async with running(api.list_watch, wait=False) as k:
        await settle()
        got = [(await k.ask(f"{name}.a.{SVC}")).rcode for name in ("web", "no", "h")]
        assert got == [Rcode.NOERROR, Rcode.SERVFAIL, Rcode.SERVFAIL]
        assert not k.ready


async def test_no_such_api_server_is_fatal_at_the_start() -> None:
    def nowhere(access: Access, resource: Resource) -> ListWatch:
        raise ConfigError(f"kubeconfig {access.kubeconfig}: no such file or directory")

    world = World(list_watch=nowhere)
    site = world.site(". {\nkubernetes cluster.local {\nkubeconfig /x\n}\n}\n")
    kubernetes.PLUGIN.set_up(site.block.named("kubernetes"), site)
    with pytest.raises(ConfigError, match=r"^plugin/kubernetes: kubeconfig /x: no such"):
        await site.hooks.start[0]()


def test_only_once() -> None:
    site = World().site(". {\nkubernetes a.test\nkubernetes b.test\n}\n")
    with pytest.raises(ConfigError, match="only be used once"):
        kubernetes.PLUGIN.set_up(site.block.named("kubernetes"), site)


async def test_a_change_tells_the_edge_what_is_stale() -> None:
    api = Api(TREES)
    async with running(api.list_watch) as k:
        await settle()
        k.forgotten.clear()
        answers = {name: await k.ask(f"{name}.a.{SVC}") for name in ("web", "no", "h")}
        api.apply(svc("a/no", "10.96.0.9"))
        await settle()
        stale = {
            name
            for name, response in answers.items()
            if response.reuse and set(response.reuse.depends_on) & set(k.forgotten)
        }
        assert stale == {"no"}
        assert (await k.ask(f"no.a.{SVC}")).rcode == Rcode.NOERROR


async def test_negative_answers_are_repeated_with_the_serial_of_then() -> None:
    api = Api(TREES)
    async with running(api.list_watch) as k:
        response = await k.ask(f"no.a.{SVC}")
        assert response.reuse is not None
        assert response.reuse.expires_at == float("inf")
        assert response.reuse.soa_serial is not None
        k.world.clock.time += 7
        api.apply(svc("b/else", "10.96.0.9"))
        await settle()
        (later,) = (await k.ask(f"no.a.{SVC}")).authority
        assert later.rdata[0][-20:-16] == response.reuse.soa_serial().to_bytes(4)
        assert later.rdata != response.authority[0].rdata
        assert (await k.ask("cluster.local", "SOA")).reuse is None


async def test_what_is_passed_on_depends_on_what_we_did_not_have() -> None:
    async def repeatable(_: Query) -> Response:
        return Response(rule="next", reuse=Reuse(depends_on=("theirs",)))

    async with running(Api(TREES).list_watch, passed_on=repeatable) as k:
        response = await k.ask("4.3.2.1.in-addr.arpa", "PTR")
    assert response.reuse is not None
    assert response.reuse.depends_on == ("theirs", ("address", "1.2.3.4"))


# -- aliases


def outside(response: Response | DnsError) -> Handler:
    async def handler(received: Query) -> Response:
        assert received.question.qname == "ext.example.org."
        if isinstance(response, DnsError):
            raise response
        return response

    return handler


THERE = RRset("ext.example.org.", A, 600, (rdata.a("192.0.2.1"),))


@table(
    ("upstream", "lines"),
    [
        (Response(answer=(THERE,)), ["ext.example.org. 600 A 192.0.2.1"]),
        (Response(Rcode.NXDOMAIN), []),
        (DnsError("no upstream"), []),
    ],
    ids=["answered", "NXDOMAIN", "failed"],
)
async def test_external_name_outside(upstream: Response | DnsError, lines: list[str]) -> None:
    async with running(Api(TREES).list_watch, passed_on=outside(upstream)) as k:
        response = await k.ask(f"ext.a.{SVC}", "A", opt=Opt(1232))
    own = f"ext.a.{SVC} 30 CNAME ext.example.org."
    assert texts(response.answer) == sorted([own, *lines])
    assert response.answer[0].owner == f"ext.a.{SVC}"
    assert (response.rcode, response.aa, response.ra) == (Rcode.NOERROR, True, False)
    assert response.reuse is None
    assert not response.authority


async def test_truncation_outside_is_taken_over() -> None:
    upstream = outside(Response(answer=(THERE,), tc=True))
    async with running(Api(TREES).list_watch, passed_on=upstream) as k:
        assert (await k.ask(f"ext.a.{SVC}")).tc


async def test_aliases_of_two_zones_in_a_ring_come_to_an_end() -> None:
    ring = [*TREES, ext("a/one", "two.a.svc.b.test"), ext("a/two", "one.a.svc.a.test")]
    async with running(Api(ring).list_watch, zones="a.test b.test") as k:
        response = await asyncio.wait_for(k.ask("one.a.svc.a.test"), 5)
    assert response.rcode == Rcode.NOERROR
    assert len(response.answer) <= 11


async def test_the_more_questions_led_here_the_fewer_names_are_followed() -> None:
    received: list[str] = []

    async def counted(question: Query) -> Response:
        received.append(question.question.qname)
        return Response()

    names = [f"n{n}.example.org" for n in range(50)]
    trees = [*TREES, svc("a/names", "None"), ends("a/names", *names)]
    async with running(Api(trees).list_watch, passed_on=counted) as k:
        for hops, most in ((0, 32), (1, 4), (2, 1), (9, 1)):
            received.clear()
            await k.handler(replace(query(f"names.a.{SVC}"), hops=hops))
            assert len(received) == most


# -- rights


def at_cluster_scope(resource: Resource) -> bool:
    return not resource.namespace


@pytest.mark.parametrize("more", ["", "\nnamespaced"], ids=["found-out", "messages"])
async def test_rights_in_some_namespaces_only(more: str) -> None:
    api = Api(TREES)
    api.forbidden = lambda r: at_cluster_scope(r) or r.namespace == "b"
    body = f"{BODY}\nnamespaces a{more}"
    async with running(api.list_watch, body) as k:
        assert k.ready
        got = {name: (await k.ask(name)).rcode for name in (f"web.a.{SVC}", f"h.a.{SVC}", f"web.b.{SVC}", f"a.{SVC}")}
        assert list(got.values()) == [0, 0, Rcode.NXDOMAIN, 0]
        api.apply(svc("a/new", "10.96.0.9"))
        await settle()
        assert (await k.ask(f"new.a.{SVC}")).rcode == Rcode.NOERROR
        api.delete("Service", "a", "web")
        await settle()
        assert (await k.ask(f"web.a.{SVC}")).rcode == Rcode.NXDOMAIN


async def test_with_rights_everywhere_namespaces_only_filters() -> None:
    api = Api(TREES)
    listed: list[str] = []
    api.forbidden = lambda r: bool(listed.append(r.namespace))  # type: ignore[func-returns-value]  # notes it
    async with running(api.list_watch, "namespaces a") as k:
        assert k.ready
    assert set(listed) == {""}


async def test_without_rights_in_one_of_the_namespaces_it_is_not_ready() -> None:
    api = Api(TREES)
    api.forbidden = lambda r: at_cluster_scope(r) or r.namespace == "b"
    async with running(api.list_watch, "namespaces a b", wait=False) as k:
        await settle()
        assert not k.ready
        assert (await k.ask(f"web.a.{SVC}")).rcode == Rcode.NOERROR
        assert (await k.ask(f"web.b.{SVC}")).rcode == Rcode.SERVFAIL


async def test_without_namespaces_refusal_is_no_reason_to_look_elsewhere() -> None:
    api = Api(TREES)
    api.forbidden = at_cluster_scope
    async with running(api.list_watch, wait=False) as k:
        await settle()
        assert not k.ready


# -- age


@table(
    ("policy", "rcode", "ready"),
    [
        ("", Rcode.NOERROR, True),
        ("stale_after 5m", Rcode.NOERROR, True),
        ("stale_after 5m unready", Rcode.NOERROR, False),
        ("stale_after 5m servfail", Rcode.SERVFAIL, True),
        ("stale_after 1h servfail", Rcode.NOERROR, True),
    ],
)
async def test_when_the_api_has_been_silent(policy: str, rcode: Rcode, ready: bool) -> None:
    async with running(Api(TREES).list_watch, policy) as k:
        await settle()
        k.world.clock.time += 301
        response = await k.ask(f"web.a.{SVC}")
        assert (response.rcode, k.ready) == (rcode, ready)


async def test_what_may_grow_stale_is_repeated_no_longer_than_that() -> None:
    async with running(Api(TREES).list_watch, "stale_after 10s servfail\nttl 30") as k:
        await settle()
        for name in ("web", "no"):
            response = await k.ask(f"{name}.a.{SVC}")
            assert response.reuse is not None
            assert response.reuse.expires_at == k.world.clock.time + 10


async def test_held_endpoints_are_let_go_in_time() -> None:
    api = Api(TREES)
    async with running(api.list_watch, f"{BODY}\nhold 2s") as k:
        await settle()
        api.delete("EndpointSlice", "a", "h-1")
        await settle()
        assert (await k.ask(f"h.a.{SVC}")).rule == "headless/held"
        k.forgotten.clear()
        await k.world.clock.advance(2.1)
        assert ("endpoints", "a", "h") in k.forgotten
        assert (await k.ask(f"h.a.{SVC}")).rcode == Rcode.NXDOMAIN


async def test_an_endpoint_that_leaves_again_is_held_anew() -> None:
    api = Api(TREES)
    async with running(api.list_watch, f"{BODY}\nhold 2s") as k:
        for _ in range(2):
            for passing_s in (0.5, 1.0):
                await k.world.clock.advance(0.1)
                api.delete("EndpointSlice", "a", "h-1")
                await k.world.clock.advance(passing_s)
                assert (await k.ask(f"h.a.{SVC}")).rule == "headless/held"
                api.apply(ends("a/h", "10.0.0.1"))
            await k.world.clock.advance(0.1)
            api.delete("EndpointSlice", "a", "h-1")
            await k.world.clock.advance(1.9)
            assert (await k.ask(f"h.a.{SVC}")).rule == "headless/held"
            await k.world.clock.advance(0.2)
            assert (await k.ask(f"h.a.{SVC}")).rcode == Rcode.NXDOMAIN
            api.apply(ends("a/h", "10.0.0.1"))


# -- what else there is


@pytest.mark.parametrize(("body", "expected"), [("", Rcode.NOERROR), ("strict", Rcode.NOERROR)])
async def test_bind_hides_the_local_addresses(body: str, expected: Rcode) -> None:
    async with running(Api(TREES).list_watch, body, before="bind 192.0.2.7") as k:
        response = await k.ask("ns.dns.cluster.local")
    # CoreDNS takes the addresses of bind for prefixes, and finds none
    assert texts(response.answer) == (["ns.dns.cluster.local. 5 A 192.0.2.7"] if body else [])


async def test_programming_latency() -> None:
    api = Api(TREES)
    name = "coredns_kubernetes_dns_programming_duration_seconds"
    async with running(api.list_watch) as k:
        await settle()
        wall = k.world.edges.wall()
        assert wall == 1_700_001_000
        caused = "2023-11-14T22:29:58.5Z"  # a second and a half before
        api.apply(ends("a/h", "10.0.0.2", **{"last-change-trigger-time": caused}))
        api.apply(ends("a/no", "10.0.0.3", **{"last-change-trigger-time": caused}))
        await settle()
        family = k.world.metrics.histogram(name, "", ("service_kind",), ())
        assert {labels: cells[-1] for labels, cells in family.values.items()} == {("headless_with_selector",): 1.5}


async def test_a_transfer_waits_for_the_first_sync() -> None:
    async with running(silent, wait=False) as k:
        (transfer,) = k.site.offers.transfers
        with pytest.raises(DnsError, match="not complete"):
            transfer("cluster.local.")
        assert transfer("example.org.") is None
    async with running(Api(TREES).list_watch) as k:
        (transfer,) = k.site.offers.transfers
        assert transfer("cluster.local.")
