"""Endpoints that move from slice to slice (suspected in coredns#6658 and #6518)."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from minidns.dns import names
from minidns.dns.rdata import type_number
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.model import ClusterQuestion
from minidns.kubernetes.objects import Endpoints, EndpointSlice, Key, Pod, Service
from minidns.kubernetes.resources import Applied, Deleted, Event
from minidns.kubernetes.store import Store
from tests.kubernetes.made import namespace, options, pod, service, shown, slice_of
from tests.table import table

SVC = "svc.cluster.local."
HOLD_S = 1.0
QUESTIONS = (
    (f"db.a.{SVC}", "A"),
    (f"one.db.a.{SVC}", "A"),
    (f"_pg._tcp.db.a.{SVC}", "SRV"),
    ("1.0.0.10.in-addr.arpa.", "PTR"),
)
"""Every kind of name that the endpoint gives."""


def on_slice(name: str, endpoints: str) -> Applied:
    return Applied(slice_of("a/db", endpoints, "pg:5432", name))


class Timeline:
    """A store whose time is moved by hand."""

    def __init__(self, hold_s: float) -> None:
        self.time = 0.0
        self.store = Store(lambda: 0.0, lambda: self.time, hold_s=hold_s)
        imports = Store(lambda: 0.0, kind="ServiceImport")
        self.answers = ClusterZones(options("pods verified"), self.store, imports)
        for event in (
            Applied(namespace("a")),
            Applied(service("a/db", "None", "pg:5432")),
            on_slice("old", "10.0.0.1=one"),
            on_slice("new", ""),
        ):
            self.store.apply(event)

    def ask(self, name: str, qtype: str) -> str:
        zone = self.answers.zone_of(names.absolute(name)) or "."
        inquiry = ClusterQuestion(name, type_number(qtype), zone, zone, name)
        return shown(self.answers.answer(inquiry))

    def missing(self) -> list[str]:
        """Return the names that do not exist right now."""
        return [name for name, t in QUESTIONS if self.ask(name, t) == "NXDOMAIN"]

    def play(self, steps: Iterable[tuple[float, Event]], until_s: float) -> list[str]:
        """Apply events at their times; return the names ever found missing.

        ParsedName every ten milliseconds, and before and after each event.
        """
        missing = []
        pending = sorted(steps, key=lambda step: step[0])
        for tick in range(int(until_s * 100) + 1):
            self.time = tick / 100
            self.store.expire()
            missing += self.missing()
            while pending and pending[0][0] <= self.time:
                self.store.apply(pending.pop(0)[1])
                missing += self.missing()
        return missing


DELAYS = (0.0, 0.001, 0.05, 0.5)
LEAVES = on_slice("old", "")
GOES = Deleted(EndpointSlice, Key("a", "old"))
JOINS = on_slice("new", "10.0.0.1=one")


@pytest.mark.slow
@table("delay_s", DELAYS)
@table("leaves", [LEAVES, GOES], ids=["emptied", "deleted"])
def test_a_plain_watcher_loses_the_names(leaves: Event, delay_s: float) -> None:
    steps = ((0.1, leaves), (0.1 + delay_s, JOINS))
    assert Timeline(0.0).play(steps, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", DELAYS)
@pytest.mark.parametrize("leaves", [LEAVES, GOES], ids=["emptied", "deleted"])
@pytest.mark.parametrize("order", ["leaves-first", "joins-first"])
def test_no_name_is_ever_missing(leaves: Event, order: str, delay_s: float) -> None:
    first, second = (leaves, JOINS) if order == "leaves-first" else (JOINS, leaves)
    steps = ((0.1, first), (0.1 + delay_s, second))
    assert Timeline(HOLD_S).play(steps, 3.0) == []


def left(*more: Event) -> Timeline:
    """The endpoint has left its slice; then come ``more`` events."""
    timeline = Timeline(HOLD_S)
    for event in (LEAVES, *more):
        timeline.store.apply(event)
    return timeline


def test_held_for_a_bounded_moment() -> None:
    timeline = left()
    timeline.time = HOLD_S - 0.01
    assert timeline.store.expire() == set()
    assert timeline.missing() == []
    timeline.time = HOLD_S
    assert timeline.store.expire() == {("endpoints", "a", "db"), ("address", "10.0.0.1")}
    assert len(timeline.missing()) == len(QUESTIONS)
    assert timeline.store.held.deadline() is None


ENDS: dict[str, Event] = {
    "service-gone": Deleted(Service, Key("a", "db")),
    "back-unready": on_slice("new", "!10.0.0.1=one"),
    "pod-gone": Deleted(Pod, Key("a", "one")),
}


@table("event", ENDS.values(), ids=ENDS)
def test_let_go_at_once(event: Event) -> None:
    timeline = left(Applied(pod("a/one", "10.0.0.1")))
    assert timeline.missing() == []
    touched = timeline.store.apply(event)
    assert touched >= {("endpoints", "a", "db"), ("address", "10.0.0.1")}
    assert len(timeline.missing()) == len(QUESTIONS)


def test_another_pod_going_ends_nothing() -> None:
    other = pod("b/one", "10.0.0.1")
    timeline = left(Applied(other), Deleted(Pod, other.key))
    assert timeline.missing() == []


def test_turning_unready_in_place_is_not_leaving() -> None:
    timeline = Timeline(HOLD_S)
    timeline.store.apply(on_slice("old", "!10.0.0.1=one"))
    assert len(timeline.missing()) == len(QUESTIONS)
    timeline.store.apply(LEAVES)
    assert len(timeline.missing()) == len(QUESTIONS)


def test_it_stands_in_only_where_nothing_else_answers() -> None:
    timeline = Timeline(HOLD_S)
    timeline.store.apply(on_slice("old", "10.0.0.2=two"))
    assert timeline.ask(f"db.a.{SVC}", "A").endswith("A 10.0.0.2")
    assert timeline.ask(f"one.db.a.{SVC}", "A").endswith("A 10.0.0.1")


def test_a_slice_of_a_service_that_is_not_there_is_not_held() -> None:
    timeline = Timeline(HOLD_S)
    timeline.store.apply(Applied(slice_of("a/ghost", "10.0.0.7")))
    timeline.store.apply(Deleted(EndpointSlice, Key("a", "ghost-1")))
    assert timeline.store.held.deadline() is None


BROKEN = Endpoints(b"\xc1", 100, Endpoints.A)
"""Endpoints that cannot be unpacked: reading them raises."""
EVENTS = {
    "another-endpoint": "10.0.0.1=one 10.0.0.2",
    "another-unready-endpoint": "10.0.0.1=one !10.0.0.2",
    "unready": "!10.0.0.1=one",
    "another-hostname": "10.0.0.1=two",
}


@table("endpoints", EVENTS.values(), ids=EVENTS)
def test_an_event_without_a_leaving_endpoint_reads_its_own_slice_alone(endpoints: str) -> None:
    """A Service of 10,000 endpoints has 100 slices; events of a rollout read one."""
    line = Timeline(HOLD_S)
    other = line.store.slices[Key("a", "new")]
    line.store.slices[other.key] = replace(other, endpoints=BROKEN)
    line.store.apply(on_slice("old", endpoints))


def test_an_endpoint_that_leaves_is_looked_for_in_the_other_slices() -> None:
    line = Timeline(HOLD_S)
    line.store.apply(on_slice("new", "!10.0.0.1=one"))
    line.store.apply(on_slice("old", ""))
    assert line.missing() == [name for name, _ in QUESTIONS]


def test_a_slice_that_is_given_to_another_service_leaves_its_endpoints() -> None:
    line = Timeline(HOLD_S)
    line.store.apply(Applied(slice_of("a/else", "10.0.0.1=one", "pg:5432", "old")))
    assert line.missing() == []
