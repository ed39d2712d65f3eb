"""Options of the plugin: a row per rule; the id names the rule."""

from minidns.dns.model import RRset
from minidns.dns.rdata import A
from minidns.kubernetes.answers import MAX_LOOKUPS, AliasBudget
from minidns.kubernetes.model import ClusterQuestion
from minidns.kubernetes.objects import Object
from tests.kubernetes.cluster import OBJECTS, SVC
from tests.kubernetes.made import Cluster, namespace, service, slice_of
from tests.table import table

OPTION_ROWS = {
    "1.6-disabled-is-the-default": ("", "10-0-0-1.a.pod.cluster.local A", "NXDOMAIN"),
    "1.6-disabled-namespace": ("pods disabled", "a.pod.cluster.local A", "NXDOMAIN"),
    "1.6-disabled-pod-itself": ("pods disabled", "pod.cluster.local A", "NODATA"),
    "1.6-verified": (
        "pods verified",
        "10-1-0-20.a.pod.cluster.local A",
        "10-1-0-20.a.pod.cluster.local. 5 A 10.1.0.20",
    ),
    "1.6-verified-other-namespace": ("pods verified", "10-1-0-20.b.pod.cluster.local A", "NXDOMAIN"),
    "1.6-verified-unknown": ("pods verified", "10-0-0-1.a.pod.cluster.local A", "NXDOMAIN"),
    "1.6-verified-IPv6": (
        "pods verified",
        "fd00-3--1.a.pod.cluster.local AAAA",
        "fd00-3--1.a.pod.cluster.local. 5 AAAA fd00:3::1",
    ),
    "1.6-verified-IPv6-other-spelling": ("pods verified", "fd00-3-0-0-0-0-0-1.a.pod.cluster.local AAAA", "NXDOMAIN"),
    "1.6-verified-namespace": ("pods verified", "a.pod.cluster.local A", "NODATA"),
    "1.10-ttl-5": ("", f"web.a.{SVC} A", f"web.a.{SVC} 5 A 10.96.0.10"),
    "1.10-ttl-0": ("ttl 0", f"web.a.{SVC} A", f"web.a.{SVC} 0 A 10.96.0.10"),
    "1.10-ttl-not-of-dns-version": (
        "ttl 7",
        "dns-version.cluster.local TXT",
        'dns-version.cluster.local. 28800 TXT "1.1.0"',
    ),
    "3.1-SOA-TTL-at-most-300-MINIMUM-not": (
        "ttl 3600",
        "cluster.local SOA",
        "cluster.local. 300 SOA ns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 3600",
    ),
    "1.10-namespaces-listed": ("namespaces a", f"web.a.{SVC} A", f"web.a.{SVC} 5 A 10.96.0.10"),
    "1.10-namespaces-not-listed": ("namespaces a", f"web.b.{SVC} A", "NXDOMAIN"),
    "1.10-namespaces-not-listed-itself": ("namespaces a", f"b.{SVC} A", "NXDOMAIN"),
    "1.10-namespaces-case-as-written": ("namespaces A", f"web.a.{SVC} A", "NXDOMAIN"),
    "1.10-namespaces-pods": ("namespaces a; pods insecure", "10-0-0-1.b.pod.cluster.local A", "NXDOMAIN"),
    "1.10-namespaces-PTR": ("namespaces a", "20.0.96.10.in-addr.arpa PTR", "NXDOMAIN"),
    "1.10-namespaces-PTR-of-a-missing-namespace": ("namespaces gone", "21.0.96.10.in-addr.arpa PTR", "NXDOMAIN"),
    "1.10-namespaces-add-up": ("namespaces a; namespaces b", f"web.b.{SVC} A", f"web.b.{SVC} 5 A 10.96.0.20"),
    "1.10-ignore-empty_service": ("ignore empty_service", f"dual.a.{SVC} A", "NXDOMAIN"),
    "1.10-ignore-empty_service-every-type": ("ignore empty_service", f"_http._tcp.dual.a.{SVC} SRV", "NXDOMAIN"),
    "1.10-ignore-empty_service-with-endpoint": (
        "ignore empty_service",
        f"web.a.{SVC} A",
        f"web.a.{SVC} 5 A 10.96.0.10",
    ),
    "1.10-ignore-empty_service-PTR-stays": (
        "ignore empty_service",
        "11.0.96.10.in-addr.arpa PTR",
        f"11.0.96.10.in-addr.arpa. 5 PTR dual.a.{SVC}",
    ),
    "1.10-ignore-empty_service-not-ExternalName": (
        "ignore empty_service",
        f"ext-in.a.{SVC} CNAME",
        f"ext-in.a.{SVC} 5 CNAME web.a.{SVC}",
    ),
    "1.10-ignore-nothing": ("ignore", f"dual.a.{SVC} A", f"dual.a.{SVC} 5 A 10.96.0.11"),
    "1.10-noendpoints-headless": ("noendpoints", f"h.a.{SVC} A", "NXDOMAIN"),
    "1.10-noendpoints-cluster-ip": ("noendpoints", f"web.a.{SVC} A", f"web.a.{SVC} 5 A 10.96.0.10"),
    "1.10-endpoint_pod_names": ("endpoint_pod_names", f"web-x.web.a.{SVC} A", f"web-x.web.a.{SVC} 5 A 10.1.0.1"),
    "1.10-endpoint_pod_names-replaces-address": ("endpoint_pod_names", f"10-1-0-1.web.a.{SVC} A", "NXDOMAIN"),
    "1.10-endpoint_pod_names-hostname-first": ("endpoint_pod_names", f"h.web.a.{SVC} A", f"h.web.a.{SVC} 5 A 10.1.0.3"),
    "1.10-endpoint_pod_names-no-pod": (
        "endpoint_pod_names",
        f"10-2-0-2.h.a.{SVC} A",
        f"10-2-0-2.h.a.{SVC} 5 A 10.2.0.2",
    ),
    "1.10-endpoint_pod_names-PTR": (
        "endpoint_pod_names",
        "1.0.1.10.in-addr.arpa PTR",
        f"1.0.1.10.in-addr.arpa. 5 PTR web-x.web.a.{SVC}",
    ),
    "1.11-zonal-off-is-port-and-protocol": ("", f"z.pin._zone.h.a.{SVC} A", "NXDOMAIN"),
}


