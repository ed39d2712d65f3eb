"""Which Service is the cluster's DNS, and what answers behind it."""

import pytest

from minidns.second_dns import running
from minidns.second_dns.session import Refusal
from sim.api.objects import Json
from sim.api.objects import clone as copy_of
from tests.second_dns.world import SYSTEM, cluster, desk, kubeadm
from tests.table import table


def service(name: str, *, label: str = "", ip: str = "10.96.0.9", port: int = 53) -> Json:
    labels = {"k8s-app": label} if label else {}
    return {
        "kind": "Service",
        "metadata": {"name": name, "namespace": SYSTEM, "labels": labels},
        "spec": {"clusterIP": ip, "ports": [{"port": port, "protocol": "UDP"}]},
    }


KUBE_DNS = service("kube-dns", label="kube-dns")
METRICS = service("prometheus-kube-dns", label="kube-dns", ip="None")
UPSTREAM = service("kube-dns-upstream", label="kube-dns")
RKE2 = service("rke2-coredns-rke2-coredns", label="kube-dns")
OPENSHIFT = service("dns-default")
OTHER = service("syslog", port=514)


@table(
    ("services", "wanted", "expected"),
    [
        pytest.param([OTHER, KUBE_DNS], "", "kube-dns", id="kubeadm"),
        pytest.param([METRICS, KUBE_DNS], "", "kube-dns", id="headless-does-not-count"),
        pytest.param([UPSTREAM, KUBE_DNS], "", "kube-dns", id="nodelocal-upstream"),
        pytest.param([RKE2], "", RKE2["metadata"]["name"], id="rke2-by-label"),
        pytest.param([OTHER, OPENSHIFT], "", "dns-default", id="openshift-by-name"),
        pytest.param([service("coredns")], "", "coredns", id="by-name"),
        pytest.param([KUBE_DNS, RKE2], RKE2["metadata"]["name"], RKE2["metadata"]["name"], id="named"),
        pytest.param([KUBE_DNS, service("x", ip="10.96.0.77")], "10.96.0.77", "x", id="by-address"),
    ],
)  # fmt: skip
def test_which_is_meant(services: list[Json], wanted: str, expected: str) -> None:
    found = running.choose_service(services, SYSTEM, wanted)
    assert found["metadata"]["name"] == expected


@table(
    ("services", "wanted", "why"),
    [
        pytest.param([OTHER, METRICS], "", "no kube-dns found in namespace kube-system: looked for a Service with a ClusterIP and port 53/UDP, labelled k8s-app=kube-dns or called kube-dns, coredns, dns-default", id="none"),
        pytest.param([RKE2, UPSTREAM], "", "several DNS services in namespace kube-system: kube-dns-upstream, rke2-", id="several"),
        pytest.param([KUBE_DNS], "kube-dns-9", "no DNS service kube-dns-9 in namespace kube-system: looked for", id="named-not-there"),
        pytest.param([KUBE_DNS, OTHER], "syslog", "no DNS service syslog", id="named-is-no-dns"),
    ],
)  # fmt: skip
def test_none_is_found(services: list[Json], wanted: str, why: str) -> None:
    with pytest.raises(Refusal, match=why):
        running.choose_service(services, SYSTEM, wanted)


@table(
    ("selector", "labels", "selected"),
    [
        ({"a": "1"}, {"a": "1", "b": "2"}, True),
        ({"a": "1", "b": "2"}, {"a": "1"}, False),
        ({}, {"a": "1"}, False),
        (None, {"a": "1"}, False),
    ],
)
def test_selectors_of_services(selector: dict[str, str] | None, labels: dict[str, str], selected: bool) -> None:
    assert running.matches(selector, labels) is selected


@table(
    ("operator", "values", "selected"),
    [
        ("In", ["kube-dns", "x"], True),
        ("In", ["x"], False),
        ("NotIn", ["x"], True),
        ("NotIn", ["kube-dns"], False),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
    ],
)
def test_selectors_of_workloads(operator: str, values: list[str] | None, selected: bool) -> None:
    expression = {"key": "k8s-app", "operator": operator, "values": values}
    labels = {"k8s-app": "kube-dns"}
    assert running.selects({"matchExpressions": [expression]}, labels) is selected
    assert running.selects({}, labels)


