"""Pauses and log lines of a reflector; nothing ends or blocks it."""

import asyncio
import logging
from itertools import pairwise
from random import Random

import pytest

from minidns.kubernetes.objects import Service
from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import SERVICES, SLICES, ApiError, Applied, Deleted
from tests.kubernetes.scripts import (
    END,
    FOREVER,
    TOO_OLD,
    A,
    B,
    Kept,
    Scripted,
    added,
    bookmark,
    deleted,
    page,
    running,
    svc,
)
from tests.table import table
from tests.world import Clock, settle

DOWN = ApiError("cannot reach https://10.96.0.1:443: Connection refused")
BUSY = ApiError("too many requests", status=429, retry_after_s=7.0)
INSIDE = ApiError("etcdserver: request timed out", status=500)


@table(
    ("error", "least", "most"),
    [
        pytest.param(DOWN, [0.8, 1.6, 2.0], [1.6, 3.2, 4.0], id="F28-F31-down"),
        pytest.param(BUSY, [7.0, 7.0, 7.0], [7.8, 8.6, 10.2], id="F20-F21-retry-after"),
        pytest.param(INSIDE, [0.8, 1.6, 2.0], [1.6, 3.2, 4.0], id="F15-no-hot-loop"),
    ],
)
@table("what", ["list", "watch"])
async def test_errors_are_waited_out(what: str, error: ApiError, least: list[float], most: list[float]) -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [error] * 99)
    if what == "watch":
        script = Scripted(clock, [page(A)], [[error]] * 99)
    async with running(script, kept) as made:
        await clock.advance(60.0)
        gaps = script.gaps if what == "list" else script.gaps[1:]
        for gap, low, high in zip(gaps, least, most, strict=False):
            assert low <= gap <= high
        assert made.last_error == str(error)
        assert made.errors == len(gaps) + 1


async def test_f15_a_minute_of_500_lists_again() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A), page(B, version=20)], [[INSIDE]] * 99)
    async with running(script, kept):
        await clock.advance(20.0)
        assert script.asked.count("list") == 1
        assert sum(1 for at in script.times if at <= 1010.0) <= 6
        await clock.advance(60.0)
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


async def test_f26_one_forbidden_kind_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock, kept = Clock(), Kept()
    caplog.set_level(logging.INFO)
    refused = ApiError("endpointslices is forbidden", status=403)
    script = Scripted(clock, [refused] * 99)
    async with running(script, kept, resource=SLICES) as made:
        await clock.advance(300.0)
        assert not made.synced
        assert made.errors > 5
    texts = [record.getMessage() for record in caplog.records]
    assert set(texts) == {"Failed to watch: failed to list *v1.EndpointSlice: endpointslices is forbidden"}
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


async def test_f30_after_an_hour_without_the_server_it_goes_on_within_5_s() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A)], [[DOWN]] * 9999)
    async with running(script, kept):
        await clock.advance(3600.0)
        assert kept.names == ["a"]
        assert all(2.0 <= gap < 4.0 for gap in script.gaps[8:])
        script.watches = [[added(svc("b", 11)), FOREVER]]
        await clock.advance(5.0)
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


@table(
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


async def test_names_and_errors_are_escaped_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
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

    script = Scripted(clock, [page(), page(*many), page()], [[5.0, TOO_OLD], [200.0, TOO_OLD]])
    async with running(script, kept):
        watcher = asyncio.create_task(watch_the_loop())
        await clock.advance(210.0)
        await settle()
        assert len(kept.events) == 2000
        watcher.cancel()
    steps = [after - before for before, after in pairwise(turns)]
    assert max(steps) <= 100


async def test_distrusted_it_lists_again_at_once() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A, B), page(A, version=20)])
    async with running(script, kept) as made:
        kept.apply(Applied(svc("z")))
        made.distrust([svc("z").key])
        made.distrust([])  # which changes nothing
        await settle()
        assert script.asked == ["list", "watch 10", "list", "watch 20"]
        assert kept.names == ["a"]
        assert (made.errors, clock.now()) == (0, 1000.0)


async def test_distrusted_while_it_waits_it_lists_afterwards() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A), page(B, version=20)], [[DOWN]])
    async with running(script, kept) as made:
        made.distrust([])
        await settle()
        assert script.asked == ["list", "watch 10"]
        await clock.advance(1.6)
        assert script.asked == ["list", "watch 10", "list", "watch 20"]
        assert kept.names == ["b"]


async def test_distrusted_it_may_list_by_a_stream() -> None:
    clock, kept = Clock(), Kept()
    script = Scripted(clock, [page(A, B)], [[FOREVER], [added(B), END, FOREVER]])
    async with running(script, kept, streaming=True) as made:
        made.distrust([])
        await settle()
        assert script.asked == ["list", "watch 10", "stream"]
        assert kept.names == ["b"]
        assert made.version == "20"


@pytest.mark.parametrize("streaming", [False, True], ids=["pages", "stream"])
async def test_what_stays_is_told_of_hundred_by_hundred(streaming: bool) -> None:
    clock, kept = Clock(), Kept()
    many = [svc(f"s{n}") for n in range(250)]
    settled: list[int] = []
    script = Scripted(
        clock, [page(A), page(*many)], [[TOO_OLD], [*map(added, many), END, FOREVER]] if streaming else [[TOO_OLD]]
    )
    made = Reflector(
        script,
        SERVICES,
        kept.apply,
        now=clock.now,
        sleep=clock.sleep,
        random=Random(1),
        streaming=streaming,
        settle=lambda: settled.append(len(kept.objects)),
    )
    task = asyncio.create_task(made.run())
    for _ in range(10):
        await settle()
    assert settled == ([1, 101, 201] if streaming else [1, 101, 201, 251])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
