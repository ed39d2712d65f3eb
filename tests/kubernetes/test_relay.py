"""A worker's reflector ends up with what the main process's has, whatever happens."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidns.kubernetes.objects import (
    Endpoint,
    Endpoints,
    EndpointSlice,
    Key,
    Meta,
    Namespace,
    Object,
    Pod,
    Port,
    Service,
    ServiceImport,
)
from minidns.kubernetes.relay import Relay
from minidns.kubernetes.relayed import RelayedListWatch, shared
from minidns.kubernetes.resources import (
    IMPORTED_SLICES,
    IMPORTS,
    NAMESPACES,
    PODS,
    SERVICES,
    SLICES,
    Access,
    ApiError,
    Gone,
    Resource,
)
from tests.kubernetes.scripts import (
    FOREVER,
    A,
    B,
    Case,
    Kept,
    Scripted,
    added,
    deleted,
    page,
    reflector,
    svc,
)
from tests.kubernetes.test_reflector import CASES
from tests.world import Clock, settle

ACCESS = Access(kubeconfig="/etc/kubeconfig", context="kind")
BEAT_S = 0.02


@dataclass
class Worker:
    """The reflector of a worker, and the thread it hangs by."""

    kept: Kept
    task: asyncio.Task[None]
    list_watch: RelayedListWatch
    proof: list[float | None]

    async def has(self, objects: dict[Key, Object]) -> None:
        async with asyncio.timeout(5):
            while self.kept.objects != objects:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def worker(
    relay: Relay, clock: Clock, resource: Resource = SERVICES
) -> AsyncIterator[Worker]:
    kept, desk = Kept(), relay.desk()
    list_watch = RelayedListWatch(desk.answer, ACCESS, resource)
    made = reflector(list_watch, clock, kept, resource=resource)
    task = asyncio.create_task(made.run())
    proof: list[float | None] = []
    try:
        yield Worker(kept, task, list_watch, proof)
        assert not task.done()
        proof.append(made.proof_of_life)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def tapped(script: Scripted, relay: Relay, resource: Resource = SERVICES) -> Scripted:
    """Return ``script`` as the main process's reflector sees it."""
    return relay.tap(ACCESS, resource, script)  # type: ignore[return-value]  # as a ListWatch


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_contract(case: Case) -> None:
    clock, kept = Clock(), Kept()
    relay = Relay(clock.now, BEAT_S)
    script = Scripted(clock, case.pages, case.watches, case.probes)
    tap = tapped(script, relay)
    main = reflector(tap, clock, kept)
    task = asyncio.create_task(main.run())
    try:
        async with worker(relay, clock) as early:
            await settle()
            await clock.advance(case.after_s)
            assert " ".join(kept.names) == case.names
            async with worker(relay, clock) as late:
                for each in (early, late):
                    await each.has(kept.objects)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_watch_serves_all() -> None:
    clock, kept = Clock(), Kept()
    relay = Relay(clock.now, BEAT_S)
    script = Scripted(clock, [page(A)], [[5.0, added(B), FOREVER]])
    tap = relay.tap(ACCESS, SERVICES, script)
    main = asyncio.create_task(reflector(tap, clock, kept).run())
    async with worker(relay, clock) as one, worker(relay, clock) as two:
        await one.has({A.key: A})
        await two.has({A.key: A})
        await clock.advance(5)
        await one.has({A.key: A, B.key: B})
        await two.has({A.key: A, B.key: B})
    main.cancel()
    await asyncio.gather(main, return_exceptions=True)
    assert script.asked == ["list", "watch 10"]


async def test_a_worker_may_ask_before_anything_is_followed() -> None:
    clock = Clock()
    relay = Relay(clock.now, BEAT_S)
    async with worker(relay, clock) as early:
        await settle()
        script = Scripted(clock, [page(A)])
        tap = relay.tap(ACCESS, SERVICES, script)
        await tap.page("", None)
        await early.has({A.key: A})


async def test_a_refusal_is_the_workers_too() -> None:
    clock = Clock()
    relay = Relay(clock.now, BEAT_S)
    forbidden = ApiError("services is forbidden", status=403)
    tap = relay.tap(ACCESS, SERVICES, Scripted(clock, [forbidden]))
    with suppress(ApiError):
        await tap.page("", None)
    list_watch = RelayedListWatch(relay.desk().answer, ACCESS, SERVICES)
    with pytest.raises(ApiError, match="services is forbidden") as caught:
        await list_watch.page("", None)
    assert caught.value.status == 403


async def test_a_slow_worker_is_told_to_list_again() -> None:
    clock = Clock()
    relay = Relay(clock.now, BEAT_S, remembered=3)
    changes = [added(svc(f"s{n}", 11 + n)) for n in range(10)]
    tap = relay.tap(ACCESS, SERVICES, Scripted(clock, [page(A)], [changes]))
    await tap.page("", None)
    list_watch = RelayedListWatch(relay.desk().answer, ACCESS, SERVICES)
    listed = await list_watch.page("", None)
    stream = tap.watch("10")
    for _ in changes:
        await anext(stream)
    with pytest.raises(Gone, match="too old"):
        await anext(list_watch.watch(listed.version))


