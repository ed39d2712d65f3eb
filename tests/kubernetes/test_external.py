"""Services outside the cluster: a row per rule; the id names the rule."""

from msgspec.structs import replace

from minidns.dns import names
from minidns.dns.rdata import to_lines, type_number
from minidns.kubernetes.external import ExternalZones
from minidns.kubernetes.model import ClusterQuestion
from minidns.kubernetes.objects import Object, Service
from minidns.kubernetes.options import ExternalOptions
from minidns.kubernetes.resources import Applied, Deleted
from tests.kubernetes.made import Cluster, namespace, service, shown, slice_of
from tests.table import table

ZONE = "ext.example.org."
ZONES = (ZONE, "in-addr.arpa.", "ip6.arpa.")
OBJECTS: tuple[Object, ...] = (
    namespace("a"),
    service("a/lb", "10.96.0.1", "http:80 dns:53/UDP", external_ips="192.0.2.1 2001:db8::1 192.0.2.1"),
    service("a/name", "10.96.0.2", "http:80 https:443", external_ips="LB.example.net"),
    service("a/portless", "10.96.0.3", "", external_ips="192.0.2.3"),
    service("a/inside", "10.96.0.4"),
    service("a/h", "None"),
    slice_of("a/h", "10.2.0.1=one 10.2.0.2 !10.2.0.3", "http:8080 :9000"),
    slice_of("a/inside", "10.2.1.1=in", "http:8080"),
    service("a/both", "None", external_ips="192.0.2.5"),
    slice_of("a/both", "10.2.2.1=x"),
    service("gone/lb", "10.96.0.6", external_ips="192.0.2.6"),
)


RULES = ExternalOptions(ZONES)


def external(
    objects: tuple[Object, ...] = OBJECTS,
    body: str = "ttl 30",
    local: tuple[str, ...] = ("192.0.2.9", "2001:db8::9"),
    rules: ExternalOptions = RULES,
) -> tuple[ExternalZones, Cluster]:
    cluster = Cluster(objects, body, local=local)
    return ExternalZones(rules, cluster.answers), cluster


HEADS = ExternalOptions(ZONES, headless=True)


def ask(at: ExternalZones, spelled: str, qtype: str = "A") -> str:
    name = names.absolute(spelled)
    zone = names.longest(at.rules.zones, name)
    assert zone is not None
    inquiry = ClusterQuestion(name, type_number(qtype), zone, zone, name)
    return shown(at.answer(inquiry))


