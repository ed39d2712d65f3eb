import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.kubernetes.documents import Json
from minidns.second_dns.objects import (
    Change,
    apply_changes,
    change_to,
    merge_patch,
    revert_changes,
    value_at,
    with_value,
)
from sim.api.patch import merged
from tests.table import table

pytestmark = pytest.mark.slow

NAMES = st.sampled_from("abc")
LEAVES = st.one_of(st.integers(0, 3), st.text("xy", max_size=2), st.lists(st.integers()))
# without empty maps: the API server leaves them out of what it keeps
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3))
OBJECTS = st.dictionaries(NAMES, TREES, max_size=3)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)


@given(OBJECTS, OBJECTS)
def test_merge_patch_makes_the_one_of_the_other(before: Json, after: Json) -> None:
    assert merged(before, merge_patch(before, after)) == after


@given(OBJECTS)
def test_nothing_changed_is_an_empty_patch(obj: Json) -> None:
    assert merge_patch(obj, obj) == {}


def _fits(obj: Json, path: tuple[str, ...]) -> bool:
    """True if all values on the way to ``path`` are maps, as in objects of a kind."""
    for end in range(1, len(path)):
        value = value_at(obj, path[:end])
        if value is not None and not isinstance(value, dict):
            return False
    return True


@given(OBJECTS, PATHS, TREES)
def test_what_was_done_can_be_undone(obj: Json, path: tuple[str, ...], value: object) -> None:
    if not _fits(obj, path):
        return
    made = change_to(obj, path, value)
    changed = apply_changes(obj, [made])
    assert value_at(changed, path) == value
    assert revert_changes(changed, [made]) == (obj, ())


@given(OBJECTS, PATHS, TREES, TREES)
def test_what_somebody_else_changed_since_is_left(
    obj: Json, path: tuple[str, ...], value: object, theirs: object
) -> None:
    if not _fits(obj, path) or theirs in (value, value_at(obj, path)):
        return
    made = change_to(obj, path, value)
    now = with_value(apply_changes(obj, [made]), path, theirs)
    assert revert_changes(now, [made]) == (now, (made,))


@given(OBJECTS, PATHS, TREES)
def test_undoing_twice_is_undoing_once(obj: Json, path: tuple[str, ...], value: object) -> None:
    if not _fits(obj, path):
        return
    made = change_to(obj, path, value)
    once, _ = revert_changes(apply_changes(obj, [made]), [made])
    assert revert_changes(once, [made]) == (once, ())


@table(
    ("obj", "path", "value", "expected"),
    [
        pytest.param({}, ("a", "b"), 1, {"a": {"b": 1}}, id="map-on-the-way-is-made"),
        pytest.param({"a": {"b": 1}}, ("a", "b"), None, {}, id="empty-map-goes"),
        pytest.param({"a": {"b": 1, "c": 2}}, ("a", "b"), None, {"a": {"c": 2}}, id="others-stay"),
        pytest.param({"a": 1}, ("b",), None, {"a": 1}, id="nothing-to-remove"),
    ],
)
def test_values(obj: Json, path: tuple[str, ...], value: object, expected: Json) -> None:
    before = repr(obj)
    assert with_value(obj, path, value) == expected
    assert repr(obj) == before


def test_change_says_what_was_there() -> None:
    obj = {"spec": {"replicas": 3}}
    assert change_to(obj, ("spec", "replicas"), 5) == Change(("spec", "replicas"), 3, 5)
    assert change_to(obj, ("spec", "paused"), True).before is None
