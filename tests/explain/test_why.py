"""Causes, each named right: a row per cause."""

import json
import re
from pathlib import Path
from typing import Any

from minidns.dns import names
from minidns.dns.model import Rcode, Response, Source, replace
from minidns.explain import why
from minidns.explain.explanation import Explanation
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.objects import Object
from minidns.kubernetes.resources import Access, ApiError, Applied, ListWatch, Page, Resource
from minidns.kubernetes.rules import Rule
from minidns.kubernetes.watcher import ClusterWatcher, WatchDeps
from minidns.plugins import kubernetes
from minidns.system.tasks import Tasks
from tests.conformance.api import Api
from tests.kubernetes.made import imported, namespace, options, pod, service, slice_of
from tests.plugins.clusters import TREES, Running, Silent, running, silent, svc, tree
from tests.process import mentions
from tests.table import table
from tests.world import World, always, query, settle

SVC = "svc.cluster.local"
OBJECTS: tuple[Object, ...] = (
    namespace("prod"),
    namespace("staging"),
    namespace("bare"),
    service("prod/web", "10.96.0.10", "http:80 https:443"),
    slice_of("prod/web", "10.1.0.1@web-x !10.1.0.2@web-y 10.1.0.3=h@web-z"),
    service("prod/plain", "10.96.0.11", ":8080"),
    service("prod/pending", ""),
    service("prod/lb", "10.96.0.12", external_ips="203.0.113.1"),
    service("prod/portless", "10.96.0.13", ""),
    service("staging/api", "10.96.0.20"),
    service("prod/db", "None", "pg:5432"),
    slice_of("prod/db", "10.2.0.1@db-0%z1 10.2.0.2=db-1@db-1 !10.2.0.3=db-2", "pg:5432"),
    service("prod/off", "None"),
    slice_of("prod/off", "!10.3.0.1@off-x !10.3.0.2@off-y"),
    service("prod/hollow", "None"),
    slice_of("prod/hollow", ""),
    service("prod/alone", "None"),
    slice_of("prod/lost", "10.4.0.1"),
    slice_of("prod/", "10.4.0.9", name="orphan"),
    service("prod/ext", external_name="www.example.org"),
    service("prod/ext-ip", external_name="192.0.2.1"),
    service("prod/ext-gone", external_name=f"gone.prod.{SVC}"),
    service("prod/ext-a", external_name=f"ext-b.prod.{SVC}"),
    service("prod/ext-b", external_name=f"ext-a.prod.{SVC}"),
    *(service(f"prod/c{n}", external_name=f"c{n + 1}.prod.{SVC}") for n in range(1, 14)),
    service("left/s", "10.96.0.30"),
    pod("prod/solo", "10.9.0.1"),
    pod("staging/other", "10.9.0.2"),
    pod("prod/six", "fd00:9::1"),
)

