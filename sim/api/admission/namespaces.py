"""Defaults of Namespaces, and the admission plugin NamespaceLifecycle."""

from ..addresses import Addresses
from ..kind import Kind
from ..kinds import named
from ..objects import Json, is_terminating
from ..status import ApiError, forbidden, not_found

NAME_LABEL = "kubernetes.io/metadata.name"
PROTECTED = ("default", "kube-public", "kube-system")


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the name label, the finalizer and the phase of a Namespace."""
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), NAME_LABEL: meta["name"]}
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    phase = "Terminating" if is_terminating(obj) else "Active"
    obj.setdefault("status", {})["phase"] = phase


def undeletable(name: str) -> ApiError | None:
    """Return the error of deleting a protected Namespace, or None."""
    if name not in PROTECTED:
        return None
    return forbidden(named("Namespace"), name, "this namespace may not be deleted")


def check_creation(kind: Kind, name: str, namespace: Json | None) -> None:
    """Refuse to create an object of ``kind`` in the Namespace ``name``.

    Raises:
        ApiError: the Namespace does not exist (404) or is being deleted (403).

    """
    if namespace is None:
        raise not_found(named("Namespace"), name)
    if is_terminating(namespace):
        why = (
            f"unable to create new content in namespace {name} "
            "because it is being terminated"
        )
        raise forbidden(kind, "", why, "NamespaceTerminating")
