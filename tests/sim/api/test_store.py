from hypothesis import given
from hypothesis import strategies as st

from sim.api.kinds import named
from sim.api.objects import Json, Key, key_of, version_of
from sim.api.store import Collection, Store
from tests.sim.builders import config_map, failing, names

CONFIG_MAP = named("ConfigMap")
WRITES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xy"), st.booleans()), max_size=40)


def store_with(*writes: str, history: int = 100) -> Store:
    store = Store(history)
    for name in writes:
        store.put(CONFIG_MAP, config_map(name))
    return store


def maps(store: Store) -> Collection:
    return store[CONFIG_MAP]


@given(WRITES)
def test_every_earlier_state_can_be_seen_again(writes: list[tuple[str, str, bool]]) -> None:
    store = Store(100)
    states: list[dict[Key, Json]] = [{}]
    for name, space, is_removal in writes:
        key = (space, name)
        if not is_removal:
            store.put(CONFIG_MAP, config_map(name, space))
        elif key in maps(store).objects:
            store.remove(CONFIG_MAP, key)
        else:
            continue
        states.append(dict(maps(store).objects))
    for version, state in enumerate(states):
        view = maps(store).at(version)
        assert {key: view.objects[key] for key in view.order} == state
        assert list(view.order) == sorted(state)


def test_versions_count_up_over_all_kinds() -> None:
    store = store_with("a")
    change = store.put(named("Namespace"), {"metadata": {"name": "x"}})
    assert (change.version, change.type, change.previous) == (2, "ADDED", None)
    assert version_of(change.obj) == 2


def test_a_write_leaves_the_old_object_as_it_was() -> None:
    store = store_with("a")
    old = maps(store).objects["default", "a"]
    change = store.put(CONFIG_MAP, config_map("a", new="1"))
    assert (change.type, change.previous) == ("MODIFIED", old)
    assert version_of(old) == 1
    assert "new" not in old["data"]


def test_deletion_shows_the_last_state_at_the_version_of_its_end() -> None:
    store = store_with("a")
    change = store.remove(CONFIG_MAP, ("default", "a"))
    assert (change.type, version_of(change.obj)) == ("DELETED", 2)
    assert maps(store).objects == {}


def test_order_holds_through_writes_after_the_first_look() -> None:
    store = store_with("b")
    maps(store).now()
    for name in ("c", "a"):
        store.put(CONFIG_MAP, config_map(name))
    store.remove(CONFIG_MAP, ("default", "b"))
    assert names(maps(store).now().within()) == ["a", "c"]


def test_namespace_is_a_range_and_not_a_prefix() -> None:
    store = Store(10)
    for space in ("a", "ab", "b"):
        store.put(CONFIG_MAP, config_map("x", space))
    view = maps(store).now()
    assert [key_of(obj)[0] for obj in view.within("a")] == ["a"]
    assert list(view.keys("", after=("a", "x"))) == [("ab", "x"), ("b", "x")]


def test_log_is_bounded() -> None:
    store = store_with(*(f"m{i}" for i in range(100)), history=10)
    assert 10 <= len(maps(store).since(store.version - 10)) <= 20
    assert failing(lambda: maps(store).since(1))["reason"] == "Expired"


def test_compaction_refuses_beginners_and_leaves_those_who_keep_up() -> None:
    store = store_with("a", "b")
    store.compact()
    store.put(named("Namespace"), {"metadata": {"name": "x"}})
    status = failing(lambda: maps(store).check(1))
    assert (status["code"], status["message"]) == (410, "too old resource version: 1 (2)")
    assert maps(store).since(2) == []


def test_compaction_of_other_kinds_hurts_nobody_who_reads_along() -> None:
    store = store_with("a")
    store.put(named("Namespace"), {"metadata": {"name": "x"}})
    store.compact()
    assert maps(store).since(1) == []


def test_restore_goes_back_in_versions_too() -> None:
    store = store_with("a")
    backup = store.snapshot()
    store.put(CONFIG_MAP, config_map("b"))
    store.restore(backup)
    assert (store.version, names(maps(store).now().within())) == (1, ["a"])
    assert maps(store).since(2) == []  # from the future: silence
    assert store.put(CONFIG_MAP, config_map("c")).version == 2