PODS = "pods verified"
ROWS: dict[str, tuple[str, str, str]] = {
    # cause: question, options, what the nearest miss says
    "namespace-absent": (f"web.nowhere.{SVC} A", "", "bare, prod, staging"),
    "namespace-misspelt": (f"web.prood.{SVC} A", "", "Namespace prod exists"),
    "namespace-gone": (f"s.left.{SVC} A", "", ""),
    "namespace-hidden-by-labels": (f"s.left.{SVC} A", "namespace_labels x=y", ""),
    "namespace-not-listed": (f"api.staging.{SVC} A", "namespaces prod", ""),
    "labels-swapped": (f"prod.web.{SVC} A", "", f"web.prod.{SVC}."),
    "search-list": (f"google.com.prod.{SVC} A", "", "google.com. was meant"),
    "service-absent": (f"nothing.staging.{SVC} A", "", "namespace staging: api"),
    "service-misspelt": (f"wbe.prod.{SVC} A", "", "Service prod/web exists"),
    "service-in-another-namespace": (f"api.prod.{SVC} A", "", f"api.staging.{SVC}."),
    "service-gone": (f"lost.prod.{SVC} A", "", "EndpointSlice prod/lost-1"),
    "service-left-out": (f"db-1.prod.{SVC} A", "", f"db-1.db.prod.{SVC}."),
    "pod-is-no-service": (f"solo.prod.{SVC} A", PODS, "prod/solo is a Pod"),
    "wildcard": (f"*.prod.{SVC} A", "", ""),
    "no-cluster-ip": (f"pending.prod.{SVC} A", "", ""),
    "no-ready-endpoint": (f"off.prod.{SVC} A", "", "off-x (10.3.0.1), off-y"),
    "no-slice": (f"alone.prod.{SVC} A", "", "selector"),
    "no-endpoint": (f"hollow.prod.{SVC} A", "", "empty"),
    "empty-service": (f"lb.prod.{SVC} A", "ignore empty_service", "no EndpointSlice"),
    "noendpoints": (f"db.prod.{SVC} A", "noendpoints", ""),
    "endpoint-absent": (f"zzz.db.prod.{SVC} A", "", "10-2-0-1, db-1"),
    "endpoint-misspelt": (f"db-11.db.prod.{SVC} A", "", "endpoint db-1 exists"),
    "endpoint-unready": (f"db-2.db.prod.{SVC} A", "", ""),
    "endpoint-has-another-name": (f"10-2-0-2.db.prod.{SVC} A", "", "its name is db-1."),
    "hostname-without-subdomain": (f"db-0.db.prod.{SVC} A", "", "subdomain must be db"),
    "pod-name-is-no-endpoint-name": (f"web-x.web.prod.{SVC} A", "", "10-1-0-1.web"),
    "port-without-protocol": (f"_http.web.prod.{SVC} SRV", "", "_http._tcp.web"),
    "port-absent": (f"_admin._tcp.web.prod.{SVC} SRV", "", "it has http, https"),
    "port-misspelt": (f"_htttp._tcp.web.prod.{SVC} SRV", "", "port http exists"),
    "port-by-number": (f"_443._tcp.web.prod.{SVC} SRV", "", "_https._tcp.web"),
    "port-protocol-differs": (f"_http._udp.web.prod.{SVC} SRV", "", "_http._tcp"),
    "port-unnamed": (f"_http._tcp.plain.prod.{SVC} SRV", "", ""),
    "not-port-and-protocol": (f"a.b.web.prod.{SVC} A", "", "port and protocol"),
    "below-external-name": (f"x.ext.prod.{SVC} A", "", ""),
    "external-name-is-address": (f"ext-ip.prod.{SVC} A", "", "EndpointSlice"),
    "external-name-other-type": (f"ext.prod.{SVC} TXT", "", "www.example.org"),
    "external-name-leads-nowhere": (f"ext-gone.prod.{SVC} A", "", "gone.prod.svc"),
    "external-name-loop": (f"ext-a.prod.{SVC} A", "", ""),
    "external-name-chain": (f"c1.prod.{SVC} A", "", ""),
    "other-family": (f"web.prod.{SVC} AAAA", "", ""),
    "other-type": (f"web.prod.{SVC} MX", "", ""),
    "no-port": (f"portless.prod.{SVC} SRV", "", ""),
    "soa-below-apex": (f"web.prod.{SVC} SOA", "", ""),
    "inner-node": (f"prod.{SVC} A", "", ""),
    "txt-at-inner-node": ("cluster.local TXT", "", ""),
    "name-server": ("ns.dns.cluster.local TXT", "", ""),
    "no-local-address": ("cluster.local NS", "", "bind"),
    "dns-version-other-type": ("dns-version.cluster.local A", "", ""),
    "not-in-cluster": ("foo.cluster.local A", "", ""),
    "svc-left-out": ("web.prod.cluster.local A", "", f"web.prod.{SVC}."),
    "svc-misspelt": ("web.prod.service.cluster.local A", "", "svc instead of service"),
    "too-long": (f"a.b.c.web.prod.{SVC} A", "", ""),
    "zonal-off": (f"z1.pin._zone.db.prod.{SVC} A", "", "option zonal"),
    "no-such-zonal-directive": (f"z1.near._zone.db.prod.{SVC} A", "zonal", ""),
    "zonal-needs-headless": (f"z1.pin._zone.web.prod.{SVC} A", "zonal", ""),
    "zonal-nothing-there": (f"z2.pin._zone.db.prod.{SVC} A", "zonal", "there are z1"),
    "pods-disabled": ("10-9-0-1.prod.pod.cluster.local A", "", "Pod prod/solo"),
    "pod-not-by-address": ("solo.prod.pod.cluster.local A", PODS, "10-0-0-1"),
    "pod-absent": ("10-9-0-9.prod.pod.cluster.local A", PODS, ""),
    "pod-in-another-namespace": ("10-9-0-2.prod.pod.cluster.local A", PODS, "Pod staging/other has it"),
    "pod-address-spelled-otherwise": ("fd00-9-0--1.prod.pod.cluster.local AAAA", PODS, "ask for fd00-9--1"),
    "reverse-zone": ("web.prod.svc.in-addr.arpa A", "", "cluster.local."),
    "address-absent": ("1.2.3.4.in-addr.arpa PTR", "", ""),
    "address-unready": ("2.0.1.10.in-addr.arpa PTR", "", "prod/web-1"),
    "address-is-external": ("1.113.0.203.in-addr.arpa PTR", "", "Service prod/lb"),
    "address-hidden": ("20.0.96.10.in-addr.arpa PTR", "namespaces prod", ""),
    "slice-without-service": ("9.0.4.10.in-addr.arpa PTR", "", "prod/orphan"),
    "pod-without-service": ("1.0.9.10.in-addr.arpa PTR", PODS, "Pod prod/solo"),
    "other-cluster-domain": ("web.prod.svc.corp.example A", "", f"web.prod.{SVC}."),
    "short-name": ("web.prod A", "", f"web.prod.{SVC}."),
    "outside": ("www.example.org A", "", ""),
    "passed-on": (f"wbe.prod.{SVC} A", "fallthrough", "service-misspelt"),
    "found": (f"web.prod.{SVC} A", "", ""),
}


