"""Deployments: ReplicaSets of old and new templates, scaled in a rolling update.

Each template has a ReplicaSet with the hash of the template in its name and labels.
The newest has the highest revision; a template that comes back takes its old ReplicaSet
up again, with a new revision. So ``kubectl rollout undo`` finds the earlier templates
(Kubernetes, pkg/controller/deployment: sync.go, rolling.go, util).
"""

from math import ceil, floor

from ..api.kinds import named
from ..api.objects import (
    Json,
    Key,
    annotations_of,
    controller_of,
    is_terminating,
    key_of,
    labels_of,
    owner_reference,
    timestamp,
    with_meta,
)
from ..api.server import ClusterApi
from ..api.store import Change
from .replicasets import is_ready, pods_of
from .revisions import hash_of

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION)
"""Annotations of a Deployment that its ReplicaSets do not get."""


def pod_count(value: int | str, replicas: int, *, up: bool) -> int:
    """Return a number of Pods that is given as a number or in percent.

    >>> pod_count("25%", 10, up=True), pod_count("25%", 10, up=False)
    (3, 2)
    """
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * replicas / 100
    return ceil(exact) if up else floor(exact)


def revision_of(obj: Json) -> int:
    """Return the revision of a Deployment or ReplicaSet, 0 without one."""
    return int(annotations_of(obj).get(REVISION, "0"))


