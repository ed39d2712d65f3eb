"""Several zones, zones of cluster sets: a row per rule."""

from minidns.kubernetes.objects import Object
from tests.kubernetes.cluster import CLUSTER, OBJECTS, SVC
from tests.kubernetes.made import Cluster, imported, slice_of
from tests.table import table

IMPORTS: tuple[Object, ...] = (
    imported("a/set", "10.100.0.1"),
    imported("a/h"),
    slice_of("a/h", "10.3.0.1=m 10.3.0.2", name="h-c1", cluster="c1"),
    slice_of("a/h", "10.3.0.3=m", name="h-c2", cluster="c2"),
)
SET = "svc.clusterset.local."
IMPORT_ROWS = {
    "cluster-set-ip": (f"set.a.{SET}", "A", f"set.a.{SET} 5 A 10.100.0.1"),
    "cluster-set-ip-SRV": (
        f"_http._tcp.set.a.{SET}",
        "SRV",
        f"_http._tcp.set.a.{SET} 5 SRV 0 100 80 set.a.{SET}\n+ set.a.{SET} 5 A 10.100.0.1",
    ),
    "headless-all-clusters": (
        f"h.a.{SET}",
        "A",
        f"h.a.{SET} 5 A 10.3.0.1\nh.a.{SET} 5 A 10.3.0.2\nh.a.{SET} 5 A 10.3.0.3",
    ),
    "endpoint-of-a-cluster": (f"m.c2.h.a.{SET}", "A", f"m.c2.h.a.{SET} 5 A 10.3.0.3"),
    "endpoint-without-cluster": (f"m.h.a.{SET}", "A", "NXDOMAIN"),
    "endpoint-of-no-cluster": (f"m.c3.h.a.{SET}", "A", "NXDOMAIN"),
    "ports-need-an-underscore": (f"_http.tcp.h.a.{SET}", "AAAA", "NODATA"),
    "SRV-targets-name-the-cluster": (
        f"_http._tcp.h.a.{SET}",
        "SRV",
        f"_http._tcp.h.a.{SET} 5 SRV 0 33 8080 m.c1.h.a.{SET}\n"
        f"_http._tcp.h.a.{SET} 5 SRV 0 33 8080 10-3-0-2.c1.h.a.{SET}\n"
        f"_http._tcp.h.a.{SET} 5 SRV 0 33 8080 m.c2.h.a.{SET}\n"
        f"+ m.c1.h.a.{SET} 5 A 10.3.0.1\n+ 10-3-0-2.c1.h.a.{SET} 5 A 10.3.0.2\n"
        f"+ m.c2.h.a.{SET} 5 A 10.3.0.3",
    ),
    "services-are-not-imports": (f"web.a.{SET}", "A", "NXDOMAIN"),
    "imports-are-not-services": (f"set.a.{SVC}", "A", "NXDOMAIN"),
    "pods-are-there-too": ("10-1-0-20.a.pod.clusterset.local.", "A", "10-1-0-20.a.pod.clusterset.local. 5 A 10.1.0.20"),
    "no-PTR-from-imports": ("1.0.100.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    "serial-of-its-own": (
        "clusterset.local",
        "SOA",
        "clusterset.local. 5 SOA ns.dns.clusterset.local. hostmaster.clusterset.local. 1600000000 7200 1800 86400 5",
    ),
}


@table(("name", "qtype", "expected"), IMPORT_ROWS.values(), ids=IMPORT_ROWS)
def test_multicluster(name: str, qtype: str, expected: str) -> None:
    zones = "cluster.local clusterset.local in-addr.arpa ip6.arpa"
    body = "multicluster clusterset.local; pods verified"
    assert Cluster(OBJECTS, body, zones, IMPORTS).ask(name, qtype) == expected


ZONE_ROWS = {
    "second-zone": ("cluster.local other.test", "web.a.svc.other.test A", "10.96.0.10"),
    "SRV-target-in-the-zone-asked": (
        "cluster.local other.test",
        "_http._tcp.web.a.svc.other.test SRV",
        "web.a.svc.other.test. 10.96.0.10",
    ),
    "PTR-in-the-first-forward-zone": (
        "10.96.0.0/16 cluster.local other.test",
        "10.0.96.10.in-addr.arpa PTR",
        f"web.a.{SVC}",
    ),
    "bare-reverse-zone-counts-as-forward-fault": (
        "in-addr.arpa cluster.local",
        "10.0.96.10.in-addr.arpa PTR",
        "web.a.svc.in-addr.arpa.",
    ),
    "longest-zone": ("local cluster.local", f"web.a.{SVC} A", "10.96.0.10"),
    "longest-zone-decides": ("cluster.local local", "web.a.svc.local A", "10.96.0.10"),
    "target-in-another-zone-is-outside": (
        "other.test cluster.local",
        "ext-in.a.svc.other.test A",
        f"web.a.{SVC} web.a.{SVC}",
    ),
    "root-zone": (".", "web.a.svc A", "10.96.0.10"),
    "root-zone-SRV": (".", "_http._tcp.web.a.svc SRV", "web.a.svc. 10.96.0.10"),
    "root-zone-PTR": (".", "10.0.96.10.in-addr.arpa PTR", "NXDOMAIN"),
    "root-zone-dns-version": (".", "dns-version TXT", '"1.1.0"'),
    "root-zone-apex": (".", ". A", "NODATA"),
}


@table(("zones", "asked", "expected"), ZONE_ROWS.values(), ids=ZONE_ROWS)
def test_zones(zones: str, asked: str, expected: str) -> None:
    name, qtype = asked.split()
    got = Cluster(OBJECTS, "ttl 5", zones).ask(name, qtype)
    assert " ".join(line.split()[-1] for line in got.splitlines()) == expected


def test_outside_all_zones() -> None:
    for name in ("example.org.", "xcluster.local.", "x\\.cluster.local."):
        assert CLUSTER.answers.zone_of(name) is None
