import yaml

from sim.api.objects import Json, dig
from sim.controllers.cluster import Cluster
from sim.node import kind_corefile, kube_system


def cluster() -> Cluster:
    made = Cluster()
    for obj in kube_system.objects():
        made.apply(obj)
    return made


def ports(service: Json) -> list[tuple[int, str]]:
    return [(port["port"], port["protocol"]) for port in service["spec"]["ports"]]


def test_two_dns_services() -> None:
    found = cluster().list("Service", "kube-system")
    assert [s["metadata"]["name"] for s in found] == ["kube-dns", "kube-dns-2"]
    assert [s["spec"]["clusterIP"] for s in found] == ["10.96.0.10", "10.96.0.20"]
    for service in found:
        assert ports(service) == [(53, "UDP"), (53, "TCP"), (9153, "TCP")]


def test_each_service_has_a_pod_of_its_own_that_is_not_ready_yet() -> None:
    made = cluster()
    ends: list[Json] = [end for found in made.list("EndpointSlice", "kube-system") for end in found["endpoints"]]
    assert len({end["addresses"][0] for end in ends}) == 2
    assert [end["conditions"]["ready"] for end in ends] == [False, False]
    names = [pod["metadata"]["name"] for pod in made.list("Pod", "kube-system")]
    assert [name.rsplit("-", 2)[0] for name in names] == ["coredns-2", "coredns"]


def test_config_map_is_kinds() -> None:
    found = cluster().get("ConfigMap", "kube-system", "coredns")
    assert found["data"] == {"Corefile": kind_corefile.KIND}
    assert cluster().find("ServiceAccount", "kube-system", "coredns") is not None


def test_pods() -> None:
    made = cluster()
    dnsutils = made.get("Pod", "default", "dnsutils")
    assert dig(dnsutils, "spec.dnsPolicy") == "None"
    assert dig(dnsutils, "spec.dnsConfig") == {"nameservers": ["10.96.0.20"]}
    assert dig(made.get("Pod", "default", "app"), "spec.dnsPolicy") == "ClusterFirst"


def test_manifest_is_one_that_kubectl_takes() -> None:
    documents = list(yaml.safe_load_all(kube_system.manifest()))
    assert all(d["apiVersion"] and d["metadata"]["namespace"] for d in documents)
    assert [d["kind"] for d in documents].count("Deployment") == 2
