"""The whole story: beside CoreDNS, asked by chosen pods, and away without a trace.

The commands are processes, so are the DNS servers; the look-ups are real queries.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sim.api.objects import Json, condition, dig
from sim.cluster.simulation import Simulation, changed, started
from sim.controllers.cluster import Cluster
from sim.node import commands
from tests.process import run
from tests.second_dns.world import lasting, workload
from tests.sim.builders import namespace

pytestmark = pytest.mark.slow

SECOND = "10.96.0.20"
SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
}
WITHIN_S = 30.0


@asynccontextmanager
async def seed(tmp_path: Path) -> AsyncIterator[Simulation]:
    """Run a cluster with one DNS, and an app that uses it."""
    async with started(tmp_path) as simulation:
        cluster = simulation.cluster
        cluster.delete("Deployment", "kube-system", "coredns-2")
        cluster.delete("Service", "kube-system", "kube-dns-2")
        cluster.delete("Pod", "default", "dnsutils")
        cluster.create(namespace("shop"))
        cluster.create(workload(replicas=3))
        cluster.create(SERVICE)
        await simulation.ready()
        yield simulation


async def minidns(simulation: Simulation, *words: str) -> tuple[str, str]:
    """Run a command to its good end; return what it says."""
    status, out, err = await run(*words, "--kubeconfig", str(simulation.kubeconfig))
    assert status == 0, err
    return out, err


async def asked(simulation: Simulation, pod: Json) -> set[str]:
    """Look a name up in a pod; return the addresses of the pods that were asked."""
    meta = pod["metadata"]
    container = simulation.container(meta["namespace"], meta["name"])
    output = await commands.run(container, ["getent", "ahosts", "kubernetes.default"])
    assert output.text.startswith("10.96.0.1 "), output
    assert output.queries
    endpoints = {query.path.endpoint for query in output.queries}
    return {endpoint[0] for endpoint in endpoints if endpoint}


def web(cluster: Cluster) -> list[Json]:
    return cluster.list("Pod", "shop", "app=web")


def servers(cluster: Cluster, app: str) -> set[str]:
    pods = cluster.list("Pod", "kube-system", f"k8s-app={app}")
    return {dig(pod, "status.podIP") for pod in pods}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("words", "count"),
    [
        pytest.param(("--all",), 3, id="all-in-place", marks=pytest.mark.survive),
        pytest.param(("--replicas", "2"), 2, id="two-beside"),
        pytest.param(("--replicas", "1", "of", "3"), 1, id="one-of-three", marks=pytest.mark.survive),
    ],
)
async def test_clone_enrol_look_up_unenrol_delete(words: tuple[str, ...], count: int, tmp_path: Path) -> None:
    async with seed(tmp_path) as simulation:
        cluster = simulation.cluster
        before = lasting(cluster)
        await minidns(simulation, "clone", "--image", "minidns", "--apply", "--yes")
        assert dig(cluster.get("Service", "kube-system", "kube-dns-2"), "spec.clusterIP") == SECOND  # fmt: skip
        second = servers(cluster, "kube-dns-2")
        assert second

        await minidns(simulation, "enrol", "deploy/web", "-n", "shop", *words, "--yes")
        enrolled = [p for p in web(cluster) if dig(p, "spec.dnsPolicy") == "None"]
        assert len(enrolled) == count
        (endpoints,) = cluster.list("EndpointSlice", "shop")
        assert len(endpoints["endpoints"]) == len(web(cluster)), "the twin's pods serve, too"
        for pod in web(cluster):
            expected = second if pod in enrolled else servers(cluster, "kube-dns")
            assert await asked(simulation, pod) <= expected
        out, _ = await minidns(simulation, "status")
        assert re.search(rf"^shop .* {count} +kube-system/kube-dns-2 ", out, re.MULTILINE)

        await minidns(simulation, "unenrol", "deploy/web", "-n", "shop", "--yes")
        for pod in web(cluster):
            assert await asked(simulation, pod) <= servers(cluster, "kube-dns")
        await minidns(simulation, "clone", "--delete", "--yes")
        assert lasting(cluster) == before


async def test_pods_of_the_clone_are_not_asked_before_they_are_in_sync(tmp_path: Path) -> None:
    async with seed(tmp_path) as simulation:
        cluster = simulation.cluster
        states: list[bool] = []

        def look(change: object) -> None:
            pods = cluster.list("Pod", "kube-system", "k8s-app=kube-dns-2")
            states.extend(condition(pod, "Ready") == "True" for pod in pods)

        end = cluster.subscribe(look)
        words = ("clone", "--image", "minidns", "--apply", "--yes", "--timeout", "0")
        await minidns(simulation, *words)
        await changed(cluster, lambda: bool(states) and states[-1], WITHIN_S)
        end()
        assert False in states
