"""A worker process alone: its life as the main process sees it."""

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from minidns.corefile import blocks
from minidns.kubernetes.relay import Relay
from minidns.metrics.registry import Metrics
from minidns.server.instance import Listener
from minidns.server.workers.process import WorkProcess
from minidns.server.workers.protocol import Share, Work
from tests.crowd import lives
from tests.process import DEADLINE_S
from tests.server import client
from tests.world import FilesInMemory

TEXT = ".:{port} {{\n bind 127.0.0.1\n{more}\n}}\n"
ANSWERS = 'template IN A {\n answer "{{ .Name }} 60 IN A 192.0.2.7"\n}'


async def start(
    sock: socket.socket,
    more: str = ANSWERS,
    metrics: Metrics | None = None,
    **kw: float,
) -> WorkProcess:
    port = sock.getsockname()[1]
    parsed = blocks.parse(
        TEXT.format(port=port, more=more), files=FilesInMemory(), environ={}
    )
    share = Share(Listener("dns", "127.0.0.1", port), (sock.fileno(),))
    desk = Relay(asyncio.get_running_loop().time).desk()
    return await WorkProcess.start(
        Work(parsed, (share,)), desk, metrics or Metrics(), **kw
    )


@pytest.fixture
def sock() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    return made


async def over(worker: WorkProcess) -> str:
    async with asyncio.timeout(DEADLINE_S):
        await worker.ended.wait()
    assert not lives(worker.pid)
    return worker.why


async def test_it_answers_until_told_to_stop(sock: socket.socket) -> None:
    metrics = Metrics()
    with sock:
        worker = await start(sock, "prometheus\n" + ANSWERS, metrics)
        assert metrics.workers == {worker.pid}
        async with asyncio.timeout(DEADLINE_S):
            await worker.serving.wait()
        port = sock.getsockname()[1]
        assert (await client.ask(port, "a.example.org.")).answer
        await worker.stop()
        assert await over(worker) == "status 0"
    assert metrics.workers == set()
    labels = {"server": f"dns://127.0.0.1:{port}", "zone": ".", "proto": "udp"}
    labels |= {"family": "1", "type": "A"}
    assert metrics.value("coredns_dns_requests_total", labels) == 1  # its last word


async def test_one_that_is_killed(sock: socket.socket) -> None:
    with sock:
        worker = await start(sock)
        await worker.serving.wait()
        os.kill(worker.pid, signal.SIGKILL)
        assert await over(worker) == "SIGKILL"


async def test_one_that_says_nothing_is_killed(sock: socket.socket) -> None:
    with sock:
        worker = await start(sock)
        await worker.serving.wait()
        os.kill(worker.pid, signal.SIGSTOP)
        assert await over(worker) == "it said nothing for 2 s"


async def test_one_that_is_alive_is_not_killed_after_the_main_process_was_late(
    sock: socket.socket,
) -> None:
    with sock:
        worker = await start(sock, silence_s=0.6)
        await worker.serving.wait()
        for _ in range(3):
            time.sleep(1.2)  # noqa: ASYNC251  # the loop hangs: that is the point
            await asyncio.sleep(0.1)
        assert not worker.ended.is_set()
        await worker.stop()


async def test_one_that_cannot_do_its_work_says_why(
    sock: socket.socket, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with sock:
        worker = await start(sock, f"forward . {tmp_path}/resolv.conf")
        why = await over(worker)
    assert why.startswith("plugin/forward: ")
    assert f"{tmp_path}/resolv.conf" in why
    assert not worker.serving.is_set()
    assert capfd.readouterr() == ("", "")  # which is for the main process to tell


async def test_one_that_is_told_to_stop_before_it_answers(sock: socket.socket) -> None:
    kubernetes = "kubernetes cluster.local {\n endpoint http://127.0.0.1:1\n}"
    with sock:
        worker = await start(sock, kubernetes)  # nobody tells it what there is
        await asyncio.wait_for(worker.stop(), DEADLINE_S)
        assert await over(worker) == "status 0"
        assert not worker.serving.is_set()
