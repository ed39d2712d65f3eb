import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from minidns.corefile import blocks
from minidns.corefile.releases import Release
from minidns.metrics.registry import Metrics
from minidns.server.instance import Listener
from minidns.server.workers.metrics_delta import Delta
from minidns.server.workers.process import WorkerProcess
from minidns.server.workers.protocol import Channel, Load, Report
from tests.corefiles import ENVIRON, MOUNT, Case, cases
from tests.table import table


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Channel[Report], Channel[Load]]]:
    ours, theirs = socket.socketpair()
    ends = await Channel.connect(ours, Report), await Channel.connect(theirs, Load)
    try:
        yield ends
    finally:
        for end in ends:
            end.close()
        await asyncio.sleep(0)


DELTAS = (
    Delta("counter", "a_total", "A.", ("zone",), (), (((".",), (2.0,)),)),
    Delta("histogram", "b", "B.", (), (1.0,), (((), (1.0, 0.0, 0.5)),)),
)
REPORTS = (Report(False, False, ()), Report(True, True, DELTAS))


@pytest.mark.parametrize("report", REPORTS, ids=repr)
async def test_reports_of_a_worker_arrive(report: Report) -> None:
    async with connected() as (main, worker):
        worker.send(report)
        assert await main.receive() == report


@table("case", cases("real"), ids=lambda case: case.name)
async def test_every_corefile_arrives_as_it_was_read(case: Case) -> None:
    parsed = blocks.parse(case.text, files=case.files, environ=ENVIRON, directory=MOUNT)
    listeners = ((Listener("tls", "::1", 853), 853),)
    load = Load(parsed, listeners, Release(1, 13, 1), "json")
    async with connected() as (main, worker):
        main.send(load)
        assert await worker.receive() == load


async def test_messages_arrive_in_order_and_of_any_size() -> None:
    async with connected() as (main, worker):
        sent = [Report(True, True, (Delta("counter", "x" * (n * 10_000), "", (), (), ()),)) for n in range(30)]
        for report in sent:
            worker.send(report)
        for report in sent:
            assert await main.receive() == report


async def test_one_end_may_end_before_the_other() -> None:
    async with connected() as (main, worker):
        main.end()
        with pytest.raises(EOFError):
            await worker.receive()
        worker.send(REPORTS[0])
        assert await main.receive() == REPORTS[0]


async def test_the_other_end_sees_that_one_closes() -> None:
    async with connected() as (main, worker):
        worker.close()
        with pytest.raises(EOFError):
            await main.receive()


async def test_a_worker_with_unusable_reports_is_ended_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    metrics = Metrics()
    metrics.counter("x_total", "Another kind of metric.")
    ours, theirs = socket.socketpair()
    channel = await Channel.connect(ours, Report)
    worker = WorkerProcess(process, channel, metrics)
    child = await Channel.connect(theirs, Load)
    child.send(Report(True, True, (Delta("gauge", "x_total", "X.", ("a",), (), (((".",), (2.0,)),)),)))
    async with asyncio.timeout(10):
        await worker.life
    child.close()
    assert process.returncode == -signal.SIGKILL
    assert (worker.is_serving, worker.is_ready) == (False, False)
    assert worker.pid not in metrics.workers
    assert [record.exc_info is not None for record in caplog.records] == [True]