def _args(dns: list[Json], *args: str, command: tuple[str, ...] = ()) -> list[Json]:
    dns = copy_of({"all": dns})["all"]
    (container,) = dns[3]["spec"]["template"]["spec"]["containers"]
    container["args"] = list(args)
    container["command"] = list(command)
    return dns


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "command", "port"),
    [
        (("-conf", "/etc/coredns/Corefile"), (), 53),
        (("-conf=/etc/coredns/Corefile", "-dns.port=1053"), (), 1053),
        (("--conf", "/etc/coredns/Corefile", "-p", "5353"), ("/coredns",), 5353),
        ((), ("/coredns", "-conf", "/etc/coredns/Corefile"), 53),
        ((), (), 53),
    ],
)
async def test_flags_of_coredns(args: tuple[str, ...], command: tuple[str, ...], port: int) -> None:
    async with desk(cluster(dns=_args(kubeadm(), *args, command=command))) as at:
        service = await running.find_service(at.session.api, SYSTEM)
        server = await running.read_server(at.session.api, service)
        assert (server.file, server.port) == ("/etc/coredns/Corefile", port)
        assert server.corefile == kubeadm()[1]["data"]["Corefile"]
        assert server.address == "10.96.0.10"
        assert server.mount.config_map == "coredns"


async def test_a_dns_without_a_corefile_is_not_coredns() -> None:
    async with desk(cluster(dns=_args(kubeadm(), "-conf", "/Corefile"))) as at:
        service = await running.find_service(at.session.api, SYSTEM)
        with pytest.raises(Refusal, match=r"coredns serves without a Corefile in a Conf.*container coredns has no /Corefile"):  # fmt: skip
            await running.read_server(at.session.api, service)


async def test_nobody_behind_the_service() -> None:
    async with desk(cluster(dns=kubeadm()[:3])) as at:
        service = await running.find_service(at.session.api, SYSTEM)
        with pytest.raises(Refusal, match=r"no workload runs the pods of Service kube-system/kube-dns: .*k8s-app=kube-dns"):  # fmt: skip
            await running.read_server(at.session.api, service)


@table(("target", "number"), [(53, 53), ("dns", 53), ("unknown", 53), (None, 53), (8053, 8053)])
async def test_target_ports(target: object, number: int) -> None:
    async with desk() as at:
        service = await running.find_service(at.session.api, SYSTEM)
        server = await running.read_server(at.session.api, service)
    port = {"port": 53, "protocol": "UDP", "targetPort": target}
    assert running.target_port(server, port) == number


@table(
    ("image", "version"),
    [
        ("registry.k8s.io/coredns/coredns:v1.14.2", "1.14.2"),
        ("coredns/coredns:1.11.1", "1.11.1"),
        ("localhost:5000/coredns:1.13.1", "1.13.1"),
        ("eks/coredns:v1.11.3-eksbuild.1", "1.11.3"),
        ("mcr.example.com/oss/v2/kubernetes/coredns:v1.12.1-8", "1.12.1"),
        ("rancher/hardened-coredns:v1.12.2-build20250611", "1.12.2"),
        ("rancher/mirrored-coredns-coredns:1.12.3", "1.12.3"),
        ("coredns/coredns:1.14.7@sha256:00ff", "1.14.7"),
        ("coredns/coredns", None),
        ("coredns/coredns:latest", None),
        ("coredns/coredns@sha256:00ff", None),
        ("coredns/coredns:1.9.3", None),
        ("coredns/coredns:1.14", None),
        ("coredns/coredns:1.14.20", None),
        ("coredns/coredns:1.14.2.1", None),
        ("example.org/dns:1.14.2", None),
        ("coredns/other:1.14.2", None),
        ("", None),
    ],
)
def test_release_by_the_tag_of_an_image(image: str, version: str | None) -> None:
    found = running.release_of(image)
    assert (found and str(found)) == version
