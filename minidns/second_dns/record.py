"""The record of an enrolment, from which another process can undo it.

A record is an immutable ConfigMap of its own in the namespace of the workload. It names
the DNS, the deadline and every field that the enrolment changes, with the value before
and after. It is created before anything else is written and deleted after everything
else is undone, so an enrolment that is interrupted anywhere can still be undone.

It is not an annotation of the workload: the Deployment controller copies annotations to
the ReplicaSet, and `kubectl rollout undo` copies them back.

A user who may create ConfigMaps could plant a record, and so make `minidns unenrol`,
run by somebody with more rights, write what that user may not write. `check` therefore
accepts only the fields and values that `minidns enrol` can have written.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, NamedTuple, TypeAlias

from msgspec import Struct, ValidationError, convert, json

from minidns.kubernetes.decode import UNREADABLE, printable
from minidns.kubernetes.documents import Json
from minidns.second_dns.objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    STATEFUL_SET,
    WORKLOADS,
    Change,
    Kind,
    Path,
    Ref,
    parse_ref,
    ref_of,
    value_at,
)
from minidns.second_dns.session import Refusal, Session

ENROLMENT = "minidns/enrolment"
"""Label of records and twins; its value is the id of the enrolment."""
LABEL = "minidns/dns"
"""Label of a twin and of its pods, by which the twin's selector finds them."""
MANAGED_BY = {"app.kubernetes.io/managed-by": "minidns"}
POLICY = ("spec", "template", "spec", "dnsPolicy")
CONFIG = ("spec", "template", "spec", "dnsConfig")
"""The two fields of a workload that decide how its pods resolve."""
REPLICAS = ("spec", "replicas")
PARTITION = ("spec", "updateStrategy", "rollingUpdate", "partition")
_KEY = "record.json"
_NAME_CHARS = 253


class Record(NamedTuple):
    """An enrolment: planned, complete, or interrupted between the two."""

    workload: Ref
    dns: str
    """ClusterIP of the Service that the pods query."""
    service: str
    """That Service, as namespace/name."""
    id: str = ""
    """Distinguishes this enrolment from another one of the same workload."""
    until: str = ""
    """Deadline (RFC 3339, UTC); empty if there is none."""
    changes: tuple[Change, ...] = ()
    """Changes of the workload."""
    twin: str = ""
    """Name of the Deployment with the enrolled pods; empty if there is none."""

    @property
    def ref(self) -> Ref:
        """The ConfigMap that holds the record."""
        return record_ref(self.workload)

    def is_over(self, now: float) -> bool:
        """Return whether the deadline has passed at ``now``, in epoch seconds."""
        return bool(self.until) and parse_time(self.until) <= now

    def describe_pods(self) -> str:
        """Return which pods are enrolled, in a few words."""
        if self.twin:
            return self.twin
        for change in self.changes:
            if change.path == PARTITION:
                return f"pods from {self.workload.name}-{change.after} on"
        return "all its pods"

    def config_map(self, owner: Json) -> Json:
        """Return the ConfigMap; it is deleted with ``owner``, the workload."""
        changes = [
            _StoredChange("/" + "/".join(c.path), c.before, c.after)
            for c in self.changes
        ]
        texts = (self.dns, self.service, self.id, self.until)
        stored = _Stored(self.workload.word, *texts, changes, self.twin)
        return {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.name,
            "metadata": {
                "name": self.ref.name,
                "namespace": self.workload.namespace,
                "labels": {ENROLMENT: self.id, **MANAGED_BY},
                "ownerReferences": [owner_reference(owner)],
            },
            "immutable": True,
            "data": {_KEY: json.encode(stored).decode()},
        }


def owner_reference(owner: Json) -> Json:
    """Return an owner reference, by which an object is deleted with ``owner``."""
    kind, meta = ref_of(owner).kind, owner["metadata"]
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": meta["name"],
        "uid": meta["uid"],
    }


def record_ref(workload: Ref) -> Ref:
    """Return the ConfigMap that holds the record of ``workload``.

    Raises:
        Refusal: its name would be too long.

    """
    name = f"minidns-enrolment-{workload.kind.name.lower()}-{workload.name}"
    if len(name) > _NAME_CHARS:
        raise Refusal(f"{workload}: the name of its record would be too long: {name}")
    return Ref(CONFIG_MAP, workload.namespace, name)


class _StoredChange(Struct):
    path: str
    """The fields from the top, each after a slash."""
    before: Any
    after: Any


class _Stored(Struct, omit_defaults=True):
    """The JSON form of a Record."""

    workload: str
    dns: str
    service: str
    id: str = ""
    until: str = ""
    changes: list[_StoredChange] = []
    twin: str = ""


def parse_record(obj: Json) -> Record:
    """Return the record in a ConfigMap.

    Raises:
        Refusal: it cannot be read, or `minidns enrol` cannot have written it.

    """
    where, text = ref_of(obj), (obj.get("data") or {}).get(_KEY, "")
    try:
        record = _parse(json.decode(text, type=_Stored), where.namespace)
    except Refusal as error:
        raise _edited(where, f"it cannot be read ({printable(str(error))})") from error
    except (*UNREADABLE, ValueError) as error:
        wrong = f"its {_KEY} is not JSON with the fields of an enrolment"
        raise _edited(where, wrong) from error
    if record.ref != where:
        raise _edited(where, f"it is a record of {record.workload}")
    check(record)
    return record


