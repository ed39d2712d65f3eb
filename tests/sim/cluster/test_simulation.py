import asyncio
from pathlib import Path

import pytest

from sim.api.objects import Json
from sim.api.status import ApiError
from sim.cluster.simulation import NotReady, changed, started
from sim.controllers.cluster import Cluster
from sim.node import commands
from sim.node.kube_system import CONFIG_MAP
from sim.resolver.kinds import GLIBC, find


@pytest.mark.slow
async def test_both_services_answer_alike_from_processes_of_their_own(tmp_path: Path) -> None:
    async with started(tmp_path) as simulation:
        await simulation.ready()
        app = simulation.container("default", "app")
        told = []
        for server in ("10.96.0.10", "10.96.0.20"):
            words = f"dig @{server} +short kubernetes.default.svc.cluster.local".split()
            output = await commands.run(app, words)
            told.append(output.text)
            long = await commands.run(app, f"dig @{server} long.example.org TXT".split())
            assert [a.send.transport for a in long.queries] == ["udp", "tcp"]
            assert "flags: qr rd ra; QUERY: 1, ANSWER: 12" in long.text
        assert told == ["10.96.0.1\n"] * 2
        (one,) = simulation.servers(("kube-system", "kube-dns"))
        (two,) = simulation.servers(("kube-system", "kube-dns-2"))
        assert one.pid != two.pid
        assert one.corefile == two.corefile
        assert "loadbalance" in one.corefile


async def test_containers(tmp_path: Path) -> None:
    async with started(tmp_path) as simulation:
        cluster = simulation.cluster
        app = simulation.container("default", "app")
        assert (app.libc, app.address[:7]) == (GLIBC, "10.244.")
        pod: Json = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "alpine", "annotations": {"sim/libc": "musl"}},
            "spec": {"containers": [{"name": "c"}], "dnsPolicy": "Default"},
        }
        cluster.create(pod)
        alpine = simulation.container("default", "alpine")
        assert (alpine.libc, alpine.resolv_conf) == (find("musl"), "nameserver 192.0.2.53\n")
        output = await commands.run(alpine, ["getent", "ahosts", "google.com"])
        assert "192.0.2.100     STREAM google.com\n" in output.text
        with pytest.raises(ApiError, match='pods "nope" not found'):
            simulation.container("default", "nope")
        pod["metadata"] = {"name": "new", "annotations": {"sim/phase": "Pending"}}
        cluster.create(pod)
        with pytest.raises(LookupError, match="default/new has no address"):
            simulation.container("default", "new")


async def test_servers_that_do_not_start_are_told_with_their_logs(tmp_path: Path) -> None:
    async with started(tmp_path) as simulation:
        broken = {"data": {"Corefile": ".:53 {\n    bogus\n}\n"}}
        simulation.cluster.patch("ConfigMap", "kube-system", CONFIG_MAP, broken)
        pod = simulation.cluster.list("Pod", "kube-system")[0]
        log = simulation.runtime.folder(("kube-system", pod["metadata"]["name"])) / "log"
        async with asyncio.timeout(20):
            while not (log.exists() and "bogus" in log.read_text()):
                await asyncio.sleep(0.05)
        with pytest.raises(NotReady, match=r"(?s)pod .* is not ready.*bogus"):
            await simulation.ready(timeout_s=0.01)


async def test_waiting_for_a_change() -> None:
    cluster = Cluster()
    namespace: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}

    def is_there() -> bool:
        return cluster.find("Namespace", "", "new") is not None

    with pytest.raises(TimeoutError):
        await changed(cluster, is_there, 0.01)
    waiting = asyncio.create_task(changed(cluster, is_there, 5))
    await asyncio.sleep(0)
    cluster.create(namespace)
    await waiting
    await changed(cluster, is_there, 0.01)
