"""DaemonSets: one Pod on each Node that their node selector matches.

Kubernetes binds the Pods by a node affinity; here spec.nodeName is set at once
(pkg/controller/daemon).
"""

from ..api.kinds import named
from ..api.objects import (
    Json,
    Key,
    controller_of,
    dig,
    is_terminating,
    key_of,
    labels_of,
)
from ..api.selectors import equal_to, matches_labels
from ..api.server import ClusterApi
from ..api.store import Change
from . import revisions
from .deployments import pod_count
from .replicasets import is_ready, new_pod, pods_of


class DaemonSetController:
    """Creates and deletes Pods, one per step, until each Node has its Pod."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        namespace, name = key_of(change.obj)
        if change.kind.name == "DaemonSet" and change.type != "DELETED":
            self._reconcile((namespace, name))
        elif change.kind.name == "Node":
            for owner in self._cluster.list("DaemonSet"):
                self._reconcile(key_of(owner))
        elif change.kind.name == "Pod":
            owner_ = controller_of(change.obj)
            if owner_ is not None and owner_["kind"] == "DaemonSet":
                self._reconcile((namespace, owner_["name"]))

    def _reconcile(self, key: Key) -> None:
        """Take the next step, or write the status if there is none to take."""
        owner = self._cluster.find("DaemonSet", *key)
        if owner is None or is_terminating(owner):
            return
        revision = key_of(revisions.current(self._cluster, owner))[1]
        new = revision.rpartition("-")[2]
        nodes = self._nodes(owner)
        pods = pods_of(self._cluster, owner)
        by_node = {pod["spec"].get("nodeName"): pod for pod in pods}
        missing = [node for node in nodes if node not in by_node]
        surplus = [pod for node, pod in by_node.items() if node not in nodes]
        if surplus or (old := _outdated(owner, nodes, pods, new)) is not None:
            self._cluster.delete("Pod", *key_of(surplus[0] if surplus else old or {}))
        elif missing:
            prefix = f"{key[1]}-"
            pod = new_pod(owner, owner["spec"]["template"], generateName=prefix)
            pod["metadata"]["labels"][revisions.HASH] = new
            bound = {**pod["spec"], "nodeName": missing[0]}
            self._cluster.create({**pod, "spec": bound})
        else:
            self._write_status(owner, nodes, pods, new)

    def _nodes(self, owner: Json) -> list[str]:
        """Return the names of the Nodes that get a Pod."""
        selector = dig(owner, "spec.template.spec.nodeSelector") or {}
        return [
            key_of(node)[1]
            for node in self._cluster.list("Node")
            if matches_labels(labels_of(node), equal_to(selector))
        ]

    def _write_status(
        self, owner: Json, nodes: list[str], pods: list[Json], new: str
    ) -> None:
        """Write the status of a DaemonSet, if it changed."""
        ready = sum(map(is_ready, pods))
        updated = sum(labels_of(pod)[revisions.HASH] == new for pod in pods)
        optional = {
            "updatedNumberScheduled": updated,
            "numberAvailable": ready,
            "numberUnavailable": len(nodes) - ready,
        }
        status = {
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": len(nodes),
            "numberReady": ready,
            "observedGeneration": owner["metadata"].get("generation", 1),
            **{name: number for name, number in optional.items() if number},
        }
        if status != owner.get("status"):
            changed = {**owner, "status": status}
            self._cluster.commit(named("DaemonSet"), changed)


def _outdated(owner: Json, nodes: list[str], pods: list[Json], new: str) -> Json | None:
    """Return a Pod of an old template that may be replaced now, or None."""
    strategy = owner["spec"]["updateStrategy"]
    old = [pod for pod in pods if labels_of(pod)[revisions.HASH] != new]
    if strategy["type"] == "OnDelete" or not old:
        return None
    useless = [pod for pod in old if not is_ready(pod)]
    limit = pod_count(strategy["rollingUpdate"]["maxUnavailable"], len(nodes), up=True)
    may_replace = len(nodes) - sum(map(is_ready, pods)) < limit
    return next(iter(useless), old[0] if may_replace else None)
