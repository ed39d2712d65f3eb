"""What a scrape of a real process shows, beside what CoreDNS shows in its place.

kubeadm's Corefile, a simulated API server, an upstream that answers and one that does
not; queries over UDP and TCP, IPv4 and IPv6. The list is that of a stock CoreDNS 1.14.
"""

import asyncio
import collections
import datetime
import re
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import dns.message
import dns.rcode
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from minidns import __version__
from sim.api.http import ApiServer
from sim.api.server import ClusterApi
from tests import process
from tests.corefiles import cases
from tests.server import client
from tests.server.resolvers import Call, Resolver, reply

pytestmark = pytest.mark.slow

KUBERNETES = "kubernetes.default.svc.cluster.local."
REPEATED = 100
HAS_IPV6 = socket.has_ipv6 and Path("/proc/net/if_inet6").exists()
Family = Literal["1", "2"]


class Kind(NamedTuple):
    """The labels of a count of queries."""

    proto: str
    family: str
    type: str


@dataclass
class Seen:
    """The queries sent, and the results of three scrapes."""

    ports: Mapping[str, int]
    first: dict[str, Metric] = field(default_factory=dict)
    """Once it answers, before anything is asked."""
    after: dict[str, Metric] = field(default_factory=dict)
    reloaded: dict[str, Metric] = field(default_factory=dict)
    asked: "collections.Counter[Kind]" = field(default_factory=collections.Counter)
    rcodes: "collections.Counter[str]" = field(default_factory=collections.Counter)
    do: int = 0
    bytes: int = 0

    @property
    def server(self) -> str:
        return f"dns://:{self.ports['dns']}"


async def resolve(call: Call) -> None:
    """Answer as the world outside does."""
    name = dns.message.from_wire(call.wire).question[0].name
    if str(name).startswith("fail."):
        call.send(reply(call.wire, rcode="SERVFAIL").to_wire())
    elif str(name).startswith("no."):
        call.send(reply(call.wire, rcode="NXDOMAIN").to_wire())
    else:
        call.send(reply(call.wire, f"{name} 300 A 192.0.2.80").to_wire())


def corefile(folder: Path, ports: Mapping[str, int], upstreams: str) -> Path:
    """Return kubeadm's Corefile, changed only in where everything is."""
    (case,) = (each for each in cases("real") if each.name == "kubeadm")
    text = case.text
    for old, new in (
        (".:53", f".:{ports['dns']}"),
        ("health {", f"health :{ports['health']} {{"),
        ("ready", f"ready :{ports['ready']}"),
        (":9153", f":{ports['metrics']}"),
        ("/etc/resolv.conf", upstreams),
        ("ttl 30", f"ttl 30\n       kubeconfig {folder / 'kubeconfig'}"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "Corefile"
    path.write_text(text)
    return path


async def scrape(port: int) -> dict[str, Metric]:
    status, page = await process.http(port, "/metrics")
    assert status == 200
    return {family.name: family for family in text_string_to_metric_families(page)}


def endpoint_slice(address: str) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": "IPv4",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": now},
        },
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
    }


@dataclass
class Asking:
    """A client that keeps count."""

    seen: Seen

    async def ask(self, name: str, qtype: str, *, tcp: bool = False, six: bool = False, **edns: Any) -> None:
        query = dns.message.make_query(name, qtype, **edns)
        port, host = self.seen.ports["dns"], "::1" if six else "127.0.0.1"
        if tcp:
            (wire,) = await client.tcp(port, query.to_wire(), host=host)
        else:
            wire = await client.udp(port, query.to_wire(), host=host)
        label = qtype if not qtype.startswith("TYPE") else "other"
        kind = Kind("tcp" if tcp else "udp", "2" if six else "1", label)
        self.seen.asked[kind] += 1
        self.seen.rcodes[dns.rcode.to_text(dns.message.from_wire(wire).rcode())] += 1
        self.seen.do += bool(edns.get("want_dnssec"))
        self.seen.bytes += len(query.to_wire()) if not tcp else 0

    async def all(self) -> None:
        """Ask for what a day of a cluster brings, in small."""
        for _ in range(REPEATED):
            await self.ask(KUBERNETES, "A")
        for qtype in ("AAAA", "SRV", "TXT", "MX", "NS", "CNAME", "HTTPS", "TYPE65280"):
            await self.ask(KUBERNETES, qtype)
        await self.ask("1.0.96.10.in-addr.arpa.", "PTR")
        await self.ask(f"no.{KUBERNETES}", "A")
        for _ in range(3):
            await self.ask("www.example.org.", "A")
        await self.ask("no.example.org.", "A")
        await self.ask("fail.example.org.", "A")
        for number in range(4):
            await self.ask(f"{number}.tcp.example.org.", "A", tcp=True)
        await self.ask(KUBERNETES, "A", want_dnssec=True)
        await self.ask(KUBERNETES, "A", tcp=True)
        if HAS_IPV6:
            await self.ask(KUBERNETES, "A", six=True)


