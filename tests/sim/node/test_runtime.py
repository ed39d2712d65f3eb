import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sim.api.objects import condition
from sim.cluster.simulation import Simulation, changed, started
from sim.controllers.cluster import Cluster
from sim.node.runtime import Running, corefile_of
from tests.sim.command import is_running

pytestmark = pytest.mark.slow

SECOND = ("kube-system", "kube-dns-2")
WITHIN_S = 60.0


@asynccontextmanager
async def ready(tmp_path: Path) -> AsyncIterator[Simulation]:
    async with started(tmp_path) as simulation:
        await simulation.ready()
        yield simulation


def server(simulation: Simulation) -> Running:
    (running,) = simulation.servers(SECOND)
    return running


def is_ready(simulation: Simulation, running: Running) -> bool:
    pod = simulation.cluster.find("Pod", *running.pod)
    return pod is not None and condition(pod, "Ready") == "True"


async def test_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    async with ready(tmp_path) as simulation:
        first = server(simulation)
        os.kill(first.pid, signal.SIGKILL)
        cluster = simulation.cluster
        await changed(cluster, lambda: not is_ready(simulation, first), WITHIN_S)
        await changed(cluster, lambda: is_ready(simulation, first), WITHIN_S)
        second = server(simulation)
        assert second.pod == first.pod
        assert second.pid != first.pid


async def test_process_that_hangs_is_not_ready_until_it_goes_on(tmp_path: Path) -> None:
    async with ready(tmp_path) as simulation:
        running = server(simulation)
        os.kill(running.pid, signal.SIGSTOP)
        cluster = simulation.cluster
        try:
            await changed(cluster, lambda: not is_ready(simulation, running), WITHIN_S)
        finally:
            os.kill(running.pid, signal.SIGCONT)
        await changed(cluster, lambda: is_ready(simulation, running), WITHIN_S)
        assert server(simulation).pid == running.pid


async def test_process_comes_and_goes_with_its_pod(tmp_path: Path) -> None:
    async with ready(tmp_path) as simulation:
        cluster, first = simulation.cluster, server(simulation)
        scale = {"spec": {"replicas": 2}}
        cluster.patch("Deployment", "kube-system", "coredns-2", scale)
        await simulation.ready()
        assert len(simulation.servers(SECOND)) == 2
        pids = {each.pid for each in simulation.servers(SECOND)}
        scale = {"spec": {"replicas": 0}}
        cluster.patch("Deployment", "kube-system", "coredns-2", scale)
        async with asyncio.timeout(WITHIN_S):
            while any(map(is_running, pids)):
                await asyncio.sleep(0.01)
            while ((first.address, 53), "UDP") in simulation.plane.real:
                await asyncio.sleep(0.01)
        assert simulation.servers(SECOND) == []
        others = {each.pid for each in simulation.runtime.running.values()}
        assert all(map(is_running, others))
    assert not any(map(is_running, others))


async def test_hung_process_is_killed_in_the_end(tmp_path: Path) -> None:
    async with ready(tmp_path) as simulation:
        simulation.runtime.stop_s = 0.2
        pid = server(simulation).pid
        os.kill(pid, signal.SIGSTOP)
    assert not is_running(pid)


async def test_changed_config_map_is_written_again(tmp_path: Path) -> None:
    async with started(tmp_path) as simulation:
        await simulation.ready()
        file = simulation.runtime.folder(server(simulation).pod) / "Corefile"
        change = {"data": {"Corefile": ".:53 {\n    whoami\n}\n"}}
        simulation.cluster.patch("ConfigMap", "kube-system", "coredns", change)
        running = server(simulation)
        assert running.corefile == ".:53 {\n    whoami\n}\n"
        port = running.place.ports.dns
        assert file.read_text() == f".:{port} {{\n    bind 127.0.0.1\n    whoami\n}}\n"
        gone = {"data": {"Corefile": None}}
        simulation.cluster.patch("ConfigMap", "kube-system", "coredns", gone)
        assert "whoami" in file.read_text()


def test_corefile_is_that_of_the_pods_own_config_map() -> None:
    cluster = Cluster()
    pod = {
        "metadata": {"namespace": "default", "name": "p"},
        "spec": {"volumes": [{"name": "x"}, {"configMap": {"name": "mine"}}]},
    }
    with pytest.raises(LookupError, match="pod p mounts no ConfigMap"):
        corefile_of(cluster, pod)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}}
    cluster.create({**config, "data": {"Corefile": ".:53 {\n}\n"}})
    assert corefile_of(cluster, pod) == ".:53 {\n}\n"


async def test_an_image_of_coredns_runs_as_a_process(tmp_path: Path) -> None:
    async with ready(tmp_path) as simulation:
        before = server(simulation)
        image = {"name": "coredns", "image": "registry.example.org/coredns/coredns:v1.11.3"}
        patch = {"spec": {"template": {"spec": {"containers": [image]}}}}
        simulation.cluster.patch("Deployment", "kube-system", "coredns-2", patch)

        def is_replaced() -> bool:
            now = [running for running in simulation.servers(SECOND) if running.pod != before.pod]
            return any(is_ready(simulation, running) for running in now)

        await changed(simulation.cluster, is_replaced, WITHIN_S)
