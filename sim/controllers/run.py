"""The controllers of the cluster, run on every change before a write returns.

They are subscribers of the change log like any other, only the first ones: whoever
writes an object finds all that follows from it done, in the same order every time.
"""

from typing import TYPE_CHECKING

from ..api.kinds import KINDS, kind_of
from ..api.objects import Json, key_of, with_meta
from ..api.store import Change
from .deployments import DeploymentController
from .namespaces import NamespaceController
from .pods import PodController
from .slices import SliceController

if TYPE_CHECKING:
    from ..api.server import Cluster


class GarbageCollector:
    """Deletes what an object owned when the object is gone."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        if change.type == "DELETED":
            for dependent in dependents(self._cluster, change.obj):
                self._cluster.delete(dependent["kind"], *key_of(dependent))


def dependents(cluster: "Cluster", owner: Json) -> list[Json]:
    """Return the objects that name ``owner`` as theirs; always of its namespace."""
    namespace, uid = key_of(owner)[0], owner["metadata"]["uid"]
    if not namespace:
        return []  # nothing in this simulation is owned by an object of the cluster
    return [
        obj
        for kind in KINDS
        if kind.namespaced
        for obj in cluster.list(kind.name, namespace)
        if any(r["uid"] == uid for r in obj["metadata"].get("ownerReferences") or ())
    ]


def release(cluster: "Cluster", owner: Json) -> None:
    """Let what ``owner`` owns live on when it goes (propagation policy Orphan)."""
    uid = owner["metadata"]["uid"]
    for obj in dependents(cluster, owner):
        others = [r for r in obj["metadata"]["ownerReferences"] if r["uid"] != uid]
        cluster.commit(kind_of(obj), with_meta(obj, ownerReferences=others))


def start(cluster: "Cluster") -> None:
    """Let every controller follow the changes of ``cluster``."""
    for controller in (
        NamespaceController(cluster),
        PodController(cluster),
        DeploymentController(cluster),
        SliceController(cluster),
        GarbageCollector(cluster),
    ):
        cluster.subscribe(controller)
