"""StatefulSets: numbered Pods that keep their names, started and ended in order.

The Pod NAME-0 is created first; the next one when it is Ready, unless the set is
Parallel. Scaling down and rolling updates begin with the highest number (Kubernetes,
pkg/controller/statefulset).
"""

from ..api.kinds import named
from ..api.objects import Json, Key, controller_of, is_terminating, key_of, labels_of
from ..api.server import ClusterApi
from ..api.store import Change
from . import revisions
from .replicasets import is_ready, new_pod, pods_of

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


def index_of(pod: Json) -> int:
    """Return the number of a Pod, the last part of its name."""
    return int(key_of(pod)[1].rpartition("-")[2])


class StatefulSetController:
    """Creates and deletes Pods, one per step, until each StatefulSet is complete."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        namespace, name = key_of(change.obj)
        if change.kind.name == "StatefulSet" and change.type != "DELETED":
            self._reconcile((namespace, name))
        elif change.kind.name == "Pod":
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "StatefulSet":
                self._reconcile((namespace, owner["name"]))

    def _reconcile(self, key: Key) -> None:
        """Take the next step, or write the status if there is none to take.

        A step is a write of a Pod, whose change leads here again.
        """
        owner = self._cluster.find("StatefulSet", *key)
        if owner is None or is_terminating(owner):
            return
        new = key_of(revisions.current(self._cluster, owner))[1]
        pods = {index_of(pod): pod for pod in pods_of(self._cluster, owner)}
        missing = self._missing(owner, pods)
        if missing is not None:
            self._create(owner, missing, new)
        elif (surplus := self._surplus(owner, pods, new)) is not None:
            self._cluster.delete("Pod", *key_of(surplus))
        else:
            self._write_status(owner, list(pods.values()), new)

    def _missing(self, owner: Json, pods: dict[int, Json]) -> int | None:
        """Return the number of the Pod to create now, or None."""
        for index in _indexes(owner):
            name = f"{key_of(owner)[1]}-{index}"
            if index not in pods:
                taken = self._cluster.find("Pod", key_of(owner)[0], name)
                return index if taken is None else None
            if _is_ordered(owner) and not is_ready(pods[index]):
                return None
        return None

    def _surplus(self, owner: Json, pods: dict[int, Json], new: str) -> Json | None:
        """Return the Pod to delete now, beyond the number or of an old template."""
        wanted = _indexes(owner)
        downwards = [pods[index] for index in sorted(pods, reverse=True)]
        beyond = [pod for pod in downwards if index_of(pod) not in wanted]
        if beyond:
            return beyond[0]
        strategy = owner["spec"]["updateStrategy"]
        if strategy["type"] == "OnDelete":
            return None
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        for pod in downwards:
            if index_of(pod) >= partition and labels_of(pod)[revisions.HASH] != new:
                return pod
            if not is_ready(pod):  # it has to become ready first
                return None
        return None

    def _create(self, owner: Json, index: int, new: str) -> None:
        """Create the Pod number ``index``; below the partition, of the old template."""
        spec = owner["spec"]
        rolling = spec["updateStrategy"].get("rollingUpdate") or {}
        old = (owner.get("status") or {}).get("currentRevision")
        revision = old if old and index < rolling.get("partition", 0) else new
        template = revisions.template_of(self._cluster, owner, revision)
        name = f"{key_of(owner)[1]}-{index}"
        pod = new_pod(owner, template, name=name)
        pod["metadata"]["labels"] |= {
            revisions.HASH: revision,
            POD_NAME: name,
            POD_INDEX: str(index),
        }
        network = {"hostname": name, "subdomain": spec.get("serviceName", "")}
        self._cluster.create({**pod, "spec": {**pod["spec"], **network}})

    def _write_status(self, owner: Json, pods: list[Json], new: str) -> None:
        """Write the status of a StatefulSet, if it changed."""
        updated = sum(labels_of(pod)[revisions.HASH] == new for pod in pods)
        ready, replicas = sum(map(is_ready, pods)), owner["spec"]["replicas"]
        old = (owner.get("status") or {}).get("currentRevision") or new
        current = new if updated == ready == replicas else old
        counts = {
            "readyReplicas": ready,
            "currentReplicas": sum(
                labels_of(pod)[revisions.HASH] == current for pod in pods
            ),
            "updatedReplicas": updated,
        }
        status = {
            "observedGeneration": owner["metadata"].get("generation", 1),
            "replicas": len(pods),
            "availableReplicas": ready,
            "currentRevision": current,
            "updateRevision": new,
            "collisionCount": 0,
            **{name: number for name, number in counts.items() if number},
        }
        if status != owner.get("status"):
            changed = {**owner, "status": status}
            self._cluster.commit(named("StatefulSet"), changed)


def _indexes(owner: Json) -> range:
    """Return the numbers of the Pods that a StatefulSet wants."""
    start = (owner["spec"].get("ordinals") or {}).get("start", 0)
    return range(start, start + owner["spec"]["replicas"])


def _is_ordered(owner: Json) -> bool:
    return bool(owner["spec"]["podManagementPolicy"] == "OrderedReady")
