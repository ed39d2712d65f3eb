"""Defaults of ReplicaSets; their validation is part of that of Deployments."""

from ..addresses import Addresses
from ..objects import Json
from .pods import fill_spec


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of a ReplicaSet."""
    spec = obj["spec"] = obj.get("spec") or {}
    spec.setdefault("replicas", 1)
    fill_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    obj.setdefault("status", {"replicas": 0})