async def until(port: int, text: str) -> None:
    """Return once a scrape has ``text``."""
    async with asyncio.timeout(process.DEADLINE_S):
        while text not in (await process.http(port, "/metrics"))[1]:
            await asyncio.sleep(0.05)


async def look(folder: Path) -> Seen:
    ports = {name: process.free_port() for name in ("dns", "health", "ready", "metrics")}
    seen = Seen(ports)
    metrics, dead = ports["metrics"], process.free_port()
    cluster = ClusterApi()
    async with ApiServer(cluster) as api, Resolver(resolve, resolve) as upstream:
        api.kubeconfig(folder / "kubeconfig")
        path = corefile(folder, ports, f"{upstream} 127.0.0.1:{dead}")
        async with process.minidns("-conf", str(path), "-explain", "off") as server:
            await server.said("python3")
            seen.first = await scrape(metrics)
            cluster.apply(endpoint_slice("192.0.2.9"))
            await Asking(seen).all()
            await until(metrics, "coredns_kubernetes_dns_programming_duration_seconds")
            for number in range(20):  # until the dead one had its turn
                await Asking(seen).ask(f"{number}.example.org.", "A")
            await until(metrics, "coredns_proxy_healthcheck_failures_total{")
            await until(metrics, 'conn_cache_hits_total{proto="tcp"')
            await until(metrics, 'health_request_duration_seconds_bucket{le="+Inf"} 2')
            seen.after = await scrape(metrics)
            server.signal(signal.SIGUSR1)
            await server.said("[INFO] Reloading complete")
            seen.reloaded = await scrape(metrics)
    return seen


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return asyncio.run(look(tmp_path_factory.mktemp("metrics")))


TIMES = tuple(0.00025 * 2**n for n in range(16))
SIZES = (0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3)
SLIM = (0.00025, 0.0025, 0.025, 0.25, 2.5)
GO = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
PROGRAMMING = tuple(0.001 * 2**n for n in range(20))
PLACE = "server zone view"
CACHE, CACHE_TYPE = "server zones view", "server type zones view"

