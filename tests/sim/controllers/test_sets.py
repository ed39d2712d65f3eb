"""StatefulSets and DaemonSets (Kubernetes, pkg/controller/statefulset and daemon)."""

from typing import Any

import pytest

from sim.api.objects import Json, annotations_of, dig, labels_of, with_meta
from sim.api.patch import STRATEGIC_PATCH
from sim.controllers.cluster import Cluster
from sim.controllers.pods import READY
from sim.controllers.revisions import HASH
from tests.sim.builders import failing, names, service
from tests.table import table

NEW_IMAGE = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "new"}]}}}}


def workload(kind: str, **spec: Any) -> Json:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "old"}]}}
    own = {"serviceName": "web"} if kind == "StatefulSet" else {}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}, "template": template} | own | spec,
    }


def stateful(replicas: int = 3, **spec: Any) -> Cluster:
    cluster = Cluster()
    cluster.create(workload("StatefulSet", replicas=replicas, **spec))
    return cluster


def pods(cluster: Cluster) -> list[str]:
    return names(cluster.list("Pod", "default"))


def images(cluster: Cluster) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in cluster.list("Pod", "default")]


def make_ready(cluster: Cluster, name: str, ready: str = "true") -> None:
    cluster.patch("Pod", "default", name, {"metadata": {"annotations": {READY: ready}}})


def test_pods_have_stable_names_and_addresses_in_dns() -> None:
    cluster = stateful(2)
    cluster.create(service(clusterIP="None"))
    assert pods(cluster) == ["web-0", "web-1"]
    for index, pod in enumerate(cluster.list("Pod")):
        name = f"web-{index}"
        assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == (name, "web")
        assert labels_of(pod)["statefulset.kubernetes.io/pod-name"] == name
        assert labels_of(pod)["apps.kubernetes.io/pod-index"] == str(index)
    endpoints = cluster.list("EndpointSlice", "default", "kubernetes.io/service-name=web")[0]["endpoints"]
    assert [endpoint["hostname"] for endpoint in endpoints] == ["web-0", "web-1"]
    first = cluster.get("Pod", "default", "web-0")["metadata"]["uid"]
    cluster.delete("Pod", "default", "web-0")
    assert cluster.get("Pod", "default", "web-0")["metadata"]["uid"] != first


@pytest.mark.parametrize(
    ("policy", "started"),
    [
        pytest.param("OrderedReady", ["web-0"], id="next pod waits for the last"),
        pytest.param("Parallel", ["web-0", "web-1", "web-2"], id="all at once"),
    ],
)
def test_order_of_start(policy: str, started: list[str]) -> None:
    spec = workload("StatefulSet", replicas=3, podManagementPolicy=policy)
    spec["spec"]["template"]["metadata"]["annotations"] = {READY: "false"}
    cluster = Cluster()
    cluster.create(spec)
    assert pods(cluster) == started
    for name in ("web-0", "web-1", "web-2"):
        make_ready(cluster, name)
    assert pods(cluster) == ["web-0", "web-1", "web-2"]
    assert cluster.get("StatefulSet", "default", "web")["status"]["readyReplicas"] == 3


@table(
    ("spec", "left"),
    [
        pytest.param({"replicas": 1}, ["web-0"], id="highest number goes first"),
        pytest.param({"replicas": 0}, [], id="to none"),
        pytest.param({"replicas": 2, "ordinals": {"start": 5}}, ["web-5", "web-6"], id="first number"),
    ],
)
def test_number_of_pods(spec: Json, left: list[str]) -> None:
    cluster = stateful()
    cluster.patch("StatefulSet", "default", "web", {"spec": spec})
    assert pods(cluster) == left


@table(
    ("strategy", "updated"),
    [
        pytest.param({}, ["new"] * 3, id="rolling update"),
        pytest.param({"rollingUpdate": {"partition": 2}}, ["old", "old", "new"], id="from the partition on"),
        pytest.param({"type": "OnDelete"}, ["old"] * 3, id="on delete"),
    ],
)
def test_update(strategy: Json, updated: list[str]) -> None:
    cluster = stateful(updateStrategy=strategy)
    cluster.patch("StatefulSet", "default", "web", NEW_IMAGE)
    assert images(cluster) == updated


