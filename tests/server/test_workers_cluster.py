"""*multisocket* beside an API server, which every process watches."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sim.api.faults import Rule
from sim.api.http import ApiServer
from sim.api.server import ClusterApi
from tests import process
from tests.crowd import SIZE, Crowd, crowd, listening_port, lives, stopped, worker

pytestmark = pytest.mark.slow

COREFILE = """\
.:{port} {{
    bind 127.0.0.1
    multisocket {processes}
    ready 127.0.0.1:{ready}
    kubernetes cluster.local {{
        kubeconfig {kubeconfig} sim
        startup_timeout 100ms
    }}
{more}
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


@dataclass
class Served:
    """A minidns and its clients."""

    path: Path
    kubeconfig: Path
    port: int = field(default_factory=listening_port)
    ready: int = field(default_factory=listening_port)

    def write(self, processes: int = 2, more: str = "") -> None:
        """Write the Corefile."""
        text = COREFILE.format(
            port=self.port, kubeconfig=self.kubeconfig, ready=self.ready, processes=processes, more=more
        )
        self.path.write_text(text)


@asynccontextmanager
async def server(
    api: ApiServer, folder: Path, processes: int = 2
) -> AsyncIterator[tuple[process.Running, Crowd, Served]]:
    """Start a minidns; yield it, its clients and its Corefile."""
    served = Served(folder / "Corefile", folder / "kubeconfig")
    api.kubeconfig(served.kubeconfig)
    served.write(processes)
    args = ("-conf", str(served.path), "-explain", "off")
    async with process.minidns(*args) as running:
        await running.said("python3")
        with crowd(served.port) as clients:
            yield running, clients, served


@pytest.fixture
def cluster() -> ClusterApi:
    """Give a cluster with a namespace and a Service."""
    made = ClusterApi()
    made.create(namespace())
    made.create(service(FIRST))
    return made


async def test_every_process_sees_changes(cluster: ClusterApi, tmp_path: Path) -> None:
    async with ApiServer(cluster) as api, server(api, tmp_path) as (running, clients, _):
        pid = await worker(running)
        assert await clients.told(NAME) == {FIRST: SIZE}
        cluster.delete("Service", "prod", "web")
        await clients.all_told(NAME, "NXDOMAIN")
        cluster.create(service(SECOND))
        await clients.all_told(NAME, SECOND)
        async with stopped(pid):  # and some of those were the worker's answers
            clients.ask(NAME)
            assert 0 < len(await clients.answers(0.25)) < SIZE
        assert len(api.requests.of("watch", "services")) == 2


async def test_a_worker_answers_nothing_before_it_has_seen_the_cluster(cluster: ClusterApi, tmp_path: Path) -> None:
    async with ApiServer(cluster) as api, server(api, tmp_path, processes=1) as (running, clients, served):
        await clients.all_told(NAME, FIRST)
        api.faults.rules.append(Rule(resource="services", status=503))
        served.write(processes=2)
        running.signal(signal.SIGUSR1)
        await running.said("unsynced Kubernetes API")  # the worker's own words
        for _ in range(10):
            assert await clients.told(NAME) == {FIRST: SIZE}
        assert await process.http(served.ready, "/ready") == (503, "multisocket")
        assert not any("Worker 1 answers" in line for line in running.lines)
        api.faults.rules.clear()
        await worker(running)
        assert await clients.told(NAME) == {FIRST: SIZE}
        await process.until_answering(served.ready, "/ready")


async def test_a_worker_that_dies_while_the_api_server_is_down(cluster: ClusterApi, tmp_path: Path) -> None:
    async with ApiServer(cluster) as api, server(api, tmp_path) as (running, clients, served):
        pid = await worker(running)
        await process.until_answering(served.ready, "/ready")
        await api.down()
        os.kill(pid, signal.SIGKILL)
        await running.said("unsynced Kubernetes API")
        assert await clients.told(NAME) == {FIRST: SIZE}
        # the others answer its share, so clients need not go elsewhere
        assert await process.http(served.ready, "/ready") == (200, "OK")
        await api.up()
        await worker(running, nth=2)
        assert await clients.told(NAME) == {FIRST: SIZE}


async def test_every_process_keeps_its_view_across_a_reload(cluster: ClusterApi, tmp_path: Path) -> None:
    async with ApiServer(cluster) as api, server(api, tmp_path) as (running, clients, served):
        pid = await worker(running)
        await api.down()
        served.write(more="hosts {\n192.0.2.9 new.example.org\nfallthrough\n}")
        running.signal(signal.SIGUSR1)
        await clients.all_told("new.example.org.", "192.0.2.9")
        assert await clients.told(NAME) == {FIRST: SIZE}
        assert lives(pid)
