"""Events, with the reasons and messages of Kubernetes 1.36."""

from collections.abc import Callable

import pytest

from sim.api.objects import Json
from sim.controllers.cluster import Cluster
from sim.controllers.pods import PHASE, READY
from tests.sim.builders import deployment, names, namespace, pod
from tests.sim.controllers.test_jobs import World
from tests.sim.controllers.test_sets import workload
from tests.table import table

ASSIGNED = "Successfully assigned default/web-1 to node-1"
PULLED = 'Container image "example" already present on machine and can be accessed by the pod'


def annotated(cluster: Cluster, name: str, value: str) -> None:
    cluster.patch("Pod", "default", "web-1", {"metadata": {"annotations": {name: value}}})


def said(cluster: Cluster, kind: str) -> list[tuple[str, str]]:
    """Return reason and message of the Events of a kind, in order."""
    events = cluster.list("Event", "default", fields=f"involvedObject.kind={kind}")
    events.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
    return [(event["reason"], event["message"]) for event in events]


@table(
    ("act", "last"),
    [
        pytest.param(lambda cluster: None, ("Started", "Container started"), id="start"),
        pytest.param(
            lambda cluster: annotated(cluster, READY, "false"),
            ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
            id="probe fails",
        ),
        pytest.param(
            lambda cluster: cluster.delete("Pod", "default", "web-1"),
            ("Killing", "Stopping container c"),
            id="deletion",
        ),
        pytest.param(
            lambda cluster: annotated(cluster, PHASE, "Succeeded"),
            ("Started", "Container started"),
            id="end of its own",
        ),
    ],
)
def test_of_a_pod(act: Callable[[Cluster], None], last: tuple[str, str]) -> None:
    cluster = Cluster()
    cluster.create(pod())
    act(cluster)
    found = said(cluster, "Pod")
    assert found[:3] == [("Scheduled", ASSIGNED), ("Pulled", PULLED), ("Created", "Container created")]
    assert found[-1] == last


def test_of_a_rolling_update() -> None:
    cluster = Cluster()
    cluster.create(deployment(replicas=2))
    (first,) = names(cluster.list("ReplicaSet"))
    cluster.patch("Deployment", "default", "web", {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}})
    second = next(name for name in names(cluster.list("ReplicaSet")) if name != first)
    assert [message for _, message in said(cluster, "Deployment")] == [
        f"Scaled up replica set {first} from 0 to 2",
        f"Scaled up replica set {second} from 0 to 1",
        f"Scaled down replica set {first} from 2 to 1",
        f"Scaled up replica set {second} from 1 to 2",
        f"Scaled down replica set {first} from 1 to 0",
    ]
    created = [message for reason, message in said(cluster, "ReplicaSet") if reason == "SuccessfulCreate"]
    assert len(created) == 4


def test_of_other_owners() -> None:
    cluster = Cluster()
    cluster.create(workload("StatefulSet"))
    assert said(cluster, "StatefulSet") == [("SuccessfulCreate", "create Pod web-0 in StatefulSet web successful")]
    world = World(backoffLimit=0)
    world.end("Failed")
    assert said(world.cluster, "Job")[-1] == ("BackoffLimitExceeded", "Job has reached the specified backoff limit")


def test_same_report_is_counted_and_forgotten_after_an_hour() -> None:
    now = [1000.0]
    cluster = Cluster(now=lambda: now[0])
    cluster.create(pod())
    for ready in ("false", "true") * 3:
        annotated(cluster, READY, ready)
    (unhealthy,) = cluster.list("Event", fields="reason=Unhealthy")
    assert (unhealthy["count"], unhealthy["type"], unhealthy["source"]["host"]) == (3, "Warning", "node-1")
    now[0] += 3000
    annotated(cluster, READY, "false")
    now[0] += 3000
    cluster.create(pod("other-1"))
    assert names(cluster.list("Event", fields="involvedObject.name=web-1")) == names([unhealthy])


def test_terminating_namespace_gets_none() -> None:
    cluster = Cluster()
    cluster.create(namespace("prod"))
    cluster.create(pod(namespace="prod"))
    assert cluster.list("Event", "prod")
    cluster.delete("Namespace", "", "prod")
    found: list[Json] = cluster.list("Event", "prod")
    assert not found
    assert cluster.find("Namespace", "", "prod") is None
