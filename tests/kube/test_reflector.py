"""The informer contract; ids name the faults of an API server by their numbers."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import NamedTuple

import pytest

from minidns.kube.events import Applied, Deleted
from minidns.kube.objects import Key, Service
from minidns.kube.reflector import Reflector
from minidns.kube.resource import (
    SERVICES,
    SLICES,
    ApiError,
    Gone,
    Page,
    Resource,
    WatchEvent,
)
from tests.kube.scripts import (
    FOREVER,
    Answer,
    Kept,
    Line,
    Scripted,
    added,
    bookmark,
    deleted,
    modified,
    page,
    reflector,
    svc,
)
from tests.world import Clock, settle

A, B, C = svc("a"), svc("b"), svc("c")
CUT = ApiError("the watch broke off")
END = bookmark(20, ends_initial=True)
TOO_OLD = Gone("too old resource version: 5 (10)")


@asynccontextmanager
async def running(
    script: Scripted,
    kept: Kept,
    *,
    streaming: bool = False,
    resource: Resource = SERVICES,
) -> AsyncIterator[Reflector]:
    made = reflector(script, script.clock, kept, streaming=streaming, resource=resource)
    task = asyncio.create_task(made.run())
    try:
        await settle()
        yield made
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Case(NamedTuple):
    """What the server says, and what must have come of it after some seconds."""

    pages: Sequence[Answer]
    watches: Sequence[Sequence[Line]]
    asked: Sequence[str]
    names: str
    after_s: float = 0.0
    probes: Sequence[Answer] = ()


CASES = {
    "pages-are-followed-by-their-tokens": Case(
        [page(A, token="t1"), page(B, token="t2"), page(C)],
        [],
        ["list", "list t1", "list t2", "watch 10"],
        "a b c",
    ),
    "an-empty-cluster": Case([page()], [], ["list", "watch 10"], ""),
    "added-modified-deleted": Case(
        [page(A, B)],
        [[added(svc("c", 11)), modified(svc("a", 12)), deleted(svc("b", 13)), 5.0]],
        ["list", "watch 10", "watch 13"],
        "a c",
        5.0,
    ),
    "F1-a-clean-end-watches-on-without-list-or-wait": Case(
        [page(A)],
        [[300.0, bookmark(11)], [300.0, bookmark(12)], [300.0, bookmark(13)]],
        ["list", "watch 10", "watch 11", "watch 12", "watch 13"],
        "a",
        900.0,
    ),
    "F2-a-reset-watches-on-from-the-last-version": Case(
        [page(A)],
        [[added(svc("b", 11)), CUT]],
        ["list", "watch 10", "watch 11"],
        "a b",
        1.6,
    ),
    "F5-F6-410-lists-again-at-once": Case(
        [page(A, B), page(B, C, version=20)],
        [[TOO_OLD]],
        ["list", "watch 10", "list", "watch 20"],
        "b c",
    ),
    "F7-410-on-page-2-begins-again": Case(
        [page(A, token="t1"), TOO_OLD, page(A, token="t2"), page(B)],
        [],
        ["list", "list t1", "list", "list t2", "watch 10"],
        "a b",
    ),
    "F8-deletions-missed-in-a-gap-are-found": Case(
        [page(A, B, C), page(version=20)],
        [[TOO_OLD]],
        ["list", "watch 10", "list", "watch 20"],
        "",
    ),
    "F9-additions-missed-in-a-gap-are-found": Case(
        [page(), page(A, B, version=20)],
        [[TOO_OLD]],
        ["list", "watch 10", "list", "watch 20"],
        "a b",
    ),
    "F10-the-same-event-twice-changes-nothing": Case(
        [page(A)],
        [[added(svc("b", 11)), added(svc("b", 11)), deleted(svc("a", 12))] * 2 + [9.0]],
        ["list", "watch 10"],
        "b",
    ),
    "F11-deleting-what-nobody-knows": Case(
        [page(A)],
        [[deleted(svc("z", 11)), 5.0]],
        ["list", "watch 10", "watch 11"],
        "a",
        5.0,
    ),
    "F13-a-bookmark-moves-the-version-only": Case(
        [page(A)], [[bookmark(40), CUT]], ["list", "watch 10", "watch 40"], "a", 1.6
    ),
    "F14-silence-watches-on-from-the-same-version": Case(
        [page(A)],
        [[90.0]] * 2,
        ["list", "watch 10", "probe 10", "watch 10", "probe 10", "watch 10"],
        "a",
        180.0,
    ),
    "F17-an-error-without-reason-lists-again": Case(
        [page(A), page(B, version=20)],
        [[Gone("an error without a reason")]],
        ["list", "watch 10", "list", "watch 20"],
        "b",
    ),
    "F22-a-version-too-large-lists-again": Case(
        [Gone("Too large resource version: 99, current: 10"), page(A)],
        [],
        ["list", "list", "watch 10"],
        "a",
    ),
    "F23-a-server-set-back-is-found-by-asking": Case(
        [page(A, B), page(A, version=3)],
        [[90.0]],
        ["list", "watch 10", "probe 10", "list", "watch 3"],
        "a",
        90.0,
        [Gone("Too large resource version: 10, current: 3")],
    ),
    "F23-any-504-to-that-question-means-it": Case(
        [page(A, B), page(A, version=3)],
        [[90.0]],
        ["list", "watch 10", "probe 10", "list", "watch 3"],
        "a",
        90.0,
        [ApiError("Timeout: Too large resource version", status=504)],
    ),
    "F33-a-list-cut-in-the-middle-removes-nothing": Case(
        [page(A, B, C), page(A, version=20, token="t1"), ApiError("broke off")],
        [[TOO_OLD]],
        ["list", "watch 10", "list", "list t1"],
        "a b c",
    ),
    "F34-a-line-cut-watches-on-from-the-last-good-version": Case(
        [page(A)],
        [
            [added(svc("b", 11)), ApiError("a line of the watch cannot be read")],
            [added(svc("c", 12)), 5.0],
        ],
        ["list", "watch 10", "watch 11"],
        "a b c",
        1.6,
    ),
    "F36-an-object-that-cannot-be-read-is-passed-over": Case(
        [page(A)],
        [[WatchEvent("MODIFIED", None, ""), added(svc("b", 12)), CUT]],
        ["list", "watch 10", "watch 12"],
        "a b",
        1.6,
    ),
    "F37-an-unknown-type-keeps-the-version": Case(
        [page(A)],
        [[WatchEvent("PING", None, "666"), CUT]],
        ["list", "watch 10", "watch 10"],
        "a",
        1.6,
    ),
    "F38-what-cannot-be-read-can-still-be-deleted": Case(
        [page(A, B)],
        [[WatchEvent("DELETED", None, "11", key=A.key), 5.0]],
        ["list", "watch 10", "watch 11"],
        "b",
        5.0,
    ),
    "F38-an-unreadable-change-keeps-the-last-good-state": Case(
        [page(A), Page((B,), "20", skipped=1, unread=(A.key,))],
        [[TOO_OLD]],
        ["list", "watch 10", "list", "watch 20"],
        "a b",
    ),
    "F48-deleted-and-made-again-in-a-gap": Case(
        [page(A), page(svc("a", 19, "10.96.0.99"), version=20)],
        [[TOO_OLD]],
        ["list", "watch 10", "list", "watch 20"],
        "a",
    ),
    "a-watch-that-ends-at-once-is-not-tried-in-a-loop": Case(
        [page(A)], [[], []], ["list", "watch 10", "watch 10"], "a", 1.6
    ),
    "a-list-that-has-no-version": Case(
        [Page((A,), ""), page(A)], [], ["list", "list", "watch 10"], "a", 1.6
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_contract(case: Case) -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, case.pages, case.watches, case.probes)
    async with running(script, kept):
        await clock.advance(case.after_s)
        assert script.asked == list(case.asked)
        assert kept.names == case.names.split()


async def test_the_newest_object_wins_after_f48() -> None:
    clock, kept = Clock(), Kept()
    again = svc("a", 19, "10.96.0.99")
    script = Scripted(clock, [page(A), page(again, version=20)], [[TOO_OLD]])
    async with running(script, kept):
        assert kept.objects[A.key] == again


async def test_synced_only_when_the_last_page_is_applied() -> None:
    clock, kept = Clock(), Kept()
    seen: list[list[str]] = []
    script = Scripted(clock, [page(A, token="t"), CUT, page(A, token="t"), page(B)])
    made = reflector(script, clock, kept, on_synced=lambda: seen.append(kept.names))
    task = asyncio.create_task(made.run())
    await settle()
    assert (made.synced, seen, kept.names) == (False, [], ["a"])
    await clock.advance(1.6)
    assert (made.synced, seen) == (True, [["a", "b"]])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_synced_once_and_for_ever() -> None:
    clock, kept = Clock(), Kept()
    calls: list[int] = []
    script = Scripted(clock, [page(A), page(B, version=20)], [[TOO_OLD], [CUT] * 2])
    made = reflector(script, clock, kept, on_synced=lambda: calls.append(1))
    task = asyncio.create_task(made.run())
    await clock.advance(600.0)
    assert made.synced
    assert calls == [1]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


DOWN = ApiError("cannot reach https://10.96.0.1:443: Connection refused")
BUSY = ApiError("too many requests", status=429, retry_after_s=7.0)
INSIDE = ApiError("etcdserver: request timed out", status=500)


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        pytest.param(DOWN, [0.8, 1.6, 3.2], [1.6, 3.2, 6.4], id="F28-F31-down"),
        pytest.param(BUSY, [7.0, 7.0, 7.0], [7.8, 8.6, 10.2], id="F20-F21-retry-after"),
        pytest.param(INSIDE, [0.8, 1.6, 3.2], [1.6, 3.2, 6.4], id="F15-no-hot-loop"),
    ],
)
@pytest.mark.parametrize("what", ["list", "watch"])
async def test_errors_are_waited_out(
    what: str, error: ApiError, least: list[float], most: list[float]
) -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [error] * 9)
    if what == "watch":
        script = Scripted(clock, [page(A)], [[error]] * 9)
    async with running(script, kept) as made:
        await clock.advance(60.0)
        gaps = script.gaps if what == "list" else script.gaps[1:]
        for gap, low, high in zip(gaps, least, most, strict=False):
            assert low <= gap <= high
        assert made.last_error == str(error)
        assert made.errors == len(gaps) + 1


async def test_f15_a_minute_of_500_lists_again() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A), page(B, version=20)], [[INSIDE]] * 9)
    async with running(script, kept):
        await clock.advance(20.0)
        assert script.asked.count("list") == 1
        assert sum(1 for at in script.times if at <= 1010.0) <= 6
        await clock.advance(130.0)
        assert script.asked.count("list") == 2
        assert kept.names == ["b"]


async def test_f14_an_idle_hour_needs_no_list() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A)], [[90.0]] * 60)
    async with running(script, kept) as made:
        await clock.advance(3600.0)
        assert made.lists == 1
        assert made.errors == 0
        assert made.proof_of_life is not None
        assert clock.now() - made.proof_of_life <= 90.0


async def test_f5_410_again_and_again_is_slowed_down() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A)] * 99, [[bookmark(11), TOO_OLD]] * 99)
    async with running(script, kept):
        await clock.advance(60.0)
        assert script.asked[:4] == ["list", "watch 10", "list", "watch 10"]
        assert script.asked.count("list") <= 9


async def test_f7_tokens_that_always_expire_are_slowed_down() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A, token="t"), TOO_OLD] * 99)
    async with running(script, kept) as made:
        await clock.advance(60.0)
        assert script.asked.count("list") <= 9
        assert not made.synced


async def test_f26_one_forbidden_kind_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, kept = Clock(), Kept()
    caplog.set_level(logging.INFO)
    refused = ApiError("endpointslices is forbidden", status=403)
    script = Scripted(clock, [refused] * 99)
    async with running(script, kept, resource=SLICES) as made:
        await clock.advance(300.0)
        assert not made.synced
        assert made.errors > 5
    texts = [record.getMessage() for record in caplog.records]
    assert set(texts) == {
        "Failed to watch: failed to list *v1.EndpointSlice: endpointslices is forbidden"
    }
    assert 3 <= len(texts) <= 6
    assert {record.name for record in caplog.records} == {"minidns.plugins.kubernetes"}


async def test_f27_forbidden_after_the_sync_keeps_what_is_known() -> None:
    clock, kept = Clock(), Kept()
    refused = ApiError("forbidden", status=403)
    script = Scripted(clock, [page(A)] + [refused] * 99, [[TOO_OLD]])
    async with running(script, kept) as made:
        await clock.advance(3600.0)
        assert made.synced
        assert kept.names == ["a"]
        assert clock.now() - (made.proof_of_life or 0) >= 3600.0


async def test_f30_after_an_hour_without_the_server_it_goes_on_within_65_s() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A)], [[DOWN]] * 9999)
    async with running(script, kept):
        await clock.advance(3600.0)
        assert kept.names == ["a"]
        assert all(30.0 <= gap < 60.0 for gap in script.gaps[8:])
        script.watches = [[added(svc("b", 11)), FOREVER]]
        await clock.advance(65.0)
        assert kept.names == ["a", "b"]


async def test_the_end_of_an_outage_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    clock, kept = Clock(), Kept()
    caplog.set_level(logging.INFO)
    script = Scripted(clock, [DOWN] * 4 + [page(A)])
    async with running(script, kept):
        await clock.advance(60.0)
    last = caplog.records[-1].getMessage()
    assert last.startswith("Watching again after ")
    assert last.endswith("s: *v1.Service")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(ValueError("Chunk too big"), id="value-error"),
        pytest.param(KeyError("reason"), id="key-error"),
        pytest.param(RecursionError(), id="recursion-error"),
    ],
)
async def test_nothing_a_list_watch_raises_ends_the_task(broken: Exception) -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [broken, page(A)], [[broken]])
    async with running(script, kept) as made:
        await clock.advance(10.0)
        assert kept.names == ["a"]
        assert made.errors == 2


async def test_f38_an_object_the_store_refuses_costs_only_itself() -> None:
    clock, kept = Clock(), Kept()
    kept.refuse = lambda event: isinstance(event, Applied) and event.obj.key == A.key
    script = Scripted(clock, [page(A, B)], [[deleted(svc("a", 11)), 5.0]])
    async with running(script, kept) as made:
        assert kept.names == ["b"]
        assert made.synced
        assert made.skipped == 1
        assert kept.events[-1] == Deleted(Service, A.key)


async def test_names_and_errors_are_escaped_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [ValueError("\n[ERROR] forged\x1b[31m")])
    async with running(script, kept):
        pass
    assert "\n" not in caplog.text.rstrip("\n")
    assert "\x1b" not in caplog.text


async def test_f39_a_relist_lets_the_loop_run_between_chunks() -> None:
    clock, kept = Clock(), Kept()
    many = [svc(f"s{n}") for n in range(1000)]
    turns: list[int] = []

    async def watch_the_loop() -> None:
        while True:
            turns.append(len(kept.events))
            await asyncio.sleep(0)

    script = Scripted(
        clock, [page(), page(*many), page()], [[5.0, TOO_OLD], [200.0, TOO_OLD]]
    )
    async with running(script, kept):
        watcher = asyncio.create_task(watch_the_loop())
        await clock.advance(210.0)
        await settle()
        assert len(kept.events) == 2000
        watcher.cancel()
    steps = [after - before for before, after in pairwise(turns)]
    assert max(steps) <= 100


# Streaming lists: a relist is a watch that begins with all there is.

STREAMS = {
    "replaces-and-goes-on-as-a-watch": Case(
        [page(A, B)],
        [
            [TOO_OLD],
            [added(B), added(C), END, added(svc("d", 21)), CUT],
        ],
        ["list", "watch 10", "stream", "watch 21"],
        "b c d",
        1.6,
    ),
    "changes-before-the-end-count": Case(
        [page(A)],
        [
            [TOO_OLD],
            [added(A), added(B), deleted(svc("a", 19)), modified(B), END, 5.0],
        ],
        ["list", "watch 10", "stream", "watch 20"],
        "b",
        5.0,
    ),
    "a-bookmark-before-the-end-is-none": Case(
        [page(A, B)],
        [[TOO_OLD], [added(A), bookmark(15), 5.0]],
        ["list", "watch 10", "stream"],
        "a b",
    ),
    "F18-refused-falls-back-to-pages-at-once": Case(
        [page(A, B), page(A, version=20)],
        [[TOO_OLD], [ApiError("sendInitialEvents is forbidden", status=422)]],
        ["list", "watch 10", "stream", "list", "watch 20"],
        "a",
    ),
    "F18-refused-by-an-error-event": Case(
        [page(A, B), page(A, version=20)],
        [[TOO_OLD], [Gone("RequestWatchProgress is disabled")]],
        ["list", "watch 10", "stream", "list", "watch 20"],
        "a",
    ),
    "F19-no-end-falls-back-and-removes-nothing-before": Case(
        [page(A, B), page(A, version=20)],
        [[TOO_OLD], [added(C), 60.0, ApiError("did not come to its end", status=504)]],
        ["list", "watch 10", "stream", "list", "watch 20"],
        "a",
        60.0,
    ),
    "F19-a-clean-end-before-the-mark-is-no-end": Case(
        [page(A, B), page(A, version=20)],
        [[TOO_OLD], [added(A), 2.0]],
        ["list", "watch 10", "stream", "list", "watch 20"],
        "a",
        2.0,
    ),
    "cut-before-the-end-removes-nothing": Case(
        [page(A, B)],
        [[TOO_OLD], [added(A), CUT]],
        ["list", "watch 10", "stream"],
        "a b",
    ),
    "an-end-without-a-version-is-none": Case(
        [page(A, B)],
        [[TOO_OLD], [added(A), WatchEvent("BOOKMARK", None, "", True)]],
        ["list", "watch 10", "stream"],
        "a b",
    ),
    "once-refused-never-asked-again": Case(
        [page(A), page(A, version=20), page(A, version=30)],
        [[TOO_OLD], [ApiError("no", status=422)], [300.0, TOO_OLD]],
        ["list", "watch 10", "stream", "list", "watch 20", "list", "watch 30"],
        "a",
        300.0,
    ),
    "the-first-list-is-never-streamed": Case([page(A)], [], ["list", "watch 10"], "a"),
}


@pytest.mark.parametrize("case", STREAMS.values(), ids=STREAMS.keys())
async def test_streaming(case: Case) -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, case.pages, case.watches, case.probes)
    async with running(script, kept, streaming=True):
        await clock.advance(case.after_s)
        assert script.asked == list(case.asked)
        assert kept.names == case.names.split()


async def test_deletions_are_told_by_kind_and_key() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A, B), page(A, version=20)], [[TOO_OLD]])
    async with running(script, kept):
        assert kept.events[-1] == Deleted(Service, Key("prod", "b"))


async def test_counts() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(
        clock,
        [page(A), page(A, version=20)],
        [[added(svc("b", 11)), bookmark(12), WatchEvent("ADDED", None, "13"), TOO_OLD]],
    )
    async with running(script, kept) as made:
        found = (made.lists, made.watches, made.events, made.errors, made.skipped)
        assert found == (2, 2, 2, 1, 1)
        assert made.version == "20"
        assert made.last_error == str(TOO_OLD)
