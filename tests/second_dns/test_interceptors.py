"""Interceptors of DNS are recognized by their objects."""

from pathlib import Path

import pytest

from minidns.second_dns.interceptors import Evidence, interceptors, node_cache
from sim.api.objects import Json
from tests.second_dns.rights import ENROL, grant
from tests.second_dns.world import as_user, cluster, desk, with_second, workload
from tests.table import table


def daemon_set(image: str, *args: str, namespace: str = "kube-system") -> Json:
    container = {"name": "c", "image": image, "args": list(args)}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "ds", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "ds"}},
            "template": {"metadata": {"labels": {"app": "ds"}}, "spec": {"containers": [container]}},
        },
    }


def pod(annotations: dict[str, str] | None = None, **spec: object) -> Json:
    meta = {"name": "p", "namespace": "shop", "annotations": annotations or {}}
    return {"metadata": meta, "spec": {"containers": [{"name": "c"}], **spec}}


def sidecar(**variables: str) -> Json:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    return {"name": "istio-proxy", "env": env}


def config_map(name: str, **data: str) -> Json:
    return {"metadata": {"name": name, "namespace": "istio-system"}, "data": data}


def cilium(*rules: Json) -> Json:
    ports = [{"rules": {"dns": list(rules)}} if rules else {}]
    spec = {"egress": [{"toPorts": ports}]}
    return {"metadata": {"name": "fqdn", "namespace": "shop"}, "spec": spec}


KINDNET = "docker.io/kindest/kindnetd:v20250512"
CAPTURE = {"ISTIO_META_DNS_CAPTURE": "true"}
MESH = config_map("istio", mesh='proxyMetadata:\n  ISTIO_META_DNS_CAPTURE: "true"\n')
REDIRECTED = {"ambient.istio.io/redirection": "enabled"}
NO_CAPTURE = {**REDIRECTED, "ambient.istio.io/dns-capture": "false"}
OFF = config_map("istio-cni-config", AMBIENT_DNS_CAPTURE="false")
ON = config_map("istio-cni-config", AMBIENT_DNS_CAPTURE="true")
AMBIENT = {"metadata": {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}}}
AKS = {"metadata": {"name": "n", "labels": {"kubernetes.azure.com/localdns-state": "enabled"}}}
NOT_AKS = {"metadata": {"name": "n", "labels": {"kubernetes.azure.com/localdns-state": "disabled"}}}
TALOS = {"metadata": {"name": "n"}, "status": {"nodeInfo": {"osImage": "Talos (v1.9.0)"}}}


@table(
    ("evidence", "name", "trace"),
    [
        pytest.param(Evidence(daemon_sets=[daemon_set("x/dns-node-cache", "-localip", "169.254.20.10,10.96.0.10")]), "NodeLocal DNSCache", "169.254.20.10,10.96.0.10", id="nodelocal"),
        pytest.param(Evidence(daemon_sets=[daemon_set("x", "--localip=169.254.20.10")]), "NodeLocal DNSCache", "169.254.20.10", id="nodelocal-equals"),
        pytest.param(Evidence(daemon_sets=[daemon_set(KINDNET, "--dns-caching=true")]), "kindnet's DNS cache", "--dns-caching", id="kindnet"),
        pytest.param(Evidence(daemon_sets=[daemon_set(KINDNET, "--dns-caching")]), "kindnet's DNS cache", "--dns-caching", id="kindnet-bare-flag"),
        pytest.param(Evidence(daemon_sets=[daemon_set(KINDNET, "--dns-caching", "--v=2")]), "kindnet's DNS cache", "--dns-caching", id="kindnet-flag-then-flag"),
        pytest.param(Evidence(pods=[pod(containers=[sidecar(**CAPTURE)])]), "Istio's sidecar", "shop/p", id="sidecar"),
        pytest.param(Evidence(pods=[pod(initContainers=[sidecar(**CAPTURE)])]), "Istio's sidecar", "shop/p", id="native-sidecar"),
        pytest.param(Evidence(pods=[pod(containers=[sidecar()])], config_maps=[MESH]), "Istio's sidecar", "shop/p", id="sidecar-by-mesh"),
        pytest.param(Evidence(pods=[pod(REDIRECTED)]), "Istio ambient", "pod shop/p", id="ambient-pod"),
        pytest.param(Evidence(pods=[pod(REDIRECTED)], config_maps=[ON]), "Istio ambient", "is true", id="ambient-pod-and-setting"),
        pytest.param(Evidence(namespaces=[AMBIENT]), "Istio ambient", "namespace shop", id="ambient-namespace"),
        pytest.param(Evidence(policies=[cilium({"matchPattern": "*"})]), "Cilium's DNS proxy", "shop/fqdn", id="cilium"),
        pytest.param(Evidence(nodes=[AKS]), "AKS LocalDNS", "node n", id="aks"),
        pytest.param(Evidence(nodes=[TALOS]), "Talos host DNS", "Talos (v1.9.0)", id="talos"),
    ],
)  # fmt: skip
def test_found_with_its_trace(evidence: Evidence, name: str, trace: str) -> None:
    (found,) = interceptors(evidence)
    assert found.name == name
    assert trace in found.evidence
    assert str(found).isprintable()


