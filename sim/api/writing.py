"""What a write makes of an object: metadata, versions, what a client may not set."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import shapes
from .kinds import Kind
from .objects import Json, clone, dig, is_terminating
from .status import ApiError, bad_request, conflict

_SERVER_SET = ("uid", "creationTimestamp", "deletionTimestamp", "generateName")
"""Metadata that a write to an existing object cannot change."""


@dataclass(frozen=True, slots=True)
class Write:
    """How an object is written."""

    manager: str = ""
    """Who then owns the fields (metadata.managedFields); empty: nobody."""
    subresource: str = ""
    dry_run: bool = False
    keeps_status: bool = True
    """The status in the body counts, though it is not written to as a subresource."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """How an object is deleted."""

    uid: str = ""
    """Only the object with this UID, if given."""
    version: str = ""
    """Only at this version, if given."""
    orphan: bool = False
    """Leave what the object owns."""
    dry_run: bool = False


def name_new(obj: Json, suffix: Callable[[], str]) -> None:
    """Give an object that has only metadata.generateName its name."""
    meta = obj["metadata"]
    if not meta.get("name") and meta.get("generateName"):
        # as long as fits: 63 less the suffix (Kubernetes name generator)
        meta["name"] = meta["generateName"][:58] + suffix()


def born(kind: Kind, obj: Json, uid: str, time: str) -> None:
    """Set the metadata that a new object gets from the server."""
    meta = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        meta.pop(name, None)
    meta["uid"] = uid
    meta["creationTimestamp"] = time
    if kind.counts:
        meta["generation"] = 1


def check_versions(kind: Kind, live: Json, body: Json) -> None:
    """Refuse a write meant for another state of the object, or another object.

    Raises:
        ApiError: the resource version or the UID differs (409), or the name (400).

    """
    meta, given = live["metadata"], body.get("metadata") or {}
    if given.get("name", meta["name"]) != meta["name"]:
        raise bad_request(
            f"the name of the object ({given['name']}) does not match "
            f"the name on the URL ({meta['name']})"
        )
    if given.get("uid", meta["uid"]) != meta["uid"]:
        raise _wrong_uid(kind, live, given["uid"])
    if given.get("resourceVersion") not in (None, "", meta["resourceVersion"]):
        raise conflict(kind, meta["name"])


def check_deletion(kind: Kind, live: Json, deletion: Deletion) -> None:
    """Refuse a deletion meant for another state of the object, or another object.

    Raises:
        ApiError: the resource version or the UID differs (409).

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
    """Return 409 for an object that is not the one meant."""
    actual = live["metadata"]["uid"]
    why = f"UID in precondition: {uid}, UID in object meta: {actual}"
    return conflict(kind, live["metadata"]["name"], f"Precondition failed: {why}")


def carried_over(kind: Kind, live: Json, body: Json, write: Write) -> Json:
    """Return the new state of ``live`` that ``body`` asks for.

    Metadata of the server's is kept; of a status subresource only the status counts.
    """
    if write.subresource == "status":
        meta = {**live["metadata"]}
        if "managedFields" in body.get("metadata", {}):
            meta["managedFields"] = body["metadata"]["managedFields"]
        return {**live, "metadata": meta, "status": body.get("status") or {}}
    old = live["metadata"]
    meta = {**(body.get("metadata") or {}), "name": old["name"]}
    for name in ("namespace", *_SERVER_SET, "generation", "resourceVersion"):
        meta.pop(name, None)
        if name in old:
            meta[name] = old[name]
    if "managedFields" in old:  # left out is not emptied
        meta.setdefault("managedFields", old["managedFields"])
    new = {**body, "apiVersion": kind.api_version, "kind": kind.name, "metadata": meta}
    if kind.has_status and not (write.keeps_status and "status" in body):
        new.pop("status", None)
        if "status" in live:
            new["status"] = live["status"]
    return new


def counted(kind: Kind, live: Json, new: Json) -> None:
    """Move the generation of ``new`` if more than metadata and status changed."""
    if kind.counts and _substance(live) != _substance(new):
        new["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1


def _substance(obj: Json) -> Json:
    """Return what the generation counts changes of."""
    return {k: v for k, v in obj.items() if k not in ("metadata", "status")}


def is_same(live: Json, new: Json) -> bool:
    """Return whether writing ``new`` would change nothing but versions."""
    return _comparable(live) == _comparable(new)


def _comparable(obj: Json) -> Json:
    """Return an object without what every write sets anew."""
    meta = {
        k: v
        for k, v in obj["metadata"].items()
        if k not in ("resourceVersion", "managedFields")
    }
    return {**obj, "metadata": meta, "managed": _untimed(obj)}


def _untimed(obj: Json) -> list[Json]:
    """Return who owns which fields, without the times."""
    entries = obj["metadata"].get("managedFields") or ()
    return [{**entry, "time": ""} for entry in entries]


def finalizers_of(obj: Json) -> list[str]:
    """Return what an object waits for before it goes."""
    waiting = list(obj["metadata"].get("finalizers") or ())
    if obj["kind"] == "Namespace":
        waiting += dig(obj, "spec.finalizers") or ()
    return waiting


def is_over(obj: Json) -> bool:
    """Return whether a deleted object waits for nothing any more."""
    return is_terminating(obj) and not finalizers_of(obj)


def typed(kind: Kind, body: object) -> Json:
    """Return ``body`` with its kind and metadata, if it can be of ``kind``.

    Raises:
        ApiError: it is no object, or says that it is of another kind (400).

    """
    meta = body.get("metadata") if isinstance(body, dict) else body
    if not isinstance(body, dict) or not isinstance(meta, dict | None):
        raise bad_request(
            "the object provided is unrecognized (must be of type Object)"
        )
    said = body.get("apiVersion", kind.api_version), body.get("kind", kind.name)
    if said != (kind.api_version, kind.name):
        raise bad_request(
            f'{said[1]} in version "{said[0]}" cannot be handled as a {kind.name}: '
            f'expected {kind.name} in version "{kind.api_version}"'
        )
    names = {"apiVersion": kind.api_version, "kind": kind.name}
    return {**body, **names, "metadata": {**(meta or {})}}


def read_body(kind: Kind, body: object) -> Json:
    """Return a copy of ``body``, the caller's own, if it can be of ``kind``.

    A null is as good as no value, which is what it is to a real server's decoder.

    Raises:
        ApiError: it is no object, of another kind, or not of its shape (400).

    """
    obj: Json = _without_nulls(clone(typed(kind, body)))
    shapes.check(kind, obj)
    return obj


def _without_nulls(value: Any) -> Any:  # noqa: ANN401  # any JSON value
    """Return a JSON value without the fields that are null."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
