"""A periodic audit: whatever is wrong in a store is found and put right, once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.kubernetes.audit import PAUSE_S, SETTLE_S, Auditor, Followed, find_differences, is_before
from minidns.kubernetes.objects import Key, Object, Pod, Service
from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import (
    PODS,
    SERVICES,
    ApiError,
    Applied,
    Deleted,
    Gone,
    ListWatch,
    Page,
    Resource,
    WatchEvent,
)
from minidns.kubernetes.store import Store
from minidns.metrics.registry import Metrics
from tests.kubernetes.scripts import CUT, FOREVER, TOO_OLD, A, B, C, Line, Scripted, added, bookmark, deleted, page, svc
from tests.kubernetes.truth import NAMES, Truth
from tests.table import table
from tests.world import Clock, settle

STRANGER = svc("stranger", 7)


def store_of(clock: Clock) -> Store:
    return Store(clock.now, clock.now)


@asynccontextmanager
async def following(list_watch: ListWatch, clock: Clock, resource: Resource = SERVICES) -> AsyncIterator[Followed]:
    store = store_of(clock)
    reflector = Reflector(
        list_watch, resource, store.apply, now=clock.now, sleep=clock.sleep, random=Random(1), streaming=False
    )
    task = asyncio.create_task(reflector.run())
    try:
        await settle()
        yield Followed(reflector, store)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def audited(followed: Followed, list_watch: ListWatch, clock: Clock) -> dict[Key, str] | None:
    """Return what an audit finds; nothing is healed."""
    audit = asyncio.create_task(find_differences(followed, list_watch, clock.sleep))
    await clock.advance(60.0)
    found = await audit
    return None if found is None else dict(found)


# -- whatever is corrupted

Wrong: TypeAlias = tuple[Callable[[Store, str], None], str]


def drop(store: Store, name: str) -> None:
    store.services.pop(Key("prod", name), None)


def alter(store: Store, name: str) -> None:
    key = Key("prod", name)
    if key in store.services:
        store.services[key] = svc(name, 1, "10.96.66.6")


def invent(store: Store, name: str) -> None:
    made = svc(name + name, 5, "10.96.77.7")
    store.services[made.key] = made


def forget(store: Store, name: str) -> None:
    store.apply(Deleted(Service, Key("prod", name)))


def mistake(store: Store, name: str) -> None:
    store.apply(Applied(svc(name, 10_000_001, "10.96.66.6")))


def some(*ways: Callable[[Store, str], None]) -> st.SearchStrategy[list[Wrong]]:
    return st.lists(st.tuples(st.sampled_from(ways), st.sampled_from(NAMES)), max_size=8)


corruptions = st.one_of(some(drop, alter, invent), some(forget, mistake))
"""Objects of themselves, or what a store was told."""


async def heals(names: Iterable[str], wrongs: Sequence[Wrong]) -> None:
    clock = Clock()
    truth = Truth(clock, keeps=True)
    for name in names:
        truth.put(name)
    async with following(truth, clock) as followed:
        for corrupt, name in wrongs:
            corrupt(followed.store, name)
        before = {
            key
            for key in followed.store.services.keys() | truth.objects.keys()
            if followed.store.services.get(key) != truth.objects.get(key)
        }
        metrics = Metrics()
        auditor = auditing([followed], truth, clock, metrics)
        async with auditor:
            await clock.advance(1.5 * INTERVAL_S + 60.0)
        assert followed.store.services == truth.objects
        asked = {"resource": "services"}
        assert metrics.value(DIFFERENCES, asked) == len(before)
        fresh = store_of(clock)
        for obj in truth.objects.values():
            fresh.apply(Applied(obj))
        for obj in truth.objects.values():
            (address,) = obj.cluster_ips
            assert followed.store.services_at(address) == fresh.services_at(address)
        assert not followed.store.services_at("10.96.66.6")
        assert not followed.store.services_at("10.96.77.7")


@pytest.mark.slow
@given(st.sets(st.sampled_from(NAMES)), corruptions)
def test_one_audit_later_it_is_the_truth(names: set[str], wrongs: list[Wrong]) -> None:
    asyncio.run(heals(sorted(names), wrongs))


# -- nothing is wrong


@dataclass
class Late(Truth):
    """A server whose watch tells of changes up to some seconds later."""

    lags: list[float] = field(default_factory=list)
    told: dict[str, float] = field(default_factory=dict)

    def tell(self, kind: str, obj: Service) -> None:
        super().tell(kind, obj)
        self.told[str(self.version)] = self.clock.now()

    async def watch(self, version: str, *, initial: bool = False) -> AsyncIterator[WatchEvent]:
        async for event in super().watch(version, initial=initial):
            lag_s = self.lags[int(event.version) % len(self.lags)]
            wait_s = self.told[event.version] + lag_s - self.clock.now()
            if wait_s > 0:
                await self.clock.sleep(wait_s)
            yield event


changes = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "delete", "end", "forget"]),
        st.sampled_from(NAMES),
        st.sampled_from([0.0, 0.0, PAUSE_S / 2, PAUSE_S, 1.0, 20.0]),
    ),
    max_size=30,
)
lags = st.lists(st.sampled_from([0.0, 0.1, 1.0, 25.0]), min_size=1, max_size=5)


async def finds_nothing(
    before: Sequence[tuple[str, str, float]], during: Sequence[tuple[str, str, float]], lags: list[float]
) -> None:
    clock = Clock()
    truth = Late(clock, keeps=True, lags=lags)

    async def play(history: Sequence[tuple[str, str, float]]) -> None:
        for what, name, wait_s in history:
            act = getattr(truth, what)
            act(name) if what in ("put", "delete") else act()
            await clock.advance(wait_s)

    async with following(truth, clock) as followed:
        await play(before)
        audit = asyncio.create_task(find_differences(followed, truth, clock.sleep))
        await play(during)
        await clock.advance(SETTLE_S + 60.0)
        try:
            assert not await audit
        except Gone:
            assert any(what == "forget" for what, *_ in during)


@pytest.mark.slow
@given(changes, changes, lags)
def test_with_nothing_wrong_it_finds_nothing(
    before: list[tuple[str, str, float]], during: list[tuple[str, str, float]], lags: list[float]
) -> None:
    asyncio.run(finds_nothing(before, during, lags))


# -- case by case


@table(
    ("listed", "lines", "found"),
    [
        pytest.param([A, B], [], {}, id="the-same"),
        pytest.param([A], [], {B.key: "delete"}, id="deleted-unheard"),
        pytest.param([A, B, C], [], {C.key: "add"}, id="added-unheard"),
        pytest.param([svc("a", 11), B], [], {A.key: "change"}, id="only-the-version-unheard"),
        pytest.param([svc("a", 11, "10.96.0.9"), B], [], {A.key: "change"}, id="changed-unheard"),
        pytest.param([A], [20.0, deleted(B)], {}, id="deleted-heard-later"),
        pytest.param([A, B, C], [20.0, added(C)], {}, id="added-heard-later"),
        pytest.param([A, B, C], [20.0, bookmark(30)], {C.key: "add"}, id="a-bookmark"),
        pytest.param([A, B, C], [50.0, added(C)], {C.key: "add"}, id="heard-much-too-late"),
        pytest.param([A], [20.0, CUT], None, id="the-watch-broke-off"),
        pytest.param([A], [20.0, TOO_OLD], None, id="it-lists-anew-itself"),
    ],
)
async def test_findings(listed: list[Object], lines: list[Line], found: dict[Key, str] | None) -> None:
    clock = Clock()
    script = Scripted(clock, [page(A, B), page(A, B)], [[*lines, FOREVER]])
    async with following(script, clock) as followed:
        script_of_audit = Scripted(clock, [page(*listed, version=20)])
        assert await audited(followed, script_of_audit, clock) == found
        assert followed.reflector.named is None


async def test_pages_come_slowly_and_an_even_list_needs_no_settling() -> None:
    clock = Clock()
    script = Scripted(clock, [page(A, B, C)])
    async with following(script, clock) as followed:
        pages = [page(A, token="1"), page(B, token="2"), page(C)]
        listing = Scripted(clock, pages)
        audit = asyncio.create_task(find_differences(followed, listing, clock.sleep))
        await clock.advance(2 * PAUSE_S + 0.01)
        assert audit.done()
        assert listing.gaps == pytest.approx([PAUSE_S, PAUSE_S])


async def test_what_cannot_be_read_is_there_all_the_same() -> None:
    clock = Clock()
    async with following(Scripted(clock, [page(A, B)]), clock) as followed:
        odd = Page((A,), "20", skipped=1, unread=(B.key,))
        assert await audited(followed, Scripted(clock, [odd]), clock) == {}


async def test_a_terminating_pod_is_not_missing() -> None:
    clock = Clock()
    pod = Pod(Key("prod", "p"), "10.0.0.1")
    going = Pod(pod.key, "10.0.0.1", deleting=True)
    new = Pod(Key("prod", "q"), "10.0.0.2", deleting=True)
    async with following(Scripted(clock, [page(pod)]), clock, PODS) as followed:
        listing = Scripted(clock, [page(going, new)])
        assert await audited(followed, listing, clock) == {}


async def test_a_list_of_a_server_that_is_behind_is_no_yardstick() -> None:
    clock = Clock()
    async with following(Scripted(clock, [page(A, B, version=10)]), clock) as followed:
        listing = Scripted(clock, [page(A, version=9)])
        assert await audited(followed, listing, clock) is None


async def test_before_the_first_sync_there_is_nothing_to_compare() -> None:
    clock = Clock()
    async with following(Scripted(clock), clock) as followed:
        listing = Scripted(clock, [page(A)])
        assert await audited(followed, listing, clock) is None
        assert not listing.asked


async def test_objects_of_other_namespaces_are_not_ours_to_miss() -> None:
    clock = Clock()
    inside = replace(SERVICES, namespace="prod")
    async with following(Scripted(clock, [page(A)]), clock, inside) as followed:
        followed.store.apply(Applied(Service(Key("other", "x"))))
        assert await audited(followed, Scripted(clock, [page(A)]), clock) == {}


@table(("older", "than", "expected"), [("9", "10", True), ("10", "9", False), ("10", "10", False), ("x", "10", False)])
def test_versions(older: str, than: str, expected: bool) -> None:
    assert is_before(older, than) is expected


# -- the auditor

INTERVAL_S = 600.0
AUDITS = "minidns_kubernetes_audits_total"
DIFFERENCES = "minidns_kubernetes_audit_differences_total"


@asynccontextmanager
async def auditing(
    followed: Sequence[Followed],
    list_watch: ListWatch,
    clock: Clock,
    metrics: Metrics,
    made: Callable[[Resource], None] = lambda resource: None,
) -> AsyncIterator[None]:
    def give(resource: Resource) -> ListWatch:
        made(resource)
        return list_watch

    auditor = Auditor(lambda: followed, give, metrics, sleep=clock.sleep, random=Random(1))
    task = asyncio.create_task(auditor.run(INTERVAL_S))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_about_every_interval() -> None:
    clock, metrics = Clock(), Metrics()
    made: list[float] = []
    async with (
        following(Scripted(clock, [page(A)]), clock) as followed,
        auditing([followed], Scripted(clock, [page(A)] * 99), clock, metrics, lambda _: made.append(clock.now())),
    ):
        await clock.advance(20 * INTERVAL_S)
    gaps = [after - before for before, after in zip([1000.0, *made], made, strict=False)]
    assert all(0.5 * INTERVAL_S <= gap <= 1.5 * INTERVAL_S for gap in gaps)
    assert len(set(gaps)) == len(gaps)
    assert metrics.value(AUDITS, {"resource": "services"}) == len(made)
    assert metrics.value(DIFFERENCES, {"resource": "services"}) == 0


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(ApiError("connection refused"), id="refused"),
        pytest.param(TOO_OLD, id="410"),
        pytest.param(ValueError("nobody foresaw it"), id="unforeseen"),
    ],
)
async def test_an_audit_that_fails_ends_nothing(broken: Exception, caplog: pytest.LogCaptureFixture) -> None:
    clock, metrics = Clock(), Metrics()
    caplog.set_level(logging.INFO)
    listing = Scripted(clock, [broken, page(A)])
    async with following(Scripted(clock, [page(A)]), clock) as followed, auditing([followed], listing, clock, metrics):
        await clock.advance(3 * INTERVAL_S)
        assert followed.reflector.lists == 1
    assert metrics.value(AUDITS, {"resource": "services"}) == 1
    assert caplog.records[-1].getMessage().startswith("Audit of *v1.Service ")
    assert str(broken) in caplog.records[-1].getMessage()


async def test_what_is_found_is_logged_and_listed_anew(caplog: pytest.LogCaptureFixture) -> None:
    clock, metrics = Clock(), Metrics()
    caplog.set_level(logging.INFO)
    script = Scripted(clock, [page(A, B), page(A, C, version=20)])
    async with (
        following(script, clock) as followed,
        auditing([followed], Scripted(clock, [page(A, C)]), clock, metrics),
    ):
        followed.store.apply(Applied(STRANGER))
        await clock.advance(2 * INTERVAL_S)
        assert set(followed.store.services) == {A.key, C.key}
        assert script.asked == ["list", "watch 10", "list", "watch 20"]
    (record,) = caplog.records
    changes = "delete prod/b, add prod/c, delete prod/stranger"
    assert "*v1.Service" in record.getMessage()
    assert record.getMessage().endswith(changes)
    assert metrics.value(DIFFERENCES, {"resource": "services"}) == 3
    assert followed.reflector.errors == 0


async def test_all_kinds_one_after_the_other() -> None:
    clock, metrics = Clock(), Metrics()
    made: list[str] = []
    pod = Pod(Key("prod", "p"), "10.0.0.1")
    async with (
        following(Scripted(clock, [page(A)]), clock) as services,
        following(Scripted(clock, [page(pod)]), clock, PODS) as pods,
        auditing(
            [services, pods],
            Scripted(clock, [page(), page(pod)]),
            clock,
            metrics,
            lambda resource: made.append(resource.plural),
        ),
    ):
        await clock.advance(1.5 * INTERVAL_S - 1)
        assert made[:2] == ["services", "pods"]


def test_many_are_not_all_named() -> None:
    from minidns.kubernetes.audit import _shown

    found = {Key("a", f"s{n}"): "add" for n in range(9)}
    assert _shown(found) == "add a/s0, add a/s1, add a/s2, add a/s3, add a/s4 ..."
