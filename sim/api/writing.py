"""Writes: metadata, preconditions, and the fields that clients cannot set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import shapes
from .kind import Kind
from .objects import Json, annotations_of, decode, dig, encode, is_terminating
from .status import ApiError, bad_request, conflict

_SERVER_FIELDS = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generateName",
)
"""Metadata that an update cannot change."""


@dataclass(frozen=True, slots=True)
class Write:
    """Options of a write."""

    manager: str = ""
    """The field manager; an empty text leaves managedFields unchanged."""
    subresource: str = ""
    dry_run: bool = False
    keeps_status: bool = True
    """Whether a status in the body is written without the status subresource."""


STOPS_AFTER = "sim/stops-after"
"""Pod annotation: seconds that its containers take to end after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """Options of a deletion."""

    uid: str = ""
    """Precondition: the UID of the object; empty for none."""
    version: str = ""
    """Precondition: the resourceVersion of the object; empty for none."""
    orphan: bool = False
    """Whether the dependents stay (propagation policy Orphan)."""
    dry_run: bool = False
    grace_s: int | None = None
    """Seconds that a Pod has to end (gracePeriodSeconds); None for its own."""


def generate_name(obj: Json, suffix: Callable[[], str]) -> None:
    """Set the name of an object that has only metadata.generateName."""
    meta = obj["metadata"]
    if not meta.get("name") and meta.get("generateName"):
        # 63 characters with the suffix (Kubernetes name generator)
        meta["name"] = meta["generateName"][:58] + suffix()


def set_server_metadata(kind: Kind, obj: Json, uid: str, time: str) -> None:
    """Set the server's metadata of a new object."""
    meta = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        meta.pop(name, None)
    meta["uid"] = uid
    meta["creationTimestamp"] = time
    if kind.has_generation:
        meta["generation"] = 1


def check_versions(kind: Kind, live: Json, body: Json) -> None:
    """Check the preconditions in the metadata of an update.

    Raises:
        ApiError: the resourceVersion or the UID differs (409), or the name (400).

    """
    meta, sent = live["metadata"], body.get("metadata") or {}
    if sent.get("name", meta["name"]) != meta["name"]:
        raise bad_request(
            f"the name of the object ({sent['name']}) does not match "
            f"the name on the URL ({meta['name']})"
        )
    if sent.get("uid", meta["uid"]) != meta["uid"]:
        raise _wrong_uid(kind, live, sent["uid"])
    if sent.get("resourceVersion") not in (None, "", meta["resourceVersion"]):
        raise conflict(kind, meta["name"])


def check_deletion(kind: Kind, live: Json, deletion: Deletion) -> None:
    """Check the preconditions of a deletion.

    Raises:
        ApiError: the resourceVersion or the UID differs (409).

    """
    meta = live["metadata"]
    if deletion.uid and deletion.uid != meta["uid"]:
        raise _wrong_uid(kind, live, deletion.uid)
    if deletion.version and deletion.version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({deletion.version}) does not "
            f"match the ResourceVersion in record ({meta['resourceVersion']}). "
            "The object might have been modified"
        )
        raise conflict(kind, meta["name"], f"Precondition failed: {why}")


def _wrong_uid(kind: Kind, live: Json, uid: str) -> ApiError:
    """Return 409 for a failed UID precondition."""
    actual = live["metadata"]["uid"]
    why = f"UID in precondition: {uid}, UID in object meta: {actual}"
    return conflict(kind, live["metadata"]["name"], f"Precondition failed: {why}")


def merge_metadata(kind: Kind, live: Json, body: Json, write: Write) -> Json:
    """Return ``live`` updated by ``body``.

    The server's metadata stays; a write to the status subresource changes only the
    status.
    """
    if write.subresource == "status":
        meta = {**live["metadata"]}
        if "managedFields" in body.get("metadata", {}):
            meta["managedFields"] = body["metadata"]["managedFields"]
        return {**live, "metadata": meta, "status": body.get("status") or {}}
    old = live["metadata"]
    meta = {**(body.get("metadata") or {}), "name": old["name"]}
    for name in ("namespace", *_SERVER_FIELDS, "generation", "resourceVersion"):
        meta.pop(name, None)
        if name in old:
            meta[name] = old[name]
    if "managedFields" in old:  # omitting them does not remove them
        meta.setdefault("managedFields", old["managedFields"])
    new = {**body, "apiVersion": kind.api_version, "kind": kind.name, "metadata": meta}
    if kind.has_status and not (write.keeps_status and "status" in body):
        new.pop("status", None)
        if "status" in live:
            new["status"] = live["status"]
    return new