def test_update_stops_at_a_pod_that_is_not_ready() -> None:
    cluster = stateful()
    bad = {"spec": {"template": {"metadata": {"annotations": {READY: "false"}}}}}
    cluster.patch("StatefulSet", "default", "web", bad)
    assert [annotations_of(pod).get(READY) for pod in cluster.list("Pod")] == [None, None, "false"]
    status = cluster.get("StatefulSet", "default", "web")["status"]
    assert (status["updatedReplicas"], status["readyReplicas"]) == (1, 2)
    assert status["currentRevision"] != status["updateRevision"]


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_earlier_template_can_be_restored(kind: str) -> None:
    cluster = Cluster()
    cluster.create(workload(kind))
    cluster.patch(kind, "default", "web", NEW_IMAGE)
    assert images(cluster) == ["new"]
    by_number = {r["revision"]: r for r in cluster.list("ControllerRevision")}
    assert set(by_number) == {1, 2}
    cluster.patch(kind, "default", "web", by_number[1]["data"], STRATEGIC_PATCH)
    assert images(cluster) == ["old"]
    assert {r["revision"] for r in cluster.list("ControllerRevision")} == {2, 3}


def test_old_revisions_are_deleted() -> None:
    cluster = stateful(1, revisionHistoryLimit=1)
    for image in "abcd":
        change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
        cluster.patch("StatefulSet", "default", "web", change)
    assert sorted(r["revision"] for r in cluster.list("ControllerRevision")) == [4, 5]


@table(
    ("kind", "change", "field"),
    [
        pytest.param("StatefulSet", {"serviceName": "other"}, "spec", id="service name"),
        pytest.param("StatefulSet", {"podManagementPolicy": "Parallel"}, "spec", id="policy"),
        pytest.param("DaemonSet", {"selector": {"matchLabels": {"a": "b"}}}, "spec.selector", id="selector"),
        pytest.param(
            "DaemonSet",
            {"template": {"spec": {"restartPolicy": "Never"}}},
            "spec.template.spec.restartPolicy",
            id="pods that end",
        ),
    ],
)
def test_refused_changes(kind: str, change: Json, field: str) -> None:
    cluster = Cluster()
    cluster.create(workload(kind))
    status = failing(lambda: cluster.patch(kind, "default", "web", {"spec": change}))
    assert (status["code"], status["details"]["causes"][0]["field"]) == (422, field)


def test_daemon_runs_once_on_each_matching_node() -> None:
    cluster = Cluster(nodes=("a", "b", "c"))
    cluster.create(workload("DaemonSet"))
    assert sorted(pod["spec"]["nodeName"] for pod in cluster.list("Pod")) == ["a", "b", "c"]
    wanted = {"spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "b"}}}}}
    cluster.patch("DaemonSet", "default", "web", wanted)
    (pod,) = cluster.list("Pod")
    assert pod["spec"]["nodeName"] == "b"
    node = cluster.get("Node", "", "b")
    cluster.create(with_meta({**node, "status": node["status"]}, name="b2", resourceVersion=None, uid=None))
    assert len(cluster.list("Pod")) == 2
    assert dig(cluster.get("DaemonSet", "default", "web"), "status.numberReady") == 2


def test_daemon_is_updated_one_node_after_the_other() -> None:
    cluster = Cluster(nodes=("a", "b"))
    cluster.create(workload("DaemonSet"))
    bad = {"spec": {"template": {"metadata": {"annotations": {READY: "false"}}}}}
    cluster.patch("DaemonSet", "default", "web", bad)
    assert len({labels_of(pod)[HASH] for pod in cluster.list("Pod")}) == 2
    for pod in names(cluster.list("Pod")) + names(cluster.list("Pod")):
        if cluster.find("Pod", "default", pod):
            make_ready(cluster, pod)
    assert len({labels_of(pod)[HASH] for pod in cluster.list("Pod")}) == 1
