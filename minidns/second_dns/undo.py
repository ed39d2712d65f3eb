"""Writes to workloads that can be undone, rollouts, and the undo of an enrolment.

Theory of operation. A command may be killed between any two requests, and other people
and controllers write to the same objects. Therefore:

* Every write is conditional: on the version of the object that was read (a patch), on
  its uid (a deletion), or on the name being free (a creation).
* ``enrol`` writes the record before it changes anything; ``undo`` deletes the record
  after everything else. So while anything is changed, a record says what it was before.
* A step that was done already is skipped, so an undo that was interrupted can be run
  again.
* A field that somebody changed after the enrolment keeps its new value.

A workload has rolled out when `kubectl rollout status` says so; until then the reasons
why pods are not ready are collected from the pods and reported.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from minidns.kubernetes.decode import printable
from minidns.kubernetes.documents import Json, Refused
from minidns.second_dns.objects import (
    DEPLOYMENT,
    JOB,
    POD,
    Change,
    Ref,
    has_ended,
    labels_of,
    merge_patch,
    ref_of,
    revert_changes,
    value_at,
)
from minidns.second_dns.record import PARTITION, Record, check_twin, parse_record
from minidns.second_dns.running import selects
from minidns.second_dns.session import Refusal, Session

TRIES = 20
"""Attempts of a patch, each on the object's newest version (409 Conflict)."""


async def patch_with_retry(
    session: Session,
    ref: Ref,
    edit: Callable[[Json], Json],
    *,
    dry_run: bool = False,
) -> None:
    """Patch an object to ``edit(object)``; try again if it changed meanwhile.

    Raises:
        Refusal: ``edit`` raised it, or the object changes all the time.
        Refused: the API server refuses the patch.

    """
    for _ in range(TRIES):
        now = await session.api.get(ref.path)
        patch = merge_patch(now, edit(now))
        if not patch:
            return
        version = {"resourceVersion": now["metadata"]["resourceVersion"]}
        patch["metadata"] = patch.get("metadata", {}) | version
        try:
            await session.api.patch(ref.path, patch, dry_run=dry_run)
        except Refused as refused:
            if refused.status != 409:
                raise
        else:
            return
    raise Refusal(f"{ref} changes faster than it can be written")


async def delete(session: Session, obj: Json) -> bool:
    """Delete ``obj`` in whatever version it is by now; return False if it was gone."""
    path = ref_of(obj).path
    while True:
        now = await session.api.find(path)
        if now is None or now["metadata"]["uid"] != obj["metadata"]["uid"]:
            return False
        try:
            await session.api.delete(path, now)
        except Refused as refused:
            if refused.status not in (404, 409):  # 409: another version by now
                raise
        else:
            return True


async def undo(session: Session, record: Record, timeout_s: float) -> bool:
    """Undo an enrolment as far as it got; return False if it was undone already.

    The twin is deleted only after the workload's own pods are ready again, and the
    record last.

    Raises:
        Refusal: what is named as the twin is no twin.
        Stuck: the workload's pods are not ready after ``timeout_s``.

    """
    holder = await session.api.find(record.ref.path)
    if holder is None or parse_record(holder).id != record.id:
        return False
    twin = await _find_twin(session, record)
    if record.changes and await session.api.find(record.workload.path):
        await patch_with_retry(session, record.workload, _reverting(session, record))
        # the twin is deleted last, so that there are never fewer pods than before
        if twin is not None:
            await wait_for_rollout(session, record.workload, timeout_s)
    if twin is not None and await delete(session, twin):
        session.tell(f"{ref_of(twin)}: deleted")
    await delete(session, holder)
    return True


async def _find_twin(session: Session, record: Record) -> Json | None:
    if not record.twin:
        return None
    path = DEPLOYMENT.path(record.workload.namespace, record.twin)
    twin = await session.api.find(path)
    if twin is not None:
        check_twin(twin, record)
    return twin


def _reverting(session: Session, record: Record) -> Callable[[Json], Json]:
    """Return the edit that reverts the changes and reports those it leaves."""

    def edit(now: Json) -> Json:
        before, overwritten = revert_changes(now, record.changes)
        for change in overwritten:
            session.tell(left_as_is(record.workload, change, now))
        return before

    return edit


def left_as_is(ref: Ref, change: Change, now: Json) -> str:
    """Return the message that a later change of a field is kept."""
    value = _shown(value_at(now, change.path))
    return (
        f"{ref}: {change.field} was changed since, to {value}: "
        f"left as it is (before the enrolment: {_shown(change.before)})"
    )


