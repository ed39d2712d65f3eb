import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from minidns.corefile import blocks
from minidns.corefile.releases import Release
from minidns.server.instance import Listener
from minidns.server.workers.metrics_delta import Delta
from minidns.server.workers.protocol import (
    Channel,
    Collect,
    Failed,
    FromWorker,
    Load,
    Report,
    Stop,
    ToWorker,
    to_main,
    to_worker,
)
from tests.corefiles import ENVIRON, MOUNT, Case, cases


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Channel[FromWorker], Channel[ToWorker]]]:
    ours, theirs = socket.socketpair()
    ends = await to_worker(ours), await to_main(theirs)
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
FROM_WORKER = (
    Report(0, False, False, ()),
    Report(7, True, True, DELTAS),
    Failed("plugin/forward: no such file"),
)


@pytest.mark.parametrize("message", FROM_WORKER, ids=repr)
async def test_messages_of_a_worker_arrive(message: FromWorker) -> None:
    async with connected() as (main, worker):
        worker.send(message)
        assert await main.receive() == message


@pytest.mark.parametrize("case", cases("real"), ids=lambda case: case.name)
async def test_every_corefile_arrives_as_it_was_read(case: Case) -> None:
    parsed = blocks.parse(case.text, files=case.files, environ=ENVIRON, directory=MOUNT)
    listeners = ((Listener("tls", "::1", 853), 853),)
    load = Load(parsed, listeners, Release(1, 13, 1), "json")
    async with connected() as (main, worker):
        main.send(load)
        assert await worker.receive() == load


async def test_messages_arrive_in_order_and_of_any_size() -> None:
    async with connected() as (main, worker):
        sent = [Failed("x" * (n * 10_000)) for n in range(30)]
        for message in sent:
            worker.send(message)
        for message in sent:
            assert await main.receive() == message
        main.send(Collect(3))
        main.send(Stop())
        assert [await worker.receive(), await worker.receive()] == [Collect(3), Stop()]


async def test_the_other_end_sees_that_one_closes() -> None:
    async with connected() as (main, worker):
        worker.close()
        with pytest.raises(EOFError):
            await main.receive()