FAMILIES: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "build_info": ("gauge", "version revision goversion", ()),
    "plugin_enabled": ("gauge", f"{PLACE} name", ()),
    "panics": ("counter", "", ()),
    "dns_requests": ("counter", f"{PLACE} proto family type", ()),
    "dns_request_duration_seconds": ("histogram", PLACE, TIMES),
    "dns_request_size_bytes": ("histogram", f"{PLACE} proto", SIZES),
    "dns_response_size_bytes": ("histogram", f"{PLACE} proto", SIZES),
    "dns_responses": ("counter", f"{PLACE} rcode plugin", ()),
    "dns_do_requests": ("counter", PLACE, ()),
    "cache_entries": ("gauge", CACHE_TYPE, ()),
    "cache_hits": ("counter", CACHE_TYPE, ()),
    "cache_misses": ("counter", CACHE, ()),
    "cache_requests": ("counter", CACHE, ()),
    "forward_healthcheck_broken": ("counter", "", ()),
    "forward_max_concurrent_rejects": ("counter", "", ()),
    "proxy_request_duration_seconds": ("histogram", "proxy_name to rcode", TIMES),
    "proxy_healthcheck_failures": ("counter", "proxy_name to", ()),
    "proxy_conn_cache_hits": ("counter", "proxy_name to proto", ()),
    "proxy_conn_cache_misses": ("counter", "proxy_name to proto", ()),
    "health_request_duration_seconds": ("histogram", "", SLIM),
    "health_request_failures": ("counter", "", ()),
    "reload_failed": ("counter", "", ()),
    "hosts_reload_timestamp_seconds": ("gauge", "", ()),
    "local_localhost_requests": ("counter", "", ()),
    "kubernetes_dns_programming_duration_seconds": (
        "histogram", "service_kind", PROGRAMMING,
    ),
    "kubernetes_rest_client_request_duration_seconds": ("histogram", "verb host", GO),
    "kubernetes_rest_client_rate_limiter_duration_seconds": (
        "histogram", "verb host", GO,
    ),
    "kubernetes_rest_client_requests": ("counter", "code method host", ()),
}  # fmt: skip
"""Type, labels, buckets; those that need an event of their own (evictions, drops,
prefetching, stale answers, a reload by *reload*) are in test_prometheus_families."""
AT_ONCE = {
    "panics", "forward_healthcheck_broken", "forward_max_concurrent_rejects",
    "health_request_failures", "reload_failed", "local_localhost_requests",
    "hosts_reload_timestamp_seconds",
}  # fmt: skip
PROCESS = {
    "cpu_seconds", "resident_memory_bytes", "virtual_memory_bytes",
    "start_time_seconds", "open_fds", "max_fds", "network_receive_bytes",
    "network_transmit_bytes",
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_family(seen: Seen, name: str) -> None:
    kind, labels, buckets = FAMILIES[name]
    family = seen.after[f"coredns_{name}"]
    assert family.type == kind
    samples = [each for each in family.samples if not each.name.endswith("_created")]
    assert samples
    for sample in samples:
        assert set(sample.labels) - {"le"} == set(labels.split())
    if kind == "counter":
        assert {each.name for each in samples} == {f"coredns_{name}_total"}
    bounds = {float(each.labels["le"]) for each in samples if "le" in each.labels}
    assert sorted(bounds) == pytest.approx([*buckets, float("inf")] if kind == "histogram" else [])


@pytest.mark.parametrize("name", sorted(AT_ONCE))
def test_it_is_there_at_0_from_the_start(seen: Seen, name: str) -> None:
    (sample,) = seen.first[f"coredns_{name}"].samples
    assert (sample.labels, sample.value) == ({}, 0)


@pytest.mark.parametrize("name", sorted(PROCESS))
def test_the_process_is_shown(seen: Seen, name: str) -> None:
    (sample,) = seen.first[f"process_{name}"].samples
    assert sample.value > 0


NOT_YET = ("reload_version_info", "hosts_entries", "dns_do_requests", "cache_hits")


@pytest.mark.parametrize("name", NOT_YET)
def test_it_is_not_there_before_its_first_event(seen: Seen, name: str) -> None:
    assert f"coredns_{name}" not in seen.first


def test_there_is_nothing_that_coredns_has_given_up(seen: Seen) -> None:
    gone = r"coredns_(forward_(request|response|conn_cache|sockets)|dns_request_count)"
    assert not [name for name in seen.after if re.match(gone, name)]


def values(scraped: dict[str, Metric], name: str, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
    """Return the numbers called ``name`` with these labels, by the other labels."""
    return {
        frozenset(each.labels.items() - labels.items()): each.value
        for family in scraped.values()
        for each in family.samples
        if each.name == name and labels.items() <= each.labels.items()
    }


def total(scraped: dict[str, Metric], name: str, **labels: str) -> float:
    return sum(values(scraped, name, **labels).values())


def test_queries_by_protocol_family_and_type(seen: Seen) -> None:
    place = {"server": seen.server, "zone": ".", "view": ""}
    found = values(seen.after, "coredns_dns_requests_total", **place)
    counted = {Kind(**dict(key)): number for key, number in found.items()}
    probe = Kind("udp", "1", "other")  # of *loop*, which asks over IPv4 or IPv6
    for kind, number in seen.asked.items():
        if kind.type != "other":
            assert counted.pop(kind) == number
    assert counted.pop(probe) >= seen.asked[probe]
    assert all(kind.type == "other" for kind in counted)


def test_every_repetition_is_counted(seen: Seen) -> None:
    kind = {"proto": "udp", "family": "1", "type": "A"}
    assert total(seen.after, "coredns_dns_requests_total", **kind) > REPEATED
    seconds = total(seen.after, "coredns_dns_request_duration_seconds_count")
    asked = total(seen.after, "coredns_dns_requests_total")
    assert seconds == asked == total(seen.after, "coredns_dns_responses_total")


def test_replies_by_rcode_and_the_plugin_below(seen: Seen) -> None:
    for rcode, number in seen.rcodes.items():
        labels = {"server": seen.server, "zone": ".", "view": "", "rcode": rcode}
        found = values(seen.after, "coredns_dns_responses_total", **labels)
        assert set(found) == {frozenset({("plugin", "errors")})}
        # the probe of *loop* besides, a NXDOMAIN or what the upstream says
        assert number <= sum(found.values()) <= number + 1


def test_do_and_sizes(seen: Seen) -> None:
    assert total(seen.after, "coredns_dns_do_requests_total") == seen.do
    size = "coredns_dns_request_size_bytes"
    assert total(seen.after, f"{size}_sum", proto="udp") >= seen.bytes
    count = total(seen.after, f"{size}_count", proto="udp")
    assert count == total(seen.after, "coredns_dns_requests_total", proto="udp")


def test_build_info_says_minidns(seen: Seen) -> None:
    ((labels, value),) = values(seen.after, "coredns_build_info").items()
    assert value == 1
    assert dict(labels)["version"] == f"minidns-{__version__}"


def test_enabled_are_those_of_the_chain(seen: Seen) -> None:
    place = {"server": seen.server, "zone": ".", "view": ""}
    found = values(seen.after, "coredns_plugin_enabled", **place)
    names = {dict(key)["name"] for key in found}
    assert names == {
        "prometheus", "errors", "loadbalance", "cache", "kubernetes", "loop", "forward",
    }  # fmt: skip


def test_the_cache_has_its_zones_and_types(seen: Seen) -> None:
    place = {"server": seen.server, "zones": ".", "view": ""}
    for kind in ("success", "denial"):
        assert total(seen.after, "coredns_cache_entries", type=kind, **place) >= 1
    assert total(seen.after, "coredns_cache_hits_total", type="success", **place) >= 2
    asked = total(seen.after, "coredns_cache_requests_total", **place)
    hits = total(seen.after, "coredns_cache_hits_total", **place)
    assert asked == hits + total(seen.after, "coredns_cache_misses_total", **place)


def test_upstreams_by_address_and_rcode(seen: Seen) -> None:
    name = "coredns_proxy_request_duration_seconds_count"
    found = values(seen.after, name, proxy_name="forward")
    assert {dict(key)["rcode"] for key in found} >= {"NOERROR", "NXDOMAIN", "SERVFAIL"}
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", dict(key)["to"]) for key in found)


def test_values_survive_a_reload(seen: Seen) -> None:
    before, after = seen.after, seen.reloaded
    for family in before.values():
        if family.type == "gauge" or family.name.startswith("process_"):
            continue
        for sample in family.samples:
            if "le" not in sample.labels:
                assert total(after, sample.name, **sample.labels) >= sample.value
    for name in ("coredns_plugin_enabled", "coredns_build_info"):
        assert values(after, name) == values(before, name)


# what the dashboards and alert rules of the wide world look for

QUERIES = {
    "15762-cpu": ("process_cpu_seconds_total", {}),
    "15762-memory": ("process_resident_memory_bytes", {}),
    "15762-requests-by-proto": ("coredns_dns_requests_total", {"proto": "udp|tcp"}),
    "15762-requests-by-type": ("coredns_dns_requests_total", {"type": "A"}),
    "15762-request-size": ("coredns_dns_request_size_bytes_bucket", {"proto": "udp"}),
    "15762-request-size-sum": ("coredns_dns_request_size_bytes_sum", {"proto": "tcp"}),
    "15762-response-size": ("coredns_dns_response_size_bytes_bucket", {"proto": "tcp"}),
    "15762-responses": ("coredns_dns_responses_total", {"rcode": "NXDOMAIN"}),
    "15762-upstream-errors": (
        "coredns_proxy_request_duration_seconds_count",
        {"proxy_name": "forward", "rcode": "SERVFAIL|REFUSED"},
    ),
    "15762-cache-hits": ("coredns_cache_hits_total", {"type": "success"}),
    "15762-cache-misses": ("coredns_cache_misses_total", {}),
    "15762-cache-entries": ("coredns_cache_entries", {"type": "denial"}),
    "15762-duration": ("coredns_dns_request_duration_seconds_bucket", {"le": "0.001"}),
    "15762-job": ("coredns_build_info", {}),
    "12539-do": ("coredns_dns_do_requests_total", {}),
    "12539-by-zone": ("coredns_dns_requests_total", {"zone": r"\."}),
    "mixin-latency": (
        "coredns_dns_request_duration_seconds_bucket",
        {"server": "dns://.*", "zone": ".+", "le": r"\+Inf"},
    ),
    "mixin-errors": ("coredns_dns_responses_total", {"rcode": "SERVFAIL"}),
    "mixin-health-checks": ("coredns_forward_healthcheck_broken_total", {}),
    "mixin-panics": ("coredns_panics_total", {}),
    "mixin-enabled": ("coredns_plugin_enabled", {"name": "cache"}),
    "mixin-programming": ("coredns_kubernetes_dns_programming_duration_seconds_bucket", {"service_kind": "cluster_ip"}),
}


@pytest.mark.parametrize(("name", "matchers"), QUERIES.values(), ids=QUERIES)
def test_dashboards_and_alerts_find_their_series(seen: Seen, name: str, matchers: dict[str, str]) -> None:
    found = [
        each
        for family in seen.after.values()
        for each in family.samples
        if each.name == name and all(re.fullmatch(want, each.labels[key]) for key, want in matchers.items())
    ]
    assert found