async def test_how_old_it_is_goes_with_what_is_told() -> None:
    clock = Clock()
    relay = Relay(clock.now, BEAT_S)
    tap = relay.tap(ACCESS, SERVICES, Scripted(clock, [page(A)]))
    await tap.page("", None)
    heard = clock.now()
    await clock.advance(300)  # the API server is silent
    async with worker(relay, clock) as late:
        await late.has({A.key: A})
        await asyncio.sleep(2 * BEAT_S)
    assert late.proof == [heard]


async def test_a_streaming_list_gives_what_pages_give() -> None:
    clock = Clock()
    relay = Relay(clock.now, BEAT_S)
    objects = [svc(f"s{n}") for n in range(250)]
    tap = relay.tap(ACCESS, SERVICES, Scripted(clock, [page(*objects)]))
    await tap.page("", None)
    list_watch = RelayedListWatch(relay.desk().answer, ACCESS, SERVICES)
    came = []
    async for event in list_watch.watch("", initial=True):
        if event.ends_initial:
            break
        came.append(event.obj)
    assert came == objects


SLICE = EndpointSlice(
    Key("prod", "web-x"),
    Key("prod", "web"),
    Endpoints.of(
        Endpoint("10.1.0.1", "h", "web-0", True, "a"), Endpoint("fd00::1", ready=False)
    ),
    (Port("http", "TCP", 8080), Port()),
    "cluster-1",
    "2024-05-01T00:00:00Z",
    Meta("u", "7", 1714521600),
)
SERVICE = Service(
    Key("prod", "web"),
    "ExternalName",
    ("10.96.0.1", "fd00::a"),
    "example.org",
    (Port("dns", "UDP", 53),),
    ("192.0.2.7",),
    Meta("u", "8", 1714521600),
)
KINDS: Sequence[tuple[Resource, Object]] = (
    (SERVICES, SERVICE),
    (SLICES, SLICE),
    (IMPORTED_SLICES, SLICE),
    (NAMESPACES, Namespace(Key("", "prod"), Meta("u", "1"))),
    (PODS, Pod(Key("prod", "p"), "10.1.0.1", True, Meta("u", "2"))),
    (IMPORTS, ServiceImport(Key("prod", "i"), True, ("10.9.9.9",), (Port("x"),))),
)


@pytest.mark.parametrize(
    ("resource", "obj"), KINDS, ids=lambda each: getattr(each, "plural", "")
)
async def test_every_kind_arrives_as_it_was(resource: Resource, obj: Object) -> None:
    clock = Clock()
    relay = Relay(clock.now, BEAT_S)
    tap = relay.tap(ACCESS, resource, Scripted(clock, [page(obj)]))
    await tap.page("", None)
    async with worker(relay, clock, resource) as one:
        await one.has({obj.key: obj})


def test_words_in_common_are_kept_once() -> None:
    ports = (Port("ht" + "tp", "T" + "CP", 80),)
    ends = Endpoints.of(Endpoint("10.1.0.1"))
    one, two = (
        shared(EndpointSlice(Key("na" + str(n), "x"), Key("na1", "w"), ends, ports))
        for n in (1, 1)
    )
    assert isinstance(one, EndpointSlice)
    assert isinstance(two, EndpointSlice)
    assert one.key.namespace is two.key.namespace is one.service.namespace
    assert one.ports[0].name is two.ports[0].name


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abc"), st.integers(1, 3)),
        st.tuples(st.just("delete"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("relist"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.just(0)),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(STEPS)
def test_whatever_happens_in_whatever_order(steps: list[tuple[str, str, int]]) -> None:
    """The main process hears of changes, and misses some until a list; and so on."""

    async def play() -> None:
        clock = Clock()
        relay = Relay(clock.now, 10.0)
        there: dict[Key, Object] = {A.key: A}
        script = Scripted(clock, [page(A)])
        tap = relay.tap(ACCESS, SERVICES, script)
        await tap.page("", None)
        async with worker(relay, clock) as one:
            for what, name, number in steps:
                obj = svc(name or "a", number, f"10.96.0.{number}")
                if what == "wait":
                    await settle()
                    continue
                if what == "relist":
                    there.pop(obj.key, None)  # which no watch told of
                    script.pages = [page(*there.values(), version=20)]
                    await tap.page("", None)
                    continue
                script.watches = [[added(obj) if what == "put" else deleted(obj)]]
                await anext(tap.watch("10"))
                if what == "put":
                    there[obj.key] = obj
                else:
                    there.pop(obj.key, None)
            await one.has(there)

    asyncio.run(play())


async def test_who_comes_second_to_a_resource_does_not_disturb_the_workers() -> None:
    clock = Clock()
    relay = Relay(clock.now, BEAT_S)
    tap = relay.tap(ACCESS, SERVICES, Scripted(clock, [page(A, B)]))
    audit = Scripted(clock, [page(A)])
    assert relay.tap(ACCESS, SERVICES, audit) is audit
    await tap.page("", None)
    await audit.page("", None)
    async with worker(relay, clock) as late:
        await late.has({A.key: A, B.key: B})


async def test_the_answer_to_a_question_in_silence_is_a_sign_of_life() -> None:
    clock = Clock()
    relay = Relay(clock.now, BEAT_S)
    tap = relay.tap(ACCESS, SERVICES, Scripted(clock, [page(A)]))
    await tap.page("", None)
    await clock.advance(90)
    await tap.page("", "10")
    async with worker(relay, clock) as late:
        await late.has({A.key: A})
    assert late.proof[-1] == clock.now()
