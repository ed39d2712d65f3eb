import pytest

from minidns.second_dns.target import Peer, blocking_policies
from sim.api.objects import Json
from tests.table import table

DNS = Peer("kube-system", {"k8s-app": "kube-dns-2"}, 53, "dns", ("10.244.0.7",))
WEB = {"app": "web"}
UDP = {"protocol": "UDP", "port": 53}


def policy(*egress: Json, selector: Json | None = None, **spec: object) -> Json:
    return {
        "metadata": {"name": "p"},
        "spec": {"podSelector": selector or {}, "policyTypes": ["Egress"], "egress": list(egress), **spec},
    }


def to(*peers: Json, ports: tuple[Json, ...] = (UDP,)) -> Json:
    return {"to": list(peers), "ports": list(ports)}


def pods(**labels: str) -> Json:
    return {"matchLabels": {name.replace("_", "-"): v for name, v in labels.items()}}


ALL_SPACES: Json = {"namespaceSelector": {}}
FIRST = {**ALL_SPACES, "podSelector": pods(k8s_app="kube-dns")}
SECOND = {**ALL_SPACES, "podSelector": pods(k8s_app="kube-dns-2")}
SYSTEM = {"namespaceSelector": pods()}
SYSTEM["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}


@table(
    ("policies", "blocked"),
    [
        pytest.param([], False, id="none"),
        pytest.param([policy(to(FIRST))], True, id="kube-dns-only"),
        pytest.param([policy(to(FIRST)), policy(to(SECOND))], False, id="another-lets-it"),
        pytest.param([policy(to(SECOND))], False, id="by-its-label"),
        pytest.param([policy(to(SYSTEM))], False, id="by-its-namespace"),
        pytest.param([policy(to(ALL_SPACES))], False, id="all-namespaces"),
        pytest.param([policy()], True, id="deny-all"),
        pytest.param([policy({})], False, id="allow-all"),
        pytest.param([policy(to({"podSelector": {}}))], True, id="own-namespace-only"),
        pytest.param([policy(to(SECOND, ports=({"port": 53},)))], True, id="tcp-only"),
        pytest.param([policy(to(SECOND, ports=()))], False, id="every-port"),
        pytest.param([policy(to(SECOND, ports=({"protocol": "UDP"},)))], False, id="every-udp-port"),
        pytest.param([policy(to(SECOND, ports=({"protocol": "UDP", "port": "dns"},)))], False, id="port-by-name"),
        pytest.param([policy(to(SECOND, ports=({"protocol": "UDP", "port": 50, "endPort": 60},)))], False, id="port-range"),
        pytest.param([policy(to(SECOND, ports=({"protocol": "UDP", "port": 5353},)))], True, id="other-port"),
        pytest.param([policy(to({"ipBlock": {"cidr": "10.244.0.0/16"}}))], False, id="by-address"),
        pytest.param([policy(to({"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.0.0/24"]}}))], True, id="by-address-except"),
        pytest.param([policy(to(FIRST), selector=pods(app="db"))], False, id="about-other-pods"),
        pytest.param([policy(to(FIRST), policyTypes=["Ingress"])], False, id="about-ingress"),
        pytest.param([policy(to(FIRST), policyTypes=None)], True, id="types-follow-from-rules"),
    ],
)  # fmt: skip
def test_whether_it_can_be_asked(policies: list[Json], blocked: bool) -> None:
    assert blocking_policies(policies, "shop", WEB, DNS) == (["p"] if blocked else [])


def test_own_namespace_counts_where_the_dns_is_in_it() -> None:
    here = DNS._replace(namespace="shop")
    assert blocking_policies([policy(to({"podSelector": {}}))], "shop", WEB, here) == []
