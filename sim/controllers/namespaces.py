"""Namespaces: born with a label and a service account, gone with all they hold."""

from ..api.kinds import KINDS, named
from ..api.objects import is_terminating
from ..api.server import ClusterApi
from ..api.store import Change


class NamespaceController:
    """Gives new Namespaces a service account and empties those to be deleted."""

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
        """Furnish or empty a Namespace."""
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
        """Let the Namespace go if nothing is left in it."""
        namespace = self._cluster.find("Namespace", "", name)
        held = any(
            self._cluster.list(kind.name, name) for kind in KINDS if kind.namespaced
        )
        if namespace is None or held:
            return
        self._cluster.commit(named("Namespace"), {**namespace, "spec": {}})
