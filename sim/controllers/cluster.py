"""A cluster whose controllers run on every change, before the write returns.

The controllers are the first subscribers of the change log: after a write its caller
finds everything done that follows from it, in the same order in every run.
"""

from ..api.kinds import of_type
from ..api.objects import Json, key_of, owners_of
from ..api.server import ClusterApi
from ..api.store import Change
from .daemonsets import DaemonSetController
from .deployments import DeploymentController
from .endpoints import EndpointsController
from .events import EventController
from .jobs import JobController
from .namespaces import NamespaceController
from .pods import PodController
from .replicasets import ReplicaSetController
from .slices import SliceController
from .statefulsets import StatefulSetController


class GarbageCollector:
    """Deletes objects none of whose owners exists (any more), of every kind."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        if change.type == "DELETED":
            for dependent in self._cluster.dependents(change.obj):
                self._collect(dependent)
        elif change.type == "ADDED" and owners_of(change.obj):
            self._collect(change.obj)

    def _collect(self, dependent: Json) -> None:
        """Delete an object if none of its owners exists."""
        key = key_of(dependent)
        if self._cluster.find(dependent["kind"], *key) is None:
            return
        if not any(self._exists(owner, key[0]) for owner in owners_of(dependent)):
            self._cluster.delete(dependent["kind"], *key)

    def _exists(self, owner: Json, namespace: str) -> bool:
        """Return whether an owner exists; one of an unknown kind does."""
        kind = of_type(owner.get("apiVersion", ""), owner["kind"])
        if kind is None:
            return True
        place = namespace if kind.namespaced else ""
        found = self._cluster.find(kind.name, place, owner["name"])
        return found is not None and found["metadata"]["uid"] == owner["uid"]


class Cluster(ClusterApi):
    """The objects of a cluster, its API, and the controllers that act on changes."""

    controllers = (
        NamespaceController,
        PodController,
        DeploymentController,
        ReplicaSetController,
        StatefulSetController,
        DaemonSetController,
        JobController,
        SliceController,
        EndpointsController,
        GarbageCollector,
        EventController,
    )
