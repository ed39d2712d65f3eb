import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from minidns.corefile import blocks
from minidns.corefile.releases import Release
from minidns.server.instance import Listener
from minidns.server.workers.metrics_delta import Growth
from minidns.server.workers.protocol import (
    Counted,
    Failed,
    FromWorker,
    Link,
    Reply,
    Request,
    Serving,
    Share,
    Stop,
    ToWorker,
    Work,
    to_main,
    to_worker,
)
from tests.corefiles import ENVIRON, MOUNT, Case, cases


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link[FromWorker], Link[ToWorker]]]:
    ours, theirs = socket.socketpair()
    links = await to_worker(ours), await to_main(theirs)
    try:
        yield links
    finally:
        for link in links:
            link.close()
        await asyncio.sleep(0)


WORDS = (
    Serving(),
    Counted(()),
    Counted(
        (
            Growth("counter", "a_total", "A.", ("zone",), (), (((".",), (2.0,)),)),
            Growth("histogram", "b", "B.", (), (1.0,), (((), (1.0, 0.0, 0.5)),)),
        )
    ),
    Request(7, b"\x00what"),
    Failed("plugin/forward: no such file"),
)


@pytest.mark.parametrize("message", WORDS, ids=lambda each: type(each).__name__)
async def test_what_a_worker_says_arrives(message: FromWorker) -> None:
    async with linked() as (main, worker):
        await worker.send(message)
        assert await main.receive() == message


@pytest.mark.parametrize("case", cases("real"), ids=lambda case: case.name)
async def test_every_corefile_arrives_as_it_was_read(case: Case) -> None:
    parsed = blocks.parse(case.text, files=case.files, environ=ENVIRON, directory=MOUNT)
    work = Work(
        parsed, (Share(Listener("tls", "::1", 853), (4, 5)),), "json", Release(1, 13, 1)
    )
    async with linked() as (main, worker):
        await main.send(work)
        assert await worker.receive() == work


async def test_messages_come_in_order_and_of_any_size() -> None:
    async with linked() as (main, worker):
        sent = [Reply(n, bytes(n * 10_000)) for n in range(30)]

        async def send() -> None:
            for message in sent:
                await main.send(message)
            await main.send(Stop())

        sending = asyncio.create_task(send())
        for message in sent:
            assert await worker.receive() == message
        assert await worker.receive() == Stop()
        await sending


async def test_who_does_not_read_holds_up_who_sends() -> None:
    async with linked() as (main, worker):
        sending = asyncio.create_task(main.send(Reply(1, bytes(4 << 20))))
        await asyncio.sleep(0.01)
        assert not sending.done()
        assert await worker.receive() == Reply(1, bytes(4 << 20))
        await sending


async def test_the_end_of_one_end_is_seen_at_the_other() -> None:
    async with linked() as (main, worker):
        worker.close()
        with pytest.raises(EOFError):
            await main.receive()
