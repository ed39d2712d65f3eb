"""What a stock CoreDNS shows, family by family: names, types, labels, buckets.

Those of the requests to the API server appear with the first of them.
"""

import pytest

from minidns import plugins
from minidns.corefile import blocks
from minidns.metrics.registry import Family, Histogram, Metrics
from minidns.server.edges import real
from minidns.server.instance import Instance
from tests.table import table
from tests.world import World

KUBEADM = """
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    hosts {
       192.0.2.1 host.example.org
       fallthrough
    }
    template ANY ANY internal.example.org {
       rcode NXDOMAIN
    }
    acl {
       block type AXFR
    }
    dns64
    forward . 192.0.2.53 {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
"""

TIMES = tuple(0.00025 * 2**n for n in range(16))
PLACE = "server zone view"
SIZES = (0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3)
SLIM = (0.00025, 0.0025, 0.025, 0.25, 2.5)
PROGRAMMING = tuple(0.001 * 2**n for n in range(20))

COUNTERS = {
    "panics": "",
    "dns_requests": f"{PLACE} proto family type",
    "dns_responses": f"{PLACE} rcode plugin",
    "dns_do_requests": PLACE,
    "cache_hits": "server type zones view",
    "cache_misses": "server zones view",
    "cache_requests": "server zones view",
    "cache_evictions": "server type zones view",
    "cache_prefetch": "server zones view",
    "cache_drops": "server zones view",
    "cache_served_stale": "server zones view",
    "forward_healthcheck_broken": "",
    "forward_max_concurrent_rejects": "",
    "proxy_healthcheck_failures": "proxy_name to",
    "proxy_conn_cache_hits": "proxy_name to proto",
    "proxy_conn_cache_misses": "proxy_name to proto",
    "health_request_failures": "",
    "reload_failed": "",
    "local_localhost_requests": "",
    "template_matches": f"{PLACE} class type",
    "template_template_failures": f"{PLACE} class type section template",
    "template_rr_failures": f"{PLACE} class type section template",
    "acl_blocked_requests": PLACE,
    "acl_filtered_requests": PLACE,
    "acl_dropped_requests": PLACE,
    "acl_allowed_requests": "server view",
    "dns64_requests_translated": "server",
}
GAUGES = {
    "build_info": "version revision goversion",
    "plugin_enabled": f"{PLACE} name",
    "cache_entries": "server type zones view",
    "reload_version_info": "hash value",
    "hosts_entries": "hostsfile",
    "hosts_reload_timestamp_seconds": "",
}
HISTOGRAMS = {
    "dns_request_duration_seconds": (PLACE, TIMES),
    "dns_request_size_bytes": (f"{PLACE} proto", SIZES),
    "dns_response_size_bytes": (f"{PLACE} proto", SIZES),
    "proxy_request_duration_seconds": ("proxy_name to rcode", TIMES),
    "health_request_duration_seconds": ("", SLIM),
    "kubernetes_dns_programming_duration_seconds": ("service_kind", PROGRAMMING),
}


async def _nothing() -> None: ...


@pytest.fixture(scope="module")
def families() -> dict[str, Family]:
    """Return what is registered once a Corefile is set up and shown to be served."""
    world = World(
        environ={"KUBERNETES_SERVICE_HOST": "192.0.2.1", "KUBERNETES_SERVICE_PORT": "443"},
        list_watch=lambda access, resource: None,  # type: ignore[arg-type,return-value]  # nothing is listed before the start
    )
    metrics = Metrics()
    real(metrics)  # whoever speaks with upstreams and the API server counts too
    parsed = blocks.parse(KUBEADM, files=world.files, environ=world.edges.environ, known=plugins.ORDER)
    Instance(
        parsed,
        world.edges,
        metrics,
        read=lambda: parsed,
        reload=_nothing,
        fatal=lambda text: None,
        forget=lambda keys: None,
    )
    return {family_.name: family_ for family_ in metrics.families()}


@table(("name", "labels"), COUNTERS.items(), ids=COUNTERS)
def test_counters(families: dict[str, Family], name: str, labels: str) -> None:
    family = families[f"coredns_{name}_total"]
    assert (family.kind, set(family.labels)) == ("counter", set(labels.split()))


@table(("name", "labels"), GAUGES.items(), ids=GAUGES)
def test_gauges(families: dict[str, Family], name: str, labels: str) -> None:
    family = families[f"coredns_{name}"]
    assert (family.kind, set(family.labels)) == ("gauge", set(labels.split()))


@table(("name", "expected"), HISTOGRAMS.items(), ids=HISTOGRAMS)
def test_histograms(families: dict[str, Family], name: str, expected: tuple[str, tuple[float, ...]]) -> None:
    labels, bounds = expected
    family = families[f"coredns_{name}"]
    assert isinstance(family, Histogram)
    assert set(family.labels) == set(labels.split())
    assert family.bounds == pytest.approx(bounds)
