"""The journal answers for any past moment as a server that had seen only the events until then."""

from dataclasses import dataclass
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.journal import OVERHEAD, Journal, NotRecorded
from minidns.kubernetes.model import ClusterAnswer
from minidns.kubernetes.objects import Key, Meta, Service
from minidns.kubernetes.resources import Applied, Deleted, Event
from minidns.kubernetes.store import Store
from tests.kubernetes.histories import BODIES, LOCAL, histories
from tests.kubernetes.made import imported, namespace, options, service
from tests.kubernetes.test_store_law import ask, everything


@dataclass
class Wall:
    time: float = 100.0

    def __call__(self) -> float:
        return self.time


def all_answers(store: Store, body: str) -> list[ClusterAnswer]:
    zones = ClusterZones(options(body), store, Store(lambda: 0.0, kind="ServiceImport"))
    zones.local = LOCAL
    return [*everything(zones), ask(zones, "cluster.local", "SOA")]


def played(events: list[tuple[float, Event]], until: float, hold_s: float) -> Store:
    """Return the store of a server that saw the events until a moment, and was asked then."""
    wall = Wall()
    store = Store(wall, wall, zonal=True, hold_s=hold_s)
    for wall.time, event in events:
        if wall.time > until:
            break
        store.expire()
        store.apply(event)
    wall.time = until
    store.expire()
    return store


@pytest.mark.slow
@settings(max_examples=40)
@given(
    histories,
    histories,
    st.lists(st.sampled_from([0.0, 0.4, 0.7, 3.0]), min_size=40, max_size=40),
    BODIES,
    st.sampled_from([0.0, 1.0]),
    st.sampled_from([4, 20_000]),
    st.data(),
)
async def test_a_past_answer_is_that_of_a_server_with_the_events_until_then(
    first: list[Event],
    then: list[Event],
    pauses: list[float],
    body: str,
    hold_s: float,
    max_changes: int,
    data: st.DataObject,
) -> None:
    wall = Wall()
    store = Store(wall, wall, zonal=True, hold_s=hold_s)
    journal = Journal(store, wall, max_changes)
    events = [(wall.time, event) for event in first]
    for event in first:
        journal.apply(event)
    journal.begin()
    for event, pause in zip(then, pauses, strict=False):
        wall.time += pause
        store.expire()
        journal.apply(event)
        events.append((wall.time, event))
    wall.time += 1.0
    for _ in range(3):
        when = data.draw(st.floats(99.0, wall.time))
        assert journal.since is not None
        if when < journal.since:
            with pytest.raises(NotRecorded):
                await journal.at(when)
            continue
        past, _ = await journal.at(when, data.draw(st.sampled_from([0.0, 1.5, inf])))
        assert all_answers(past, body) == all_answers(played(events, when, hold_s), body), when
    assert len(journal) <= max_changes


async def test_the_journal_begins_when_it_is_told_to() -> None:
    journal = Journal(Store(lambda: 0.0), lambda: 0.0)
    journal.apply(Applied(namespace("a")))
    assert len(journal) == 0
    with pytest.raises(NotRecorded):
        await journal.at(0.0)


def test_unchanged_objects_take_no_place() -> None:
    journal = Journal(Store(lambda: 0.0), lambda: 0.0)
    journal.begin()
    for obj in (namespace("a"), service("a/web", "10.96.0.1"), imported("a/s", "10.100.0.1")) * 2:
        journal.apply(Applied(obj))
    journal.apply(Deleted(Service, Key("a", "unknown")))
    assert len(journal) == 3


async def test_the_bounds_drop_the_oldest_changes() -> None:
    wall = Wall()
    journal = Journal(Store(wall), wall, max_bytes=10 * (OVERHEAD + 200))
    journal.begin()
    for number in range(1000):
        wall.time = number
        journal.apply(Applied(service("a/web", f"10.96.{number >> 8}.{number & 255}")))
    assert journal.size <= 10 * (OVERHEAD + 200)
    history = await journal.history()
    assert history.since > 980
    assert [change.at for change in history.changes] == list(range(int(history.since) + 1, 1000))


async def test_a_change_of_the_version_alone_is_noted_and_touches_nothing() -> None:
    wall = Wall()
    journal = Journal(Store(wall), wall)
    journal.begin()
    for version in "123":
        wall.time += 1
        journal.apply(Applied(Service(Key("a", "web"), cluster_ips=("10.96.0.1",), meta=Meta("u", version))))
    store, history = await journal.at(102.5)
    assert store.services[Key("a", "web")].meta.version == "2"
    assert [bool(change.touched) for change in history.changes] == [True, False, False]
