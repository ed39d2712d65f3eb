from collections.abc import Callable
from typing import Any

import pytest

from sim.api.objects import Json, condition, timestamp
from sim.api.writing import Deletion
from sim.controllers.cluster import Cluster
from tests.sim.builders import failing, pod, service
from tests.table import table


def run(cluster: Cluster, obj: Json) -> Json:
    cluster.create(obj)
    return cluster.get("Pod", "default", obj["metadata"]["name"])


def annotated(name: str = "web-1", **annotations: str) -> Json:
    obj = pod(name)
    obj["metadata"]["annotations"] = {f"sim/{k}": v for k, v in annotations.items()}
    return obj


def test_pod_runs_at_once() -> None:
    found = run(Cluster(), pod())
    assert found["spec"]["nodeName"] == "node-1"
    status = found["status"]
    assert (status["phase"], status["podIP"]) == ("Running", "10.244.0.2")
    assert condition(found, "Ready") == "True"
    assert status["containerStatuses"][0]["ready"] is True


def test_watchers_see_it_pending_first() -> None:
    cluster = Cluster()
    seen = []
    cluster.subscribe(lambda c: seen.append((c.kind.name, c.type, c.obj["status"]["phase"])))
    cluster.create(pod())
    assert seen == [("Pod", "ADDED", "Pending"), ("Pod", "MODIFIED", "Running")]


def test_nodes_take_turns_and_have_ranges_of_their_own() -> None:
    cluster = Cluster(nodes=("a", "b"))
    ips = [run(cluster, pod(f"p-{i}"))["status"]["podIP"] for i in range(4)]
    assert ips == ["10.244.0.2", "10.244.1.2", "10.244.0.3", "10.244.1.3"]


def test_dual_stack_pod_has_two_addresses() -> None:
    status = run(Cluster(dual_stack=True), pod())["status"]
    ips = [entry["ip"] for entry in status["podIPs"]]
    assert ips == ["10.244.0.2", "fd00:10:244::2"]


def test_host_network_pod_has_the_address_of_its_node() -> None:
    cluster = Cluster()
    status = run(cluster, pod(hostNetwork=True))["status"]
    assert status["podIP"] == status["hostIP"] == "172.18.0.2"
    assert "172.18.0.2" not in cluster.addresses.pods


def test_pod_without_any_node_gets_an_address_all_the_same() -> None:
    status = run(Cluster(nodes=()), pod())["status"]
    assert status["podIP"].startswith("10.244.")


@pytest.mark.parametrize(("cidr", "address"), [("192.0.2.0/24", "192.0.2.2"), ("192.0.2.7/32", "192.0.2.7")])
def test_node_from_elsewhere_has_addresses_of_its_own(cidr: str, address: str) -> None:
    cluster = Cluster(nodes=())
    meta = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "far"}}
    cluster.create({**meta, "spec": {"podCIDRs": [cidr]}})
    assert run(cluster, pod())["status"]["podIP"] == address


def test_node_with_a_range_that_is_none() -> None:
    meta = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "far"}}
    obj = {**meta, "spec": {"podCIDRs": ["192.0.2.1/24"]}}
    status = failing(lambda: Cluster().create(obj))
    assert status["message"] == (
        'Node "far" is invalid: spec.podCIDRs[0]: Invalid value: "192.0.2.1/24": 192.0.2.1/24 has host bits set'
    )


@table(
    ("annotations", "phase", "ready", "has_ip"),
    [
        pytest.param({"ready": "false"}, "Running", "False", True, id="not-ready"),
        pytest.param({"phase": "Pending"}, "Pending", "False", False, id="pending"),
        pytest.param({"phase": "Succeeded"}, "Succeeded", "False", True, id="done"),
        pytest.param({"ip": "10.244.7.7"}, "Running", "True", True, id="address"),
    ],
)
def test_annotations_tell_otherwise(annotations: dict[str, str], phase: str, ready: str, has_ip: bool) -> None:
    found = run(Cluster(), annotated(**annotations))
    assert found["status"]["phase"] == phase
    assert condition(found, "Ready") == ready
    assert ("podIP" in found["status"]) is has_ip
    if "ip" in annotations:
        assert found["status"]["podIP"] == annotations["ip"]


def test_annotations_can_change_their_mind() -> None:
    cluster = Cluster()
    first = run(cluster, annotated())["status"]["podIP"]
    for value, expected in (("false", "False"), ("true", "True")):
        patch = {"metadata": {"annotations": {"sim/ready": value}}}
        cluster.patch("Pod", "default", "web-1", patch)
        found = cluster.get("Pod", "default", "web-1")
        assert condition(found, "Ready") == expected
        assert found["status"]["podIP"] == first


def test_pending_pod_starts_when_it_may() -> None:
    cluster = Cluster()
    run(cluster, annotated(phase="Pending"))
    patch = {"metadata": {"annotations": {"sim/phase": None}}}
    cluster.patch("Pod", "default", "web-1", patch)
    assert cluster.get("Pod", "default", "web-1")["status"]["phase"] == "Running"


