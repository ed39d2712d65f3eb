import pytest

from sim.api.kinds import named
from sim.api.objects import Json, version_of
from sim.api.selectors import EVERYTHING, selection
from sim.api.store import Store
from sim.api.watching import Cursor, bookmark, event_for
from tests.sim.builders import config_map, failing
from tests.table import table

KIND = named("ConfigMap")


def labelled(value: str) -> Json:
    obj = config_map("m")
    obj["metadata"]["labels"] = {"in": value}
    return obj


@table(
    ("before", "after", "seen"),
    [
        pytest.param(None, "yes", "ADDED", id="created-inside"),
        pytest.param(None, "no", None, id="created-outside"),
        pytest.param("yes", "yes", "MODIFIED", id="changed-inside"),
        pytest.param("no", "no", None, id="changed-outside"),
        pytest.param("no", "yes", "ADDED", id="enters"),
        pytest.param("yes", "no", "DELETED", id="leaves"),
        pytest.param("yes", None, "DELETED", id="deleted-inside"),
        pytest.param("no", None, None, id="deleted-outside"),
    ],
)
def test_change_as_a_selection_sees_it(before: str | None, after: str | None, seen: str | None) -> None:
    store = Store(10)
    if before is not None:
        store.put(KIND, labelled(before))
    change = store.remove(KIND, ("default", "m")) if after is None else store.put(KIND, labelled(after))
    event = event_for(change, selection(KIND, labels="in=yes"))
    assert (event.type if event else None) == seen
    if event is not None:
        assert version_of(event.obj) == change.version
        assert event.obj["metadata"]["labels"] == {"in": "yes"}


def cursor(store: Store, version: int) -> Cursor:
    return Cursor(store[KIND], EVERYTHING, version)


def test_cursor_gives_each_change_once() -> None:
    store = Store(10)
    at = cursor(store, 0)
    store.put(KIND, config_map("a"))
    assert [event.type for event in at.following()] == ["ADDED"]
    assert list(at.following()) == []
    store.put(KIND, config_map("a"))
    assert [event.type for event in at.following()] == ["MODIFIED"]


def test_cursor_stops_at_what_may_be_shown() -> None:
    store = Store(10)
    at = cursor(store, 0)
    for name in "abc":
        store.put(KIND, config_map(name))
    assert len(list(at.following(until=2))) == 2
    assert len(list(at.following())) == 1


def test_cursor_cannot_begin_before_the_compaction() -> None:
    store = Store(10)
    store.put(KIND, config_map("a"))
    store.compact()
    assert failing(lambda: cursor(store, 0))["code"] == 410


def test_cursor_that_slept_through_a_compaction_is_told() -> None:
    store = Store(10)
    at = cursor(store, 0)
    store.put(KIND, config_map("a"))
    store.compact()
    assert failing(lambda: list(at.following()))["code"] == 410


def test_cursor_from_the_future_hears_nothing_until_then() -> None:
    store = Store(10)
    at = cursor(store, 2)
    store.put(KIND, config_map("a"))
    store.put(KIND, config_map("b"))
    assert list(at.following()) == []
    store.put(KIND, config_map("c"))
    assert [e.obj["metadata"]["name"] for e in at.following()] == ["c"]


def test_bookmark_has_a_version_and_nothing_else() -> None:
    event = bookmark(KIND, 12)
    assert event.type == "BOOKMARK"
    assert event.obj["kind"] == "ConfigMap"
    assert event.obj["metadata"] == {"resourceVersion": "12", "creationTimestamp": None}


def test_last_bookmark_of_the_initial_events_says_so() -> None:
    meta = bookmark(KIND, 12, ends_initial=True).obj["metadata"]
    assert meta["annotations"] == {"k8s.io/initial-events-end": "true"}
