"""The informer contract; ids name the faults of an API server by their numbers."""

import asyncio

from minidns.kubernetes.objects import Key, Service
from minidns.kubernetes.resources import ApiError, Deleted, Gone, Page, WatchEvent
from tests.kubernetes.scripts import (
    CUT,
    TOO_OLD,
    A,
    B,
    C,
    Case,
    Kept,
    Scripted,
    added,
    bookmark,
    deleted,
    modified,
    page,
    reflector,
    running,
    svc,
)
from tests.table import table
from tests.world import Clock, settle

CASES = {
    "pages-are-followed-by-their-tokens": Case(
        [page(A, token="t1"), page(B, token="t2"), page(C)], [], ["list", "list t1", "list t2", "watch 10"], "a b c"
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
        [page(A)], [[added(svc("b", 11)), CUT]], ["list", "watch 10", "watch 11"], "a b", 1.6
    ),
    "F5-F6-410-lists-again-at-once": Case(
        [page(A, B), page(B, C, version=20)], [[TOO_OLD]], ["list", "watch 10", "list", "watch 20"], "b c"
    ),
    "F7-410-on-page-2-begins-again": Case(
        [page(A, token="t1"), TOO_OLD, page(A, token="t2"), page(B)],
        [],
        ["list", "list t1", "list", "list t2", "watch 10"],
        "a b",
    ),
    "F8-deletions-missed-in-a-gap-are-found": Case(
        [page(A, B, C), page(version=20)], [[TOO_OLD]], ["list", "watch 10", "list", "watch 20"], ""
    ),
    "F9-additions-missed-in-a-gap-are-found": Case(
        [page(), page(A, B, version=20)], [[TOO_OLD]], ["list", "watch 10", "list", "watch 20"], "a b"
    ),
    "F10-the-same-event-twice-changes-nothing": Case(
        [page(A)],
        [[added(svc("b", 11)), added(svc("b", 11)), deleted(svc("a", 12))] * 2 + [9.0]],
        ["list", "watch 10"],
        "b",
    ),
    "F11-deleting-what-nobody-knows": Case(
        [page(A)], [[deleted(svc("z", 11)), 5.0]], ["list", "watch 10", "watch 11"], "a", 5.0
    ),
    "F13-a-bookmark-moves-the-version-only": Case(
        [page(A)], [[bookmark(40), CUT]], ["list", "watch 10", "watch 40"], "a", 1.6
    ),
    "F14-silence-watches-on-from-the-same-version": Case(
        [page(A)], [[90.0]] * 2, ["list", "watch 10", "probe 10", "watch 10", "probe 10", "watch 10"], "a", 180.0
    ),
    "F17-an-error-without-reason-lists-again": Case(
        [page(A), page(B, version=20)],
        [[Gone("an error without a reason")]],
        ["list", "watch 10", "list", "watch 20"],
        "b",
    ),
    "F22-a-version-too-large-lists-again": Case(
        [Gone("Too large resource version: 99, current: 10"), page(A)], [], ["list", "list", "watch 10"], "a"
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
        [[added(svc("b", 11)), ApiError("a line of the watch cannot be read")], [added(svc("c", 12)), 5.0]],
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
        [page(A)], [[WatchEvent("PING", None, "666"), CUT]], ["list", "watch 10", "watch 10"], "a", 1.6
    ),
    "F38-what-cannot-be-read-can-still-be-deleted": Case(
        [page(A, B)], [[WatchEvent("DELETED", None, "11", key=A.key), 5.0]], ["list", "watch 10", "watch 11"], "b", 5.0
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
    "a-list-that-has-no-version": Case([Page((A,), ""), page(A)], [], ["list", "list", "watch 10"], "a", 1.6),
}


@table("case", CASES.values(), ids=CASES.keys())
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
