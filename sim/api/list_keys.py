"""The lists of each kind that are associative, and the keys of their items.

Strategic merge patches merge such a list by the first key, server-side apply by all
keys. Other lists are replaced whole, and server-side apply replaces the maps in ATOMIC
whole (Kubernetes API conventions, merge strategy).
"""

from collections.abc import Mapping

from .kind import Kind
from .objects import Json

ListKeys = Mapping[str, tuple[str, ...]]
"""Keys of the items by the dotted path of the list, without indexes."""

_CONTAINER: ListKeys = {
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
}
_POD: ListKeys = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    **{
        f"{containers}.{path}": keys
        for containers in ("containers", "initContainers", "ephemeralContainers")
        for path, keys in _CONTAINER.items()
    },
}
_EVERY: ListKeys = {
    "metadata.ownerReferences": ("uid",),
    "status.conditions": ("type",),
}
_LISTS: Mapping[str, ListKeys] = {
    "Service": {"spec.ports": ("port", "protocol")},
    "Pod": {f"spec.{path}": keys for path, keys in _POD.items()}
    | {"status.podIPs": ("ip",), "status.hostIPs": ("ip",)},
    **{
        kind: {f"spec.template.spec.{path}": keys for path, keys in _POD.items()}
        for kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job")
    },
    "Node": {"status.addresses": ("type",), "spec.taints": ("key", "effect")},
    "ServiceAccount": {"secrets": ("name",), "imagePullSecrets": ("name",)},
}
_ATOMIC: Mapping[str, frozenset[str]] = {
    "Service": frozenset(["spec.selector"]),
    "Deployment": frozenset(
        ["spec.selector", "spec.template.spec.nodeSelector"],
    ),
    "Pod": frozenset(["spec.nodeSelector"]),
    "PodDisruptionBudget": frozenset(["spec.selector"]),
    "NetworkPolicy": frozenset(["spec.podSelector"]),
}
PRIMITIVE_SETS = frozenset(["metadata.finalizers"])
"""Lists of texts that are merged as sets."""
_DEFAULTS = {"protocol": "TCP"}
"""Defaults of omitted keys."""


def list_keys(kind: Kind, path: str) -> tuple[str, ...]:
    """Return the item keys of the list at ``path``; none if the list is atomic."""
    return _EVERY.get(path) or _LISTS.get(kind.name, {}).get(path, ())


def is_atomic(kind: Kind, path: str) -> bool:
    """Return whether server-side apply replaces the map at ``path`` whole."""
    return path in _ATOMIC.get(kind.name, ())


def item_key(item: Json, keys: tuple[str, ...]) -> Json:
    """Return the key fields of ``item``."""
    return {key: item.get(key, _DEFAULTS.get(key)) for key in keys}


def below(path: str, name: str) -> str:
    """Return the path of the field ``name`` below ``path``."""
    return f"{path}.{name}" if path else name
