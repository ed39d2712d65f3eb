"""Which search list a client has, by its address."""

from minidns.dns.model import Query
from minidns.kubernetes.integrations import SearchLists
from tests.kubernetes.made import Cluster, namespace, pod
from tests.table import table
from tests.world import query

OBJECTS = (
    namespace("a"),
    namespace("b"),
    pod("b/p", "10.0.0.1"),
    pod("a/host", "192.0.2.1"),
    pod("b/host", "192.0.2.1"),
    pod("a/six", "2001:db8::1"),
)
OWN = ("example.net.",)
OF_B = ("b.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", *OWN, "")
OF_A = ("a.svc.cluster.local.", *OF_B[1:])


def lists(body: str = "pods verified", zones: str = "cluster.local") -> SearchLists:
    return SearchLists(Cluster(OBJECTS, body, zones).answers, OWN)


def asked(name: str, peer: str) -> Query:
    return query(name, peer=peer)


ROWS = {
    "pod": ("web.b.svc.cluster.local", "10.0.0.1", OF_B),
    "pod-IPv6": ("web.cluster.local", "2001:db8::1", OF_A),
    "address-of-a-node-the-first-pod": ("web.cluster.local", "192.0.2.1", OF_A),
    "stranger": ("web.cluster.local", "10.0.0.2", ()),
    "name-outside-the-zones": ("example.org", "10.0.0.1", ()),
}


@table(("name", "peer", "expected"), ROWS.values(), ids=ROWS)
def test_list_of_a_client(name: str, peer: str, expected: tuple[str, ...]) -> None:
    assert lists().of(asked(name, peer)) == expected


def test_pods_are_known_only_when_verified() -> None:
    assert lists("pods insecure").of(asked("web.cluster.local", "10.0.0.1")) == ()


def test_the_zone_is_the_longest_of_the_name() -> None:
    found = lists(zones="cluster.local b.cluster.local").of(asked("x.b.cluster.local", "10.0.0.1"))
    assert found[:3] == ("b.svc.b.cluster.local.", "svc.b.cluster.local.", "b.cluster.local.")  # fmt: skip


def test_the_root_as_zone() -> None:
    assert lists(zones=".").of(asked("x.y", "10.0.0.1"))[:3] == ("b.svc.", "svc.", ".")
