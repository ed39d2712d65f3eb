"""A stand-in for scheduler and kubelet.

A Pod without a status gets a node and an address and is Running and Ready at once.
Annotations change that, at creation or later:

- `sim/ready: "false"`: not Ready; `"true"` again: Ready
- `sim/phase: Pending`: without node and address; `Succeeded`, `Failed`: done
- `sim/ip: 10.244.7.7`: this address
- `sim/stops-after: "10"`: a deleted Pod is Terminating for so many seconds, and at most
  for its grace period; without this it goes at once

A status in the new Pod is kept and completed.
"""

import contextlib
from collections.abc import Iterator

from ..api.addresses import NODE_RANGES, POD_RANGES, family_of, nth
from ..api.admission.pods import INITIAL_STATUS
from ..api.kinds import named
from ..api.objects import (
    Json,
    annotations_of,
    condition,
    dig,
    is_terminating,
    key_of,
    timestamp,
)
from ..api.server import ClusterApi
from ..api.status import ApiError
from ..api.store import Change
from ..api.writing import Deletion, stops_after_s

READY = "sim/ready"
PHASE = "sim/phase"
IP = "sim/ip"
ENDS = {"Succeeded": (0, "Completed"), "Failed": (1, "Error")}
"""Exit code and reason of the containers by the phase of their Pod."""
CONDITIONS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


class PodController:
    """Schedules and starts Pods at once, without containers."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._turn = 0

    def __call__(self, change: Change) -> None:
        """React to one change."""
        if change.kind.name != "Pod" or change.type == "DELETED":
            return
        previous = change.previous
        if previous and is_terminating(change.obj) and not is_terminating(previous):
            self._end(change.obj)
        if previous is None or _status_annotations(change.obj) != _status_annotations(
            previous
        ):
            pod = self._cluster.find("Pod", *key_of(change.obj))
            if pod is not None and not is_terminating(pod):
                self._run(pod, is_new=change.previous is None)

    def _run(self, pod: Json, *, is_new: bool) -> None:
        """Write node and status of a Pod."""
        annotations = annotations_of(pod)
        status = dict(pod["status"]) if pod["status"] != INITIAL_STATUS else {}
        phase = (
            annotations.get(PHASE)
            or (status.get("phase") if is_new else "")
            or "Running"
        )
        spec = pod["spec"]
        if phase != "Pending":
            node = self._node(pod)
            spec = {**spec, "nodeName": dig(node, "metadata.name")}
            status = self._addresses(pod, node) | status
            status.setdefault("startTime", timestamp(self._cluster.now()))
        if not is_new or not status.get("conditions"):
            should_be_ready = annotations.get(READY, "true") == "true"
            ready = phase == "Running" and should_be_ready
            status["conditions"] = self._conditions(phase, ready)
        now = timestamp(self._cluster.now())
        status = {**INITIAL_STATUS, **status, "phase": phase}
        status["containerStatuses"] = list(_containers(spec, status, now))
        self._cluster.commit(named("Pod"), {**pod, "spec": spec, "status": status})

    def _end(self, pod: Json) -> None:
        """Remove a terminating Pod when its containers have ended."""
        meta = pod["metadata"]

        def remove() -> None:
            with contextlib.suppress(ApiError):  # it has gone, or is another one
                self._cluster.delete("Pod", *key_of(pod), now)

        now = Deletion(uid=meta["uid"], grace_s=0)
        grace_s = meta.get("deletionGracePeriodSeconds") or 0
        if grace_s:  # else only finalizers keep it
            self._cluster.later(min(stops_after_s(pod), grace_s), remove)

    def _node(self, pod: Json) -> Json:
        """Return the node of a Pod; new Pods are assigned to the nodes in turn."""
        name = pod["spec"].get("nodeName")
        if name:
            return self._cluster.find("Node", "", name) or {"metadata": {"name": name}}
        nodes = self._cluster.list("Node")
        if not nodes:
            return {"metadata": {"name": ""}}
        self._turn += 1
        return nodes[(self._turn - 1) % len(nodes)]

    def _addresses(self, pod: Json, node: Json) -> Json:
        """Return the status fields with the addresses of a Pod and its node."""
        host = _internal_ips(node)
        address = dig(pod, "status.podIP")
        if address:
            ips = [address]
        elif pod["spec"].get("hostNetwork"):
            ips = host
        elif IP in annotations_of(pod):
            ips = annotations_of(pod)[IP].split(",")
        else:
            ips = self._free(node)
        return {
            "hostIP": host[0],
            "hostIPs": [{"ip": ip} for ip in host],
            "podIP": ips[0],
            "podIPs": [{"ip": ip} for ip in ips],
        }

    def _free(self, node: Json) -> list[str]:
        """Return a free address of each family of the cluster and the node."""
        addresses = self._cluster.addresses
        return [
            addresses.pod_pool(cidr).free()
            for cidr in dig(node, "spec.podCIDRs") or (POD_RANGES["IPv4"],)
            if family_of(cidr.partition("/")[0]) in addresses.families
        ]

    def _conditions(self, phase: str, ready: bool) -> list[Json]:
        """Return the conditions of a Pod."""
        true = {"PodScheduled", "Initialized"} if phase != "Pending" else set()
        if ready:
            true = set(CONDITIONS)
        time = timestamp(self._cluster.now())
        return [
            {
                "type": name,
                "status": "True" if name in true else "False",
                "lastTransitionTime": time,
            }
            for name in CONDITIONS
        ]


def _internal_ips(node: Json) -> list[str]:
    """Return the internal addresses of a node, or a default one."""
    entries = dig(node, "status.addresses") or ()
    ips = [entry["address"] for entry in entries if entry["type"] == "InternalIP"]
    return ips or [nth(NODE_RANGES["IPv4"], 2)]


def _status_annotations(pod: Json) -> Json:
    """Return the annotations that determine the status of a Pod."""
    annotations = annotations_of(pod)
    return {k: v for k, v in annotations.items() if k in (READY, PHASE, IP)}


def _containers(spec: Json, status: Json, now: str) -> Iterator[Json]:
    """Yield the status of each container."""
    running = status["phase"] == "Running"
    start = {"startedAt": status.get("startTime")}
    known = {each["name"]: each for each in status.get("containerStatuses") or ()}
    state: Json = {"running": start} if running else {}
    if status["phase"] in ENDS:
        code, reason = ENDS[status["phase"]]
        end = {"exitCode": code, "reason": reason, "finishedAt": now}
        state = {"terminated": {**end, **start}}
    for container in spec.get("containers") or ():
        image, name = container.get("image", ""), container["name"]
        was = known.get(name, {})
        now_ = was["state"] if running and was.get("state") else state
        yield {
            "name": name,
            "image": image,
            "imageID": image,
            "ready": condition({"status": status}, "Ready") == "True",
            "started": running and "running" in now_,
            "restartCount": was.get("restartCount", 0),
            "state": now_,
            **({"lastState": was["lastState"]} if was.get("lastState") else {}),
        }