def bump_generation(kind: Kind, live: Json, new: Json) -> None:
    """Increase the generation if more than metadata and status changed."""
    if kind.has_generation and _spec_fields(live) != _spec_fields(new):
        new["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1


def _spec_fields(obj: Json) -> Json:
    """Return the fields whose changes increase the generation."""
    return {k: v for k, v in obj.items() if k not in ("metadata", "status")}


def is_same(live: Json, new: Json) -> bool:
    """Return whether ``new`` differs at most in versions."""
    return _comparable(live) == _comparable(new)


def _comparable(obj: Json) -> Json:
    """Return an object without the fields that every write changes."""
    meta = {
        k: v
        for k, v in obj["metadata"].items()
        if k not in ("resourceVersion", "managedFields")
    }
    return {**obj, "metadata": meta, "managed": _managed_fields(obj)}


def _managed_fields(obj: Json) -> list[Json]:
    """Return the managedFields without their times."""
    entries = obj["metadata"].get("managedFields") or ()
    return [{**entry, "time": ""} for entry in entries]


def grace_s(kind: Kind, live: Json, deletion: Deletion) -> int:
    """Return the grace period of a deletion in seconds.

    It is 0, so that the object goes at once, except for a Pod whose containers take
    time to end.
    """
    if kind.name != "Pod" or not stops_after_s(live):
        return 0
    if deletion.grace_s is not None:
        return max(deletion.grace_s, 0)
    return int(dig(live, "spec.terminationGracePeriodSeconds") or 0)


def stops_after_s(pod: Json) -> int:
    """Return how many seconds the containers of a Pod take to end after SIGTERM."""
    text = annotations_of(pod).get(STOPS_AFTER, "")
    return int(text[:9]) if text.isascii() and text[:9].isdecimal() else 0


def finalizers_of(obj: Json) -> list[str]:
    """Return the finalizers of an object, for Namespaces also those of the spec."""
    waiting = list(obj["metadata"].get("finalizers") or ())
    if obj["kind"] == "Namespace":
        waiting += dig(obj, "spec.finalizers") or ()
    return waiting


def is_deletable(obj: Json) -> bool:
    """Return whether a terminating object has no finalizers and no time left."""
    is_over = not obj["metadata"].get("deletionGracePeriodSeconds")
    return is_terminating(obj) and is_over and not finalizers_of(obj)


def check_type(kind: Kind, body: object) -> Json:
    """Return ``body`` with apiVersion, kind and metadata.

    Raises:
        ApiError: it is not an object, or is of another kind (400).

    """
    meta = body.get("metadata") if isinstance(body, dict) else body
    if not isinstance(body, dict) or not isinstance(meta, dict | None):
        raise bad_request(
            "the object provided is unrecognized (must be of type Object)"
        )
    declared = body.get("apiVersion", kind.api_version), body.get("kind", kind.name)
    if declared != (kind.api_version, kind.name):
        raise bad_request(
            f'{declared[1]} in version "{declared[0]}" cannot be handled as a '
            f'{kind.name}: expected {kind.name} in version "{kind.api_version}"'
        )
    names = {"apiVersion": kind.api_version, "kind": kind.name}
    return {**body, **names, "metadata": {**(meta or {})}}


def read_body(kind: Kind, body: object) -> Json:
    """Return a copy of ``body`` as an object of ``kind``, without nulls.

    A null is equivalent to an absent field, as in a real server's decoder.

    Raises:
        ApiError: it is not an object, of another kind, or has other types (400).

    """
    text = encode(check_type(kind, body))
    obj: Json = _without_nulls(decode(text)) if b"null" in text else decode(text)
    shapes.check(kind, obj)
    for name in ("annotations", "labels"):
        if not obj["metadata"].get(name):  # an empty map is no map (omitempty)
            obj["metadata"].pop(name, None)
    return obj


def _without_nulls(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """Return a JSON value without the fields that are null."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