@table(
    "evidence",
    [
        pytest.param(Evidence(), id="nothing"),
        pytest.param(Evidence(daemon_sets=[daemon_set(KINDNET)]), id="kindnet-without-cache"),
        pytest.param(Evidence(daemon_sets=[daemon_set(KINDNET, "--dns-caching=false")]), id="kindnet-cache-off"),
        pytest.param(Evidence(daemon_sets=[daemon_set("x/agent", "--dns-caching=true")]), id="another-program"),
        pytest.param(Evidence(pods=[pod(containers=[sidecar()])]), id="sidecar-without-capture"),
        pytest.param(Evidence(pods=[pod(containers=[sidecar(ISTIO_META_DNS_CAPTURE="false")])], config_maps=[MESH]), id="sidecar-opted-out"),
        pytest.param(Evidence(pods=[pod()], config_maps=[MESH, ON]), id="pod-outside-the-mesh"),
        pytest.param(Evidence(pods=[pod(REDIRECTED)], config_maps=[OFF]), id="ambient-capture-off"),
        pytest.param(Evidence(pods=[pod(NO_CAPTURE)], config_maps=[ON]), id="ambient-pod-opted-out"),
        pytest.param(Evidence(policies=[cilium()]), id="cilium-without-dns"),
        pytest.param(Evidence(nodes=[NOT_AKS]), id="aks-off"),
    ],
)  # fmt: skip
def test_not_found_without_a_trace(evidence: Evidence) -> None:
    assert interceptors(evidence) == []


@table(
    ("nameserver", "names"),
    [
        ("10.96.0.10", []),
        ("169.254.20.10", ["NodeLocal DNSCache"]),
        ("169.254.10.11", ["AKS LocalDNS"]),
        ("192.0.2.1", ["a DNS cache on the node"]),
    ],
)
def test_node_caches_by_the_nameserver(nameserver: str, names: list[str]) -> None:
    assert [each.name for each in node_cache(nameserver, "10.96.0.10")] == names


@table(
    ("words", "form"),
    [
        ("status", "intercepted: NodeLocal DNSCache"),
        ("clone --name dns-b", "note: NodeLocal DNSCache"),
        ("enrol deploy/web -n shop --all", "note: NodeLocal DNSCache"),
    ],
)
async def test_the_commands_name_it(words: str, form: str) -> None:
    local = daemon_set("x/dns-node-cache", "-localip", "169.254.20.10")
    async with desk(with_second(cluster(workload(), local))) as at:
        assert await at.run(words) == 0
        assert form in at.said


async def test_what_may_not_be_read_is_no_obstacle(tmp_path: Path) -> None:
    of = with_second(cluster(workload()))
    optional = {"nodes", "namespaces"}
    grant(of, "jane", tuple(rule for rule in ENROL if rule[1] not in optional))
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        assert await at.run("enrol deploy/web -n shop --all") == 0
