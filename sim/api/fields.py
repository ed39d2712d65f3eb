"""Field ownership: metadata.managedFields as sets of paths.

A path is a tuple of steps as fieldsV1 spells them: `f:name` is a field, `k:{...}` an
item of a keyed list, `v:"x"` an element of a set; a path that ends in `.` is the item
or map itself (Kubernetes server-side apply, structured-merge-diff).
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .kind import Kind
from .list_keys import PRIMITIVE_SETS, below, is_atomic, item_key, list_keys
from .objects import Json, decode, encode

Path = tuple[str, ...]
Fields = frozenset[Path]
ITSELF = "."

_UNOWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    *(
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "generateName",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "managedFields",
            "selfLink",
        )
    ),
}


class Manager(NamedTuple):
    """A field manager: its name, operation and subresource."""

    name: str
    operation: str = "Update"
    subresource: str = ""


Ownership = dict[Manager, Fields]


def fields_of(kind: Kind, obj: Json) -> Fields:
    """Return the paths of all fields of ``obj`` that a manager can own."""
    return frozenset(_walk(kind, obj, "", ()))


def _walk(kind: Kind, value: Any, schema: str, path: Path) -> Iterator[Path]:  # noqa: ANN401
    """Yield the paths of ``value`` at ``path``."""
    if path in _UNOWNED:
        return
    if isinstance(value, dict) and value and not is_atomic(kind, schema):
        for name, inner in value.items():
            yield from _walk(kind, inner, below(schema, name), (*path, f"f:{name}"))
    elif isinstance(value, list) and value and (keys := list_keys(kind, schema)):
        for item in value:
            step = item_step(item, keys)
            yield (*path, step, ITSELF)
            yield from _walk(kind, item, schema, (*path, step))
    elif isinstance(value, list) and schema in PRIMITIVE_SETS:
        yield from ((*path, "v:" + encode(item).decode()) for item in value)
    elif path:
        yield path


def item_step(item: Json, keys: tuple[str, ...]) -> str:
    """Return the step to one item of a keyed list."""
    return "k:" + encode(item_key(item, keys), order="deterministic").decode()


def find(kind: Kind, obj: Json, path: Path) -> Any:  # noqa: ANN401  # any JSON value
    """Return the value of ``obj`` at ``path``, or None."""
    value: Any = obj
    for step in path:
        if step == ITSELF:
            return True
        value = _step_into(value, step)
        if value is None:
            return None
    return value


def _step_into(value: Any, step: str) -> Any:  # noqa: ANN401  # any JSON value
    """Return the value one step below ``value``, or None."""
    if step.startswith("f:"):
        return value.get(step[2:]) if isinstance(value, dict) else None
    key = decode(step[2:])
    if not isinstance(value, list):
        return None
    if step.startswith("v:"):
        return key if key in value else None
    keys = tuple(key)
    return next((item for item in value if item_key(item, keys) == key), None)


def remove(obj: Json, path: Path) -> None:
    """Remove the value at ``path``, and the maps and lists that become empty."""
    _remove(obj, path[:-1] if path[-1] == ITSELF else path)


def _remove(value: Any, path: Path) -> None:  # noqa: ANN401  # any JSON value
    """Remove the value at ``path`` below ``value``."""
    step, rest = path[0], path[1:]
    inner = _step_into(value, step)
    if inner is None:
        return
    if rest:
        _remove(inner, rest)
    # only its own path removes an item of a keyed list: it may have other owners
    if not rest or (step.startswith("f:") and inner in ({}, [])):
        if step.startswith("f:"):
            del value[step[2:]]
        else:
            value.remove(inner)


def to_json(fields: Fields) -> Json:
    """Return paths as fieldsV1: a tree of steps."""
    tree: Json = {}
    for path in sorted(fields):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def from_json(tree: Json) -> Fields:
    """Return the paths in a fieldsV1 tree."""
    return frozenset(_leaves(tree, ()))


def _leaves(tree: Json, path: Path) -> Iterator[Path]:
    """Yield the paths to the ends of a tree."""
    if not tree and path:
        yield path
    for step, inner in tree.items():
        yield from _leaves(inner, (*path, step))


def ownership_of(obj: Json) -> Ownership:
    """Return the fields of ``obj`` by manager."""
    return {
        Manager(
            entry.get("manager", ""),
            entry.get("operation", ""),
            entry.get("subresource", ""),
        ): from_json(entry.get("fieldsV1") or {})
        for entry in obj["metadata"].get("managedFields") or ()
    }


def managed_fields(
    kind: Kind, ownership: Ownership, old: Iterable[Json], time: str
) -> list[Json]:
    """Return metadata.managedFields; unchanged entries keep their time."""
    entries = [
        _entry(kind, m, fields, time) for m, fields in ownership.items() if fields
    ]
    old_entries = {_identity(entry): entry for entry in old}
    return [old_entries.get(_identity(entry), entry) for entry in entries]


def _entry(kind: Kind, manager: Manager, fields: Fields, time: str) -> Json:
    """Return one entry of metadata.managedFields."""
    entry = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": kind.api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_json(fields),
    }
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def _identity(entry: Json) -> bytes:
    """Return an entry as bytes without its time, for comparison."""
    return encode({**entry, "time": ""}, order="deterministic")
