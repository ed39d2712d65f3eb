"""Namespaces: born with a label and a service account, gone with all they hold."""

from typing import TYPE_CHECKING

from ..api.addresses import Addresses
from ..api.kinds import KINDS, named
from ..api.objects import Json, is_terminating
from ..api.status import ApiError, forbidden, not_found
from ..api.store import Change

if TYPE_CHECKING:
    from ..api.server import Cluster

NAME_LABEL = "kubernetes.io/metadata.name"
PROTECTED = ("default", "kube-public", "kube-system")


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the name label, the finalizer and the phase of a Namespace."""
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), NAME_LABEL: meta["name"]}
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    phase = "Terminating" if is_terminating(obj) else "Active"
    obj.setdefault("status", {})["phase"] = phase


def check_creation(cluster: "Cluster", kind_name: str, namespace: str) -> None:
    """Refuse to create anything in a Namespace that is not there to stay.

    Raises:
        ApiError: it does not exist (404) or is being deleted (403).

    """
    found = cluster.find("Namespace", "", namespace)
    if found is None:
        raise not_found(named("Namespace"), namespace)
    if is_terminating(found):
        why = (
            f"unable to create new content in namespace {namespace} "
            "because it is being terminated"
        )
        raise forbidden(named(kind_name), "", why, "NamespaceTerminating")


def undeletable(name: str) -> ApiError | None:
    """Return why the Namespace ``name`` may not be deleted."""
    if name not in PROTECTED:
        return None
    return forbidden(named("Namespace"), name, "this namespace may not be deleted")


class NamespaceController:
    """Gives new Namespaces a service account and empties those to be deleted."""

    def __init__(self, cluster: "Cluster") -> None:
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
