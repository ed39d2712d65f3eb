"""Admission of writes: names, defaults and validation of each kind."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ..addresses import Addresses
from ..kinds import Kind
from ..objects import Json
from ..status import Cause, invalid, required, wrong
from . import deployments, namespaces, nodes, pods, services, slices

Fill = Callable[[Json, Json | None, Addresses], None]
"""Sets defaults in a new object, given its old state."""
Check = Callable[[Json, Json | None, Addresses], Iterable[Cause]]


def _no_fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set no defaults."""


def _no_check(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Accept every object."""
    yield from ()


class NameRule(NamedTuple):
    """The rule for names of objects."""

    pattern: re.Pattern[str]
    longest: int
    text: str


SUBDOMAIN = NameRule(
    re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"),
    253,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
    "characters, '-' or '.', and must start and end with an alphanumeric character",
)
LABEL = NameRule(
    re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"),
    63,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters "
    "or '-', and must start and end with an alphanumeric character",
)
LABEL_1035 = NameRule(
    re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?"),
    63,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
)
SEGMENT = NameRule(re.compile(r"(?!\.{1,2}$)[^/%]+"), 253, "may not contain '/' or '%'")


class Admission(NamedTuple):
    """Defaults, validation and name rule of one kind."""

    fill: Fill = _no_fill
    check: Check = _no_check
    name: NameRule = SUBDOMAIN


_ADMISSIONS = {
    "Namespace": Admission(namespaces.fill, name=LABEL),
    "Service": Admission(services.fill, services.causes, LABEL_1035),
    "Pod": Admission(pods.fill, pods.causes),
    "EndpointSlice": Admission(slices.fill, slices.causes),
    "Deployment": Admission(deployments.fill, deployments.causes),
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
    """Yield the validation errors of a name."""
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif not rule.pattern.fullmatch(name):
        pattern = f"regex used for validation is '{rule.pattern.pattern}'"
        yield wrong("metadata.name", name, f"{rule.text} ({pattern})")
    elif len(name) > rule.longest:
        why = f"must be no more than {rule.longest} characters"
        yield wrong("metadata.name", name, why)
