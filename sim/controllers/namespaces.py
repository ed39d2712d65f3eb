"""Namespaces: their default service account, and the deletion of their contents."""

from ..api.kinds import KINDS, named
from ..api.objects import is_terminating
from ..api.server import ClusterApi
from ..api.store import Change


class NamespaceController:
    """Creates the default service account; empties terminating Namespaces."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        if change.kind.name == "Namespace":
            self._on_namespace(change)
        elif change.type == "DELETED" and change.kind.namespaced:
            namespace = change.obj["metadata"]["namespace"]
            owner = self._cluster.find("Namespace", "", namespace)
            if owner is not None and is_terminating(owner):
                self._finish(namespace)

    def _on_namespace(self, change: Change) -> None:
        """Create the service account of a Namespace, or empty it."""
        name = change.obj["metadata"]["name"]
        if change.type == "ADDED":
            account = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": name},
            }
            if self._cluster.find("ServiceAccount", name, "default") is None:
                self._cluster.create(account)
        elif change.type == "MODIFIED" and is_terminating(change.obj):
            for kind in KINDS:
                if kind.namespaced:
                    self._cluster.delete_all(kind.name, name)
            self._finish(name)

    def _finish(self, name: str) -> None:
        """Remove the finalizer of an empty terminating Namespace."""
        namespace = self._cluster.find("Namespace", "", name)
        held = any(
            self._cluster.list(kind.name, name) for kind in KINDS if kind.namespaced
        )
        if namespace is None or held:
            return
        self._cluster.commit(named("Namespace"), {**namespace, "spec": {}})