class Asking:
    """The plugin over a filled view."""

    def __init__(self, body: str = "", objects: tuple[Object, ...] = OBJECTS) -> None:
        self.world = World()
        edges = self.world.edges
        around = WatchDeps(
            lambda resource: Silent(),
            edges.now,
            edges.wall,
            edges.sleep,
            edges.random,
            self.world.metrics,
            Tasks(edges, self.world.metrics).keep,
        )
        self.view = ClusterWatcher(options(body), around, lambda keys: None)
        self.answers = ClusterZones(self.view.options, self.view.main, self.view.imports)
        self.view.synced = True
        for obj in objects:
            self.view.main.apply(Applied(obj))
        self.site = self.world.site(". {\nwhoami\n}\n")

    async def explain(self, text: str, alias: str = "") -> Explanation:
        """Return the explanation of a question; a rewrite made it of that for ``alias``."""
        name, qtype = text.split()
        question = query(name, qtype)
        plugin = kubernetes.Kubernetes(self.view, self.answers, self.site)
        response = await plugin.handle(always(Response(Rcode.REFUSED)), question)
        wall = self.world.edges.wall()
        if alias:
            source = Source("rewrite", f"{alias} {qtype} -> {names.absolute(name)} {qtype}")
            response = replace(response, sources=(source, *response.sources))
            question = query(alias, qtype)
        return why.explain(self.view, self.answers, question, response, wall)


@table(("cause", "row"), ROWS.items(), ids=ROWS)
async def test_cause(cause: str, row: tuple[str, str, str]) -> None:
    text, body, near = row
    explanation = await Asking(body).explain(text)
    assert explanation.cause.id == cause, explanation.cause
    assert explanation.cause.because
    assert near in " ".join(explanation.cause.near)


@table(
    ("text", "body", "there"),
    [
        (f"web.nowhere.{SVC} A", "", ": bare, prod, staging"),
        (f"web.prood.{SVC} A", "", ": bare, prod, staging"),
        (f"nothing.staging.{SVC} A", "", ": api"),
        (f"nothing.bare.{SVC} A", "", "has none"),
        (f"wbe.prod.{SVC} A", "", ": alone, c1, c10, c11, "),
        (f"wbe.prod.{SVC} A", "", " and 7 more"),
        (f"db-11.db.prod.{SVC} A", "", "it has 10-2-0-1, db-1"),
        (f"_htttp._tcp.web.prod.{SVC} SRV", "", "it has http, https"),
        ("nosuch A", "", "zones of the plugin: cluster.local."),
        ("www.example.org A", "", "zones of the plugin: cluster.local."),
    ],
)
async def test_what_there_is_is_listed_for_what_there_is_not(text: str, body: str, there: str) -> None:
    explanation = await Asking(body).explain(text)
    assert there in "\n".join((explanation.cause.because, *explanation.cause.near))


