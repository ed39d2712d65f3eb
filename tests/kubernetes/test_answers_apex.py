"""Apex, pods, aliases, pointers: a row per rule; the id names the rule."""

from minidns.dns import names
from minidns.kubernetes.objects import Object
from tests.kubernetes.cluster import CLUSTER, SVC
from tests.kubernetes.made import Cluster, namespace, service, slice_of
from tests.table import table

ROWS = {
    # 1.5 dns-version
    "1.5-dns-version": ("dns-version.cluster.local", "TXT", 'dns-version.cluster.local. 28800 TXT "1.1.0"'),
    "1.5-dns-version-reverse-zone": ("dns-version.in-addr.arpa", "TXT", 'dns-version.in-addr.arpa. 28800 TXT "1.1.0"'),
    "1.5-dns-version-mixed-case": ("DNS-Version.Cluster.local", "TXT", 'dns-version.cluster.local. 28800 TXT "1.1.0"'),
    # 1.6 pods
    "1.6-insecure": ("10-0-0-1.a.pod.cluster.local", "A", "10-0-0-1.a.pod.cluster.local. 30 A 10.0.0.1"),
    "1.6-insecure-other-family": ("10-0-0-1.a.pod.cluster.local", "AAAA", "NODATA"),
    "1.6-insecure-IPv6-any-spelling": (
        "fd00-0-0-0-0-0-0-1.a.pod.cluster.local",
        "AAAA",
        "fd00-0-0-0-0-0-0-1.a.pod.cluster.local. 30 AAAA fd00::1",
    ),
    "1.6-insecure-mapped-is-A": (
        "--ffff-a00-1.a.pod.cluster.local",
        "A",
        "--ffff-a00-1.a.pod.cluster.local. 30 A 10.0.0.1",
    ),
    "1.6-octet-above-255": ("10-0-0-256.a.pod.cluster.local", "A", "NXDOMAIN"),
    "1.6-leading-zero": ("10-0-0-01.a.pod.cluster.local", "A", "NXDOMAIN"),
    "1.6-no-address": ("web.a.pod.cluster.local", "A", "NXDOMAIN"),
    "1.6-no-namespace": ("10-0-0-1.no.pod.cluster.local", "A", "NXDOMAIN"),
    "1.6-two-extra-labels-ignored": (
        "x.y.10-0-0-1.a.pod.cluster.local",
        "A",
        "x.y.10-0-0-1.a.pod.cluster.local. 30 A 10.0.0.1",
    ),
    "1.6-three-extra-labels": ("x.y.z.10-0-0-1.a.pod.cluster.local", "A", "NXDOMAIN"),
    "1.6-SRV-port-0": (
        "x.10-0-0-1.a.pod.cluster.local",
        "SRV",
        "x.10-0-0-1.a.pod.cluster.local. 30 SRV 0 100 0 10-0-0-1.a.pod.cluster.local.\n"
        "+ 10-0-0-1.a.pod.cluster.local. 30 A 10.0.0.1",
    ),
    "1.6-TXT": ("10-0-0-1.a.pod.cluster.local", "TXT", "NODATA"),
    # 1.7 ExternalName
    "1.7-outside": (f"ext.a.{SVC}", "A", f"ext.a.{SVC} 30 CNAME Ext.Example.org.\nask ext.example.org."),
    "1.7-trailing-dot": (
        f"ext-dot.a.{SVC}",
        "AAAA",
        f"ext-dot.a.{SVC} 30 CNAME ext.example.org.\nask ext.example.org.",
    ),
    "1.7-CNAME-not-followed": (f"ext-nx.a.{SVC}", "CNAME", f"ext-nx.a.{SVC} 30 CNAME no.a.{SVC}"),
    "1.7-address": (f"ext-ip.a.{SVC}", "A", "NXDOMAIN"),
    "1.7-empty": (f"ext-none.a.{SVC}", "A", "NXDOMAIN"),
    "1.7-no-domain-name": (f"ext-bad.a.{SVC}", "A", "NODATA"),
    "1.7-inside": (f"ext-in.a.{SVC}", "A", f"ext-in.a.{SVC} 30 CNAME web.a.{SVC}\nweb.a.{SVC} 30 A 10.96.0.10"),
    "1.7-inside-other-family": (f"ext-in.a.{SVC}", "AAAA", "NODATA"),
    "1.7-inside-missing": (f"ext-nx.a.{SVC}", "A", "NODATA"),
    "1.7-below-itself": (f"ext-self.a.{SVC}", "A", "NODATA"),
    "1.7-ring": (f"ext-1.a.{SVC}", "A", "NODATA"),
    "1.7-apex": (f"ext-apex.a.{SVC}", "A", "NODATA"),
    "1.7-name-server": (
        f"ext-ns.a.{SVC}",
        "A",
        f"ext-ns.a.{SVC} 30 CNAME ns.dns.cluster.local.\nns.dns.cluster.local. 30 A 192.0.2.9",
    ),
    "1.7-pod": (
        f"ext-pod.a.{SVC}",
        "A",
        f"ext-pod.a.{SVC} 30 CNAME 10-0-0-7.a.pod.cluster.local.\n10-0-0-7.a.pod.cluster.local. 30 A 10.0.0.7",
    ),
    "1.7-headless": (
        f"ext-h.a.{SVC}",
        "A",
        f"ext-h.a.{SVC} 30 CNAME twins.a.{SVC}\ntwins.a.{SVC} 30 A 10.2.5.1\ntwins.a.{SVC} 30 A 10.2.5.2",
    ),
    "1.7-chain-that-leaves": (
        f"ext-out.a.{SVC}",
        "A",
        f"ext-out.a.{SVC} 30 CNAME ext.a.{SVC}\next.a.{SVC} 30 CNAME Ext.Example.org.\nask ext.example.org.",
    ),
    "1.7-chain-of-12": (f"c1.a.{SVC}", "A", "NODATA"),
    "1.7-letters-of-the-zone-not-in-targets": (
        "ext-in.a.svc.CLUSTER.local",
        "A",
        f"ext-in.a.{SVC} 30 CNAME web.a.{SVC}\nweb.a.{SVC} 30 A 10.96.0.10",
    ),
    "1.7-label-in-front": (f"x.ext.a.{SVC}", "A", "NXDOMAIN"),
    "1.7-port-in-front": (f"_http._tcp.ext-port.a.{SVC}", "SRV", "NXDOMAIN"),
    "1.7-SRV": (f"ext-port.a.{SVC}", "SRV", "NODATA"),
    "1.7-TXT": (f"ext.a.{SVC}", "TXT", "NODATA"),
    "1.7-HTTPS": (f"ext.a.{SVC}", "HTTPS", "NODATA"),
    # 1.8 PTR
    "1.8-cluster-ip": ("10.0.96.10.in-addr.arpa", "PTR", f"10.0.96.10.in-addr.arpa. 30 PTR web.a.{SVC}"),
    "1.8-cluster-ip-IPv6": (names.reverse("fd00::11"), "PTR", f"{names.reverse('fd00::11')} 30 PTR dual.a.{SVC}"),
    "1.8-endpoint": ("1.0.1.10.in-addr.arpa", "PTR", f"1.0.1.10.in-addr.arpa. 30 PTR 10-1-0-1.web.a.{SVC}"),
    "1.8-endpoint-hostname": ("3.0.1.10.in-addr.arpa", "PTR", f"3.0.1.10.in-addr.arpa. 30 PTR h.web.a.{SVC}"),
    "1.8-endpoint-unready": ("2.0.1.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    "1.8-endpoint-twice-in-a-slice": (
        "2.0.2.10.in-addr.arpa",
        "PTR",
        f"2.0.2.10.in-addr.arpa. 30 PTR 10-2-0-2.h.a.{SVC}",
    ),
    "1.8-slice-without-service": (
        "1.7.2.10.in-addr.arpa",
        "PTR",
        f"1.7.2.10.in-addr.arpa. 30 PTR 10-2-7-1.ghost.a.{SVC}",
    ),
    "1.8-service-of-a-missing-namespace": (
        "21.0.96.10.in-addr.arpa",
        "PTR",
        f"21.0.96.10.in-addr.arpa. 30 PTR web.gone.{SVC}",
    ),
    "1.8-no-such-address": ("1.2.3.4.in-addr.arpa", "PTR", "NXDOMAIN"),
    "1.8-no-pods": ("20.0.1.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    "1.8-upper-case": ("10.0.96.10.IN-ADDR.ARPA", "PTR", f"10.0.96.10.in-addr.arpa. 30 PTR web.a.{SVC}"),
    "1.8-five-octets": ("1.10.0.96.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    "1.8-three-octets": ("0.96.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    "1.8-leading-zero": ("010.0.96.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    "1.8-one-label-too-many-IPv6": (
        f"f.{names.reverse('fd00::11')}",
        "PTR",
        f"f.{names.reverse('fd00::11')} 30 PTR dual.a.{SVC}",
    ),
    "1.8-four-labels-too-many-IPv6": (f"a.b.c.d.{names.reverse('fd00::11')}", "PTR", "NXDOMAIN"),
    "1.8-mapped-address": (
        names.reverse("::ffff:a60:a").replace("::", ":"),
        "PTR",
        f"{names.reverse('::ffff:a60:a')} 30 PTR web.a.{SVC}",
    ),
    "1.8-A-at-reverse-name": ("10.0.96.10.in-addr.arpa", "A", "NXDOMAIN"),
    "1.8-SOA-at-reverse-name": ("10.0.96.10.in-addr.arpa", "SOA", "NODATA"),
    "1.8-apex-of-reverse-zone": ("in-addr.arpa", "PTR", "NODATA"),
    "1.8-services-not-below-reverse-zones": ("web.a.svc.in-addr.arpa", "A", "NXDOMAIN"),
    "1.8-fixed-nodes-below-reverse-zones": ("svc.ip6.arpa", "A", "NODATA"),
    # 1.9 apex
    "1.9-NS-without-service": (
        "cluster.local",
        "NS",
        "cluster.local. 30 NS ns.dns.cluster.local.\n"
        "+ ns.dns.cluster.local. 30 A 192.0.2.9\n"
        "+ ns.dns.cluster.local. 30 AAAA fd00::9",
    ),
    "1.9-NS-mixed-case": ("Cluster.local", "NS", "NODATA"),
    "1.9-ns.dns": ("ns.dns.cluster.local", "AAAA", "ns.dns.cluster.local. 30 AAAA fd00::9"),
    "1.9-ns.dns-mixed-case": ("ns.dns.Cluster.local", "A", "NXDOMAIN"),
    "1.9-ns.dns-name-in-mixed-case": ("NS.Dns.cluster.local", "A", "ns.dns.cluster.local. 30 A 192.0.2.9"),
    "1.9-ns.dns-TXT": ("ns.dns.cluster.local", "TXT", "NXDOMAIN"),
    "1.9-ns.dns-PTR": ("ns.dns.cluster.local", "PTR", "NXDOMAIN"),
    "1.9-ns.dns-SRV": ("ns.dns.cluster.local", "SRV", "NODATA"),
    "1.9-ns.dns-CNAME": ("ns.dns.cluster.local", "CNAME", "NODATA"),
    "1.9-ns.dns-HTTPS": ("ns.dns.cluster.local", "HTTPS", "NODATA"),
    "1.9-below-ns.dns": ("x.ns.dns.cluster.local", "A", "NXDOMAIN"),
    "3.1-SOA": (
        "cluster.local",
        "SOA",
        "cluster.local. 30 SOA ns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 30",
    ),
    "3.1-SOA-in-the-letters-asked": (
        "ClUsTeR.lOcAl",
        "SOA",
        "ClUsTeR.lOcAl. 30 SOA ns.dns.ClUsTeR.lOcAl. hostmaster.ClUsTeR.lOcAl. 1700000000 7200 1800 86400 30",
    ),
}


@table(("name", "qtype", "expected"), ROWS.values(), ids=ROWS)
def test_rule(name: str, qtype: str, expected: str) -> None:
    assert CLUSTER.ask(name, qtype) == expected


def test_chain_of_11_resolves() -> None:
    lines = CLUSTER.ask(f"c2.a.{SVC}").splitlines()
    assert len(lines) == 12
    assert lines[-1] == f"c13.a.{SVC} 30 A 10.96.0.30"


def test_names_that_lead_to_ten_others_each_are_followed_a_bounded_number_of_times() -> None:
    objects: list[Object] = [namespace("a")]
    for level in range(10):
        targets = " ".join(f"l{level + 1}-{m}.a.{SVC}" for m in range(10))
        for m in range(10):
            objects += [service(f"a/l{level}-{m}", "None"), slice_of(f"a/l{level}-{m}", targets)]
    # ten to the power of ten ways down, and nothing at their ends
    assert Cluster(objects).ask(f"l0-0.a.{SVC}") == "NODATA"


NS_OBJECTS: tuple[Object, ...] = (
    namespace("kube-system"),
    service("kube-system/kube-dns", "10.96.0.10 fd00::a", "dns:53/UDP"),
    slice_of("kube-system/kube-dns", "10.244.9.53@coredns", "dns:53/UDP"),
)
NS_ROWS: dict[str, tuple[tuple[Object, ...], str, str]] = {
    "1.9-NS-names-the-service": (
        NS_OBJECTS,
        "cluster.local NS",
        "cluster.local. 30 NS kube-dns.kube-system.svc.cluster.local.\n"
        "+ kube-dns.kube-system.svc.cluster.local. 30 A 10.96.0.10\n"
        "+ kube-dns.kube-system.svc.cluster.local. 30 AAAA fd00::a",
    ),
    "1.9-ns.dns-has-the-service's-addresses": (
        NS_OBJECTS,
        "ns.dns.cluster.local A",
        "ns.dns.cluster.local. 30 A 10.96.0.10",
    ),
    "1.9-NS-in-a-reverse-zone-quirk": (
        NS_OBJECTS,
        "in-addr.arpa NS",
        "in-addr.arpa. 30 NS kube-dns.kube-system.svc.in-addr.arpa.\n"
        "+ kube-dns.kube-system.svc.in-addr.arpa. 30 A 10.96.0.10\n"
        "+ kube-dns.kube-system.svc.in-addr.arpa. 30 AAAA fd00::a",
    ),
    "1.9-NS-of-a-headless-service-names-every-endpoint": (
        (service("x/dns", "None"), slice_of("x/dns", "10.244.9.53=me 10.244.9.54 !10.244.9.55")),
        "cluster.local NS",
        "cluster.local. 30 NS me.dns.x.svc.cluster.local.\n"
        "cluster.local. 30 NS 10-244-9-54.dns.x.svc.cluster.local.\n"
        "+ me.dns.x.svc.cluster.local. 30 A 10.244.9.53\n"
        "+ 10-244-9-54.dns.x.svc.cluster.local. 30 A 10.244.9.54",
    ),
    "1.9-NS-of-a-slice-without-service": ((slice_of("x/dns", "10.244.9.53"),), "cluster.local NS", "NODATA"),
    "1.9-NS-unready-is-not-listed": (
        (service("x/dns", "10.96.0.9"), slice_of("x/dns", "!10.244.9.53")),
        "cluster.local NS",
        "cluster.local. 30 NS ns.dns.cluster.local.\n+ ns.dns.cluster.local. 30 A 10.244.9.53",
    ),
}


@table(("objects", "asked", "expected"), NS_ROWS.values(), ids=NS_ROWS)
def test_name_servers(objects: tuple[Object, ...], asked: str, expected: str) -> None:
    cluster = Cluster(objects, "ttl 30", local=("10.244.9.53",))
    name, qtype = asked.split()
    assert cluster.ask(name, qtype) == expected


def test_without_local_addresses_there_is_no_name_server() -> None:
    cluster = Cluster(NS_OBJECTS)
    answers = [cluster.ask("cluster.local", "NS"), cluster.ask("ns.dns.cluster.local")]
    assert answers == ["NODATA", "NODATA"]
