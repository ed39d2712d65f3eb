"""Waiting until a workload has rolled out, and why its pods are not ready."""

from collections.abc import Iterable, Iterator

from minidns.kubernetes.decode import printable
from minidns.kubernetes.documents import Json
from minidns.second_dns.objects import POD, Ref, has_ended, value_at
from minidns.second_dns.running import selects
from minidns.second_dns.session import Refusal, Session

EVERY_S = 0.5
"""Seconds between two polls of a workload."""
SHOWN = 3
"""Reasons that are reported at a time."""
REPORT_EVERY = 6
"""Polls between two looks at the reasons why pods are not ready."""


class Stuck(Refusal):
    """A rollout did not finish in time."""


def pending(obj: Json) -> str:
    """Return what a workload still waits for; empty if it has rolled out.

    The rules are those of `kubectl rollout status`.
    """
    status = obj.get("status") or {}
    seen = int(status.get("observedGeneration") or 0)
    if seen < int(obj["metadata"].get("generation") or 0):
        return "its controller to see the change"
    return _PENDING[obj["kind"]](obj, status)


def _deployment(obj: Json, status: Json) -> str:
    wanted = int(value_at(obj, ("spec", "replicas")) or 0)
    updated, total, available = (
        int(status.get(name) or 0)
        for name in ("updatedReplicas", "replicas", "availableReplicas")
    )
    if updated < wanted:
        return f"{wanted - updated} of {wanted} new pods"
    if total > updated:
        return f"{total - updated} old pods to end"
    if available < updated:
        return f"{updated - available} of {updated} new pods to be ready"
    return ""


def _stateful_set(obj: Json, status: Json) -> str:
    if value_at(obj, ("spec", "updateStrategy", "type")) == "OnDelete":
        return ""  # pods change when somebody deletes them
    wanted = int(value_at(obj, ("spec", "replicas")) or 0)
    rolling = value_at(obj, ("spec", "updateStrategy", "rollingUpdate"))
    new = wanted - int((rolling or {}).get("partition") or 0)
    updated = int(status.get("updatedReplicas") or 0)
    ready = int(status.get("readyReplicas") or 0)
    if updated < new:
        return f"{new - updated} of {new} new pods"
    if ready < wanted:
        return f"{wanted - ready} of {wanted} pods to be ready"
    return ""


def _daemon_set(obj: Json, status: Json) -> str:
    if value_at(obj, ("spec", "updateStrategy", "type")) == "OnDelete":
        return ""
    wanted, updated, available = (
        int(status.get(name) or 0)
        for name in (
            "desiredNumberScheduled",
            "updatedNumberScheduled",
            "numberAvailable",
        )
    )
    if updated < wanted:
        return f"{wanted - updated} of {wanted} new pods"
    if available < wanted:
        return f"{wanted - available} of {wanted} pods to be ready"
    return ""


_PENDING = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set,
}


async def wait(session: Session, ref: Ref, timeout_s: float) -> None:
    """Wait until a workload has rolled out or is gone; with 0 s do not wait.

    Each reason why pods are not ready is reported when it first appears.

    Raises:
        Stuck: the rollout has not finished after ``timeout_s``; says why.

    """
    deadline, reported, polls = session.wall() + timeout_s, set[str](), 0
    while timeout_s:
        obj = await session.api.find(ref.path)
        missing = pending(obj) if obj else ""
        if obj is None or not missing:
            return
        polls += 1
        is_over = session.wall() >= deadline
        if is_over or polls % REPORT_EVERY == 0:
            reasons = await _reasons(session, obj, ref)
            if is_over:
                text = "".join(f"; {reason}" for reason in reasons)
                raise Stuck(f"{ref} still waits for {missing}{text}")
            for reason in reasons:
                if reason not in reported:
                    session.tell(f"waiting for {missing}: {reason}")
            reported.update(reasons)
        await session.sleep(EVERY_S)


async def _reasons(session: Session, workload: Json, ref: Ref) -> list[str]:
    """Return why pods of a workload do not exist or are not ready, at most SHOWN."""
    pods = await session.api.listed(POD.path(ref.namespace), lambda pod: pod)
    found = [*_workload_reasons(workload), *_pod_reasons(workload, pods)]
    return list(dict.fromkeys(found))[:SHOWN]


def _workload_reasons(workload: Json) -> Iterator[str]:
    """Yield why a workload's pods cannot be created (quota, admission)."""
    for condition in value_at(workload, ("status", "conditions")) or ():
        if condition.get("type") == "ReplicaFailure" and condition["status"] == "True":
            yield printable(_text(condition))


def _pod_reasons(workload: Json, pods: Iterable[Json]) -> Iterator[str]:
    """Yield why pods of a workload are not ready, as their status says."""
    selector = workload["spec"]["selector"]
    for pod in pods:
        labels = pod["metadata"].get("labels") or {}
        if selects(selector, labels) and not has_ended(pod):
            for reason in _status_reasons(pod.get("status") or {}):
                yield f"pod {pod['metadata']['name']}: {printable(reason)}"


def _status_reasons(status: Json) -> Iterator[str]:
    """Yield the reasons in a pod's status: unschedulable, ErrImagePull and the like."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            waiting = value_at(container, ("state", "waiting")) or {}
            if waiting.get("reason") not in (None, *_PROGRESS):
                yield _text(waiting)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition["status"] == "False":
            yield _text(condition)


_PROGRESS = ("ContainerCreating", "PodInitializing")
"""Reasons that only say that a container is on its way."""


def _text(state: Json) -> str:
    return f"{state.get('reason', '')}: {state.get('message', '')}".strip(": ")