def _shown(value: object) -> str:
    """Return the value of a field as JSON, or that it is not set."""
    return "not set" if value is None else json.dumps(value)


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
    spec, status = obj["spec"], obj.get("status") or {}
    seen = int(status.get("observedGeneration") or 0)
    is_job = obj["kind"] == JOB.name  # whose status names no generation
    if not is_job and seen < int(obj["metadata"].get("generation") or 0):
        return "its controller to see the change"
    if value_at(spec, ("updateStrategy", "type")) == "OnDelete":
        return ""  # pods change only when they are deleted by hand
    wanted_field, updated_field, ready_field = _COUNTS[obj["kind"]]
    wanted = int((spec if wanted_field in spec else status).get(wanted_field) or 0)
    updated, ready, total = (
        int(status.get(name) or 0) for name in (updated_field, ready_field, "replicas")
    )
    new = wanted - int(value_at(spec, PARTITION[1:]) or 0)
    if updated < new:
        return f"{new - updated} of {new} new pods"
    if obj["kind"] == DEPLOYMENT.name and total > updated:
        return f"{total - updated} old pods to end"
    if ready < wanted:
        return f"{wanted - ready} of {wanted} pods to be ready"
    return ""


_COUNTS = {
    "Deployment": ("replicas", "updatedReplicas", "availableReplicas"),
    "StatefulSet": ("replicas", "updatedReplicas", "readyReplicas"),
    "DaemonSet": (
        "desiredNumberScheduled",
        "updatedNumberScheduled",
        "numberAvailable",
    ),
    "Job": ("parallelism", "active", "ready"),
}
"""Fields with the numbers of pods that are wanted, are new, and are ready."""


async def wait_for_rollout(
    session: Session, ref: Ref, timeout_s: float, hopeless: Iterable[str] = ()
) -> None:
    """Wait until a workload has rolled out or is gone; with 0 s do not wait.

    Each reason why pods are not ready is reported when it first appears. A reason that
    contains a word of ``hopeless`` ends the wait.

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
            is_hopeless = any(word in text for text in reasons for word in hopeless)
            if is_over or is_hopeless:
                text = "".join(f"; {shown}" for shown in reasons.values())
                raise Stuck(f"{ref} still waits for {missing}{text}")
            for reason, shown in reasons.items():
                if reason not in reported:
                    session.tell(f"waiting for {missing}: {shown}")
            reported.update(reasons)
        await session.sleep(EVERY_S)


async def _reasons(session: Session, workload: Json, ref: Ref) -> dict[str, str]:
    """Return why pods of a workload do not exist or are not ready, at most SHOWN.

    Each reason comes with the line that shows it and the pods that it holds for.
    """
    pods = await session.api.list_objects(POD.path(ref.namespace))
    shown = {reason: reason for reason in _workload_reasons(workload)}
    of_pods: dict[str, list[str]] = {}
    for name, reason in _pod_reasons(workload, pods):
        of_pods.setdefault(reason, []).append(name)
    for reason, (first, *others) in of_pods.items():
        more = f" and {len(others)} more" if others else ""
        shown[reason] = f"pod {first}{more}: {reason}"
    return dict(islice(shown.items(), SHOWN))


def _workload_reasons(workload: Json) -> Iterator[str]:
    """Yield why a workload's pods cannot be created (quota, admission), or failed."""
    for condition in value_at(workload, ("status", "conditions")) or ():
        is_failure = condition.get("type") in ("ReplicaFailure", "Failed")
        if is_failure and condition["status"] == "True":
            yield printable(_text(condition))


def _pod_reasons(workload: Json, pods: Iterable[Json]) -> Iterator[tuple[str, str]]:
    """Yield the names of pods that are not ready, with why, as their status says."""
    selector, is_job = workload["spec"]["selector"], workload["kind"] == JOB.name
    for pod in pods:
        is_failed = value_at(pod, ("status", "phase")) == "Failed"
        is_asked = is_failed if has_ended(pod) and is_job else not has_ended(pod)
        if selects(selector, labels_of(pod)) and is_asked:
            for reason in _status_reasons(pod.get("status") or {}):
                yield pod["metadata"]["name"], printable(reason)


def _status_reasons(status: Json) -> Iterator[str]:
    """Yield the reasons in a pod's status: unschedulable, ErrImagePull and the like."""
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            waiting = value_at(container, ("state", "waiting")) or {}
            if waiting.get("reason") not in (None, *_PROGRESS):
                yield _text(waiting)
            ended = value_at(container, ("state", "terminated")) or {}
            if ended.get("exitCode"):
                yield f"exit status {ended['exitCode']}: {_text(ended)}"
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition["status"] == "False":
            yield _text(condition)


_PROGRESS = ("ContainerCreating", "PodInitializing")
"""Reasons that only say that a container is on its way."""


def _text(state: Json) -> str:
    return f"{state.get('reason', '')}: {state.get('message', '')}".strip(": ")
