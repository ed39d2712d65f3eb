"""WATCH over real HTTP, against the simulated API server and its faults."""

import asyncio
import json
import logging
from typing import Any

import pytest

from minidns.kubernetes.list_watch import Deadlines
from minidns.kubernetes.objects import Key
from minidns.kubernetes.resources import SERVICES, ApiError, Gone
from tests.kubernetes.served import first, serving, until
from tests.table import table

WEB = {"metadata": {"name": "web", "namespace": "default", "resourceVersion": "5"}, "spec": {}}
ROOM = 16 * 2**20


def line(kind: str, obj: object) -> str:
    return json.dumps({"type": kind, "object": obj})


async def test_a_watch_asks_for_bookmarks_and_an_end() -> None:
    async with serving() as served:
        served.create("web")
        events = served.connection.list_watch(SERVICES).watch("1")
        await first(events, 1)
        (query,) = served.asked("watch")
        assert 300 <= int(query.pop("timeoutSeconds")) <= 600
        assert query == {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": "1"}


async def test_events_as_they_come_and_a_clean_end() -> None:
    async with serving() as served:
        page = await served.connection.list_watch(SERVICES).page("", None)
        events = served.connection.list_watch(SERVICES).watch(page.version)
        served.create("web")
        served.delete("web")
        found = await first(events, 2)
        assert [event.type for event in found] == ["ADDED", "DELETED"]
        assert {event.key for event in found} == {Key("default", "web")}
        assert found[1].version == str(served.cluster.version)
        await served.act("close")
        rest = [event.type async for event in events]
        assert rest == ["BOOKMARK"]


async def test_f3_f4_silence_ends_a_watch_without_an_error() -> None:
    async with serving(deadlines=Deadlines(silence_s=(0.3, 0.3))) as served:
        served.server.faults.bookmark_s = 0
        started = asyncio.get_running_loop().time()
        list_watch = served.connection.list_watch(SERVICES)
        version = str(served.cluster.version)
        assert [event async for event in list_watch.watch(version)] == []
        assert asyncio.get_running_loop().time() - started >= 0.3
        await until(lambda: not served.server.streams)


@pytest.mark.slow
async def test_a_bookmark_puts_the_silence_off() -> None:
    async with serving(deadlines=Deadlines(silence_s=(1.5, 1.5))) as served:
        served.server.faults.bookmark_s = 0.3
        list_watch = served.connection.list_watch(SERVICES)
        found = await first(list_watch.watch(str(served.cluster.version)), 7)
        assert {event.type for event in found} == {"BOOKMARK"}


@table(
    ("action", "kind", "text"),
    [
        pytest.param({"do": "reset"}, ApiError, "the watch broke off", id="F2-reset"),
        pytest.param({"do": "cut"}, ApiError, "broke off", id="F34-cut-in-a-line"),
        pytest.param({"do": "error"}, Gone, "too old", id="F5-410-event"),
        pytest.param(
            {"do": "error", "status": 500, "reason": "InternalError"}, ApiError, "simulated fault", id="F15-500-event"
        ),
        pytest.param(
            {"do": "error", "status": 500, "reason": "StorageReadError"},
            Gone,
            "simulated fault",
            id="F16-store-read-error",
        ),
        pytest.param({"do": "error", "status": 500, "reason": ""}, Gone, "simulated fault", id="F17-no-reason"),
        pytest.param({"do": "send", "lines": ['{"type": "ADD']}, ApiError, "cannot be read", id="F34-no-json"),
    ],
)
async def test_watches_that_fail(action: dict[str, Any], kind: type[Exception], text: str) -> None:
    async with serving() as served:
        events = served.connection.list_watch(SERVICES).watch(str(served.cluster.version))
        served.create("one")
        assert (await first(events, 1))[0].key == Key("default", "one")
        await served.act(**action)
        if action["do"] == "cut":
            served.create("two")
        with pytest.raises(kind, match=text):
            await first(events, 1)


@table(
    ("rule", "kind", "text"),
    [
        pytest.param({"status": 410}, Gone, "too old", id="F6-410"),
        pytest.param({"status": 403}, ApiError, "cannot watch", id="F26-403"),
        pytest.param(
            {"body": "<html>", "content_type": "text/html"}, ApiError, "answered with text/html", id="F42-html"
        ),
        pytest.param(
            {"lines": ["x" * (ROOM + 99)]}, Gone, "longer than 16777216 bytes", id="F35-a-line-without-an-end"
        ),
        pytest.param(
            {"body": line("ADDED", WEB)[:30], "content_type": "application/json"},
            ApiError,
            "ended in the middle of a line",
            id="F34-half-a-line-and-a-clean-end",
        ),
        pytest.param(
            {"lines": [line("ADDED", WEB), '{"type":'], "ends": True},
            ApiError,
            "cannot be read",
            id="F34-no-json-and-a-clean-end",
        ),
    ],
)
async def test_watches_that_do_not_begin(rule: dict[str, Any], kind: type[Exception], text: str) -> None:
    async with serving() as served:
        served.spoil(verb="watch", **rule)
        with pytest.raises(kind, match=text):
            await first(served.connection.list_watch(SERVICES).watch("1"), 9)


async def test_f35_a_line_of_8_mb_is_read() -> None:
    big = WEB | {"metadata": WEB["metadata"] | {"annotations": {"a": "x" * 2**23}}}
    async with serving() as served:
        served.spoil(verb="watch", lines=["", line("ADDED", big), line("DELETED", WEB)])
        found = await first(served.connection.list_watch(SERVICES).watch("1"), 2)
        assert [event.type for event in found] == ["ADDED", "DELETED"]


async def test_f40_a_burst_lets_the_loop_run() -> None:
    burst = [line("ADDED", WEB)] * 4_000
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with serving() as served:
        served.spoil(verb="watch", lines=burst)
        events = served.connection.list_watch(SERVICES).watch("1")
        await first(events, 2_000)
        counter = asyncio.create_task(count_turns())
        await first(events, 2_000)
        counter.cancel()
        assert turns >= 20


@pytest.mark.slow
async def test_a_streaming_list_and_the_watch_after_it() -> None:
    async with serving(deadlines=Deadlines(initial_s=1.0)) as served:
        served.create("a")
        served.create("b")
        events = served.connection.list_watch(SERVICES).watch("", initial=True)
        total = len(served.cluster.list("Service"))
        found = await first(events, total + 1)
        assert [event.type for event in found] == ["ADDED"] * total + ["BOOKMARK"]
        assert found[-1].ends_initial
        assert found[-1].version == str(served.cluster.version)
        await asyncio.sleep(1.1)  # longer than the list may take
        served.create("c")
        assert (await first(events, 1))[0].key == Key("default", "c")


@table(
    "code",
    [pytest.param(422, id="F18-422"), pytest.param(400, id="F18-400"), pytest.param(500, id="F18-500-as-an-event")],
)
async def test_f18_a_server_without_streaming_lists(code: int) -> None:
    async with serving() as served:
        served.server.faults.refuse_watch_list = code
        events = served.connection.list_watch(SERVICES).watch("", initial=True)
        with pytest.raises(ApiError) as caught:
            await first(events, 99)
        assert caught.value.status == code


async def test_f19_a_streaming_list_without_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(deadlines=Deadlines(late_s=0.1, initial_s=0.4)) as served:
        served.server.faults.withhold_initial_end = True
        served.server.faults.bookmark_s = 0.05
        events = served.connection.list_watch(SERVICES).watch("", initial=True)
        with caplog.at_level(logging.WARNING), pytest.raises(ApiError) as caught:
            await first(events, 999)
        assert "did not come to its end" in str(caught.value)
        assert caught.value.status
        assert "the streaming list of *v1.Service has not ended" in caplog.text


async def test_a_watch_that_is_left_closes_its_connection() -> None:
    async with serving() as served:
        served.create("web")
        events = served.connection.list_watch(SERVICES).watch("1")
        await first(events, 1)
        assert len(served.server.streams) == 1
        await events.aclose()  # type: ignore[attr-defined]
        await until(lambda: not served.server.streams)
