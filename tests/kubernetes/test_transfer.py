"""The rows of a zone transfer (rule 1.11)."""

from collections.abc import Iterable

from minidns.dns.rdata import to_lines
from minidns.kubernetes.objects import Object
from tests.kubernetes.made import Cluster, imported, namespace, service, slice_of

OBJECTS: tuple[Object, ...] = (
    namespace("a"),
    namespace("b"),
    service("b/alpha", "10.96.0.1 fd00::1", "dns:53/UDP dns-tcp:53 :80"),
    service("a/beta", "None"),
    slice_of("a/beta", "10.0.0.1=h 10.0.0.2 !10.0.0.3 10.0.0.4", "Http:80 :81 n:-1"),
    service("a/ext", external_name="x.example.org"),
    service("a/ext-ip", external_name="192.0.2.1"),
    service("a/portless", "10.96.0.9", ""),
    service("hidden/x", "10.96.0.2"),
    slice_of("a/ghost", "10.0.0.9"),
)
SVC = "svc.cluster.local."
SOA = "cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 5"


def lines(objects: Iterable[Object], body: str = "", zone: str = "cluster.local.") -> list[str]:
    cluster = Cluster(objects, body, local=("192.0.2.9",))
    records = cluster.answers.transfer(zone)
    assert records is not None
    return [line for rrset in records for line in to_lines(rrset)]


def test_the_whole_zone_in_order() -> None:
    beta, alpha = f"beta.a.{SVC}", f"alpha.b.{SVC}"
    assert lines(OBJECTS) == [
        SOA,
        "cluster.local. 5 NS ns.dns.cluster.local.",
        "ns.dns.cluster.local. 0 A 192.0.2.9",
        f"{alpha} 5 A 10.96.0.1",
        f"{alpha} 5 AAAA fd00::1",
        f"{alpha} 5 SRV 0 100 53 {alpha}",
        f"_dns._udp.{alpha} 5 SRV 0 100 53 {alpha}",
        f"{alpha} 5 SRV 0 100 53 {alpha}",
        f"_dns-tcp._tcp.{alpha} 5 SRV 0 100 53 {alpha}",
        f"{alpha} 5 SRV 0 100 80 {alpha}",
        f"{beta} 5 A 10.0.0.1",
        f"h.{beta} 5 A 10.0.0.1",
        f"_http._tcp.{beta} 5 SRV 0 33 80 h.{beta}",
        f"{beta} 5 A 10.0.0.2",
        f"10-0-0-2.{beta} 5 A 10.0.0.2",
        f"_http._tcp.{beta} 5 SRV 0 33 80 10-0-0-2.{beta}",
        f"{beta} 5 A 10.0.0.4",
        f"10-0-0-4.{beta} 5 A 10.0.0.4",
        f"_http._tcp.{beta} 5 SRV 0 33 80 10-0-0-4.{beta}",
        f"ext.a.{SVC} 5 CNAME x.example.org.",
        f"portless.a.{SVC} 5 A 10.96.0.9",
        SOA,
    ]


def test_namespaces_filter_and_empty_services_do_not() -> None:
    got = lines(OBJECTS, "namespaces b; ignore empty_service")
    assert {line.split()[0] for line in got} == {
        "cluster.local.",
        "ns.dns.cluster.local.",
        f"alpha.b.{SVC}",
        f"_dns._udp.alpha.b.{SVC}",
        f"_dns-tcp._tcp.alpha.b.{SVC}",
    }


def test_only_zones_themselves() -> None:
    answers = Cluster(OBJECTS).answers
    assert answers.transfer("svc.cluster.local.") is None
    assert answers.transfer("example.org.") is None


def test_reverse_zones_list_the_services_unless_strict() -> None:
    assert "alpha.b.svc.in-addr.arpa. 5 A 10.96.0.1" in lines(OBJECTS, zone="in-addr.arpa.")
    got = lines(OBJECTS, "strict", "in-addr.arpa.")
    assert [line.split()[2] for line in got] == ["SOA", "NS", "A", "SOA"]


def test_imports_lose_their_cluster_label() -> None:
    zone = "clusterset.local."
    imports = (imported("a/h"), slice_of("a/h", "10.3.0.1=m", cluster="c1"))
    cluster = Cluster((namespace("a"),), f"multicluster {zone}", f"cluster.local {zone}", imports)
    records = cluster.answers.transfer(zone) or ()
    assert f"m.h.a.svc.{zone}" in {rrset.owner for rrset in records}
