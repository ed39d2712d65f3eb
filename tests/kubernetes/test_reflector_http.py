"""Reflector, HTTP and simulated API server: after a fault all is as it should be."""

import asyncio
import json
from typing import Any

import pytest

from minidns.kubernetes.list_watch import Deadlines
from minidns.kubernetes.resources import SERVICES
from tests.kubernetes.served import Kept, Served, following, serving, until
from tests.table import table

FAULTS: dict[str, list[Any]] = {
    "F1-watch-ends": ["close"],
    "F2-reset": ["reset"],
    "F5-410-after-compaction": ["reset", "compact"],
    "F10-replayed": ["replay"],
    "F17-error-without-reason": [{"do": "error", "status": 500, "reason": ""}],
    "F28-down-and-up": ["down", "up"],
    "F29-killed-and-up": ["kill", "up"],
    "F34-cut": ["cut"],
    "F37-unknown-type": [{"do": "send", "lines": ['{"type":"PING","object":{}}']}],
    "F36-nonsense": [{"do": "send", "lines": ['{"type":"ADDED","object":5}']}],
}


def truth(served: Served) -> set[str]:
    found = served.cluster.list("Service", "default")
    return {obj["metadata"]["name"] for obj in found}


@table("actions", FAULTS.values(), ids=FAULTS.keys())
async def test_after_the_fault_everything_is_as_the_server_has_it(actions: list[Any]) -> None:
    kept = Kept()
    async with serving() as served:
        for n in range(120):
            served.create(f"old{n:03}")
        async with following(served, kept):
            await until(lambda: kept.names == truth(served))
            for number, action in enumerate(actions):
                how = {"do": action} if isinstance(action, str) else action
                await served.act(**how)
                served.create(f"new-{number}")
                served.delete(f"old{number:03}")
            for n in range(100, 120):
                served.delete(f"old{n:03}")
            await until(lambda: kept.names == truth(served))


@pytest.mark.slow
async def test_f1_no_list_in_twenty_ends() -> None:
    kept = Kept()
    async with serving() as served, following(served, kept) as reflector:
        await until(lambda: reflector.synced)
        served.server.faults.watch_max_s = 0.01
        served.server.faults.bookmark_s = 0.001
        for n in range(20):
            served.create(f"s{n}")
            await served.act("close")
            await until(lambda n=n: f"s{n}" in kept.names)  # type: ignore[misc]
        assert reflector.lists == 1
        await until(lambda: kept.names == truth(served))


@pytest.mark.slow
async def test_f23_a_restored_backup_is_found() -> None:
    kept = Kept()
    async with serving(deadlines=Deadlines(silence_s=(1.1, 1.1))) as served:
        served.create("before")
        await served.act("snapshot")
        for n in range(20):
            served.create(f"lost{n}")
        async with following(served, kept):
            await until(lambda: kept.names == truth(served))
            await served.act("restore")
            await until(lambda: kept.names == truth(served))
            assert "lost1" not in kept.names


@pytest.mark.slow
async def test_f39_a_list_of_ten_thousand_lets_the_loop_run() -> None:
    kept = Kept()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    items = [{"metadata": {"name": f"s{n}", "namespace": "default"}, "spec": {}} for n in range(10_000)]
    body = {"kind": "ServiceList", "metadata": {"resourceVersion": "9"}, "items": items}
    async with serving() as served:
        served.spoil(verb="list", body=json.dumps(body))
        list_watch = served.connection.list_watch(SERVICES)
        counter = asyncio.create_task(count_turns())
        await list_watch.page("", None)
        counted, turns = turns, 0
        async with following(served, kept) as reflector:
            await until(lambda: reflector.synced)
        counter.cancel()
        assert len(kept.objects) == 10_000
        assert counted >= 100  # while decoding
        assert turns >= 200  # and while applying
