from typing import Any

import pytest

from sim.api.objects import Json, dig, labels_of
from sim.controllers.cluster import Cluster
from sim.controllers.pods import READY
from sim.controllers.slices import CONTROLLER, HEADLESS, MANAGED_BY, MAX_ENDPOINTS, SERVICE_NAME, ZONE
from tests.sim.builders import failing, names, pod, service
from tests.table import table


def slices(cluster: Cluster, name: str = "web") -> list[Json]:
    return cluster.list("EndpointSlice", "default", f"{SERVICE_NAME}={name}")


def endpoints(cluster: Cluster, name: str = "web") -> list[Json]:
    return [e for found in slices(cluster, name) for e in found["endpoints"]]


def addresses(cluster: Cluster, name: str = "web") -> list[str]:
    return sorted(a for e in endpoints(cluster, name) for a in e["addresses"])


def cluster_with(*objects: Json, **options: Any) -> Cluster:
    cluster = Cluster(**options)
    for obj in objects:
        cluster.create(obj)
    return cluster


@pytest.mark.parametrize("order", ["service-first", "pod-first"])
def test_selected_pods_are_endpoints(order: str) -> None:
    objects = [service(), pod("web-1"), pod("web-2"), pod("other-1")]
    if order == "pod-first":
        objects.reverse()
    cluster = cluster_with(*objects)
    wanted = [cluster.get("Pod", "default", name)["status"]["podIP"] for name in ("web-1", "web-2")]
    assert addresses(cluster) == sorted(wanted)


def test_slice_says_whose_it_is() -> None:
    cluster = cluster_with(service(), pod())
    (found,) = slices(cluster)
    assert found["metadata"]["name"].startswith("web-")
    assert len(found["metadata"]["name"]) == len("web-xxxxx")
    assert labels_of(found)[MANAGED_BY] == CONTROLLER
    owner = found["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Service", "web", True)


def test_endpoint_names_its_pod_and_node() -> None:
    (found,) = endpoints(cluster_with(service(), pod()))
    assert found["targetRef"]["name"] == "web-1"
    assert found["nodeName"] == "node-1"
    assert "hostname" not in found


def test_labels_of_the_service_are_copied() -> None:
    obj = service(clusterIP="None")
    obj["metadata"]["labels"] = {"a": "b"}
    (found,) = slices(cluster_with(obj, pod()))
    assert labels_of(found)["a"] == "b"
    assert labels_of(found)[HEADLESS] == ""


@table(
    ("ready", "publish", "conditions"),
    [
        pytest.param("true", False, (True, True, False), id="ready"),
        pytest.param("false", False, (False, False, False), id="not-ready"),
        pytest.param("false", True, (True, True, False), id="published-all-the-same"),
    ],
)
def test_conditions(ready: str, publish: bool, conditions: tuple[bool, ...]) -> None:
    obj = pod()
    obj["metadata"]["annotations"] = {"sim/ready": ready}
    cluster = cluster_with(service(publishNotReadyAddresses=publish), obj)
    (found,) = endpoints(cluster)
    assert tuple(found["conditions"].values()) == conditions


def test_terminating_pod_serves_but_is_not_ready() -> None:
    obj = pod()
    obj["metadata"]["finalizers"] = ["example.org/hold"]
    cluster = cluster_with(service(), obj)
    cluster.delete("Pod", "default", "web-1")
    (found,) = endpoints(cluster)
    assert found["conditions"] == {"ready": False, "serving": True, "terminating": True}
    cluster.patch("Pod", "default", "web-1", {"metadata": {"finalizers": None}})
    assert endpoints(cluster) == []


@table(
    ("spec", "hostname"),
    [
        pytest.param({"hostname": "h", "subdomain": "web"}, "h", id="of-this-service"),
        pytest.param({"hostname": "h", "subdomain": "db"}, None, id="of-another"),
        pytest.param({"hostname": "h"}, None, id="without-subdomain"),
        pytest.param({"subdomain": "web"}, None, id="without-hostname"),
    ],
)
def test_hostname(spec: dict[str, str], hostname: str | None) -> None:
    (found,) = endpoints(cluster_with(service(clusterIP="None"), pod(**spec)))
    assert found.get("hostname") == hostname


def test_zone_is_the_nodes() -> None:
    cluster = cluster_with(service())
    labels = {"metadata": {"labels": {"topology.kubernetes.io/zone": "z1"}}}
    cluster.patch("Node", "", "node-1", labels)
    cluster.create(pod())
    assert endpoints(cluster)[0]["zone"] == "z1"


def port(name: str, number: int) -> Json:
    container = {"name": "c", "image": "example"}
    return {"containers": [{**container, "ports": [{"name": name, "containerPort": number}]}]}


def test_named_ports_are_resolved_in_each_pod() -> None:
    cluster = cluster_with(
        service(ports=[{"name": "web", "port": 80, "targetPort": "http"}]),
        pod("web-1", **port("http", 8080)),
        pod("web-2", **port("http", 8080)),
        pod("web-3", **port("http", 9090)),
        pod("web-4", **port("other", 1)),
    )
    found = {dig(s, "ports")[0]["port"] if s["ports"] else None: len(s["endpoints"]) for s in slices(cluster)}
    assert found == {8080: 2, 9090: 1, None: 1}


def test_named_port_needs_the_protocol_too() -> None:
    ports = [{"port": 53, "protocol": "UDP", "targetPort": "http"}]
    cluster = cluster_with(service(ports=ports), pod(**port("http", 8080)))
    assert slices(cluster)[0]["ports"] == []


