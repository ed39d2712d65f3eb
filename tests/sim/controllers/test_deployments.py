from typing import Any

import pytest

from sim.api.objects import Json, condition, labels_of
from sim.api.store import Change
from sim.controllers.cluster import Cluster
from sim.controllers.deployments import HASH, REVISION, pod_count, revision_of
from tests.sim.builders import deployment, failing, names
from tests.table import table

NEW = {"spec": {"template": {"metadata": {"annotations": {"new": "1"}}}}}
STUCK = {"spec": {"template": {"metadata": {"annotations": {"sim/ready": "false"}}}}}


def deployed(count: int = 3, **spec: Any) -> Cluster:
    cluster = Cluster()
    cluster.create(deployment(**{"replicas": count, **spec}))
    return cluster


def pods(cluster: Cluster) -> list[Json]:
    return cluster.list("Pod", "default", "app=web")


def patched(cluster: Cluster, patch: Json) -> None:
    cluster.patch("Deployment", "default", "web", patch)


def test_pods_are_made_from_the_template() -> None:
    cluster = deployed()
    found = pods(cluster)
    assert len(found) == 3
    for pod in found:
        name, hashed, suffix = pod["metadata"]["name"].split("-")
        assert (name, hashed, len(suffix)) == ("web", labels_of(pod)[HASH], 5)
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("ReplicaSet", f"web-{hashed}")


def test_status_counts_them() -> None:
    obj = deployed().get("Deployment", "default", "web")
    status = obj["status"]
    assert status["readyReplicas"] == status["updatedReplicas"] == 3
    assert status["observedGeneration"] == obj["metadata"]["generation"] == 1
    assert condition(obj, "Available") == "True"


@table("replicas", [0, 1, 5])
def test_replicas_follow_the_number(replicas: int) -> None:
    cluster = deployed()
    patched(cluster, {"spec": {"replicas": replicas}})
    assert len(pods(cluster)) == replicas


def test_deleted_pod_is_replaced() -> None:
    cluster = deployed()
    gone = names(pods(cluster))[0]
    cluster.delete("Pod", "default", gone)
    assert len(pods(cluster)) == 3
    assert gone not in names(pods(cluster))


def test_deleted_deployment_takes_its_pods_along() -> None:
    cluster = deployed()
    cluster.delete("Deployment", "default", "web")
    assert pods(cluster) == []


@table(
    ("strategy", "most", "least"),
    [
        pytest.param({}, 5, 3, id="quarter-of-four"),
        pytest.param({"maxSurge": 0, "maxUnavailable": 1}, 4, 3, id="no-surge"),
        pytest.param({"maxSurge": "100%", "maxUnavailable": 0}, 8, 4, id="double"),
        pytest.param({"maxSurge": 0, "maxUnavailable": 0}, 4, 3, id="both-zero"),
    ],
)
def test_rollout_keeps_to_its_limits(strategy: Json, most: int, least: int) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": strategy}
    cluster = deployed(4, strategy=rolling)
    before = names(pods(cluster))
    counts: list[int] = []
    available: list[int] = []

    def count(change: Change) -> None:
        if change.kind.name == "Pod":
            found = pods(cluster)
            counts.append(len(found))
            available.append(sum(condition(p, "Ready") == "True" for p in found))

    cluster.subscribe(count)
    patched(cluster, NEW)
    assert max(counts) <= most
    assert min(available) >= least
    assert not set(before) & set(names(pods(cluster)))
    assert len(pods(cluster)) == 4


def sets(cluster: Cluster) -> dict[int, Json]:
    """Return the ReplicaSets by their revisions."""
    return {revision_of(each): each for each in cluster.list("ReplicaSet", "default")}


def test_each_template_has_a_replica_set_with_a_revision() -> None:
    cluster = deployed()
    patched(cluster, NEW)
    found = sets(cluster)
    assert {number: each["spec"]["replicas"] for number, each in found.items()} == {1: 0, 2: 3}
    assert revision_of(cluster.get("Deployment", "default", "web")) == 2
    assert found[2]["status"]["availableReplicas"] == 3
    for each in found.values():
        (owner,) = each["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Deployment", "web")