SOA = f"SOA ns1.dns.{ZONE} hostmaster.dns.{ZONE} 1700000000 7200 1800 86400 5"
LB = f"lb.a.{ZONE}"
ROWS = {
    "apex-SOA": (ZONE, "SOA", f"{ZONE} 5 {SOA}"),
    "apex-NS-with-glue": (
        ZONE,
        "NS",
        f"{ZONE} 5 NS ns1.dns.{ZONE}\n+ ns1.dns.{ZONE} 5 A 192.0.2.9\n+ ns1.dns.{ZONE} 5 AAAA 2001:db8::9",
    ),
    "apex-other-type": (ZONE, "A", "NODATA"),
    "apex-node-is-there": (f"dns.{ZONE}", "A", "NODATA"),
    "name-server-A": (f"ns1.dns.{ZONE}", "A", f"ns1.dns.{ZONE} 5 A 192.0.2.9"),
    "name-server-AAAA": (f"ns1.dns.{ZONE}", "AAAA", f"ns1.dns.{ZONE} 5 AAAA 2001:db8::9"),
    "name-server-other-type": (f"ns1.dns.{ZONE}", "TXT", "NODATA"),
    "other-name-below-the-apex-node": (f"ns2.dns.{ZONE}", "A", "NXDOMAIN"),
    "three-labels-below": (f"x.ns1.dns.{ZONE}", "A", "NXDOMAIN"),
    "A": (LB, "A", f"{LB} 5 A 192.0.2.1"),
    "AAAA": (LB, "AAAA", f"{LB} 5 AAAA 2001:db8::1"),
    "mixed-case": ("LB.a.Ext.example.org", "A", f"{LB} 5 A 192.0.2.1"),
    "other-type": (LB, "TXT", "NODATA"),
    "PTR-at-a-forward-name": (LB, "PTR", "NODATA"),
    "SRV-every-port-weight-shared": (
        LB,
        "SRV",
        f"{LB} 30 SRV 0 16 80 {LB}\n{LB} 30 SRV 0 16 53 {LB}\n+ {LB} 5 A 192.0.2.1\n+ {LB} 5 AAAA 2001:db8::1",
    ),
    "SRV-port-and-protocol": (
        f"_dns._udp.{LB}",
        "SRV",
        f"_dns._udp.{LB} 30 SRV 0 33 53 {LB}\n+ {LB} 5 A 192.0.2.1\n+ {LB} 5 AAAA 2001:db8::1",
    ),
    "A-of-port-and-protocol": (f"_dns._udp.{LB}", "A", f"_dns._udp.{LB} 5 A 192.0.2.1"),
    "no-such-port": (f"_x._tcp.{LB}", "SRV", "NXDOMAIN"),
    "port-of-another-protocol": (f"_dns._tcp.{LB}", "SRV", "NXDOMAIN"),
    "four-labels": (f"x.y.z.{LB}", "A", "NXDOMAIN"),
    "one-label-before-is-not-looked-at": (f"x.{LB}", "A", f"x.{LB} 5 A 192.0.2.1"),
    "host-name-is-an-alias-once": (
        f"name.a.{ZONE}",
        "A",
        f"name.a.{ZONE} 30 CNAME LB.example.net.\nask lb.example.net.",
    ),
    "host-name-SRV": (
        f"_https._tcp.name.a.{ZONE}",
        "SRV",
        f"_https._tcp.name.a.{ZONE} 30 SRV 0 100 443 LB.example.net.",
    ),
    "host-name-CNAME-is-not-given": (f"name.a.{ZONE}", "CNAME", "NODATA"),
    "no-ports-A": (f"portless.a.{ZONE}", "A", f"portless.a.{ZONE} 5 A 192.0.2.3"),
    "no-ports-SRV": (f"portless.a.{ZONE}", "SRV", "NODATA"),
    "nothing-outside": (f"inside.a.{ZONE}", "A", "NXDOMAIN"),
    "headless-without-the-option": (f"h.a.{ZONE}", "A", "NXDOMAIN"),
    "headless-with-an-address": (f"both.a.{ZONE}", "A", f"both.a.{ZONE} 5 A 192.0.2.5"),
    "no-such-service": (f"x.a.{ZONE}", "A", "NXDOMAIN"),
    "namespace": (f"a.{ZONE}", "A", "NODATA"),
    "no-such-namespace": (f"b.{ZONE}", "A", "NXDOMAIN"),
    "service-of-no-namespace": (f"lb.gone.{ZONE}", "A", "NXDOMAIN"),
    "PTR": ("1.2.0.192.in-addr.arpa", "PTR", f"1.2.0.192.in-addr.arpa. 5 PTR {LB}"),
    "PTR-IPv6": (names.reverse("2001:db8::1"), "PTR", f"{names.reverse('2001:db8::1')} 5 PTR {LB}"),
    "PTR-of-a-hidden-namespace": ("6.2.0.192.in-addr.arpa", "PTR", f"6.2.0.192.in-addr.arpa. 5 PTR lb.gone.{ZONE}"),
    "PTR-of-a-cluster-IP": ("1.0.96.10.in-addr.arpa", "PTR", "NXDOMAIN"),
}


@table(("name", "qtype", "expected"), ROWS.values(), ids=ROWS)
def test_rules(name: str, qtype: str, expected: str) -> None:
    assert ask(external()[0], name, qtype) == expected


HEADLESS = {
    "A": (f"h.a.{ZONE}", "A", f"h.a.{ZONE} 5 A 10.2.0.1\nh.a.{ZONE} 5 A 10.2.0.2"),
    "endpoint": (f"one.h.a.{ZONE}", "A", f"one.h.a.{ZONE} 5 A 10.2.0.1"),
    "endpoint-not-ready": (f"10-2-0-3.h.a.{ZONE}", "A", "NXDOMAIN"),
    "endpoint-of-a-cluster-IP": (f"in.inside.a.{ZONE}", "A", f"in.inside.a.{ZONE} 5 A 10.2.1.1"),
    "cluster-IP-itself": (f"inside.a.{ZONE}", "A", "NXDOMAIN"),
    "an-address-outside-wins": (f"both.a.{ZONE}", "A", f"both.a.{ZONE} 5 A 192.0.2.5"),
    "SRV": (
        f"_http._tcp.h.a.{ZONE}",
        "SRV",
        f"_http._tcp.h.a.{ZONE} 30 SRV 0 50 8080 one.h.a.{ZONE}\n"
        f"_http._tcp.h.a.{ZONE} 30 SRV 0 50 8080 10-2-0-2.h.a.{ZONE}\n"
        f"+ one.h.a.{ZONE} 5 A 10.2.0.1\n+ 10-2-0-2.h.a.{ZONE} 5 A 10.2.0.2",
    ),
}


@table(("name", "qtype", "expected"), HEADLESS.values(), ids=HEADLESS)
def test_headless(name: str, qtype: str, expected: str) -> None:
    assert ask(external(rules=HEADS)[0], name, qtype) == expected


def test_apex_and_ttl() -> None:
    at, _ = external(rules=ExternalOptions(ZONES, "names.", 60))
    assert ask(at, f"ns1.names.{ZONE}") == f"ns1.names.{ZONE} 60 A 192.0.2.9"
    assert ask(at, f"ns1.dns.{ZONE}") == "NXDOMAIN"
    assert to_lines(at.soa(ZONE)) == [f"{ZONE} 60 " + SOA.replace("dns.", "names.")[:-1] + "60"]  # fmt: skip