def test_given_status_is_kept_and_completed() -> None:
    conditions = [{"type": "Ready", "status": "False"}]
    given = {"podIP": "10.244.3.3", "conditions": conditions}
    status = run(Cluster(), pod() | {"status": given})["status"]
    assert status["podIPs"] == [{"ip": "10.244.3.3"}]
    assert (status["phase"], status["conditions"]) == ("Running", conditions)
    assert status["containerStatuses"][0]["ready"] is False


def test_address_is_free_again_when_the_pod_is_gone() -> None:
    cluster = Cluster()
    ip = run(cluster, pod())["status"]["podIP"]
    assert ip in cluster.addresses.pods
    cluster.delete("Pod", "default", "web-1")
    assert ip not in cluster.addresses.pods


@table(
    ("spec", "message"),
    [
        pytest.param({"containers": []}, "spec.containers: Required value", id="empty"),
        pytest.param({"dnsPolicy": "Sometimes"}, 'spec.dnsPolicy: Unsupported value: "Sometimes"', id="dns-policy"),
        pytest.param(
            {"dnsPolicy": "None"},
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
            id="dns-policy-none-without-server",
        ),
    ],
)
def test_refusal(spec: dict[str, Any], message: str) -> None:
    status = failing(lambda: Cluster().create(pod(**spec)))
    assert status["code"] == 422
    assert message in status["message"]


def test_spec_of_a_running_pod_is_fixed_but_for_images() -> None:
    cluster = Cluster()
    run(cluster, pod())
    image = {"spec": {"containers": [{"name": "c", "image": "other"}]}}
    strategic = "application/strategic-merge-patch+json"
    cluster.patch("Pod", "default", "web-1", image, strategic)
    policy = {"spec": {"dnsPolicy": "Default"}}
    status = failing(lambda: cluster.patch("Pod", "default", "web-1", policy))
    assert "pod updates may not change fields other than" in status["message"]


class Timers:
    """Timers that a test lets expire."""

    def __init__(self) -> None:
        self.pending: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        self.pending.append((delay_s, act))


@table(
    ("stops", "own", "asked", "takes_s"),
    [
        pytest.param("10", 30, None, 10, id="its containers end"),
        pytest.param("60", 30, None, 30, id="they are killed after its grace period"),
        pytest.param("60", 30, 5, 5, id="--grace-period=5"),
        pytest.param("60", 30, 0, None, id="--grace-period=0 --force"),
        pytest.param("0", 30, None, None, id="they end at once"),
        pytest.param("x", 30, None, None, id="no number"),
        pytest.param("60", 0, None, None, id="no grace period"),
    ],
)
def test_a_deleted_pod_is_terminating_until_its_containers_have_ended(
    stops: str, own: int, asked: int | None, takes_s: int | None
) -> None:
    timers = Timers()
    cluster = Cluster(now=lambda: 100.0, later=timers.later)
    obj = annotated(**{"stops-after": stops})
    obj["metadata"]["labels"] = {"app": "web"}
    obj["spec"]["terminationGracePeriodSeconds"] = own
    cluster.create(service(selector={"app": "web"}))
    cluster.create(obj)
    cluster.delete("Pod", "default", "web-1", Deletion(grace_s=asked))
    found = cluster.find("Pod", "default", "web-1")
    if takes_s is None:
        assert (found, timers.pending) == (None, [])
        return
    assert found is not None
    period = own if asked is None else asked
    assert found["metadata"]["deletionGracePeriodSeconds"] == period
    assert found["metadata"]["deletionTimestamp"] == timestamp(100.0 + period)
    (slice_,) = cluster.list("EndpointSlice", "default", "kubernetes.io/service-name=web")
    (endpoint,) = slice_["endpoints"]
    assert endpoint["conditions"] == {"ready": False, "serving": True, "terminating": True}
    ((delay_s, act),) = timers.pending
    assert delay_s == takes_s
    act()
    assert cluster.find("Pod", "default", "web-1") is None
    act()  # it has gone: nothing happens


def test_a_terminating_pod_can_be_removed_at_once_and_its_time_does_not_grow() -> None:
    timers = Timers()
    cluster = Cluster(now=lambda: 100.0, later=timers.later)
    cluster.create(annotated(**{"stops-after": "20"}))
    first = cluster.delete("Pod", "default", "web-1", Deletion(grace_s=10))
    assert cluster.delete("Pod", "default", "web-1", Deletion(grace_s=15)) == first
    cluster.delete("Pod", "default", "web-1", Deletion(grace_s=0))
    assert cluster.find("Pod", "default", "web-1") is None
    cluster.create(annotated(**{"stops-after": "20"}))
    for _, act in timers.pending:
        act()  # the timer of the first Pod does not remove the second
    assert cluster.find("Pod", "default", "web-1") is not None