def test_a_template_that_comes_back_takes_up_its_replica_set() -> None:
    cluster = deployed()
    first = sets(cluster)[1]["metadata"]["uid"]
    patched(cluster, NEW)
    patched(cluster, {"spec": {"template": {"metadata": {"annotations": None}}}})
    found = sets(cluster)
    assert {number: each["metadata"]["uid"] == first for number, each in found.items()} == {2: False, 3: True}
    assert found[3]["spec"]["replicas"] == 3


def test_annotations_are_copied_to_the_replica_set() -> None:
    """The Deployment controller does so, and ``rollout undo`` brings them back."""
    cluster = deployed()
    applied = "kubectl.kubernetes.io/last-applied-configuration"
    patched(cluster, {"metadata": {"annotations": {"note": "mine", applied: "{}"}}})
    annotations = sets(cluster)[1]["metadata"]["annotations"]
    assert annotations == {"note": "mine", REVISION: "1"}


def test_old_replica_sets_beyond_the_limit_are_deleted() -> None:
    cluster = deployed(1, revisionHistoryLimit=2)
    for number in range(5):
        annotations = {"annotations": {"n": str(number)}}
        patched(cluster, {"spec": {"template": {"metadata": annotations}}})
    assert sorted(sets(cluster)) == [4, 5, 6]


def test_a_paused_deployment_starts_no_rollout() -> None:
    cluster = deployed()
    patched(cluster, {"spec": {**NEW["spec"], "paused": True}})
    assert sorted(sets(cluster)) == [1]
    patched(cluster, {"spec": {"paused": None}})
    assert sets(cluster)[2]["spec"]["replicas"] == 3


def test_recreate_removes_all_before_it_makes_new() -> None:
    cluster = deployed(2, strategy={"type": "Recreate"})
    kinds: list[str] = []
    cluster.subscribe(lambda c: kinds.append(c.type) if c.kind.name == "Pod" else None)
    patched(cluster, NEW)
    assert kinds[:2] == ["DELETED", "DELETED"]
    assert len(pods(cluster)) == 2


def test_rollout_waits_for_new_pods_to_be_ready() -> None:
    cluster = deployed(4)
    patched(cluster, STUCK)
    found = pods(cluster)
    ready = [pod for pod in found if condition(pod, "Ready") == "True"]
    assert (len(found), len(ready)) == (5, 3)
    status = cluster.get("Deployment", "default", "web")["status"]
    assert (status["updatedReplicas"], status["availableReplicas"]) == (2, 3)


@table(
    ("value", "up", "expected"), [("25%", True, 3), ("25%", False, 2), ("100%", False, 10), (4, True, 4), (0, False, 0)]
)
def test_share_of_ten(value: int | str, up: bool, expected: int) -> None:
    assert pod_count(value, 10, up=up) == expected


@table(
    ("spec", "message"),
    [
        pytest.param({"selector": None}, "spec.selector: Required value", id="none"),
        pytest.param(
            {"selector": {"matchLabels": {"app": "other"}}},
            "`selector` does not match template `labels`",
            id="selects-others",
        ),
        pytest.param(
            {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}},
            "spec.template.spec.containers: Required value",
            id="no-containers",
        ),
        pytest.param(
            {"strategy": {"rollingUpdate": {"maxSurge": "many"}}},
            'spec.strategy.rollingUpdate.maxSurge: Invalid value: "many"',
            id="no-percentage",
        ),
        pytest.param({"replicas": -1}, "spec.replicas: Invalid value: -1", id="negative"),
    ],
)
def test_refusal(spec: Json, message: str) -> None:
    assert message in failing(lambda: deployed(**spec))["message"]


def test_selector_is_immutable() -> None:
    cluster = deployed()
    patch = {"spec": {"selector": {"matchLabels": {"b": "c"}}}}
    assert "immutable" in failing(lambda: patched(cluster, patch))["message"]
