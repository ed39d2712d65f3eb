"""Deployments: Pods made from a template, kept in number and replaced in rollouts.

There are no ReplicaSets between: a Pod belongs to its Deployment at once, and the hash
of the template in its name and labels tells old from new.
"""

from hashlib import sha256
from math import ceil, floor

from ..api.feed import SAFE
from ..api.kinds import named
from ..api.objects import (
    Json,
    Key,
    condition,
    controller_of,
    encode,
    is_terminating,
    key_of,
    labels_of,
    owner_reference,
    timestamp,
)
from ..api.server import ClusterApi
from ..api.store import Change

HASH = "pod-template-hash"


def pod_count(value: int | str, replicas: int, *, up: bool) -> int:
    """Return a number of Pods that is given as a number or in percent.

    >>> pod_count("25%", 10, up=True), pod_count("25%", 10, up=False)
    (3, 2)
    """
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * replicas / 100
    return ceil(exact) if up else floor(exact)


def template_hash(deployment: Json) -> str:
    """Return a hash of the Pod template, ten characters long."""
    text = encode(deployment["spec"]["template"], order="deterministic")
    return "".join(SAFE[byte % len(SAFE)] for byte in sha256(text).digest()[:10])


class DeploymentController:
    """Creates and deletes Pods, one per step, until each Deployment is complete."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        namespace, name = key_of(change.obj)
        if change.kind.name == "Deployment" and change.type != "DELETED":
            self._reconcile((namespace, name))
        elif change.kind.name == "Pod":
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "Deployment":
                self._reconcile((namespace, owner["name"]))

    def _reconcile(self, key: Key) -> None:
        """Take the next step, or write the status if there is none to take.

        A step is a write of a Pod, whose change leads here again.
        """
        deployment = self._cluster.find("Deployment", *key)
        if deployment is None or is_terminating(deployment):
            return
        current = template_hash(deployment)
        pods = self._pods(deployment)
        new = [pod for pod in pods if labels_of(pod).get(HASH) == current]
        old = [pod for pod in pods if labels_of(pod).get(HASH) != current]
        if _wants_another(deployment, new, old):
            self._create(deployment, current)
        elif (pod := _pod_to_delete(deployment, new, old)) is not None:
            self._cluster.delete("Pod", *key_of(pod))
        else:
            self._write_status(deployment, new, old)

    def _pods(self, deployment: Json) -> list[Json]:
        """Return the Pods of a Deployment that are not terminating."""
        uid = deployment["metadata"]["uid"]
        return [
            pod
            for pod in self._cluster.list("Pod", key_of(deployment)[0])
            if (controller_of(pod) or {}).get("uid") == uid and not is_terminating(pod)
        ]

    def _create(self, deployment: Json, current: str) -> None:
        """Create one Pod from the template."""
        namespace, name = key_of(deployment)
        template = deployment["spec"]["template"]
        meta = template.get("metadata") or {}
        self._cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    **meta,
                    "generateName": f"{name}-{current}-",
                    "namespace": namespace,
                    "labels": {**(meta.get("labels") or {}), HASH: current},
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": template["spec"],
            }
        )

    def _write_status(self, deployment: Json, new: list[Json], old: list[Json]) -> None:
        """Write the status of the Deployment, if it changed."""
        status = _status(deployment, new, old, timestamp(self._cluster.now()))
        if _without_times(status) != _without_times(deployment.get("status") or {}):
            self._cluster.commit(named("Deployment"), {**deployment, "status": status})


def _is_available(pod: Json) -> bool:
    """Return whether a Pod is Ready."""
    return condition(pod, "Ready") == "True"


def _limits(deployment: Json) -> tuple[int, int]:
    """Return the maximum number of Pods and the minimum of available ones."""
    replicas, strategy = deployment["spec"]["replicas"], deployment["spec"]["strategy"]
    if strategy["type"] == "Recreate":
        return replicas, 0
    rolling = strategy["rollingUpdate"]
    surge = pod_count(rolling["maxSurge"], replicas, up=True)
    unavailable = pod_count(rolling["maxUnavailable"], replicas, up=False)
    # if both are zero, one may be unavailable (Deployment controller)
    return replicas + surge, replicas - (unavailable or (0 if surge else 1))


def _wants_another(deployment: Json, new: list[Json], old: list[Json]) -> bool:
    """Return whether a Pod of the new template should be created."""
    if deployment["spec"]["strategy"]["type"] == "Recreate" and old:
        return False
    most, _ = _limits(deployment)
    replicas = deployment["spec"]["replicas"]
    return len(new) < replicas and len(new) + len(old) < most


def _pod_to_delete(deployment: Json, new: list[Json], old: list[Json]) -> Json | None:
    """Return a Pod that should be deleted now, or None."""
    if len(new) > deployment["spec"]["replicas"]:
        return min(new, key=_is_available)
    if not old:
        return None
    candidate = min(old, key=_is_available)
    available = sum(map(_is_available, new)) + sum(map(_is_available, old))
    _, least = _limits(deployment)
    if not _is_available(candidate) or available > least:
        return candidate
    return None


def _status(deployment: Json, new: list[Json], old: list[Json], time: str) -> Json:
    """Return the status of a Deployment with these Pods."""
    replicas, total = deployment["spec"]["replicas"], len(new) + len(old)
    available = sum(map(_is_available, [*new, *old]))
    done = not old and len(new) == replicas == available
    _, least = _limits(deployment)
    enough = available >= least
    minimum = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    progress = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": total,
        "updatedReplicas": len(new),
        "readyReplicas": available,
        "availableReplicas": available,
        "unavailableReplicas": max(replicas - available, 0),
        "conditions": [
            _condition("Available", enough, minimum, time),
            _condition("Progressing", True, progress, time),
        ],
    }


def _condition(name: str, true: bool, reason: str, time: str) -> Json:
    """Return one condition of a Deployment."""
    return {
        "type": name,
        "status": "True" if true else "False",
        "reason": reason,
        "message": "",
        "lastUpdateTime": time,
        "lastTransitionTime": time,
    }


def _without_times(status: Json) -> Json:
    """Return a status without its times, for comparison."""
    times = ("lastUpdateTime", "lastTransitionTime")
    conditions = [
        {k: v for k, v in entry.items() if k not in times}
        for entry in status.get("conditions") or ()
    ]
    return {**status, "conditions": conditions}
