"""Streaming lists: a relist is a watch that begins with all there is."""

from minidns.kubernetes.resources import ApiError, Gone, WatchEvent
from tests.kubernetes.scripts import (
    CUT,
    END,
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
    running,
    svc,
)
from tests.table import table
from tests.world import Clock

STREAMS = {
    "replaces-and-goes-on-as-a-watch": Case(
        [page(A, B)],
        [[TOO_OLD], [added(B), added(C), END, added(svc("d", 21)), CUT]],
        ["list", "watch 10", "stream", "watch 21"],
        "b c d",
        1.6,
    ),
    "changes-before-the-end-count": Case(
        [page(A)],
        [[TOO_OLD], [added(A), added(B), deleted(svc("a", 19)), modified(B), END, 5.0]],
        ["list", "watch 10", "stream", "watch 20"],
        "b",
        5.0,
    ),
    "a-bookmark-before-the-end-is-none": Case(
        [page(A, B)], [[TOO_OLD], [added(A), bookmark(15), 5.0]], ["list", "watch 10", "stream"], "a b"
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
    "what-nobody-foresaw-falls-back-as-well": Case(
        [page(A, B), page(A, version=20)],
        [[TOO_OLD], [ValueError("no such thing")]],
        ["list", "watch 10", "stream", "list", "watch 20"],
        "a",
        1.6,
    ),
    "cut-before-the-end-removes-nothing": Case(
        [page(A, B)], [[TOO_OLD], [added(A), CUT]], ["list", "watch 10", "stream"], "a b"
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


@table("case", STREAMS.values(), ids=STREAMS.keys())
async def test_streaming(case: Case) -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, case.pages, case.watches, case.probes)
    async with running(script, kept, streaming=True):
        await clock.advance(case.after_s)
        assert script.asked == list(case.asked)
        assert kept.names == case.names.split()
