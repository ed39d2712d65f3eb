"""The relay of a simulated trial: what it reports, and what it leaves behind."""

import asyncio
from typing import cast

import pytest

from minidns.probe.relay import Passed, Relay
from sim.api.kubelet_paths import Streams
from sim.node.trial_pods import RelayPod

PASSED = Passed(1.0, ("10.244.0.5", 4711), "10.244.0.2", "udp", False, 7, 40)


async def refuse(data: bytes) -> None:
    raise ConnectionResetError


async def take(data: bytes) -> None:
    pass


@pytest.mark.parametrize(("send", "ends"), [(refuse, ConnectionResetError), (take, asyncio.CancelledError)])
async def test_no_task_is_left_of_a_report_that_nobody_reads(send: object, ends: type[BaseException]) -> None:
    before = asyncio.all_tasks()
    pod = RelayPod(53, cast(Relay, None), [])
    report = asyncio.ensure_future(pod.report(Streams(send)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    pod.listeners[0](PASSED)
    for _ in range(3):
        await asyncio.sleep(0)
    report.cancel()
    with pytest.raises(ends):
        await report
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert pod.listeners == []
