import pytest

from minidns.kubernetes.documents import Documents
from minidns.second_dns.objects import DEPLOYMENT, Ref
from minidns.second_dns.undo import Stuck, pending, wait_for_rollout
from sim.api.kinds import named
from sim.api.objects import Json
from tests.second_dns.world import cluster, desk, workload
from tests.table import table

WEB = Ref(DEPLOYMENT, "shop", "web")


def state(kind: str, spec: Json, **status: int) -> Json:
    return {"kind": kind, "metadata": {"generation": 3}, "spec": spec, "status": {"observedGeneration": 3, **status}}


def deployment(updated: int, total: int, available: int) -> Json:
    return state("Deployment", {"replicas": 3}, updatedReplicas=updated, replicas=total, availableReplicas=available)


def stateful(partition: int, updated: int, ready: int, kind: str = "RollingUpdate") -> Json:
    strategy = {"type": kind, "rollingUpdate": {"partition": partition}}
    spec = {"replicas": 3, "updateStrategy": strategy}
    return state("StatefulSet", spec, updatedReplicas=updated, readyReplicas=ready)


def daemon(updated: int, available: int, kind: str = "RollingUpdate") -> Json:
    return state(
        "DaemonSet",
        {"updateStrategy": {"type": kind}},
        desiredNumberScheduled=3,
        updatedNumberScheduled=updated,
        numberAvailable=available,
    )


@table(
    ("obj", "waits_for"),
    [
        pytest.param(deployment(3, 3, 3), "", id="deploy-done"),
        pytest.param(deployment(1, 3, 3), "2 of 3 new pods", id="deploy-new"),
        pytest.param(deployment(3, 4, 4), "1 old pods to end", id="deploy-old"),
        pytest.param(deployment(3, 3, 2), "1 of 3 pods to be ready", id="deploy-unready"),
        pytest.param({**deployment(3, 3, 3), "metadata": {"generation": 4}}, "its controller to see the change", id="not-seen-yet"),
        pytest.param({"kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 1}}, "its controller to see the change", id="no-status-yet"),
        pytest.param(stateful(0, 3, 3), "", id="sts-done"),
        pytest.param(stateful(0, 2, 3), "1 of 3 new pods", id="sts-new"),
        pytest.param(stateful(2, 1, 3), "", id="sts-part-done"),
        pytest.param(stateful(1, 1, 3), "1 of 2 new pods", id="sts-part-new"),
        pytest.param(stateful(2, 1, 2), "1 of 3 pods to be ready", id="sts-part-unready"),
        pytest.param(stateful(0, 0, 0, "OnDelete"), "", id="sts-on-delete"),
        pytest.param(daemon(3, 3), "", id="ds-done"),
        pytest.param(daemon(1, 3), "2 of 3 new pods", id="ds-new"),
        pytest.param(daemon(3, 2), "1 of 3 pods to be ready", id="ds-unready"),
        pytest.param(daemon(0, 0, "OnDelete"), "", id="ds-on-delete"),
    ],
)  # fmt: skip
def test_what_it_waits_for(obj: Json, waits_for: str) -> None:
    assert pending(obj) == waits_for


def unready(**spec: object) -> Json:
    web = workload(**spec)  # type: ignore[arg-type]
    web["spec"]["template"]["metadata"]["annotations"] = {"sim/ready": "false"}
    return web


@pytest.mark.slow
async def test_waits_until_pods_are_ready() -> None:
    async with desk(cluster(unready(replicas=1))) as at:
        (pod,) = at.cluster.list("Pod", "shop")
        name = pod["metadata"]["name"]
        ready = {"metadata": {"annotations": {"sim/ready": "true"}}}
        waits: list[float] = []

        def slept(now: float) -> None:
            waits.append(now)
            if len(waits) == 3:
                at.cluster.patch("Pod", "shop", name, ready)

        at.slept = slept
        await wait_for_rollout(at.session, WEB, 60.0)
        assert len(waits) == 3


async def test_says_what_pods_lack_when_they_do_not_come() -> None:
    async with desk(cluster(unready(replicas=1))) as at:
        (pod,) = at.cluster.list("Pod", "shop")
        waiting = {"reason": "ErrImageNeverPull", "message": 'image "x"\nis not present'}
        unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        status = {"containerStatuses": [{"name": "web", "state": {"waiting": waiting}}], "conditions": [unscheduled]}
        obj = {**pod, "status": {**pod["status"], **status}}
        at.cluster.commit(named("Pod"), obj)
        with pytest.raises(Stuck) as stuck:
            await wait_for_rollout(at.session, WEB, 5.0)
    said = str(stuck.value)
    assert "Deployment shop/web" in said
    assert "ErrImageNeverPull: image" in said
    assert "Unschedulable" in said
    assert said.isprintable()
    assert at.now - 1_000_000 < 10


async def test_waits_for_nothing_if_told_so_or_if_it_is_gone() -> None:
    async with desk(cluster(unready())) as at:
        await wait_for_rollout(at.session, WEB, 0.0)
        await wait_for_rollout(at.session, WEB._replace(name="gone"), 60.0)
        assert at.now == 1_000_000


@table(
    ("status", "reason"),
    [
        ({"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}]}, "ErrImagePull: no"),
        ({"initContainerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}, "ImagePullBackOff"),
        ({"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}, "Unschedulable: 0/1 nodes"),
    ],
)  # fmt: skip
async def test_the_reason_is_said_once_while_it_waits(status: Json, reason: str) -> None:
    async with desk(cluster(unready(replicas=1))) as at:
        (pod,) = at.cluster.list("Pod", "shop")
        at.cluster.commit(named("Pod"), {**pod, "status": {**pod["status"], **status}})
        with pytest.raises(Stuck):
            await wait_for_rollout(at.session, WEB, 30.0)
        told = [line for line in at.err if reason in line]
        assert len(told) == 1


async def test_a_reason_that_several_pods_have_is_said_once() -> None:
    waiting = {"reason": "ErrImagePull", "message": "no such image"}
    status = {"containerStatuses": [{"name": "c", "state": {"waiting": waiting}}]}
    async with desk(cluster(unready(replicas=3))) as at:
        pods = at.cluster.list("Pod", "shop")
        for pod in pods:
            at.cluster.commit(named("Pod"), {**pod, "status": {**pod["status"], **status}})
        with pytest.raises(Stuck) as stuck:
            await wait_for_rollout(at.session, WEB, 5.0)
    assert str(stuck.value).count("no such image") == 1
    assert "2 more" in str(stuck.value)


class OverQuota(Documents):
    """The API of a cluster whose quota forbids the pods of a workload."""

    async def _ask(self, method: str, path: str, body: object = None, style: str = "") -> Json:
        obj = await super()._ask(method, path, body, style or "application/json")
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
        return obj | {"status": {"replicas": 0, "conditions": [failure]}}


async def test_pods_that_cannot_be_created_are_told_of() -> None:
    async with desk(cluster(), wrap=lambda api: OverQuota(api._sender)) as at:
        at.cluster.create(workload("Deployment"))
        with pytest.raises(Stuck, match="exceeded quota"):
            await wait_for_rollout(at.session, WEB, 5.0)
