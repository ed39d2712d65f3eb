"""Jobs, with a clock and timers that the tests move (Kubernetes, pkg/controller/job)."""

from collections.abc import Callable
from typing import Any

import pytest

from sim.api.objects import Json, condition, dig, labels_of, owner_reference, with_meta
from sim.controllers.cluster import Cluster
from tests.sim.builders import config_map, failing, names
from tests.table import table


class World:
    """A cluster whose time passes when the test says so."""

    def __init__(self, **spec: Any) -> None:
        self.now = 1_000_000.0
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self.cluster = Cluster(now=lambda: self.now, later=self._later)
        self.cluster.create(job(**spec))

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        self._timers.append((self.now + delay_s, act))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = [act for at, act in self._timers if at <= self.now]
        self._timers = [timer for timer in self._timers if timer[0] > self.now]
        for act in due:
            act()

    def pods(self, phase: str = "Running") -> list[Json]:
        return self.cluster.list("Pod", "default", "job-name=work", f"status.phase={phase}")

    def end(self, phase: str) -> None:
        """End the first running Pod."""
        name = names(self.pods())[0]
        patch = {"metadata": {"annotations": {"sim/phase": phase}}}
        self.cluster.patch("Pod", "default", name, patch)

    def job(self) -> Json:
        return self.cluster.get("Job", "default", "work")

    def reason(self) -> str:
        """Return how the Job has ended, empty if it goes on."""
        conditions = dig(self.job(), "status.conditions") or [{"type": "", "reason": ""}]
        return f"{conditions[-1]['type']} {conditions[-1]['reason']}".strip()


def job(policy: str = "Never", **spec: Any) -> Json:
    pod = {"restartPolicy": policy, "containers": [{"name": "c", "image": "example"}]}
    meta = {"name": "work", "namespace": "default"}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": {"spec": pod}} | spec}


def test_pod_belongs_to_its_job() -> None:
    world = World()
    (pod,) = world.pods()
    uid = world.job()["metadata"]["uid"]
    assert pod["metadata"]["name"].startswith("work-")
    assert pod["metadata"]["ownerReferences"][0]["uid"] == uid
    assert labels_of(pod) == {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": "work",
        "controller-uid": uid,
        "job-name": "work",
    }
    assert world.job()["status"] == {
        "startTime": "1970-01-12T13:46:40Z",
        "active": 1,
        "ready": 1,
        "terminating": 0,
        "uncountedTerminatedPods": {},
    }


@table(
    ("spec", "at_once", "needed"),
    [
        pytest.param({}, 1, 1, id="one pod"),
        pytest.param({"completions": 3}, 1, 3, id="one after the other"),
        pytest.param({"completions": 3, "parallelism": 2}, 2, 3, id="no more than parallelism"),
        pytest.param({"completions": 2, "parallelism": 5}, 2, 2, id="no more than are missing"),
        pytest.param({"parallelism": 2}, 2, 2, id="work queue: until all have ended"),
        pytest.param({"completions": 0}, 0, 0, id="nothing to do"),
    ],
)
def test_pods_of_a_job(spec: Json, at_once: int, needed: int) -> None:
    world = World(**spec)
    for _ in range(needed):
        assert 0 < len(world.pods()) <= at_once
        assert world.reason() == ""
        world.end("Succeeded")
    assert not world.pods()
    assert world.reason() == "Complete CompletionsReached"
    assert condition(world.job(), "SuccessCriteriaMet") == "True"
    assert world.job()["status"].get("succeeded", 0) == needed


def test_failed_pods_are_replaced_later_and_later() -> None:
    world = World(backoffLimit=2)
    for wait_s in (10, 20):
        world.end("Failed")
        world.pass_time(wait_s - 1)
        assert not world.pods()
        world.pass_time(1)
        assert len(world.pods()) == 1
    world.end("Failed")
    assert world.reason() == "Failed BackoffLimitExceeded"
    assert world.job()["status"]["failed"] == len(world.pods("Failed")) == 3
    assert "completionTime" not in world.job()["status"]


def test_deadline_ends_the_pods_too() -> None:
    world = World(activeDeadlineSeconds=30, parallelism=2)
    world.pass_time(29)
    assert world.reason() == ""
    world.pass_time(1)
    assert world.reason() == "Failed DeadlineExceeded"
    assert not world.pods()


def test_finished_job_is_deleted_after_its_time() -> None:
    world = World(ttlSecondsAfterFinished=60)
    world.pass_time(1000)
    world.end("Succeeded")
    world.pass_time(59)
    assert world.pods("Succeeded")
    world.pass_time(1)
    assert not world.cluster.list("Job")
    assert not world.cluster.list("Pod")


def test_suspended_job_has_no_pods() -> None:
    world = World(suspend=True)
    assert not world.pods()
    assert "startTime" not in world.job()["status"]
    for suspend, count in ((False, 1), (True, 0)):
        world.cluster.patch("Job", "default", "work", {"spec": {"suspend": suspend}})
        assert len(world.pods()) == count


def test_what_a_job_owns_goes_with_it() -> None:
    world = World()
    owner = owner_reference(world.job())
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "trial"}}
    for obj in (config_map("names"), lease):
        world.cluster.create(with_meta(obj, ownerReferences=[owner]))
    world.cluster.delete("Job", "default", "work")
    assert [world.cluster.list(kind) for kind in ("Pod", "ConfigMap", "Lease")] == [[], [], []]


@table(
    ("obj", "field"),
    [
        pytest.param(job("Always"), "spec.template.spec.restartPolicy", id="pods that never end"),
        pytest.param(job(backoffLimit=-1), "spec.backoffLimit", id="negative number"),
        pytest.param(job(template={}), "spec.template.spec.containers", id="no container"),
        pytest.param(
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}}
            | {"spec": {"leaseDurationSeconds": 0}},
            "spec.leaseDurationSeconds",
            id="lease of no time",
        ),
    ],
)
def test_invalid(obj: Json, field: str) -> None:
    status = failing(lambda: Cluster().create(obj))
    assert (status["code"], status["details"]["causes"][0]["field"]) == (422, field)


def test_template_cannot_be_changed() -> None:
    world = World()
    patch = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
    status = failing(lambda: world.cluster.patch("Job", "default", "work", patch))
    assert (status["code"], status["details"]["causes"][0]["field"]) == (422, "spec.template")
