"""Server-side apply, and the field ownership that it rests on.

The simple but honest form: ownership by field as a real server keeps it, conflicts,
force, and removal of what an applier no longer says. What it has no schema for (unions,
defaults inside keys other than `protocol`) it treats as plain maps and lists.
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
from .kinds import Kind
from .list_keys import PRIMITIVE_SETS, below, is_atomic, list_keys
from .objects import Json, clone, with_meta, without_meta
from .status import ApiError, failure


def applied(
    kind: Kind, live: Json, config: Json, manager: Manager, *, force: bool, time: str
) -> Json:
    """Return ``live`` after ``manager`` applied ``config``.

    Raises:
        ApiError: others own fields that ``config`` gives other values, and it is not
            forced (409).

    """
    wanted = fields_of(kind, config)
    ownership = ownership_of(live)
    conflicts = _conflicts(kind, live, config, wanted, manager, ownership)
    if conflicts and not force:
        raise _conflict(kind, conflicts)
    before = ownership.pop(manager, frozenset())
    lost = frozenset(path for paths in conflicts.values() for path in paths)
    ownership = {who: fields - lost for who, fields in ownership.items()}
    result: Json = clone(_merged(kind, live, config, ""))
    others = frozenset[Path]().union(*ownership.values())
    # whole items first: they cannot be told apart once their keys are gone
    gone = sorted(before - wanted - others, key=lambda p: (p[-1] != ITSELF, -len(p)))
    for path in gone:
        if path[-1] != ITSELF or not _inside(path[:-1], wanted | others):
            remove(result, path)
    ownership[manager] = wanted
    return _with_ownership(kind, result, ownership, live, time)


def tracked(
    kind: Kind, old: Json | None, new: Json, manager: Manager, time: str
) -> Json:
    """Return ``new`` with the ownership that writing it over ``old`` makes.

    What changed belongs to ``manager`` alone; what is gone belongs to nobody.
    """
    ownership = ownership_of(new)
    now = fields_of(kind, new)
    changed = now
    if old is not None:
        changed = frozenset(
            path for path in now if find(kind, old, path) != find(kind, new, path)
        )
    kept = {who: (fields & now) - changed for who, fields in ownership.items()}
    kept[manager] = kept.get(manager, frozenset()) | changed
    return _with_ownership(kind, new, kept, old or new, time)


def _with_ownership(
    kind: Kind, obj: Json, ownership: Ownership, old: Json, time: str
) -> Json:
    """Return ``obj`` with this ownership in its metadata."""
    known = old["metadata"].get("managedFields") or ()
    entries = managed_fields(kind, ownership, known, time)
    obj = without_meta(obj, "managedFields")
    return with_meta(obj, managedFields=entries) if entries else obj


def _conflicts(
    kind: Kind,
    live: Json,
    config: Json,
    wanted: Fields,
    manager: Manager,
    ownership: Ownership,
) -> dict[Manager, list[Path]]:
    """Return the fields of each other manager that ``config`` would change."""
    found: dict[Manager, list[Path]] = {}
    for other, fields in ownership.items():
        if other == manager:
            continue
        for path in sorted(fields & wanted):
            if find(kind, live, path) != find(kind, config, path):
                found.setdefault(other, []).append(path)
    return found


def _merged(kind: Kind, live: Any, config: Any, schema: str) -> Any:  # noqa: ANN401
    """Return ``live`` with everything ``config`` says, by the structure of the kind."""
    if isinstance(live, dict) and isinstance(config, dict):
        if is_atomic(kind, schema):
            return config
        inner = {
            name: _merged(kind, live.get(name), value, below(schema, name))
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
    """Return the items of both lists: the applier's in its order, then the rest."""
    old = {item_step(item, keys): item for item in live}
    new = {item_step(item, keys): item for item in config}
    items = [_merged(kind, old.get(k, {}), item, schema) for k, item in new.items()]
    return items + [item for key, item in old.items() if key not in new]


def _inside(prefix: Path, fields: Fields) -> bool:
    """Return whether any of ``fields`` is below ``prefix``."""
    return any(path[: len(prefix)] == prefix for path in fields)


def _conflict(kind: Kind, conflicts: dict[Manager, list[Path]]) -> ApiError:
    """Return 409 that names the managers and the fields."""
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
    """Return a path as messages show it, such as `.spec.ports[port=80].name`."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += "." + step[2:]
        elif step != ITSELF:
            text += f"[{step[2:].strip('{}').replace(':', '=')}]"
    return text