def _parse(stored: _Stored, namespace: str) -> Record:
    changes = tuple(
        Change(tuple(change.path.strip("/").split("/")), change.before, change.after)
        for change in stored.changes
    )
    workload = parse_ref(stored.workload, namespace)
    texts = (stored.dns, stored.service, stored.id, stored.until)
    record = Record(workload, *texts, changes, stored.twin)
    record.is_over(0.0)  # raises ValueError if the deadline is not a time
    return record


def format_time(at: float) -> str:
    """Return a time, given in seconds since the epoch, as RFC 3339.

    >>> format_time(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> float:
    """Return the seconds since the epoch of an RFC 3339 time.

    Raises:
        ValueError: ``text`` is not a time.

    """
    return datetime.fromisoformat(text).timestamp()


async def find_record(session: Session, ref: Ref) -> Record | None:
    """Return the record of a workload, or of the workload whose twin ``ref`` is.

    Raises:
        Refusal: the record cannot be used.

    """
    obj = await session.api.find(record_ref(ref).path)
    if obj is not None:
        return parse_record(obj)
    if ref.kind is DEPLOYMENT:
        for record in (await list_records(session, ref.namespace))[0]:
            if record.twin == ref.name:
                return record
    return None


async def list_records(
    session: Session, namespace: str
) -> tuple[list[Record], list[str]]:
    """Return the records of a namespace (empty: of all), and what others lack."""
    records, problems = [], []
    path = CONFIG_MAP.path(namespace)
    for obj in await session.api.list_objects(path, labels=ENROLMENT):
        try:
            records.append(parse_record(obj))
        except Refusal as refusal:
            problems.append(str(refusal))
    return records, problems


POINTING = frozenset((POLICY, CONFIG))
"""Fields by which all pods of a workload query another DNS."""
FIELDS: Mapping[Kind, tuple[frozenset[Path], ...]] = {
    kind: (POINTING,) for kind in WORKLOADS
} | {
    DEPLOYMENT: (frozenset(), POINTING, frozenset((REPLICAS,))),
    STATEFUL_SET: (POINTING, POINTING | {PARTITION}),
}
"""The sets of fields that one enrolment changes, by the kind of the workload."""
POLICIES_BEFORE = (None, "ClusterFirst", "ClusterFirstWithHostNet", "None")
"""Values of dnsPolicy that `minidns enrol` accepts and replaces."""


def check(record: Record) -> None:
    """Accept a record that `minidns enrol` can have written.

    Raises:
        Refusal: it cannot have; names the field.

    """
    where, allowed = record.ref, FIELDS.get(record.workload.kind, ())
    known = frozenset[Path]().union(*allowed)
    for change in record.changes:
        field = printable(change.field)
        if change.path not in known:
            raise _edited(where, f"it names {field}, a field that enrol does not write")
        if not _CHECKS[change.path](change, record):
            raise _edited(where, f"enrol cannot have written its values of {field}")
    paths = [change.path for change in record.changes]
    if len(set(paths)) < len(paths) or frozenset(paths) not in allowed:
        fields = printable(", ".join(change.field for change in record.changes))
        raise _edited(where, f"no enrolment changes exactly these fields: {fields}")
    if record.twin != _twin_of(record):
        raise _edited(where, f"enrol cannot have created {printable(record.twin)}")


def _twin_of(record: Record) -> str:
    """Return the twin's name where these changes have one, or an empty string."""
    if POINTING & {change.path for change in record.changes}:
        return ""
    return twin_name(record.workload, record.service.partition("/")[2])


def twin_name(workload: Ref, service: str) -> str:
    """Return the name of the twin of ``workload`` whose pods query ``service``."""
    return f"{workload.name}-{service}"


def check_twin(twin: Json, record: Record) -> None:
    """Accept a Deployment that the enrolment of ``record`` can have created.

    A selector is immutable, so nobody can turn another Deployment into a twin.

    Raises:
        Refusal: enrol did not create it, so it must not be deleted.

    """
    service = record.service.partition("/")[2]
    selector = value_at(twin, ("spec", "selector", "matchLabels")) or {}
    if selector.get(LABEL) != service:
        raise _edited(record.ref, f"enrol did not create {ref_of(twin)}")


def _edited(where: Ref, why: str) -> Refusal:
    return Refusal(
        f"{where}: {why}: it was edited, so nothing is undone by it; put the workload "
        f"back by hand and delete it (kubectl -n {where.namespace} delete configmap "
        f"{where.name})"
    )


_Check: TypeAlias = Callable[[Change, Record], bool]


def _is_policy(change: Change, record: Record) -> bool:
    return change.after == "None" and change.before in POLICIES_BEFORE


def _is_config(change: Change, record: Record) -> bool:
    before, after = change.before, change.after
    return (
        (before is None or _is_dns_config(before))
        and _is_dns_config(after)
        and after.get("nameservers") == [record.dns]
    )


class _Option(Struct, forbid_unknown_fields=True):
    name: str
    value: str = ""


class _DnsConfig(Struct, forbid_unknown_fields=True):
    """A dnsConfig as the API server accepts it."""

    nameservers: list[str] = []
    searches: list[str] = []
    options: list[_Option] = []


def _is_dns_config(value: object) -> bool:
    """Return whether the API server accepts ``value`` as a dnsConfig."""
    try:
        for address in convert(value, _DnsConfig).nameservers:
            ip_address(address)
    except (ValidationError, ValueError):
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
    """Return whether a partial rollout was started where there was none."""
    return change.before in (None, 0) and _is_count(change.after)


_CHECKS: Mapping[Path, _Check] = {
    POLICY: _is_policy,
    CONFIG: _is_config,
    REPLICAS: _is_fewer,
    PARTITION: _is_partition,
}
