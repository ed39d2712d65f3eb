"""Which records `minidns unenrol` acts on: those that `minidns enrol` can have written.

Pure. Whoever may annotate an object could write into its record what they may not write
into the object, and have whoever unenrols it write that for them. So a record may name
no other fields than an enrolment changes, with no other values than it writes or finds.
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, TypeAlias

from minidns.kubernetes.decode import printable
from minidns.kubernetes.documents import Json
from minidns.second_dns import dnsconfig
from minidns.second_dns.changes import Change, Path, value_at
from minidns.second_dns.enrolment import PARTITION, REPLICAS
from minidns.second_dns.kinds import (
    DEPLOYMENT,
    STATEFUL_SET,
    WORKLOADS,
    Kind,
    Ref,
    ref_of,
)
from minidns.second_dns.record import ANNOTATION, LABEL, Record
from minidns.second_dns.refusal import Refusal

POINTING = frozenset((dnsconfig.POLICY, dnsconfig.CONFIG))
"""Fields by which all pods of a workload ask another DNS."""
FIELDS: Mapping[Kind, tuple[frozenset[Path], ...]] = {
    kind: (frozenset(), POINTING) for kind in WORKLOADS
} | {
    DEPLOYMENT: (frozenset(), POINTING, frozenset((REPLICAS,))),
    STATEFUL_SET: (frozenset(), POINTING, POINTING | {PARTITION}),
}
"""The sets of fields that one enrolment changes, by the kind of the workload."""
POLICIES_BEFORE = (None, "ClusterFirst", "ClusterFirstWithHostNet", "None")
"""Values of dnsPolicy that `minidns enrol` accepts and replaces."""

_Check: TypeAlias = Callable[[Change, Record], bool]


def check(ref: Ref, record: Record) -> None:
    """Let a record of ``ref`` pass that an enrolment can have left there.

    Raises:
        Refusal: it cannot; names the field.

    """
    paths = [change.path for change in record.changes]
    allowed = FIELDS.get(ref.kind, (frozenset(),))
    known = frozenset[Path]().union(*allowed)
    for change in record.changes:
        field = printable(".".join(change.path))
        if change.path not in known:
            raise _refusal(ref, f"it names {field}, a field that enrol does not write")
        if not _CHECKS[change.path](change, record):
            raise _refusal(ref, f"enrol cannot have written its values of {field}")
    if len(set(paths)) < len(paths) or frozenset(paths) not in allowed:
        fields = printable(", ".join(".".join(path) for path in paths))
        raise _refusal(ref, f"no enrolment changes these fields together: {fields}")
    if record.of and record.changes:
        raise _refusal(ref, "a twin's record names no fields")


def check_twin(twin: Json, record: Record) -> None:
    """Let a Deployment pass that an enrolment can have created beside another.

    A selector cannot be changed, so nobody can make a twin of what was not one.

    Raises:
        Refusal: it cannot have been; it is not to be deleted.

    """
    ref = ref_of(twin)
    service = record.service.partition("/")[2]
    selector = value_at(twin, ("spec", "selector", "matchLabels")) or {}
    if (
        ref.kind is not DEPLOYMENT
        or ref.name != f"{record.of}-{service}"
        or selector.get(LABEL) != service
    ):
        raise _refusal(ref, "it says that this is a twin, which enrol did not create")


def _refusal(ref: Ref, why: str) -> Refusal:
    return Refusal(
        f"{ref}: {why} (annotation {ANNOTATION}): it has been edited, so nothing is "
        "undone by it"
    )


def _is_policy(change: Change, record: Record) -> bool:
    return change.after == "None" and change.before in POLICIES_BEFORE


def _is_config(change: Change, record: Record) -> bool:
    before, after = change.before, change.after
    return (
        (before is None or _is_dns_config(before))
        and _is_dns_config(after)
        and after.get("nameservers") == [record.dns]
    )


def _is_dns_config(value: object) -> bool:
    """Return whether the API server takes ``value`` as a dnsConfig."""
    if not isinstance(value, dict):
        return False
    if value.keys() - {"nameservers", "searches", "options"}:
        return False
    servers = value.get("nameservers", [])
    searches, options = value.get("searches", []), value.get("options", [])
    return (
        all(isinstance(each, list) for each in (servers, searches, options))
        and all(map(_is_address, servers))
        and all(isinstance(each, str) for each in searches)
        and all(map(_is_option, options))
    )


def _is_option(value: object) -> bool:
    return (
        isinstance(value, dict)
        and "name" in value
        and not value.keys() - {"name", "value"}
        and all(isinstance(text, str) for text in value.values())
    )


def _is_address(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _is_count(value: Any) -> bool:  # noqa: ANN401  # any JSON value
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_fewer(change: Change, record: Record) -> bool:
    """Return whether some replicas moved to a twin, and some stayed."""
    before, after = change.before, change.after
    return (
        bool(record.twin) and _is_count(before) and _is_count(after) and after < before
    )


def _is_partition(change: Change, record: Record) -> bool:
    """Return whether a partial rollout began where there was none."""
    return change.before in (None, 0) and _is_count(change.after)


_CHECKS: Mapping[Path, _Check] = {
    dnsconfig.POLICY: _is_policy,
    dnsconfig.CONFIG: _is_config,
    REPLICAS: _is_fewer,
    PARTITION: _is_partition,
}
