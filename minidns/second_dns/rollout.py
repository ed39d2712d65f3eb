"""Whether what a workload says has become pods, and waiting until it has."""

from collections.abc import Iterable, Iterator

from minidns.kubernetes.decode import printable
from minidns.kubernetes.documents import Json
from minidns.second_dns.changes import value_at
from minidns.second_dns.kinds import POD, Ref
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.running import selects
from minidns.second_dns.session import Session

EVERY_S = 0.5
"""Seconds between looks at a workload."""
SHOWN = 3
"""Pods whose troubles are told."""


class Stuck(Refusal):
    """A rollout that did not come to its end in time."""


def pending(obj: Json) -> str:
    """Return what a workload still waits for; empty if for nothing.

    By the same rules as `kubectl rollout status`.
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


async def finished(session: Session, ref: Ref, timeout_s: float) -> None:
    """Wait until a workload waits for nothing, or is gone; 0 s: do not wait.

    Raises:
        Stuck: it does after ``timeout_s``; says what for, and what its pods lack.

    """
    until = session.wall() + timeout_s
    while timeout_s:
        obj = await session.api.find(ref.path)
        waits_for = pending(obj) if obj else ""
        if obj is None or not waits_for:
            return
        if session.wall() >= until:
            pods = await session.api.listed(POD.path(ref.namespace), lambda pod: pod)
            troubles = list(_troubles(obj, pods))[:SHOWN]
            said = "".join(f"; {each}" for each in troubles)
            raise Stuck(f"{ref} still waits for {waits_for}{said}")
        await session.sleep(EVERY_S)


def _troubles(workload: Json, pods: Iterable[Json]) -> Iterator[str]:
    """Yield what keeps pods of a workload from being ready, as far as they say."""
    for pod in pods:
        if selects(workload["spec"]["selector"], pod["metadata"].get("labels") or {}):
            for why in _reasons(pod.get("status") or {}):
                yield f"pod {pod['metadata']['name']}: {printable(why)}"


def _reasons(status: Json) -> Iterator[str]:
    for each in status.get("containerStatuses") or ():
        if waiting := value_at(each, ("state", "waiting")):
            said = f"{waiting.get('reason', '')} {waiting.get('message', '')}"
            yield said.strip()
    for each in status.get("conditions") or ():
        if each.get("type") == "PodScheduled" and each.get("status") == "False":
            yield f"{each.get('reason', '')} {each.get('message', '')}".strip()
