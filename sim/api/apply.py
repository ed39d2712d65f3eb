"""Server-side apply with field ownership, conflicts, force and removal of fields.

Fields without a schema here (unions, defaults of list keys other than `protocol`) are
treated as plain maps and lists.
"""

from typing import Any

from .fields import (
    ITSELF,
    Fields,
    Manager,
    Ownership,
    Path,
    fields_of,
    find,
    item_step,
    managed_fields,
    ownership_of,
    remove,
)
from .kind import Kind
from .list_keys import PRIMITIVE_SETS, below, is_atomic, list_keys
from .objects import Json, clone, with_meta, without_meta
from .status import ApiError, failure


def server_side_apply(
    kind: Kind, live: Json, config: Json, manager: Manager, *, force: bool, time: str
) -> Json:
    """Return ``live`` after ``manager`` applied ``config``.

    Raises:
        ApiError: ``config`` changes fields of other managers without force (409).

    """
    config_fields = fields_of(kind, config)
    ownership = ownership_of(live)
    conflicts = _conflicts(kind, live, config, config_fields, manager, ownership)
    if conflicts and not force:
        raise _conflict(kind, conflicts)
    old_fields = ownership.pop(manager, frozenset())
    taken = frozenset(path for paths in conflicts.values() for path in paths)
    ownership = {who: fields - taken for who, fields in ownership.items()}
    result: Json = clone(_merge(kind, live, config, ""))
    others = frozenset[Path]().union(*ownership.values())
    # whole items first: without their keys they can no longer be identified
    dropped = sorted(
        old_fields - config_fields - others, key=lambda p: (p[-1] != ITSELF, -len(p))
    )
    for path in dropped:
        if path[-1] != ITSELF or not _inside(path[:-1], config_fields | others):
            remove(result, path)
    ownership[manager] = config_fields
    return _with_ownership(kind, result, ownership, live, time)


def track_ownership(
    kind: Kind, old: Json | None, new: Json, manager: Manager, time: str
) -> Json:
    """Return ``new`` with managedFields after ``manager`` updated ``old`` to it.

    Changed fields belong to ``manager`` alone; removed fields have no owner.
    """
    # whole items first: without their keys they can no longer be identified
    ownership = ownership_of(new)
    now = fields_of(kind, new)
    changed = now
    if old is not None:
        changed = frozenset(
            path for path in now if find(kind, old, path) != find(kind, new, path)
        )
    ownership_ = {who: (fields & now) - changed for who, fields in ownership.items()}
    ownership_[manager] = ownership_.get(manager, frozenset()) | changed
    return _with_ownership(kind, new, ownership_, old or new, time)


def _with_ownership(
    kind: Kind, obj: Json, ownership: Ownership, old: Json, time: str
) -> Json:
    """Return ``obj`` with ``ownership`` in its managedFields."""
    old_entries = old["metadata"].get("managedFields") or ()
    entries = managed_fields(kind, ownership, old_entries, time)
    obj = without_meta(obj, "managedFields")
    return with_meta(obj, managedFields=entries) if entries else obj


def _conflicts(
    kind: Kind,
    live: Json,
    config: Json,
    config_fields: Fields,
    manager: Manager,
    ownership: Ownership,
) -> dict[Manager, list[Path]]:
    """Return the fields of other managers that ``config`` would change."""
    conflicts: dict[Manager, list[Path]] = {}
    for other, fields in ownership.items():
        if other == manager:
            continue
        for path in sorted(fields & config_fields):
            if find(kind, live, path) != find(kind, config, path):
                conflicts.setdefault(other, []).append(path)
    return conflicts


def _merge(kind: Kind, live: Any, config: Any, schema: str) -> Any:  # noqa: ANN401
    """Return ``live`` merged with ``config`` according to the structure of the kind."""
    if isinstance(live, dict) and isinstance(config, dict):
        if is_atomic(kind, schema):
            return config
        inner = {
            name: _merge(kind, live.get(name), value, below(schema, name))
            for name, value in config.items()
        }
        return {**live, **inner}
    if isinstance(live, list) and isinstance(config, list):
        if keys := list_keys(kind, schema):
            return _merged_items(kind, live, config, schema, keys)
        if schema in PRIMITIVE_SETS:
            return live + [value for value in config if value not in live]
    return config


def _merged_items(
    kind: Kind, live: list[Json], config: list[Json], schema: str, keys: tuple[str, ...]
) -> list[Json]:
    """Return the merged items: those of ``config`` in its order, then the others."""
    old = {item_step(item, keys): item for item in live}
    new = {item_step(item, keys): item for item in config}
    items = [_merge(kind, old.get(k, {}), item, schema) for k, item in new.items()]
    return items + [item for key, item in old.items() if key not in new]


def _inside(prefix: Path, fields: Fields) -> bool:
    """Return whether any of ``fields`` is below ``prefix``."""
    return any(path[: len(prefix)] == prefix for path in fields)


def _conflict(kind: Kind, conflicts: dict[Manager, list[Path]]) -> ApiError:
    """Return a 409 that lists the managers and the fields."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{who.name}" using {kind.api_version}',
            "field": to_text(path),
        }
        for who, paths in conflicts.items()
        for path in paths
    ]
    count = len(causes)
    if count == 1:
        what = f"{causes[0]['message']}: {causes[0]['field']}"
        message = f"Apply failed with 1 conflict: {what}"
    else:
        groups = [
            f'conflicts with "{who.name}" using {kind.api_version}:\n'
            + "\n".join(f"- {to_text(path)}" for path in paths)
            for who, paths in conflicts.items()
        ]
        message = f"Apply failed with {count} conflicts: " + "\n".join(groups)
    return failure(409, message, details={"causes": causes})


def to_text(path: Path) -> str:
    """Return a path in the form of messages, such as `.spec.ports[port=80].name`."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += "." + step[2:]
        elif step != ITSELF:
            text += f"[{step[2:].strip('{}').replace(':', '=')}]"
    return text
