"""*multisocket* beside an API server: one process watches it, and all know."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sim.api.http import ApiServer
from sim.api.server import ClusterApi
from tests import process
from tests.crowd import (
    SIZE,
    Crowd,
    crowd,
    listening_port,
    lives,
    stopped,
    until,
    worker,
)

COREFILE = """\
.:{port} {{
    bind 127.0.0.1
    multisocket 2
    kubernetes cluster.local {{
        kubeconfig {kubeconfig} sim
    }}
}}
"""
NAME = "web.prod.svc.cluster.local."
FIRST, SECOND = "10.96.0.7", "10.96.0.8"


def service(address: str, name: str = "web") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "prod"},
        "spec": {"clusterIP": address, "ports": [{"port": 80}]},
    }


def namespace() -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}}


@asynccontextmanager
async def server(
    api: ApiServer, folder: Path
) -> AsyncIterator[tuple[process.Running, Crowd]]:
    """Start a minidns of two processes; yield it and its clients."""
    port = listening_port()
    kubeconfig = folder / "kubeconfig"
    api.kubeconfig(kubeconfig)
    path = folder / "Corefile"
    path.write_text(COREFILE.format(port=port, kubeconfig=kubeconfig))
    args = ("-conf", str(path), "-explain", "off")
    async with process.minidns(*args) as running:
        with crowd(port) as clients:
            yield running, clients


async def test_a_change_is_seen_by_all_and_the_api_server_by_one(
    tmp_path: Path,
) -> None:
    cluster = ClusterApi()
    cluster.create(namespace())
    async with (
        ApiServer(cluster) as api,
        server(api, tmp_path) as (running, clients),
    ):
        pid = await worker(running)
        assert await clients.told(NAME) == {"NXDOMAIN": SIZE}
        cluster.create(service(FIRST))
        await clients.all_told(NAME, FIRST)
        cluster.delete("Service", "prod", "web")
        await clients.all_told(NAME, "NXDOMAIN")
        cluster.create(service(SECOND))
        await clients.all_told(NAME, SECOND)
        async with stopped(pid):  # and half of those were the worker's answers
            clients.ask(NAME)
            assert 0 < len(await clients.answers(0.25)) < SIZE
        assert len(api.requests.of("watch", "services")) == 1
        assert len(api.requests.of("list", "services")) == 1


async def test_a_slow_worker_catches_up(tmp_path: Path) -> None:
    cluster = ClusterApi()
    cluster.create(namespace())
    async with (
        ApiServer(cluster) as api,
        server(api, tmp_path) as (running, clients),
    ):
        pid = await worker(running)
        async with stopped(pid):
            for number in range(500):
                address = f"10.96.{1 + number // 250}.{1 + number % 250}"
                cluster.create(service(address, f"s{number}"))
            cluster.create(service(SECOND))
            async with asyncio.timeout(process.DEADLINE_S):
                while True:
                    clients.ask(NAME)
                    replies = await clients.answers(0.25)
                    if all(reply.answer for reply in replies):
                        break
        await clients.all_told(NAME, SECOND)
        await clients.all_told("s499.prod.svc.cluster.local.", "10.96.2.250")
        assert lives(pid)


async def test_a_new_worker_needs_no_api_server(tmp_path: Path) -> None:
    cluster = ClusterApi()
    cluster.create(namespace())
    cluster.create(service(FIRST))
    async with (
        ApiServer(cluster) as api,
        server(api, tmp_path) as (running, clients),
    ):
        pid = await worker(running)
        await api.down()
        os.kill(pid, signal.SIGKILL)
        successor = await worker(running, nth=2)
        async with stopped(successor):
            clients.ask(NAME)
            assert 0 < len(await clients.answers(0.25)) < SIZE
        await clients.answers()
        assert await clients.told(NAME) == {FIRST: SIZE}
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
        await until(lambda: not lives(successor))


async def test_a_reload_lists_once_and_old_workers_know_of_changes_to_the_end(
    tmp_path: Path,
) -> None:
    cluster = ClusterApi()
    cluster.create(namespace())
    async with (
        ApiServer(cluster) as api,
        server(api, tmp_path) as (running, clients),
    ):
        old = await worker(running)
        async with stopped(old):  # so that it cannot end
            running.signal(signal.SIGUSR1)
            await running.said("Reloading complete")
            await worker(running, nth=2)
            cluster.create(service(FIRST))
        await clients.all_told(NAME, FIRST)
        await until(lambda: not lives(old))
        assert await clients.told(NAME) == {FIRST: SIZE}
        assert len(api.requests.of("list", "services")) == 2