@table(("body", "asked", "expected"), OPTION_ROWS.values(), ids=OPTION_ROWS)
def test_option(body: str, asked: str, expected: str) -> None:
    name, qtype = asked.split()
    assert Cluster(OBJECTS, body).ask(name, qtype) == expected


def test_pod_names_of_64_letters_and_with_dots() -> None:
    objects: tuple[Object, ...] = (
        namespace("a"),
        service("a/s", "None"),
        slice_of("a/s", f"10.0.0.1@{'p' * 64} 10.0.0.2@{'q' * 63} 10.0.0.3@db.3"),
    )
    cluster = Cluster(objects, "endpoint_pod_names")
    assert "10.0.0.1" in cluster.ask(f"10-0-0-1.s.a.{SVC}")
    assert "10.0.0.2" in cluster.ask(f"{'q' * 63}.s.a.{SVC}")
    assert cluster.ask(f"db.3.s.a.{SVC}") == "NXDOMAIN"
    assert f"db.3.s.a.{SVC}" in cluster.ask(f"s.a.{SVC}", "SRV")


ZONAL: tuple[Object, ...] = (
    namespace("a"),
    service("a/h", "None"),
    slice_of("a/h", "10.0.0.1%Zone-A 10.0.0.2%zone-b 10.0.0.3 !10.0.0.4%zone-c"),
    service("a/web", "10.96.0.1"),
    service("a/none", "None"),
    service("a/ext", external_name="x.example.org"),
)
ZONAL_ROWS = {
    "pin": ("zone-a.pin", "A", "10.0.0.1"),
    "pin-mixed-case": ("ZONE-A.PIN", "A", "10.0.0.1"),
    "pin-nothing-there": ("zone-c.pin", "A", "NODATA"),
    "pin-nothing-there-TXT": ("zone-c.pin", "TXT", "NODATA"),
    "pin-several-labels": ("a.b.c.pin", "A", "NODATA"),
    "prefer": ("zone-b.prefer", "A", "10.0.0.2"),
    "prefer-elsewhere": ("zone-x.prefer", "A", "10.0.0.1 10.0.0.2 10.0.0.3"),
    "TXT": ("zone-a.pin", "TXT", "NODATA"),
    "unknown-directive": ("zone-a.near", "A", "NXDOMAIN"),
    "other-family": ("zone-a.pin", "AAAA", "NODATA"),
}


@table(("left", "qtype", "expected"), ZONAL_ROWS.values(), ids=ZONAL_ROWS)
def test_zonal(left: str, qtype: str, expected: str) -> None:
    got = Cluster(ZONAL, "zonal").ask(f"{left}._zone.h.a.{SVC}", qtype)
    assert " ".join(line.split()[-1] for line in got.splitlines()) == expected


def test_zonal_SRV_counts_only_what_is_there() -> None:
    got = Cluster(ZONAL, "zonal").ask(f"zone-b.pin._zone.h.a.{SVC}", "SRV")
    assert "SRV 0 100 8080 10-0-0-2.h.a.svc.cluster.local." in got


@table("name", ["web", "ext", "no", "none"])
def test_zonal_only_for_headless_services_with_endpoints(name: str) -> None:
    cluster = Cluster(ZONAL, "zonal")
    assert cluster.ask(f"zone-a.pin._zone.{name}.a.{SVC}") == "NXDOMAIN"


MANY: list[Object] = [
    namespace("a"),
    service("a/h", "None"),
    slice_of("a/h", " ".join(f"s{n}.a.svc.cluster.local" for n in range(40))),
    *(service(f"a/s{n}", f"10.96.0.{n + 1}") for n in range(40)),
]


@table("budget", [1, 5, MAX_LOOKUPS])
def test_host_names_of_slices_are_followed_up_to_the_budget(budget: int) -> None:
    answers = Cluster(MANY).answers
    zone, name = answers.options.zones[0], f"h.a.{SVC}"
    question = ClusterQuestion(name, A, zone, zone, name)
    answer = answers.answer(question, AliasBudget(budget)).answer
    addresses = [rrset for rrset in answer if isinstance(rrset, RRset) and rrset.rtype == A]  # fmt: skip
    assert len(addresses) == budget
