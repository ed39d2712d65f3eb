"""Answers with ``strict``, where CoreDNS departs from the specification."""

from minidns.dns import names
from tests.kubernetes.cluster import CLUSTER, OBJECTS, SVC
from tests.kubernetes.made import Cluster
from tests.table import table

STRICT_ROWS = {
    "dns-version": ("dns-version.cluster.local A", "NODATA"),
    "dns-is-an-inner-node": ("dns.cluster.local A", "NODATA"),
    "protocol-is-an-inner-node": (f"_tcp.web.a.{SVC} A", "NODATA"),
    "protocol-of-a-headless-service": (f"_tcp.twins.a.{SVC} A", "NODATA"),
    "TXT-at-the-apex": ("cluster.local TXT", "NODATA"),
    "TXT-at-a-namespace": (f"a.{SVC} TXT", "NODATA"),
    "SOA-of-what-is-not-there": (f"no.a.{SVC} SOA", "NXDOMAIN"),
    "unnamed-port-at-bare-name": (f"plain.a.{SVC} SRV", "NODATA"),
    "lone-underscore": (f"_._tcp.plain.a.{SVC} A", "NXDOMAIN"),
    "underscores-needed": (f"http.tcp.web.a.{SVC} A", "NXDOMAIN"),
    "port-of-the-service": (f"_http._tcp.twins.a.{SVC} SRV", " 0 50 80 t."),
    "ExternalName-address-is-a-name": (f"ext-ip.a.{SVC} A", "CNAME 192.0.2.1."),
    "ExternalName-any-type": (f"ext.a.{SVC} TXT", "CNAME Ext.Example.org."),
    "ExternalName-that-leads-nowhere": (f"ext-nx.a.{SVC} A", f"CNAME no.a.{SVC}"),
    "ExternalName-ring": (f"ext-1.a.{SVC} A", f"CNAME ext-2.a.{SVC}"),
    "pod-extra-labels": ("x.10-0-0-1.a.pod.cluster.local A", "NXDOMAIN"),
    "pod-SRV": ("10-0-0-1.a.pod.cluster.local SRV", "NODATA"),
    "PTR-label-too-many": (f"f.{names.reverse('fd00::11')} PTR", "NXDOMAIN"),
    "PTR-mapped": (f"{names.reverse('::ffff:a60:a')} PTR", "NXDOMAIN"),
    "NS-mixed-case": ("Cluster.local NS", "ns.dns.Cluster.local."),
    "ns.dns-mixed-case": ("ns.dns.Cluster.local A", "192.0.2.9"),
    "ns.dns-TXT": ("ns.dns.cluster.local TXT", "NODATA"),
    "NS-of-a-reverse-zone": ("in-addr.arpa NS", "ns.dns.cluster.local."),
}


@table(("asked", "expected"), STRICT_ROWS.values(), ids=STRICT_ROWS)
def test_strict_is_the_specification(asked: str, expected: str) -> None:
    local = ("192.0.2.9",)
    cluster = Cluster(OBJECTS, "pods insecure; strict", local=local)
    name, qtype = asked.split()
    got = cluster.ask(name, qtype)
    assert expected in got
    assert expected not in CLUSTER.ask(name, qtype)


@table("name", ["_udp.web", "_tcp.unready", "_tcp.ext", "_tcp.no"])
def test_strict_has_no_inner_node_where_nothing_is_below(name: str) -> None:
    assert Cluster(OBJECTS, "strict").ask(f"{name}.a.{SVC}") == "NXDOMAIN"


def test_strict_hides_addresses_of_hidden_namespaces() -> None:
    body = "namespace_labels x=y"
    name = "21.0.96.10.in-addr.arpa"
    assert Cluster(OBJECTS, body).ask(name, "PTR") != "NXDOMAIN"
    assert Cluster(OBJECTS, f"{body}; strict").ask(name, "PTR") == "NXDOMAIN"


def test_strict_puts_bare_reverse_zones_behind() -> None:
    cluster = Cluster(OBJECTS, "strict", "in-addr.arpa cluster.local")
    assert f"PTR web.a.{SVC}" in cluster.ask("10.0.96.10.in-addr.arpa", "PTR")
