"""Admission of writes: names, defaults and validation of each kind."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..addresses import Addresses
from ..kind import Kind
from ..objects import Json
from ..status import Cause, invalid, required
from . import (
    deployments,
    jobs,
    leases,
    names,
    namespaces,
    nodes,
    pods,
    replicasets,
    services,
    sets,
    slices,
)
from .names import LABEL, SEGMENT, SUBDOMAIN, NameRule

Fill = Callable[[Json, Json | None, Addresses], None]
"""Sets defaults in a new object, given its old state."""
Check = Callable[[Json, Json | None, Addresses], Iterable[Cause]]


def _no_fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set no defaults."""


def _no_check(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Accept every object."""
    yield from ()


class Admission(NamedTuple):
    """Defaults, validation and name rule of one kind."""

    fill: Fill = _no_fill
    check: Check = _no_check
    name: NameRule = SUBDOMAIN


_ADMISSIONS = {
    "Namespace": Admission(namespaces.fill, name=LABEL),
    "Service": Admission(services.fill, services.causes, LABEL),
    "Pod": Admission(pods.fill, pods.causes),
    "EndpointSlice": Admission(slices.fill, slices.causes),
    "Deployment": Admission(deployments.fill, deployments.causes),
    "ReplicaSet": Admission(replicasets.fill, deployments.template_causes),
    "StatefulSet": Admission(sets.fill_stateful, sets.stateful_causes),
    "DaemonSet": Admission(sets.fill_daemon, sets.causes),
    "Job": Admission(jobs.fill, jobs.causes),
    "Lease": Admission(check=leases.causes),
    "Node": Admission(check=nodes.causes),
    "Role": Admission(name=SEGMENT),
    "RoleBinding": Admission(name=SEGMENT),
    "ClusterRole": Admission(name=SEGMENT),
    "ClusterRoleBinding": Admission(name=SEGMENT),
}
_ANY = Admission()


def admit(kind: Kind, obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of ``obj`` in place and validate it.

    Raises:
        ApiError: it is invalid (422), or no address is free (500).

    """
    admission = _ADMISSIONS.get(kind.name, _ANY)
    name = obj["metadata"].get("name", "")
    causes = list(_name_causes(admission.name, name))
    if not causes:
        admission.fill(obj, old, addresses)
        causes = list(admission.check(obj, old, addresses))
    if causes:
        raise invalid(kind.title, name, causes)


def _name_causes(rule: NameRule, name: str) -> Iterator[Cause]:
    """Yield the validation errors of the name of an object."""
    if not name:
        yield required("metadata.name", "name or generateName is required")
    else:
        yield from names.errors(rule, "metadata.name", name)