class DeploymentController:
    """Writes ReplicaSets, one per step, until each Deployment is complete."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        namespace, name = key_of(change.obj)
        if change.kind.name == "Deployment" and change.type != "DELETED":
            self._reconcile((namespace, name))
        elif change.kind.name == "ReplicaSet":
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "Deployment":
                self._reconcile((namespace, owner["name"]))

    def _reconcile(self, key: Key) -> None:
        """Take the next step, or write the status if there is none to take.

        A step is a write of a ReplicaSet or of the revision, which leads here again.
        """
        deployment = self._cluster.find("Deployment", *key)
        if deployment is None or is_terminating(deployment):
            return
        sets = self._replica_sets(deployment)
        current = hash_of(deployment["spec"]["template"])
        new = next((each for each in sets if labels_of(each)[HASH] == current), None)
        old = [each for each in sets if each is not new]
        if new is None and not deployment["spec"].get("paused"):
            self._create(deployment, current, _next_revision(old))
        elif new is not None and self._is_renumbered(deployment, new, old):
            pass
        elif (scaled := self._next_scale(deployment, new, old)) is not None:
            replica_set, replicas = scaled
            self._scale(replica_set, replicas)
        elif (expired := _expired(deployment, old)) is not None:
            self._cluster.delete("ReplicaSet", *key_of(expired))
        else:
            self._write_status(deployment, new, old)

    def _replica_sets(self, deployment: Json) -> list[Json]:
        """Return the ReplicaSets of a Deployment, the oldest revision first."""
        uid = deployment["metadata"]["uid"]
        found = [
            each
            for each in self._cluster.list("ReplicaSet", key_of(deployment)[0])
            if (controller_of(each) or {}).get("uid") == uid
            and not is_terminating(each)
        ]
        return sorted(found, key=revision_of)

    def _create(self, deployment: Json, current: str, revision: int) -> None:
        """Create the ReplicaSet of the present template, without Pods."""
        namespace, name = key_of(deployment)
        spec = deployment["spec"]
        template = spec["template"]
        meta = template.get("metadata") or {}
        labels = {**(meta.get("labels") or {}), HASH: current}
        selector = dict(spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: current}
        self._cluster.create(
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": f"{name}-{current}",
                    "namespace": namespace,
                    "labels": labels,
                    "annotations": _annotations(deployment, revision),
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": {
                    "replicas": 0,
                    "selector": selector,
                    "template": {**template, "metadata": {**meta, "labels": labels}},
                },
            }
        )

    def _is_renumbered(self, deployment: Json, new: Json, old: list[Json]) -> bool:
        """Write a revision or copied annotations that are not up to date, if any."""
        revision = max(revision_of(new), _next_revision(old))
        annotations = annotations_of(new) | _annotations(deployment, revision)
        if annotations != annotations_of(new):
            changed = with_meta(new, annotations=annotations)
            self._cluster.commit(named("ReplicaSet"), changed)
            return True
        if revision_of(deployment) != revision:
            own = {**annotations_of(deployment), REVISION: str(revision)}
            changed = with_meta(deployment, annotations=own)
            self._cluster.commit(named("Deployment"), changed)
            return True
        return False

    def _scale(self, replica_set: Json, replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        self._cluster.patch("ReplicaSet", *key_of(replica_set), patch)

    def _next_scale(
        self, deployment: Json, new: Json | None, old: list[Json]
    ) -> tuple[Json, int] | None:
        """Return a ReplicaSet and the number of its Pods in the next step, or None."""
        if deployment["spec"].get("paused") or new is None:
            return None
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return self._recreated(deployment, new, old)
        return self._grown(deployment, new, old) or self._shrunk(deployment, new, old)

    def _recreated(
        self, deployment: Json, new: Json, old: list[Json]
    ) -> tuple[Json, int] | None:
        for each in old:
            if each["spec"]["replicas"]:
                return each, 0
        if any(pods_of(self._cluster, each) for each in old):
            return None
        replicas = deployment["spec"]["replicas"]
        return (new, replicas) if new["spec"]["replicas"] != replicas else None

    def _grown(
        self, deployment: Json, new: Json, old: list[Json]
    ) -> tuple[Json, int] | None:
        """Return the step of the new ReplicaSet, which never makes too many Pods."""
        replicas, size = deployment["spec"]["replicas"], new["spec"]["replicas"]
        if size > replicas:
            return new, replicas
        most, _ = _limits(deployment)
        room = most - size - sum(each["spec"]["replicas"] for each in old)
        wanted = min(replicas, size + room)
        return (new, wanted) if wanted > size else None

    def _shrunk(
        self, deployment: Json, new: Json, old: list[Json]
    ) -> tuple[Json, int] | None:
        """Return the step of an old ReplicaSet, which leaves enough available Pods."""
        _, least = _limits(deployment)
        total = sum(each["spec"]["replicas"] for each in [new, *old])
        missing = new["spec"]["replicas"] - self._available(new)
        spare = total - least - missing
        for each in old:  # Pods that are not available cost nothing
            size = each["spec"]["replicas"]
            unavailable = min(size - self._available(each), spare)
            if unavailable > 0:
                return each, size - unavailable
        spare = min(spare, sum(map(self._available, [new, *old])) - least)
        for each in old:
            if each["spec"]["replicas"] and spare > 0:
                return each, max(each["spec"]["replicas"] - spare, 0)
        return None

    def _available(self, replica_set: Json) -> int:
        return sum(map(is_ready, pods_of(self._cluster, replica_set)))

    def _write_status(
        self, deployment: Json, new: Json | None, old: list[Json]
    ) -> None:
        """Write the status of the Deployment, if it changed."""
        sets = old if new is None else [new, *old]
        updated = len(pods_of(self._cluster, new)) if new is not None else 0
        total = sum(len(pods_of(self._cluster, each)) for each in sets)
        available = sum(map(self._available, sets))
        counts = (total, updated, available)
        status = _status(deployment, counts, timestamp(self._cluster.now()))
        if _without_times(status) != _without_times(deployment.get("status") or {}):
            self._cluster.commit(named("Deployment"), {**deployment, "status": status})


def _next_revision(others: list[Json]) -> int:
    return max(map(revision_of, others), default=0) + 1


def _annotations(deployment: Json, revision: int) -> Json:
    """Return the annotations that a ReplicaSet has from its Deployment."""
    own = annotations_of(deployment).items()
    copied = {name: value for name, value in own if name not in _NOT_COPIED}
    return {**copied, REVISION: str(revision)}


def _expired(deployment: Json, old: list[Json]) -> Json | None:
    """Return the oldest ReplicaSet beyond the revision history limit, or None."""
    empty = [each for each in old if not each["spec"]["replicas"]]
    gone = [each for each in empty if not (each.get("status") or {}).get("replicas")]
    return gone[0] if len(gone) > deployment["spec"]["revisionHistoryLimit"] else None


def _limits(deployment: Json) -> tuple[int, int]:
    """Return the maximum number of Pods and the minimum of available ones."""
    replicas, strategy = deployment["spec"]["replicas"], deployment["spec"]["strategy"]
    rolling = strategy["rollingUpdate"]
    surge = pod_count(rolling["maxSurge"], replicas, up=True)
    unavailable = pod_count(rolling["maxUnavailable"], replicas, up=False)
    # if both are zero, one may be unavailable (Deployment controller)
    return replicas + surge, replicas - (unavailable or (0 if surge else 1))


def _status(deployment: Json, counts: tuple[int, int, int], time: str) -> Json:
    """Return the status of a Deployment with these Pods: all, updated, available."""
    total, updated, available = counts
    replicas = deployment["spec"]["replicas"]
    done = total == updated == replicas == available
    is_recreated = deployment["spec"]["strategy"]["type"] == "Recreate"
    least = replicas if is_recreated else _limits(deployment)[1]
    enough = available >= least
    minimum = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    progress = "NewReplicaSetAvailable" if done else "ReplicaSetUpdated"
    return {
        "observedGeneration": deployment["metadata"].get("generation", 1),
        "replicas": total,
        "updatedReplicas": updated,
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
