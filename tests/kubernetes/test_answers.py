"""Names, Services and endpoints: a row per rule; the id names the rule."""

from tests.kubernetes.cluster import CLUSTER, SVC
from tests.kubernetes.made import Cluster, shown
from tests.table import table

ROWS = {
    # 1.1 the grammar
    "1.1-apex-A": ("cluster.local", "A", "NODATA"),
    "1.1-apex-MX": ("cluster.local", "MX", "NODATA"),
    "1.1-apex-PTR": ("cluster.local", "PTR", "NODATA"),
    "1.1-apex-ANY": ("cluster.local", "ANY", "NODATA"),
    "1.1-apex-TXT-quirk": ("cluster.local", "TXT", "NXDOMAIN"),
    "1.1-svc": (SVC, "A", "NODATA"),
    "1.1-pod": ("pod.cluster.local.", "A", "NODATA"),
    "1.1-svc-TXT-quirk": (SVC, "TXT", "NXDOMAIN"),
    "1.1-svc-PTR": (SVC, "PTR", "NODATA"),
    "1.1-neither-svc-nor-pod": ("foo.cluster.local", "A", "NXDOMAIN"),
    "1.1-dns-is-not-ours": ("dns.cluster.local", "A", "NXDOMAIN"),
    "1.1-dns-version-A": ("dns-version.cluster.local", "A", "NXDOMAIN"),
    "1.1-namespace": (f"a.{SVC}", "A", "NODATA"),
    "1.1-namespace-PTR": (f"a.{SVC}", "PTR", "NODATA"),
    "1.1-namespace-TXT-quirk": (f"a.{SVC}", "TXT", "NXDOMAIN"),
    "1.1-namespace-below-pod": ("a.pod.cluster.local", "A", "NODATA"),
    "1.1-no-namespace": (f"no.{SVC}", "A", "NXDOMAIN"),
    "1.1-namespace-called-svc": (f"pod.svc.{SVC}", "A", f"pod.svc.{SVC} 30 A 10.96.0.22"),
    "1.1-second-label-is-the-namespace": (f"pod.{SVC}", "A", "NXDOMAIN"),
    "1.1-underscores-optional": (f"http.tcp.web.a.{SVC}", "A", f"http.tcp.web.a.{SVC} 30 A 10.96.0.10"),
    "1.1-one-underscore-stripped": (f"__http._tcp.web.a.{SVC}", "A", "NXDOMAIN"),
    "1.1-lone-underscore-is-any-port": (f"_._tcp.plain.a.{SVC}", "A", f"_._tcp.plain.a.{SVC} 30 A 10.96.0.13"),
    "1.1-lone-underscore-is-any-protocol": (f"_http._.web.a.{SVC}", "A", f"_http._.web.a.{SVC} 30 A 10.96.0.10"),
    "1.1-two-lone-underscores": (f"_._.web.a.{SVC}", "A", f"_._.web.a.{SVC} 30 A 10.96.0.10"),
    "1.1-port-in-mixed-case": (f"_HTTP._Tcp.web.a.{SVC}", "A", f"_http._tcp.web.a.{SVC} 30 A 10.96.0.10"),
    "1.1-three-labels-too-many": (f"x._http._tcp.web.a.{SVC}", "A", "NXDOMAIN"),
    "1.1-no-wildcard-service": (f"*.a.{SVC}", "A", "NXDOMAIN"),
    "1.1-no-wildcard-endpoint": (f"*.h.a.{SVC}", "A", "NXDOMAIN"),
    "1.1-no-wildcard-any": (f"any.any.web.a.{SVC}", "SRV", "NXDOMAIN"),
    "1.1-any-octet": (f"we\\032b.a.{SVC}", "A", "NXDOMAIN"),
    "1.1-dot-in-a-label": (f"web\\.a.{SVC}", "A", "NXDOMAIN"),
    "1.1-escaped-dot-before-the-zone": (f"web.a\\.svc.{SVC}", "A", "NXDOMAIN"),
    "1.1-a-number-is-no-port-name": (f"_8080._tcp.plain.a.{SVC}", "A", "NXDOMAIN"),
    # 1.2 namespaces
    "1.2-service-of-a-missing-namespace": (f"web.gone.{SVC}", "A", "NXDOMAIN"),
    # 1.3, 1.4 addresses
    "1.4-cluster-ip": (f"web.a.{SVC}", "A", f"web.a.{SVC} 30 A 10.96.0.10"),
    "1.4-other-family": (f"web.a.{SVC}", "AAAA", "NODATA"),
    "1.4-dual-stack": (f"dual.a.{SVC}", "AAAA", f"dual.a.{SVC} 30 AAAA fd00::11"),
    "1.4-no-service": (f"no.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-headless-distinct-addresses": (f"h.a.{SVC}", "A", f"h.a.{SVC} 30 A 10.2.0.1\nh.a.{SVC} 30 A 10.2.0.2"),
    "1.4-headless-AAAA": (f"h.a.{SVC}", "AAAA", f"h.a.{SVC} 30 AAAA fd00:1::\nh.a.{SVC} 30 AAAA fd00:1::5"),
    "1.4-headless-only-other-family": (f"six.a.{SVC}", "A", "NODATA"),
    "1.4-headless-nothing-ready": (f"unready.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-headless-nothing-ready-MX": (f"unready.a.{SVC}", "MX", "NXDOMAIN"),
    "1.4-headless-without-slice": (f"empty.a.{SVC}", "AAAA", "NXDOMAIN"),
    "1.4-mapped-address-is-A": (f"mapped.a.{SVC}", "A", f"mapped.a.{SVC} 30 A 10.2.6.1"),
    "1.4-endpoint-hostname": (f"one.h.a.{SVC}", "A", f"one.h.a.{SVC} 30 A 10.2.0.1"),
    "1.4-endpoint-hostname-AAAA": (f"one.h.a.{SVC}", "AAAA", f"one.h.a.{SVC} 30 AAAA fd00:1::5"),
    "1.4-endpoint-address": (f"10-2-0-2.h.a.{SVC}", "A", f"10-2-0-2.h.a.{SVC} 30 A 10.2.0.2"),
    "1.4-hostname-replaces-address": (f"10-2-0-1.h.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-endpoint-unready": (f"10-2-0-3.h.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-IPv6-ending-in-dashes": (f"fd00-1--0.h.a.{SVC}", "AAAA", f"fd00-1--0.h.a.{SVC} 30 AAAA fd00:1::"),
    "1.4-IPv6-other-spelling": (f"fd00-1--.h.a.{SVC}", "AAAA", "NXDOMAIN"),
    "1.4-several-addresses-of-a-hostname": (
        f"t.twins.a.{SVC}",
        "A",
        f"t.twins.a.{SVC} 30 A 10.2.5.1\nt.twins.a.{SVC} 30 A 10.2.5.2",
    ),
    "1.4-endpoint-of-cluster-ip-service": (f"10-1-0-1.web.a.{SVC}", "A", f"10-1-0-1.web.a.{SVC} 30 A 10.1.0.1"),
    "1.4-pod-name-is-no-endpoint-name": (f"web-x.web.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-headless-port": (
        f"_http._tcp.twins.a.{SVC}",
        "A",
        f"_http._tcp.twins.a.{SVC} 30 A 10.2.5.1\n_http._tcp.twins.a.{SVC} 30 A 10.2.5.2",
    ),
    "1.4-headless-unknown-port": (f"_no._tcp.twins.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-headless-wrong-protocol": (f"_http._udp.twins.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-headless-without-ports": (f"bare.a.{SVC}", "A", f"bare.a.{SVC} 30 A 10.2.2.1"),
    "1.4-protocol-of-portless": (f"_._tcp.bare.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-slice-without-service": (f"ghost.a.{SVC}", "A", "NXDOMAIN"),
    "1.4-endpoint-without-service": (f"10-2-7-1.ghost.a.{SVC}", "A", "NXDOMAIN"),
    # 1.4 SRV
    "1.4-SRV-named-port": (
        f"_http._tcp.web.a.{SVC}",
        "SRV",
        f"_http._tcp.web.a.{SVC} 30 SRV 0 100 80 web.a.{SVC}\n+ web.a.{SVC} 30 A 10.96.0.10",
    ),
    "1.4-SRV-bare-name": (
        f"web.a.{SVC}",
        "SRV",
        f"web.a.{SVC} 30 SRV 0 50 80 web.a.{SVC}\n"
        f"web.a.{SVC} 30 SRV 0 50 443 web.a.{SVC}\n"
        f"+ web.a.{SVC} 30 A 10.96.0.10",
    ),
    "1.4-SRV-same-number-once-weight-of-three": (
        f"dns.a.{SVC}",
        "SRV",
        f"dns.a.{SVC} 30 SRV 0 33 53 dns.a.{SVC}\n"
        f"dns.a.{SVC} 30 SRV 0 33 9153 dns.a.{SVC}\n"
        f"+ dns.a.{SVC} 30 A 10.96.0.12",
    ),
    "1.4-SRV-wrong-protocol": (f"_dns._tcp.dns.a.{SVC}", "SRV", "NXDOMAIN"),
    "1.4-SRV-dual-stack-weight-50": (
        f"_http._tcp.dual.a.{SVC}",
        "SRV",
        f"_http._tcp.dual.a.{SVC} 30 SRV 0 50 80 dual.a.{SVC}\n"
        f"+ dual.a.{SVC} 30 A 10.96.0.11\n+ dual.a.{SVC} 30 AAAA fd00::11",
    ),
    "1.4-SRV-unnamed-port-at-bare-name": (
        f"plain.a.{SVC}",
        "SRV",
        f"plain.a.{SVC} 30 SRV 0 100 8080 plain.a.{SVC}\n+ plain.a.{SVC} 30 A 10.96.0.13",
    ),
    "1.4-SRV-without-ports": (f"portless.a.{SVC}", "SRV", "NODATA"),
    "1.4-SRV-headless-slice-port-and-targets": (
        f"_http._tcp.twins.a.{SVC}",
        "SRV",
        f"_http._tcp.twins.a.{SVC} 30 SRV 0 50 8080 t.twins.a.{SVC}\n"
        f"+ t.twins.a.{SVC} 30 A 10.2.5.1\n+ t.twins.a.{SVC} 30 A 10.2.5.2",
    ),
    "1.4-SRV-headless-weight-before-duplicates": (
        f"h.a.{SVC}",
        "SRV",
        f"h.a.{SVC} 30 SRV 0 20 8080 one.h.a.{SVC}\n"
        f"h.a.{SVC} 30 SRV 0 20 8080 10-2-0-2.h.a.{SVC}\n"
        f"h.a.{SVC} 30 SRV 0 20 8080 fd00-1--0.h.a.{SVC}\n"
        f"+ one.h.a.{SVC} 30 A 10.2.0.1\n+ 10-2-0-2.h.a.{SVC} 30 A 10.2.0.2\n"
        f"+ fd00-1--0.h.a.{SVC} 30 AAAA fd00:1::\n"
        f"+ one.h.a.{SVC} 30 AAAA fd00:1::5",
    ),
    "1.4-SRV-headless-unnamed-port": (
        f"nameless.a.{SVC}",
        "SRV",
        f"nameless.a.{SVC} 30 SRV 0 100 5432 10-2-3-1.nameless.a.{SVC}\n+ 10-2-3-1.nameless.a.{SVC} 30 A 10.2.3.1",
    ),
    "1.4-SRV-headless-without-ports": (f"bare.a.{SVC}", "SRV", "NODATA"),
    "1.4-SRV-port-without-number": (f"_any._tcp.numberless.a.{SVC}", "SRV", "NODATA"),
    "1.4-SRV-endpoint-name": (
        f"10-1-0-1.web.a.{SVC}",
        "SRV",
        f"10-1-0-1.web.a.{SVC} 30 SRV 0 100 8080 10-1-0-1.web.a.{SVC}\n+ 10-1-0-1.web.a.{SVC} 30 A 10.1.0.1",
    ),
    "1.4-SRV-drops-names": (f"hosts.a.{SVC}", "SRV", "NODATA"),
    "1.4-SRV-zone-in-the-letters-asked": (
        "_http._tcp.WEB.a.svc.Cluster.LOCAL",
        "SRV",
        f"_http._tcp.web.a.{SVC} 30 SRV 0 100 80 web.a.svc.Cluster.LOCAL.\n+ web.a.svc.Cluster.LOCAL. 30 A 10.96.0.10",
    ),
    # 1.4 other types
    "1.4-TXT-at-service": (f"web.a.{SVC}", "TXT", "NODATA"),
    "1.4-TXT-nothing": (f"no.a.{SVC}", "TXT", "NXDOMAIN"),
    "1.4-MX": (f"web.a.{SVC}", "MX", "NODATA"),
    "1.4-NS-at-service": (f"web.a.{SVC}", "NS", "NODATA"),
    "1.4-PTR-at-service": (f"web.a.{SVC}", "PTR", "NODATA"),
    "1.4-CNAME-at-service": (f"web.a.{SVC}", "CNAME", "NODATA"),
    "1.4-HTTPS-at-nothing": (f"no.a.{SVC}", "HTTPS", "NXDOMAIN"),
    "1.4-unknown-type": (f"h.a.{SVC}", "TYPE65280", "NODATA"),
    "1.4-SOA-not-even-looked-up": (f"no.a.{SVC}", "SOA", "NODATA"),
    "1.4-FQDN-endpoint-CNAME": (f"hosts.a.{SVC}", "CNAME", f"hosts.a.{SVC} 30 CNAME db.example.org."),
    "1.4-FQDN-endpoint-A": (
        f"db-example-org.hosts.a.{SVC}",
        "A",
        f"db-example-org.hosts.a.{SVC} 30 CNAME db.example.org.\nask db.example.org.",
    ),
}


@table(("name", "qtype", "expected"), ROWS.values(), ids=ROWS)
def test_rule(name: str, qtype: str, expected: str) -> None:
    assert CLUSTER.ask(name, qtype) == expected


def test_weight_is_never_below_1() -> None:
    lines = CLUSTER.ask(f"many.a.{SVC}", "SRV").splitlines()
    assert {line.split()[4] for line in lines if " SRV " in line} == {"1"}


def test_serial_is_0_before_any_change() -> None:
    assert " 0 7200 1800 " in shown(Cluster(()).answer("cluster.local", "SOA"))