def test_an_apex_of_two_labels_has_no_name_server() -> None:
    at, _ = external(rules=ExternalOptions(ZONES, "my.names."))
    assert ask(at, f"ns1.my.names.{ZONE}") == "NXDOMAIN"


def test_the_name_server_is_found_by_its_own_service() -> None:
    dns = service("a/dns", "10.96.0.10", external_ips="198.51.100.1 lb.example.net")
    at, _ = external((*OBJECTS, dns, slice_of("a/dns", "192.0.2.9=pod")))
    assert ask(at, f"ns1.dns.{ZONE}") == f"ns1.dns.{ZONE} 5 A 198.51.100.1"
    headless = service("a/dns", "None")
    at, _ = external((*OBJECTS, headless, slice_of("a/dns", "192.0.2.9=pod")), rules=HEADS)
    assert ask(at, f"ns1.dns.{ZONE}") == f"ns1.dns.{ZONE} 5 A 192.0.2.9"


def test_namespaces_of_kubernetes_hide_names_and_pointers() -> None:
    at, _ = external(body="namespaces b")
    assert ask(at, LB) == "NXDOMAIN"
    assert ask(at, "1.2.0.192.in-addr.arpa", "PTR") == "NXDOMAIN"


def test_strict_does_not_invent_names() -> None:
    at, _ = external(body="strict")
    assert ask(at, LB) == f"{LB} 5 A 192.0.2.1"
    assert ask(at, f"x.{LB}") == "NXDOMAIN"


def test_transfer_is_what_the_names_answer() -> None:
    at, _ = external(rules=HEADS)
    records = at.transfer(ZONE)
    assert records is not None
    assert records[0] == records[-1] == at.soa(ZONE)
    lines = [line for rrset in records[1:-1] for line in to_lines(rrset)]
    assert f"{ZONE} 5 NS ns1.dns.{ZONE}" in lines
    assert f"{LB} 5 A 192.0.2.1" in lines
    assert f"_dns._udp.{LB} 30 SRV 0 33 53 {LB}" in lines
    assert f"one.h.a.{ZONE} 5 A 10.2.0.1" in lines
    assert f"name.a.{ZONE} 30 CNAME LB.example.net." in lines
    assert not any("gone" in line or "PTR" in line for line in lines)
    assert len(set(records)) == len(records) - 1
    for rrset in records[2:-1]:
        if rrset.owner != f"name.a.{ZONE}":
            expected = ask(at, rrset.owner, str_type(rrset.rtype))
            assert set(to_lines(rrset)) <= set(expected.splitlines())


def test_transfer_leaves_out_names_that_no_message_can_hold() -> None:
    long = ".".join(["x" * 63] * 4)
    at, _ = external((*OBJECTS, slice_of("a/h", f"10.2.0.7={long} 10.2.0.8=short", "http:8080")), rules=HEADS)
    records = at.transfer(ZONE)
    assert records is not None
    owners = {rrset.owner for rrset in records}
    assert f"short.h.a.{ZONE}" in owners
    assert not any(owner.startswith("xxx") for owner in owners)


def str_type(rtype: int) -> str:
    return {1: "A", 2: "NS", 28: "AAAA", 33: "SRV"}[rtype]


def test_transfer_of_a_name_below_is_not_ours() -> None:
    assert external()[0].transfer(f"a.{ZONE}") is None


WALL = 1_800_000_000
LB_SERVICE = next(o for o in OBJECTS if isinstance(o, Service) and o.key.name == "lb")
SERIAL = {
    "external-address": (replace(LB_SERVICE, external_ips=("192.0.2.7",)), True),
    "port-of-one-with-external-addresses": (replace(LB_SERVICE, ports=()), True),
    "cluster-IP": (replace(LB_SERVICE, cluster_ips=("10.96.0.9",)), False),
    "one-without-comes": (service("a/new", "10.96.0.8"), False),
    "one-with-comes": (service("a/new", "None", external_ips="192.0.2.8"), True),
}


@table(("new", "moves"), SERIAL.values(), ids=SERIAL)
def test_serial(new: Service, moves: bool) -> None:
    at, cluster = external()
    cluster.store._wall = lambda: WALL
    before = at.soa(ZONE)
    cluster.store.apply(Applied(new))
    assert (at.soa(ZONE) != before) == moves


def test_what_a_change_touches_ends_the_answers_that_depend_on_it() -> None:
    at, cluster = external()
    pointer = ClusterQuestion("7.2.0.192.in-addr.arpa.", 12, "in-addr.arpa.", "in-addr.arpa.", "")
    absent = at.answer(pointer)
    answer = at.answer(ClusterQuestion(LB, 1, ZONE, ZONE, LB))
    touched = cluster.store.apply(Applied(replace(LB_SERVICE, external_ips=("192.0.2.7",))))
    assert set(absent.keys) & touched
    assert set(answer.keys) & touched
    touched = cluster.store.apply(Deleted(Service, LB_SERVICE.key))
    assert ("external", "192.0.2.7") in touched
