"""The dnsConfig of an enrolled pod, and the resolv.conf that the kubelet makes of it."""

from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.resolv_conf import nameservers
from minidns.kubernetes import kubelet
from minidns.second_dns.plan import Cluster, node_searches, pointed_at
from sim.api.objects import Json
from tests.table import table

SERVER = "10.96.0.20"
DOMAINS = st.sampled_from(
    ["example.org", "shop.svc.cluster.local", "cluster.local", "a.example.net"]
    + [f"{'long' * 12}.{n}.example.org" for n in range(40)]
)
OPTIONS = st.sampled_from([{"name": "ndots", "value": "2"}, {"name": "edns0"}, {"name": "timeout", "value": "1"}])
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "nameservers": st.lists(st.sampled_from(["192.0.2.1", "10.96.0.10"]), max_size=2),
        "searches": st.lists(DOMAINS, max_size=40),
        "options": st.lists(OPTIONS, max_size=3, unique_by=lambda o: o["name"]),
    },
)


def pod(**spec: object) -> Json:
    return {"metadata": {"namespace": "shop"}, "spec": spec}


@given(
    st.none() | CONFIGS,
    st.sampled_from(["cluster.local", "corp.example.org"]),
    st.lists(DOMAINS, max_size=4, unique=True),
)
def test_what_a_running_pod_has_is_kept(config: Json | None, domain: str, searches: list[str]) -> None:
    """The search list after enrolment is the one before it."""
    search = f"search {' '.join(searches)}\n" if searches else ""
    node = kubelet.Node(("10.96.0.10",), domain, f"nameserver 192.0.2.53\n{search}")
    spec = {"dnsPolicy": "ClusterFirst", "dnsConfig": config}
    before = kubelet.resolv_conf(pod(**spec), node)
    found = node_searches(before, spec, "shop")
    assert found is not None
    made = pointed_at(spec, "shop", found, SERVER)
    after = kubelet.resolv_conf(pod(dnsPolicy="None", dnsConfig=made), node)
    assert nameservers(after) == (SERVER,)
    assert lines(after) == lines(before)


def lines(resolv_conf: str) -> list[str]:
    return [line for line in resolv_conf.splitlines() if "nameserver" not in line]


@table(
    ("text", "spec"),
    [
        ("", {}),
        ("nameserver 10.96.0.10\n", {}),
        ("search\n", {}),
        ("search corp.example\n", {}),
        ("search other.svc.k8s svc.k8s k8s\n", {}),
        ("search shop.svc.k8s corp.example\n", {}),
        ("search shop.svc.k8s svc.k8s k8s\n", {"dnsPolicy": "Default"}),
        ("search shop.svc.k8s svc.k8s k8s\n", {"hostNetwork": True}),
        ("search shop.svc.k8s svc.k8s k8s\n", {"dnsPolicy": "None"}),
    ],
)
def test_what_no_kubelet_wrote_says_nothing(text: str, spec: Json) -> None:
    assert node_searches(text, spec, "shop") is None


@given(CONFIGS)
def test_the_api_server_takes_it(config: Json) -> None:
    made = pointed_at({"dnsConfig": config}, "shop", Cluster("cluster.local"), SERVER)
    assert made["nameservers"] == [SERVER]
    assert len(made["searches"]) <= 32
    assert sum(map(len, made["searches"])) + len(made["searches"]) - 1 <= 2048
    assert len({o["name"] for o in made["options"]}) == len(made["options"])


def test_policy_none_keeps_its_own_list_and_options() -> None:
    config = {
        "nameservers": ["10.96.0.10", "192.0.2.1"],
        "searches": ["example.org"],
        "options": [{"name": "ndots", "value": "1"}],
    }
    spec = {"dnsPolicy": "None", "dnsConfig": config}
    made = pointed_at(spec, "shop", Cluster("cluster.local"), SERVER)
    assert made == {**config, "nameservers": [SERVER]}


def test_nothing_empty_is_written() -> None:
    spec = {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"]}}
    made = pointed_at(spec, "shop", Cluster("cluster.local"), SERVER)
    assert made == {"nameservers": [SERVER]}
