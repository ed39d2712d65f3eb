"""Validation of Leases (Kubernetes, pkg/apis/coordination)."""

from collections.abc import Iterator

from ..addresses import Addresses
from ..objects import Json
from ..status import Cause, wrong


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of a Lease."""
    spec = obj.get("spec") or {}
    if spec.get("leaseDurationSeconds", 1) <= 0:
        value = spec["leaseDurationSeconds"]
        yield wrong("spec.leaseDurationSeconds", value, "must be greater than 0")
    if spec.get("leaseTransitions", 0) < 0:
        why = "must be greater than or equal to 0"
        yield wrong("spec.leaseTransitions", spec["leaseTransitions"], why)