@table(
    ("name", "cause", "near"),
    [
        ("api", "short-name", f"pods of namespace staging ask for api.staging.{SVC}."),
        ("api.staging", "short-name", f"api.staging.{SVC}."),
        ("api.staging.svc", "short-name", f"api.staging.{SVC}."),
        ("api.prod", "outside", ""),
        ("nosuch", "outside", ""),
        ("api.staging.com", "outside", ""),
    ],
)
async def test_short_names(name: str, cause: str, near: str) -> None:
    explanation = await Asking().explain(f"{name} A")
    assert explanation.cause.id == cause
    assert near in " ".join(explanation.cause.near)


def test_at_least_thirty() -> None:
    assert len(ROWS) >= 30


SET = "svc.clusterset.local"


@table(
    ("text", "cause"),
    [
        (f"web.prod.{SET} A", "service-not-exported"),
        (f"far.prod.{SVC} A", "service-in-cluster-set"),
        (f"nowhere.prod.{SVC} A", "service-absent"),
        (f"nowhere.prod.{SET} A", "service-absent"),
        (f"m.mc.prod.{SET} A", "cluster-left-out"),
    ],
)
async def test_cause_in_a_cluster_set(text: str, cause: str) -> None:
    result = Asking()
    zones = "cluster.local clusterset.local"
    body = "multicluster clusterset.local"
    result.answers = ClusterZones(options(body, zones), result.view.main, result.view.imports)
    result.view.options = result.answers.options
    for obj in (
        imported("prod/far", "10.100.0.1"),
        imported("prod/mc"),
        slice_of("prod/mc", "10.3.0.1=m", cluster="c1"),
    ):
        result.view.imports.apply(Applied(obj))
    assert (await result.explain(text)).cause.id == cause


@table(
    ("asked", "cause"),
    [
        (f"none.prod.{SVC} A", "no-ready-endpoint"),
        (f"n-0.none.prod.{SVC} A", "endpoint-unready"),
        (f"other.none.prod.{SVC} A", "no-ready-endpoint"),
    ],
)
async def test_no_endpoint_of_a_headless_service_is_ready(asked: str, cause: str) -> None:
    unready = slice_of("prod/none", "!10.9.0.1=n-0")
    made = Asking(objects=(namespace("prod"), service("prod/none", "None"), unready))
    assert (await made.explain(asked)).cause.id == cause


async def test_a_held_endpoint() -> None:
    result = Asking("hold 1s")
    gone = slice_of("prod/db", "", "pg:5432")
    result.view.main.apply(Applied(gone))
    assert (await result.explain(f"db.prod.{SVC} A")).cause.id == "held"


async def test_an_alias_that_gives_nothing_outside() -> None:
    result = Asking()
    result.site.top = always(Response(Rcode.NXDOMAIN))
    explanation = await result.explain(f"ext.prod.{SVC} A")
    assert explanation.cause.id == "alias-without-address"


async def test_a_reverse_name_where_the_zone_is_the_root() -> None:
    result = Asking()
    result.answers = ClusterZones(options("", "."), result.view.main, result.view.imports)
    assert (await result.explain("10.0.96.10.in-addr.arpa PTR")).cause.id == "no-forward-zone"


async def test_another_plugin_decided() -> None:
    result = Asking()
    text = query(f"web.prod.{SVC}")
    other = Response(rule="hosts/address")
    got = why.explain(result.view, result.answers, text, other, 0)
    assert got.cause.id == "another-plugin"
    assert got.rule == "hosts/address"


async def test_a_view_too_old() -> None:
    result = Asking("stale_after 1m servfail")
    result.world.clock.time += 61
    assert (await result.explain(f"web.prod.{SVC} A")).cause.id == "stale"


# -- before the first sync


async def cause_of(text: Running, name: str) -> Any:
    question = query(name)
    response = await text.handler(question)
    return text.site.offers.explainers["kubernetes"](question, response)


async def test_a_hole_in_the_rights() -> None:
    api = Api(TREES)
    api.forbidden = lambda resource: resource.plural == "endpointslices"
    async with running(api.list_watch, wait=False) as k:
        await settle()
        report = await cause_of(k, f"h.a.{SVC}")
    assert report["cause"] == "forbidden"
    assert "endpointslices is forbidden" in report["near"][0]
    kinds = {item["kind"]: item["synced"] for item in report["kinds"]}
    assert kinds == {"services": True, "namespaces": True, "endpointslices": False}


