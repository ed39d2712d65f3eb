"""JSON patch, merge patch and strategic merge patch."""

from collections.abc import Callable
from typing import Any

import jsonpatch

from .kind import Kind
from .list_keys import PRIMITIVE_SETS, below, list_keys
from .objects import Json
from .status import bad_request, failure

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def patched(kind: Kind, obj: Json, patch: Any, style: str) -> Json:  # noqa: ANN401
    """Return ``obj`` with ``patch``, a document of media type ``style``.

    Raises:
        ApiError: the kind does not support that style (415), the patch is invalid
            (400) or cannot be applied to the object (422).

    """
    apply = _STYLES.get(style)
    if apply is None or (style == STRATEGIC_PATCH and kind.custom):
        styles = [s for s in _STYLES if not (kind.custom and s == STRATEGIC_PATCH)]
        names = ", ".join([*styles, APPLY_PATCH])
        message = (
            "the body of the request was in an unknown format - "
            f"accepted media types include: {names}"
        )
        raise failure(415, message)
    expected = list if style == JSON_PATCH else dict
    if not isinstance(patch, expected):
        raise bad_request(f"cannot read the body as a patch of type {style}")
    return apply(kind, obj, patch)


def _json_patch(kind: Kind, obj: Json, patch: list[Json]) -> Json:
    """Return ``obj`` after the operations of ``patch`` (RFC 6902)."""
    try:
        result: Json = jsonpatch.JsonPatch(patch).apply(obj)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(str(error)) from None
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException):
        message = "the server rejected our request due to an error in our request"
        raise failure(422, message) from None
    return result


def merged(old: Any, patch: Any) -> Any:  # noqa: ANN401  # any JSON value
    """Return ``old`` with a merge patch (RFC 7386).

    >>> merged({"a": 1, "b": {"c": 2}}, {"a": None, "b": {"d": 3}})
    {'b': {'c': 2, 'd': 3}}
    """
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def strategic(kind: Kind, old: Json, patch: Json, path: str = "") -> Json:
    """Return ``old`` with a strategic merge patch: lists are merged by their keys.

    Directives are `$patch`, `$retainKeys`, `$setElementOrder/LIST` and
    `$deleteFromPrimitiveList/LIST` (Kubernetes strategic merge patch).
    """
    directive = patch.get("$patch")
    if directive == "replace":
        return {k: v for k, v in patch.items() if k != "$patch"}
    if directive == "delete":
        return {}
    result = dict(old)
    if (retained := patch.get("$retainKeys")) is not None:
        result = {k: v for k, v in result.items() if k in retained}
    for name, value in patch.items():
        if name.startswith(_DELETE):
            field = name.removeprefix(_DELETE)
            result[field] = [v for v in result.get(field) or () if v not in value]
        elif value is None:
            result.pop(name, None)
        elif not name.startswith("$"):
            result[name] = _join(
                kind, result.get(name), value, patch, name, below(path, name)
            )
    _reorder_rest(kind, result, patch, path)
    return result


def _join(
    kind: Kind,
    old: Any,  # noqa: ANN401  # any JSON value
    value: Any,  # noqa: ANN401
    patch: Json,
    name: str,
    path: str,
) -> Any:  # noqa: ANN401
    """Return the new value of one field."""
    if isinstance(value, dict):
        return strategic(kind, old if isinstance(old, dict) else {}, value, path)
    if not isinstance(value, list):
        return value
    keys = list_keys(kind, path)
    if keys:
        items = _join_items(kind, old or [], value, keys[0], path)
        return _in_order(items, patch.get(_ORDER + name), keys[0])
    if path in PRIMITIVE_SETS:
        items = old or []
        return items + [v for v in value if v not in items]
    return value


def _join_items(
    kind: Kind, old: list[Json], patch: list[Json], key: str, path: str
) -> list[Json]:
    """Return the items of a list merged with those of the patch by ``key``."""
    if any(item.get("$patch") == "replace" and key not in item for item in patch):
        return [item for item in patch if "$patch" not in item]
    items = list(old)
    for change in patch:
        if key not in change:
            raise bad_request(
                f"map: {change} does not contain declared merge key: {key}"
            )
        indexes = [i for i, item in enumerate(items) if item.get(key) == change[key]]
        if change.get("$patch") == "delete":
            items = [item for item in items if item.get(key) != change[key]]
        elif indexes:
            items[indexes[0]] = strategic(kind, items[indexes[0]], change, path)
        else:
            items.append(strategic(kind, {}, change, path))
    return items


def _in_order(items: list[Json], order: list[Json] | None, key: str) -> list[Json]:
    """Return the items in the order of the patch; items without a place come last."""
    if order is None:
        return items
    places = {entry.get(key): place for place, entry in enumerate(order)}
    return sorted(items, key=lambda item: places.get(item.get(key), len(places)))


def _reorder_rest(kind: Kind, result: Json, patch: Json, path: str) -> None:
    """Reorder the lists for which the patch has only an order."""
    for directive, order in patch.items():
        name = directive.removeprefix(_ORDER)
        keys = list_keys(kind, below(path, name))
        if directive.startswith(_ORDER) and name not in patch and keys:
            result[name] = _in_order(result.get(name) or [], order, keys[0])


_STYLES: dict[str, Callable[[Kind, Json, Any], Json]] = {
    JSON_PATCH: _json_patch,
    MERGE_PATCH: lambda kind, obj, patch: dict(merged(obj, patch)),
    STRATEGIC_PATCH: strategic,
}