@pytest.mark.slow
def test_slices_hold_a_hundred_endpoints_at_most() -> None:
    cluster = cluster_with(service(), *(pod(f"web-{i}") for i in range(2 * MAX_ENDPOINTS + 5)))
    sizes = sorted(len(found["endpoints"]) for found in slices(cluster))
    assert sizes == [5, MAX_ENDPOINTS, MAX_ENDPOINTS]
    assert len(set(addresses(cluster))) == 2 * MAX_ENDPOINTS + 5


@pytest.mark.slow
def test_endpoints_stay_in_their_slice() -> None:
    cluster = cluster_with(service(), *(pod(f"web-{i}") for i in range(MAX_ENDPOINTS + 2)))
    before = {dig(e, "targetRef.name"): s["metadata"]["name"] for s in slices(cluster) for e in s["endpoints"]}
    cluster.delete("Pod", "default", "web-3")
    for found in slices(cluster):
        for endpoint in found["endpoints"]:
            assert before[endpoint["targetRef"]["name"]] == found["metadata"]["name"]


def test_dual_stack_makes_slices_of_each_family() -> None:
    obj = service(ipFamilyPolicy="RequireDualStack")
    cluster = cluster_with(obj, pod(), dual_stack=True)
    found = {s["addressType"]: s["endpoints"][0]["addresses"] for s in slices(cluster)}
    assert found == {"IPv4": ["10.244.0.2"], "IPv6": ["fd00:10:244::2"]}


def test_service_that_selects_nothing_has_an_empty_slice() -> None:
    (found,) = slices(cluster_with(service()))
    assert (found["endpoints"], found["ports"]) == ([], [])


def test_empty_slice_comes_and_goes_with_the_pods() -> None:
    cluster = cluster_with(service(), pod())
    assert [len(s["endpoints"]) for s in slices(cluster)] == [1]
    cluster.delete("Pod", "default", "web-1")
    assert [len(s["endpoints"]) for s in slices(cluster)] == [0]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"selector": None}, id="without-selector"),
        pytest.param({"type": "ExternalName", "externalName": "example.org"}, id="external-name"),
    ],
)
def test_service_that_selects_no_pods_is_left_alone(spec: dict[str, Any]) -> None:
    assert slices(cluster_with(service(**spec), pod())) == []


@table("phase", ["Pending", "Succeeded", "Failed"])
def test_pods_that_do_not_run_are_no_endpoints(phase: str) -> None:
    obj = pod()
    obj["metadata"]["annotations"] = {"sim/phase": phase}
    assert endpoints(cluster_with(service(), obj)) == []


def test_pod_follows_its_labels() -> None:
    cluster = cluster_with(service("web"), service("api"), pod("web-1"))
    patch = {"metadata": {"labels": {"app": "api"}}}
    cluster.patch("Pod", "default", "web-1", patch)
    assert addresses(cluster, "web") == []
    assert len(addresses(cluster, "api")) == 1


def test_changed_selector_selects_others() -> None:
    cluster = cluster_with(service(), pod("web-1"), pod("api-1"))
    patch = {"spec": {"selector": {"app": "api"}}}
    cluster.patch("Service", "default", "web", patch)
    assert [dig(e, "targetRef.name") for e in endpoints(cluster)] == ["api-1"]


def test_deleted_service_takes_its_slices_along() -> None:
    cluster = cluster_with(service(), pod())
    cluster.delete("Service", "default", "web")
    assert names(cluster.list("EndpointSlice")) == ["kubernetes"]


def test_meddling_with_a_slice_is_undone() -> None:
    cluster = cluster_with(service(), pod())
    (found,) = slices(cluster)
    name = found["metadata"]["name"]
    cluster.patch("EndpointSlice", "default", name, {"endpoints": []})
    assert len(endpoints(cluster)) == 1
    cluster.delete("EndpointSlice", "default", name)
    assert len(endpoints(cluster)) == 1


def test_writes_that_change_no_endpoint_write_no_slice() -> None:
    cluster = cluster_with(service(), pod())
    version = slices(cluster)[0]["metadata"]["resourceVersion"]
    patch = {"metadata": {"labels": {"new": "label"}}}
    cluster.patch("Pod", "default", "web-1", patch)
    assert slices(cluster)[0]["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({}, 'addressType: Unsupported value: null: supported values: "FQDN"', id="no-type"),
        pytest.param(
            {"addressType": "IPv4", "endpoints": [{"addresses": ["2001:db8::1"]}]},
            'endpoints[0].addresses: Invalid value: "2001:db8::1": must be an IPv4 address',
            id="other-family",
        ),
    ],
)
def test_refusal(fields: Json, message: str) -> None:
    obj = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "x"}}
    assert message in failing(lambda: Cluster().create(obj | fields))["message"]


@table(
    ("distribution", "hints"),
    [
        pytest.param(None, None, id="no distribution"),
        pytest.param("PreferClose", {"forZones": [{"name": "a"}]}, id="zone"),
        pytest.param("PreferSameZone", {"forZones": [{"name": "a"}]}, id="same zone"),
        pytest.param("PreferSameNode", {"forZones": [{"name": "a"}], "forNodes": [{"name": "node-1"}]}, id="same node"),
    ],
)
def test_hints_for_ready_endpoints(distribution: str | None, hints: Json | None) -> None:
    cluster = Cluster()
    cluster.patch("Node", "", "node-1", {"metadata": {"labels": {ZONE: "a"}}})
    cluster.create(service(trafficDistribution=distribution))
    cluster.create(pod())
    cluster.create(pod("web-2") | {"metadata": pod("web-2")["metadata"] | {"annotations": {READY: "false"}}})
    (found,) = cluster.list("EndpointSlice", "default", "kubernetes.io/service-name=web")
    assert [endpoint.get("hints") for endpoint in found["endpoints"]] == [hints, None]