async def test_the_api_server_does_not_answer() -> None:
    class Refusing(Silent):
        async def page(self, token: str, version: str | None) -> Page:
            raise ApiError("connection refused")

    def refusing(access: Access, resource: Resource) -> ListWatch:
        return Refusing()

    async with running(refusing, wait=False) as k:
        await settle()
        report = await cause_of(k, f"h.a.{SVC}")
    assert report["cause"] == "api-unreachable"
    assert report["near"] == ["connection refused"]


async def test_the_first_lists_are_under_way() -> None:
    async with running(silent, wait=False) as k:
        await settle()
        report = await cause_of(k, f"h.a.{SVC}")
    assert report["cause"] == "not-synced"
    assert not report["synced"]
    assert {item["silent_s"] for item in report["kinds"]} == {None}


# -- the forms


FIELDS = {
    "cluster": str,
    "cause": str,
    "because": str,
    "near": list,
    "rule": str,
    "zone": str,
    "objects": list,
    "synced": bool,
    "kinds": list,
    "text": list,
}


async def test_the_json_form_is_stable() -> None:
    api = Api([tree("Namespace", "a", metadata={"creationTimestamp": CREATED}), svc("a/web", "10.96.0.1")])
    async with running(api.list_watch) as k:
        await settle()
        k.world.clock.time += 30
        report = await cause_of(k, f"nothing.a.{SVC}")
    assert json.loads(json.dumps(report)) == report
    assert {name: type(value) for name, value in report.items()} == FIELDS
    assert report["rule"] == "negative/no-such-service"
    assert report["zone"] == "cluster.local."
    assert report["objects"] == [
        {
            "kind": "Namespace",
            "name": "a",
            "uid": "Namespace--a",
            "resourceVersion": "1001",
            "found": True,
            "age_s": 130,
        },
        {"kind": "Service", "name": "a/nothing", "uid": "", "resourceVersion": "", "found": False, "age_s": None},
    ]
    assert report["kinds"][0] == {"kind": "services", "namespace": "", "synced": True, "silent_s": 30.0, "error": ""}
    assert report["text"] == [
        "because: there is no Service nothing in namespace a",
        "  perhaps: one of the Services of namespace a: web",
        "  from Namespace a (resourceVersion 1001, created 2m ago)",
        "  no Service a/nothing",
        "synced",
        *(f"  {kind}: listed, last heard of 30s ago" for kind in ("services", "namespaces", "endpointslices")),
    ]


CREATED = "2023-11-14T22:28:20Z"
"""Two minutes and ten seconds before what the world's clock will say."""


async def test_names_from_outside_do_no_harm_to_a_terminal() -> None:
    explanation = await Asking().explain(f"\\027[2J.prod.{SVC} A")
    assert all(line.isprintable() for line in explanation.lines())


ELSEWHERE = {
    # asserted by other tests than ``test_cause``
    "service-not-exported", "service-in-cluster-set", "cluster-left-out", "held",
    "alias-without-address", "another-plugin", "stale", "forbidden",
    "api-unreachable", "not-synced", "no-forward-zone", "unsendable-name", "loop", "too-many-names",
}  # fmt: skip


def test_every_cause_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/why.md").read_text()
    start, end = page.index("## Causes"), page.index("## Rules")
    documented = set(re.findall(r"`([a-z-]+)`", page[start:end]))
    assert documented == ROWS.keys() | ELSEWHERE


# -- what the chain decided is not decided again


async def test_a_response_of_a_moment_ago_is_explained_as_it_was_made() -> None:
    result = Asking()
    question = query(f"late.prod.{SVC}")
    plugin = kubernetes.Kubernetes(result.view, result.answers, result.site)
    response = await plugin.handle(always(Response(Rcode.REFUSED)), question)
    result.view.main.apply(Applied(service("prod/late", "10.96.0.99")))
    got = why.explain(result.view, result.answers, question, response, 0)
    assert (got.cause.id, got.rule) == ("service-absent", Rule.NO_SUCH_SERVICE)


@table(("cause", "row"), ROWS.items(), ids=ROWS)
async def test_a_rewritten_question_has_the_cause_of_what_it_became(cause: str, row: tuple[str, str, str]) -> None:
    text, body, near = row
    alias, name = "alias.k8s.internal.", text.split()[0]
    explanation = await Asking(body).explain(text, alias)
    assert explanation.cause.id == cause
    assert mentions(explanation.cause.because, f"{alias} {name}")
    assert near in " ".join(explanation.cause.near)
