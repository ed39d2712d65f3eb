"""A cluster whose controllers run on every change, before the write returns.

The controllers are the first subscribers of the change log: after a write its caller
finds everything done that follows from it, in the same order in every run.
"""

from ..api.objects import key_of
from ..api.server import ClusterApi
from ..api.store import Change
from .deployments import DeploymentController
from .namespaces import NamespaceController
from .pods import PodController
from .replicasets import ReplicaSetController
from .slices import SliceController


class GarbageCollector:
    """Deletes the dependents of a deleted object."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        if change.type == "DELETED":
            for dependent in self._cluster.dependents(change.obj):
                self._cluster.delete(dependent["kind"], *key_of(dependent))


class Cluster(ClusterApi):
    """The objects of a cluster, its API, and the controllers that act on changes."""

    controllers = (
        NamespaceController,
        PodController,
        DeploymentController,
        ReplicaSetController,
        SliceController,
        GarbageCollector,
    )
