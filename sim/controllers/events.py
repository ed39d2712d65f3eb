"""Events: what scheduler, kubelet and controllers report about the changes they make.

The same report about the same object raises the count of its Event. An Event is deleted
an hour after its last report (--event-ttl of the API server). Messages are those of
Kubernetes 1.36.
"""

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from ..api.kinds import named
from ..api.objects import (
    Json,
    condition,
    controller_of,
    dig,
    is_terminating,
    key_of,
    timestamp,
)
from ..api.server import ClusterApi
from ..api.store import Change
from .containers import CRASH_LOOP

TTL_S = 3600.0
_PULLED = (
    'Container image "{}" already present on machine and can be accessed by the pod'
)
_BACK_OFF = "Back-off restarting failed container {} in pod {}"
_UNREADY = "Readiness probe failed: HTTP probe failed with statuscode: 503"


class Report(NamedTuple):
    """One report about an object."""

    reason: str
    message: str
    by: str
    """The component that reports."""
    about: Json
    """The object, or a reference to it."""
    field: str = ""
    """The part of the object, as a path."""
    is_warning: bool = False


class EventController:
    """Writes the Events that follow from changes."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._known: dict[Report | tuple[str, ...], tuple[float, Json]] = {}
        """The time of the last report and the Event, by what is reported; in order."""

    def __call__(self, change: Change) -> None:
        """React to one change."""
        if change.kind.name == "Event":
            return
        namespace = self._cluster.find("Namespace", "", key_of(change.obj)[0])
        if namespace is None or is_terminating(namespace):
            return
        self._expire()
        for report in reports_of(change):
            self._write(report, key_of(change.obj)[0])

    def _expire(self) -> None:
        """Delete Events without a report in the last hour."""
        now, events = self._cluster.now(), self._cluster.store[named("Event")].objects
        known = self._known.items()
        over = list(takewhile(lambda entry: entry[1][0] < now - TTL_S, known))
        for what, (_, event) in over:
            del self._known[what]
            if key_of(event) in events:
                self._cluster.store.remove(named("Event"), key_of(event))

    def _write(self, report: Report, namespace: str) -> None:
        """Create an Event, or count another report of the same."""
        now = self._cluster.now()
        reference = _reference(report, namespace)
        what = (reference["uid"], report.field, report.reason, report.message)
        _, event = self._known.pop(what, (0.0, None))
        events = self._cluster.store[named("Event")].objects
        if event is None or key_of(event) not in events:
            event = _new(report, reference, self._cluster.version, timestamp(now))
        else:
            seen = {"lastTimestamp": timestamp(now), "count": event["count"] + 1}
            event = {**event, **seen, "metadata": {**event["metadata"]}}
        self._known[what] = now, event
        self._cluster.load([event])


def reports_of(change: Change) -> Iterator[Report]:
    """Yield what is reported about a change."""
    match change.kind.name:
        case "Pod":
            yield from _of_pod(change)
            yield from _of_owner(change)
        case "ReplicaSet" if owner := controller_of(change.obj):
            yield from _of_scaling(change, owner)
        case "Job":
            yield from _of_job(change)


def _of_pod(change: Change) -> Iterator[Report]:
    """Yield the reports of scheduler and kubelet."""
    pod, old = change.obj, change.previous or {}
    node, was = dig(pod, "spec.nodeName"), dig(old, "spec.nodeName")
    if change.type == "ADDED":
        return  # its first status follows
    if node and not (was and dig(old, "status.hostIP")) and change.type != "DELETED":
        message = f"Successfully assigned {'/'.join(key_of(pod))} to {node}"
        yield Report("Scheduled", message, "default-scheduler", pod)
    runs, ran = (dig(each, "status.phase") == "Running" for each in (pod, old))
    statuses = [
        {each["name"]: each for each in dig(state, "status.containerStatuses") or ()}
        for state in (pod, old)
    ]
    for container in dig(pod, "spec.containers") or ():
        name, image = container["name"], container.get("image", "")
        field = f"spec.containers{{{name}}}"
        new, before = (each.get(name) or {} for each in statuses)
        again = runs and new.get("restartCount", 0) > before.get("restartCount", 0)
        ends = change.type == "DELETED" or (is_terminating(pod) > is_terminating(old))
        if ends and ran:
            yield Report("Killing", f"Stopping container {name}", "kubelet", pod, field)
        elif again or (runs and not ran):
            yield Report("Pulled", _PULLED.format(image), "kubelet", pod, field)
            yield Report("Created", "Container created", "kubelet", pod, field)
            yield Report("Started", "Container started", "kubelet", pod, field)
        elif _is_backing_off(new) > _is_backing_off(before):
            text = _BACK_OFF.format(name, "_".join(reversed(key_of(pod))))
            text += f"({pod['metadata']['uid']})"
            yield Report("BackOff", text, "kubelet", pod, field, is_warning=True)
        elif runs and condition(pod, "Ready") < condition(old, "Ready"):
            yield Report("Unhealthy", _UNREADY, "kubelet", pod, field, is_warning=True)


def _is_backing_off(container: Json) -> bool:
    return bool(dig(container, "state.waiting.reason") == CRASH_LOOP)


def _of_owner(change: Change) -> Iterator[Report]:
    """Yield the report of the controller that has made a Pod."""
    owner = controller_of(change.obj)
    if owner is None or change.type != "ADDED":
        return
    kind, name = owner["kind"], key_of(change.obj)[1]
    message = f"Created pod: {name}"
    if kind == "StatefulSet":
        message = f"create Pod {name} in StatefulSet {owner['name']} successful"
    by = f"{kind.lower()}-controller"
    yield Report("SuccessfulCreate", message, by, owner)


def _of_scaling(change: Change, owner: Json) -> Iterator[Report]:
    """Yield the report of a Deployment that has scaled one of its ReplicaSets."""
    new, old = (
        dig(each or {}, "spec.replicas") or 0 for each in (change.obj, change.previous)
    )
    if change.type != "DELETED" and new != old:
        way, name = "up" if new > old else "down", key_of(change.obj)[1]
        message = f"Scaled {way} replica set {name} from {old} to {new}"
        yield Report("ScalingReplicaSet", message, "deployment-controller", owner)


def _of_job(change: Change) -> Iterator[Report]:
    """Yield the report of a Job that has ended."""
    conditions = dig(change.obj, "status.conditions") or ()
    if not conditions or dig(change.previous or {}, "status.conditions"):
        return
    last = conditions[-1]
    if last["type"] == "Complete":
        yield Report("Completed", "Job completed", "job-controller", change.obj)
    else:
        about = last["reason"], last["message"], "job-controller", change.obj
        yield Report(*about, is_warning=True)


def _reference(report: Report, namespace: str) -> Json:
    """Return the reference to the object of a report."""
    about = report.about
    meta = about.get("metadata") or about  # an owner reference has no metadata
    reference = {
        "kind": about["kind"],
        "namespace": namespace,
        "name": meta["name"],
        "uid": meta["uid"],
        "apiVersion": about["apiVersion"],
        "fieldPath": report.field,
        "resourceVersion": meta.get("resourceVersion", ""),
    }
    return {name: value for name, value in reference.items() if value}


def _new(report: Report, reference: Json, version: int, time: str) -> Json:
    """Return the first Event of a report.

    Its UID follows from the version: one that is drawn would change the names that are
    drawn later.
    """
    by_kubelet = report.by == "kubelet"
    host = dig(report.about, "spec.nodeName") if by_kubelet else None
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{reference['name']}.{version:016x}",
            "namespace": reference["namespace"],
            "uid": f"00000000-0000-4000-a000-{version:012x}",
            "creationTimestamp": time,
        },
        "involvedObject": reference,
        "reason": report.reason,
        "message": report.message,
        "source": {"component": report.by} | ({"host": host} if host else {}),
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
        "type": "Warning" if report.is_warning else "Normal",
        "eventTime": None,
        "reportingComponent": report.by,
        "reportingInstance": host or "",
    }
