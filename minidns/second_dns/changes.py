"""Changes of an object that can be taken back: what stood where, and what stands there.

Pure. A value of None is a field that is not there: objects of the API have no nulls
that mean anything.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from minidns.kubernetes.documents import Json

Path: TypeAlias = tuple[str, ...]


class Change(NamedTuple):
    """One field: what it was before, and what it was made."""

    path: Path
    before: Any
    after: Any


def value_at(obj: Json, path: Path) -> Any:  # noqa: ANN401  # any JSON value
    """Return what is at ``path``; None if nothing is.

    >>> value_at({"spec": {"replicas": 3}}, ("spec", "replicas"))
    3
    """
    value: Any = obj
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def with_value(obj: Json, path: Path, value: object) -> Json:
    """Return ``obj`` with ``value`` at ``path``; what is not on the way is shared.

    A map that is left empty goes too, as the API server would leave it out.

    >>> with_value({"a": {"b": 1}, "c": 2}, ("a", "b"), None)
    {'c': 2}
    """
    step, rest = path[0], path[1:]
    if rest:
        inner = obj.get(step)
        value = (
            with_value(inner if isinstance(inner, dict) else {}, rest, value) or None
        )
    if value is None:
        return {name: old for name, old in obj.items() if name != step}
    return {**obj, step: value}


def change(obj: Json, path: Path, value: object) -> Change:
    """Return the change of ``obj`` that puts ``value`` at ``path``."""
    return Change(path, value_at(obj, path), value)


def done(obj: Json, changes: Iterable[Change]) -> Json:
    """Return ``obj`` with all of ``changes``."""
    for each in changes:
        obj = with_value(obj, each.path, each.after)
    return obj


def undone(obj: Json, changes: Iterable[Change]) -> tuple[Json, tuple[Change, ...]]:
    """Return ``obj`` as it was before, and which changes are somebody else's by now.

    What is not as it was made has been changed since, and is left as it is.
    """
    kept = []
    for each in changes:
        now = value_at(obj, each.path)
        if now == each.after:
            obj = with_value(obj, each.path, each.before)
        elif now != each.before:
            kept.append(each)
    return obj, tuple(kept)


def merge_patch(before: Json, after: Json) -> Json:
    """Return what makes ``after`` of ``before`` (RFC 7386).

    >>> merge_patch({"a": {"b": 1, "c": 2}, "d": [3]}, {"a": {"b": 1}, "d": [4]})
    {'a': {'c': None}, 'd': [4]}
    """
    patch: Json = {name: None for name in before if name not in after}
    for name, new in after.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            if inner := merge_patch(old, new):
                patch[name] = inner
        elif name not in before or old != new:
            patch[name] = new
    return patch
