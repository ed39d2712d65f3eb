"""The keys that answers depend on: one row for each rule, which is its id."""

from minidns.dns import names
from minidns.dns.rdata import type_number
from minidns.kubernetes.external import ExternalZones
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion
from minidns.kubernetes.objects import Object
from minidns.kubernetes.options import ExternalOptions
from minidns.kubernetes.resources import Applied
from tests.kubernetes.made import Cluster, namespace, service, slice_of
from tests.table import table

SVC = "a.svc.cluster.local"
OUTSIDE = "example.org."
PLAIN = "pods insecure"
OBJECTS: tuple[Object, ...] = (
    namespace("a"),
    service("a/web", "10.96.0.1"),
    slice_of("a/web", "10.0.0.1=one"),
    service("a/bare", "10.96.0.2"),
    service("a/db", "None"),
    slice_of("a/db", "10.0.1.1=one%x", "pg:5432"),
    service("a/new", "None"),
)
WEB = slice_of("a/web", "10.0.0.1=one 10.0.0.2=two")
DB = slice_of("a/db", "10.0.1.1=one%x 10.0.1.2=two%y", "pg:5432")

CHANGES: dict[str, tuple[str, str, str, Object]] = {
    "2.1-headless-endpoint": (PLAIN, f"db.{SVC}", "A", DB),
    "2.1-headless-port": (PLAIN, f"_pg._tcp.db.{SVC}", "SRV", DB),
    "2.1-headless-without-a-slice": (
        PLAIN,
        f"new.{SVC}",
        "A",
        slice_of("a/new", "10.0.2.1"),
    ),
    "2.1-endpoint-of-a-cluster-IP": (PLAIN, f"two.web.{SVC}", "A", WEB),
    "empty-service": ("ignore empty_service", f"bare.{SVC}", "A", slice_of("a/bare", "10.0.2.1")),
    "8020-protocol": (
        "strict",
        f"_tcp.new.{SVC}",
        "A",
        slice_of("a/new", "10.0.2.1", "pg:5432"),
    ),
    "zonal-pin-nothing-there": ("zonal", f"y.pin._zone.db.{SVC}", "A", DB),
    "zonal-prefer-elsewhere": ("zonal", f"y.prefer._zone.db.{SVC}", "A", DB),
    "1.3-name-servers": (PLAIN, "cluster.local", "NS", DB),
    "1.3-name-server": (PLAIN, "ns.dns.cluster.local", "A", DB),
    "external-headless": (PLAIN, f"db.a.{OUTSIDE}", "A", DB),
    "external-headless-without-a-slice": (
        PLAIN,
        f"new.a.{OUTSIDE}",
        "A",
        slice_of("a/new", "10.0.2.1"),
    ),
    "external-name-server": (PLAIN, f"ns1.dns.{OUTSIDE}", "A", DB),
}  # fmt: skip
"""Option lines, question, and what arrives that changes the answer."""


class ParsedName:
    """A cluster that is asked inside and outside; we are the headless db's first."""

    def __init__(self, body: str) -> None:
        self.cluster = Cluster(OBJECTS, body, local=("10.0.1.1",))
        rules = ExternalOptions((OUTSIDE,), headless=True)
        self._external = ExternalZones(rules, self.cluster.answers)

    def answer(self, name: str, qtype: str) -> ClusterAnswer:
        if not name.endswith(OUTSIDE):
            return self.cluster.answer(name, qtype)
        asked = ClusterQuestion(name, type_number(qtype), OUTSIDE, OUTSIDE, names.absolute(name))
        return self._external.answer(asked)


@table(("body", "name", "qtype", "arrives"), CHANGES.values(), ids=CHANGES)
def test_endpoints_count(body: str, name: str, qtype: str, arrives: Object) -> None:
    asked = ParsedName(body)
    before = asked.answer(name, qtype)
    touched = asked.cluster.store.apply(Applied(arrives))
    after = asked.answer(name, qtype)
    assert (before.exists, before.answer) != (after.exists, after.answer)
    assert not touched.isdisjoint(before.keys)


INDIFFERENT: dict[str, tuple[str, str, str]] = {
    "2.1-cluster-IP": (PLAIN, f"web.{SVC}", "A"),
    "2.1-cluster-IP-no-such-family": (PLAIN, f"web.{SVC}", "AAAA"),
    "2.1-cluster-IP-ports": (PLAIN, f"_http._tcp.web.{SVC}", "SRV"),
    "2.1-cluster-IP-no-such-port": (PLAIN, f"_no._tcp.web.{SVC}", "SRV"),
    "2.3.3-cluster-IP-pointer": (PLAIN, "1.0.96.10.in-addr.arpa", "PTR"),
    "noendpoints": ("noendpoints", f"one.web.{SVC}", "A"),
    "no-such-service": (PLAIN, f"no.{SVC}", "A"),
    "external": (PLAIN, f"web.a.{OUTSIDE}", "A"),
}


@table(("body", "name", "qtype"), INDIFFERENT.values(), ids=INDIFFERENT)
def test_endpoints_do_not_count(body: str, name: str, qtype: str) -> None:
    asked = ParsedName(body)
    before = asked.answer(name, qtype)
    touched = asked.cluster.store.apply(Applied(WEB))
    assert touched
    assert touched.isdisjoint(before.keys)
    assert asked.answer(name, qtype) == before
