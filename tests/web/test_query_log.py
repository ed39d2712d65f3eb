"""The list of queries of a real cluster: lines of logs, and pods that come and go."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import ApiError
from minidns.web import query_log
from minidns.web.query_log import Place, QueryLog, row
from minidns.web.source import Events
from tests.table import table

PLACES = {"10.244.0.9": Place("shop/cart", "node-1"), "fd00::9": Place("shop/six", "node-2")}
BY = "kube-system/coredns-1"
LINE = (
    '[INFO] 10.244.0.9:38132 - 4321 "A IN web.shop.svc.cluster.local. udp 44 false 512" NOERROR qr,aa,rd 106 0.000123s'
)


@table(
    ("line", "fields"),
    [
        (LINE, {"pod": "shop/cart", "node": "node-1", "name": "web.shop.svc.cluster.local.", "type": "A", "ms": "0.1"}),
        (LINE.replace("10.244.0.9", "[fd00::9]"), {"pod": "shop/six", "node": "node-2"}),
        (LINE.replace("10.244.0.9", "192.0.2.1"), {"pod": "192.0.2.1", "node": ""}),
        (LINE.replace("NOERROR qr,aa,rd", "SERVFAIL qr"), {"result": "SERVFAIL"}),
        (LINE.replace("udp", "tcp"), {"by": BY}),
        (LINE.replace("[INFO] ", "2026-12-01T13:00:00.5Z "), {"result": "NOERROR"}),  # of a formatter around it
        (LINE + ' "QUERY"', {"result": "NOERROR"}),  # the format combined
    ],
)
def test_a_line_of_the_log_is_a_query(line: str, fields: dict[str, str]) -> None:
    found = row(line, BY, PLACES, 0.25)
    assert found is not None
    assert {**found, **fields} == found
    assert found["at"].endswith(".250")


@table("line", ["", "[INFO] Reloading", LINE.replace('"', ""), "x" * 10_000, LINE[:-10]])
def test_other_lines_are_none(line: str) -> None:
    assert row(line, BY, PLACES, 0.0) is None


class Api(Documents):
    """The API server: two DNS pods with logs that a test writes."""

    def __init__(self) -> None:
        self.pods = ["coredns-1", "coredns-2"]
        self.logs: dict[str, asyncio.Queue[str | ApiError]] = {}

    async def list_objects(self, path: str, *, labels: str = "") -> list[dict[str, Any]]:
        if not labels:
            meta = {"namespace": "shop", "name": "cart"}
            return [{"metadata": meta, "spec": {"nodeName": "node-1"}, "status": {"podIP": "10.244.0.9"}}]
        return [{"metadata": {"namespace": "kube-system", "name": name}} for name in self.pods]

    async def lines(self, path: str) -> AsyncIterator[str]:
        name = path.split("/")[-2]
        self.logs[name] = asyncio.Queue()
        while True:
            line = await self.logs[name].get()
            if isinstance(line, ApiError):
                raise line
            yield line


class Page:
    """A page that is open: it keeps the events that it receives."""

    def __init__(self, events: Events) -> None:
        self.received: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        events.subscribers.append(lambda name, value: self.received.put_nowait((name, value)))

    async def next(self, wanted: str) -> Any:
        while True:
            name, value = await asyncio.wait_for(self.received.get(), 30)
            if name == wanted:
                return value


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(query_log, "FLUSH_S", 0.001)
    monkeypatch.setattr(query_log, "REFRESH_S", 0.001)
    return Api()


async def test_the_queries_of_all_dns_pods_reach_the_page(api: Api) -> None:
    events = Events()
    log = QueryLog(api, events, lambda: 0.0)
    async with log.running():
        page = Page(events)
        assert "2 DNS pods" in await page.next("source")
        for name in api.pods:
            api.logs[name].put_nowait(LINE)
            (found,) = await page.next("queries")
            assert (found["pod"], found["by"]) == ("shop/cart", f"kube-system/{name}")
        assert len(log.state()["queries"]) == 2


async def test_a_log_that_breaks_off_is_named_and_followed_again(api: Api) -> None:
    events = Events()
    log = QueryLog(api, events, lambda: 0.0)
    async with log.running():
        page = Page(events)
        await page.next("source")
        before = api.logs["coredns-1"]
        before.put_nowait(ApiError("pods/log is forbidden"))
        assert "forbidden" in await page.next("source")
        while api.logs["coredns-1"] is before:
            await asyncio.sleep(0)
        api.logs["coredns-1"].put_nowait(LINE)
        assert await page.next("queries")


async def test_without_a_page_nothing_is_read(api: Api) -> None:
    async with QueryLog(api, Events(), lambda: 0.0).running():
        for _ in range(20):
            await asyncio.sleep(0.001)
    assert not api.logs


async def test_a_cluster_without_such_pods_is_said(api: Api) -> None:
    api.pods = []
    events = Events()
    async with QueryLog(api, events, lambda: 0.0).running():
        assert "k8s-app" in await Page(events).next("source")
