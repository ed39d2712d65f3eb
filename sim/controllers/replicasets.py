"""ReplicaSets: Pods made from a template, kept in number."""

from ..api.kinds import named
from ..api.objects import (
    Json,
    Key,
    condition,
    controller_of,
    is_terminating,
    key_of,
    labels_of,
    owner_reference,
)
from ..api.server import ClusterApi
from ..api.store import Change


def pods_of(cluster: ClusterApi, owner: Json) -> list[Json]:
    """Return the Pods that ``owner`` controls and that are not terminating, shared."""
    uid = owner["metadata"]["uid"]
    return [
        pod
        for pod in cluster.list("Pod", key_of(owner)[0])
        if (controller_of(pod) or {}).get("uid") == uid and not is_terminating(pod)
    ]


def is_ready(pod: Json) -> bool:
    """Return whether a Pod is Ready."""
    return condition(pod, "Ready") == "True"


def new_pod(owner: Json, template: Json, **meta: object) -> Json:
    """Return a Pod from the template; ``meta`` has its name or generateName."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **(template.get("metadata") or {}),
            **meta,
            "namespace": key_of(owner)[0],
            "labels": dict(labels),
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": template["spec"],
    }


class ReplicaSetController:
    """Creates and deletes Pods, one per step, until each ReplicaSet has its number."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        namespace, name = key_of(change.obj)
        if change.kind.name == "ReplicaSet" and change.type != "DELETED":
            self._reconcile((namespace, name))
        elif change.kind.name == "Pod":
            owner = controller_of(change.obj)
            if owner is not None and owner["kind"] == "ReplicaSet":
                self._reconcile((namespace, owner["name"]))

    def _reconcile(self, key: Key) -> None:
        """Take the next step, or write the status if there is none to take.

        A step is a write of a Pod, whose change leads here again.
        """
        replica_set = self._cluster.find("ReplicaSet", *key)
        if replica_set is None or is_terminating(replica_set):
            return
        pods = pods_of(self._cluster, replica_set)
        spec = replica_set["spec"]
        if len(pods) < spec["replicas"]:
            prefix = f"{key[1]}-"
            pod = new_pod(replica_set, spec["template"], generateName=prefix)
            self._cluster.create(pod)
        elif len(pods) > spec["replicas"]:
            # Pods that are not Ready go first (ReplicaSet controller, ActivePods)
            self._cluster.delete("Pod", *key_of(min(pods, key=is_ready)))
        else:
            self._write_status(replica_set, pods)

    def _write_status(self, replica_set: Json, pods: list[Json]) -> None:
        """Write the status of a ReplicaSet, if it changed."""
        wanted = labels_of(replica_set["spec"]["template"]).items()
        labelled = sum(wanted <= labels_of(pod).items() for pod in pods)
        ready = sum(map(is_ready, pods))
        counts = {
            "replicas": len(pods),
            "fullyLabeledReplicas": labelled,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "observedGeneration": replica_set["metadata"].get("generation", 1),
        }
        # counts of zero are left out, except for replicas (omitempty)
        status = {k: v for k, v in counts.items() if v or k == "replicas"}
        if status != replica_set.get("status"):
            changed = {**replica_set, "status": status}
            self._cluster.commit(named("ReplicaSet"), changed)
