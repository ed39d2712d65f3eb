"""A rollout of kube-dns-2 under load, in the simulated cluster: nothing is lost.

Real minidns processes, real datagrams. kube-proxy hears of changes late, as it does, so
that what saves the queries is what is to save them: readiness before, the lame duck
after.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from minidns.dns import wire
from minidns.dns.model import RD, Question
from minidns.dns.reply import decode_reply
from sim.api.objects import Json, condition
from sim.cluster.simulation import Simulation, started
from sim.node.kube_proxy import Flow
from sim.node.kube_system import SECOND_DNS
from sim.node.network import DataPlane
from tests.sim.builders import until

PER_S = 200
LAG_S = 0.3
"""Seconds until kube-proxy has heard of a change."""
LAMEDUCK = "1s"
REPLY_S = 2.0
NAME = "kubernetes.default.svc.cluster.local."
SPACE, DEPLOYMENT = "kube-system", "coredns-2"


def late(simulation: Simulation) -> DataPlane:
    """Return a kube-proxy that learns of changes after a while."""
    plane = DataPlane(simulation.cluster, Random(1))
    plane.real = simulation.plane.real
    plane.faults.lag_s = LAG_S
    return plane


class Client:
    """Asks from a fresh port each time, once: what is lost stays lost."""

    def __init__(self, plane: DataPlane) -> None:
        self.plane = plane
        self.sent = 0
        self.lost: list[str] = []
        self.servers: set[str] = set()
        self._open: set[asyncio.Task[None]] = set()

    async def ask(self, ident: int) -> None:
        flow = Flow(("10.244.9.9", 20_000 + ident), (SECOND_DNS, 53))
        path = self.plane.route(flow)
        self.sent += 1
        if path.endpoint is None or path.real is None:
            self.lost.append(f"{ident}: nobody at {path.endpoint}")
            return
        self.servers.add(path.endpoint[0])
        query = wire.encode_query(Question(NAME, 1), ident, RD)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(path.real)
            loop = asyncio.get_running_loop()
            try:
                sock.send(query)
                async with asyncio.timeout(REPLY_S):
                    reply = decode_reply(await loop.sock_recv(sock, 4096))
            except (OSError, TimeoutError) as error:
                self.lost.append(f"{ident}: {error!r} from {path.endpoint}")
                return
        if reply.id != ident or reply.rcode or not reply.answer:
            self.lost.append(f"{ident}: {reply}")

    async def run(self) -> None:
        """Ask ``PER_S`` times a second until cancelled."""
        began, ident = monotonic(), 0
        while True:
            due = int((monotonic() - began) * PER_S)
            for _ in range(due - ident):
                task = asyncio.ensure_future(self.ask(ident % 40_000))
                self._open.add(task)
                task.add_done_callback(self._open.discard)
                ident += 1
            await asyncio.sleep(1 / PER_S)

    async def finished(self) -> None:
        await asyncio.gather(*self._open)


@contextlib.asynccontextmanager
async def asking(plane: DataPlane) -> AsyncIterator[Client]:
    client = Client(plane)
    run = asyncio.ensure_future(client.run())
    try:
        yield client
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await client.finished()


def pods(simulation: Simulation) -> list[Json]:
    return simulation.cluster.list("Pod", SPACE, "k8s-app=kube-dns-2")


def is_rolled_out(simulation: Simulation, old: set[str]) -> bool:
    now = pods(simulation)
    names = {pod["metadata"]["name"] for pod in now}
    ready = all(condition(pod, "Ready") == "True" for pod in now)
    return len(now) == 2 and ready and not names & old


@pytest.mark.slow
async def test_a_rollout_under_load_loses_nothing(tmp_path: Path) -> None:
    async with started(tmp_path, seed=1) as simulation:
        simulation.runtime.lameduck = LAMEDUCK
        cluster = simulation.cluster
        cluster.patch("Deployment", SPACE, DEPLOYMENT, {"spec": {"replicas": 2}})
        await restarted(simulation)  # the first pods have the lame duck of before
        plane = late(simulation)
        async with asking(plane) as client:
            await until(lambda: client.sent > PER_S // 2)
            await restarted(simulation)
            sent = client.sent
            await until(lambda: client.sent > sent + PER_S)
        assert client.lost == []
        assert client.sent > PER_S * 3 // 2
        assert len(client.servers) == 4, "old and new"


async def restarted(simulation: Simulation) -> None:
    """Do what `kubectl rollout restart` does, and wait until it is done."""
    old = {pod["metadata"]["name"] for pod in pods(simulation)}
    note = {"kubectl.kubernetes.io/restartedAt": str(len(old) + simulation.cluster.version)}
    template = {"metadata": {"annotations": note}}
    patch: Json = {"spec": {"template": template}}
    simulation.cluster.patch("Deployment", SPACE, DEPLOYMENT, patch)
    async with asyncio.timeout(30):
        while not is_rolled_out(simulation, old):
            await asyncio.sleep(0.02)
