"""Faults of a live cluster: real datagrams and connections, the words of scenarios."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from minidns.dns.rdata import A
from minidns.stub.protocol import Status
from sim.api.kubelet_paths import LogOptions
from sim.api.objects import Json, dig
from sim.api.status import ApiError
from sim.cluster.simulation import Simulation, changed, started
from sim.node.container import Container
from sim.node.kube_proxy import Flow
from sim.node.over_sockets import LookupResult
from sim.resolver.bind_tools import BindTools
from tests.sim import command

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("live")]
NAME = "kubernetes.default.svc.cluster.local."
OPTIONS = "options timeout:1 attempts:1\n"


@asynccontextmanager
async def live(tmp_path: Path) -> AsyncIterator[Simulation]:
    async with started(tmp_path, seed=1) as simulation:
        await simulation.ready()
        yield simulation


def client(simulation: Simulation, *, tcp: bool = False) -> Container:
    """Return a client that gives up after a second."""
    container = simulation.container("default", "app")
    text = f"nameserver 10.96.0.10\n{OPTIONS}{'options use-vc' * tcp}\n"
    return replace(container, resolv_conf=text)


def tool(container: Container) -> BindTools:
    text = container.resolv_conf
    return BindTools(text, container.rng, change=lambda s: replace(s, transport="tcp" if "use-vc" in text else "udp"))


async def look_up(container: Container, count: int = 1) -> list[LookupResult]:
    work = (container.look_up(tool(container), NAME, (A,)) for _ in range(count))
    return list(await asyncio.gather(*work))


def lost(results: list[LookupResult]) -> float:
    statuses = [result.outcome.status for result in results]
    return statuses.count(Status.SILENT) / len(statuses)


CASES = [
    ("lose link app>node", Status.SILENT),
    ("lose link dns>node", Status.SILENT),
    ("lose link dns>node tcp", Status.ANSWERED),
    ("lose link pods>10.96.0.10", Status.SILENT),
    ("lose link pods>10.96.0.20", Status.ANSWERED),
    ("partition link node<>kube-dns", Status.SILENT),
    ("duplicate link app<>node", Status.ANSWERED),
    ("lose at kube-dns", Status.SILENT),
    ("lose at kube-dns-2", Status.ANSWERED),
    ("servfail at kube-dns", Status.SERVFAIL),
    ("answer NXDOMAIN at kube-dns", Status.NXDOMAIN),
    ("shorten at kube-dns", Status.NODATA),
    ("truncate at kube-dns", Status.ANSWERED),
    ("garble at kube-dns", Status.SILENT),
    ("stop at kube-dns", Status.SILENT),
    ("intercept link app>node by kube-dns-2 cache 5s", Status.ANSWERED),
    ("lose query A", Status.SILENT),
    ("lose reply A", Status.SILENT),
    ("lose query AAAA 2", Status.ANSWERED),
    ("miss at kube-dns", Status.ANSWERED),
    ("partition link kube-dns<>api", Status.ANSWERED),
    ("lose link dns>outside", Status.ANSWERED),
]


async def test_each_fault_shows_and_is_gone_after_clear(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        container = client(simulation)
        for text, status in CASES:
            simulation.faults.add(text.split())
            (result,) = await look_up(container)
            assert result.outcome.status is status, text
            simulation.faults.clear()
            (result,) = await look_up(container)
            assert result.outcome.status is Status.ANSWERED, f"after {text}"


async def loses_none(container: Container) -> bool:
    """Return whether no lookup fails; on a busy machine some of one round may be late."""
    return any([lost(await look_up(container, 20)) == 0 for _ in range(3)])


async def test_rates_delays_and_connections(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        control = simulation.faults
        control.add(["lose", "1/3", "link", "app>node", "udp"])
        results = [r for _ in range(4) for r in await look_up(client(simulation), 30)]
        (active,) = control.active()
        assert active.hits == pytest.approx(40, abs=17)
        # on a busy machine others may be late, too
        assert lost(results) >= (active.hits or 0) / len(results)
        assert lost(results) < 0.6
        assert await loses_none(client(simulation, tcp=True))
        control.clear()
        control.add(["partition", "1/2", "link", "app>node", "tcp"])
        assert 0.2 < lost(await look_up(client(simulation, tcp=True), 60)) < 0.8
        assert await loses_none(client(simulation))
        control.clear()
        control.add(["delay", "300ms", "link", "app>node"])
        (late,) = await look_up(client(simulation))
        assert late.queries[0].ms >= 300


async def test_killed_and_unready_servers(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        (before,) = simulation.servers(("kube-system", "kube-dns"))
        simulation.faults.add(["crash", "at", "kube-dns"])
        await look_up(client(simulation))
        simulation.faults.clear()

        def is_new() -> bool:
            now = simulation.servers(("kube-system", "kube-dns"))
            return bool(now) and now[0].pid != before.pid

        await changed(simulation.cluster, is_new, 20)
        await simulation.ready()
        (result,) = await look_up(client(simulation))
        assert result.outcome.status is Status.ANSWERED
        simulation.faults.add(["unready", "at", "kube-dns"])

        def has_none() -> bool:
            query = client(simulation)
            return query.network.route(_flow(query)).refused

        await changed(simulation.cluster, has_none, 20)


def _flow(container: Container) -> Flow:
    return Flow((container.address, 40000), ("10.96.0.10", 53))


async def test_upstream_and_proxy(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        control = simulation.faults
        container = client(simulation)
        control.add(["lie", "at", "outside", "name", "example.org"])
        result = await container.look_up(tool(container), "example.org.", (A,))
        assert result.outcome.addresses == ("198.51.100.66",)
        control.add(["proxy", "race", "1/1", "conntrack", "7"])
        assert simulation.plane.faults.race_rate == 1
        assert simulation.plane.conntrack.max_entries == 7
        assert [active.text for active in control.active()] == [
            "lie at outside name example.org",
            "proxy race 1/1",
            "proxy conntrack 7",
        ]
        control.clear("proxy race 1/1")
        assert simulation.plane.faults.race_rate == 0
        assert simulation.plane.conntrack.max_entries == 7
        control.clear()
        assert not list(control.active())
        assert simulation.plane.conntrack.max_entries > 7


WRONG = [
    ("lose link app>nowhere", "nowhere"),
    ("lose link app>app", "app to app"),
    ("lose query", "type"),
    ("lose query BOGUS", "BOGUS"),
    ("lose query A 0", "0"),
    ("lose query A 2 3", "3"),
    ("lose 0/5 at kube-dns", "0/5"),
    ("proxy race 1/2 masquerade maybe", "maybe"),
    ("proxy", "proxy"),
    ("proxy race", "race"),
    ("", "missing"),
]


async def test_wrong_faults_are_refused(tmp_path: Path) -> None:
    async with started(tmp_path, seed=1) as simulation:
        for text, word in WRONG:
            with pytest.raises(ValueError, match=word):
                simulation.faults.add(text.split())


async def ask(simulation: Simulation, name: str) -> Status:
    container = client(simulation)
    return (await container.look_up(tool(container), name, (A,))).outcome.status


EXTERNAL = "www.google.com."


UPSTREAM_CASES = [
    ("lose link dns>outside", False),
    ("lose link outside>kube-dns", False),
    ("partition link kube-dns-2<>outside", True),
    ("servfail at outside", False),
    ("garble at outside", False),
    ("delay 50ms link dns<>outside", True),
]


async def test_the_way_of_a_server_to_its_upstream(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        for fault, answered in UPSTREAM_CASES:
            simulation.faults.add(fault.split())
            # a name that no reply was cached for
            status = await ask(simulation, f"{len(fault)}.example.org.")
            assert (status is Status.NXDOMAIN) == answered, fault
            simulation.faults.clear()
        assert await ask(simulation, EXTERNAL) is Status.ANSWERED


SERVICE = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}


async def test_the_view_of_a_server_grows_old(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        clients = client(simulation), replace(client(simulation), resolv_conf=f"nameserver 10.96.0.20\n{OPTIONS}")
        rows = (("partition link kube-dns<>api", True), ("lose link api>kube-dns", True), ("miss at kube-dns", False))
        for number, (fault, catches_up) in enumerate(rows):

            async def status(container: Container) -> Status:
                name = f"late{number}.default.svc.cluster.local."  # noqa: B023  # called at once
                return (await container.look_up(tool(container), name, (A,))).outcome.status

            async def until_answered(container: Container) -> None:
                async with asyncio.timeout(30):
                    while await status(container) is not Status.ANSWERED:  # called at once
                        await asyncio.sleep(0.05)

            simulation.faults.add(fault.split())
            simulation.cluster.create(SERVICE | {"metadata": {"name": f"late{number}", "namespace": "default"}})
            await until_answered(clients[1])
            assert await status(clients[0]) is Status.NXDOMAIN, fault
            simulation.faults.clear()
            if catches_up:
                await until_answered(clients[0])
        assert await status(clients[0]) is Status.NXDOMAIN, "what was missed stays missed"


async def test_a_stopped_process_keeps_its_packets_and_goes_on(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        (running,) = simulation.servers(("kube-system", "kube-dns"))
        simulation.faults.add(["stop", "at", "kube-dns"])
        assert await ask(simulation, NAME) is Status.SILENT  # the one that stops it
        state = Path(f"/proc/{running.pid}/stat")
        if state.exists():
            assert state.read_text().rpartition(")")[2].split()[0] == "T"
        patient = replace(client(simulation), resolv_conf="nameserver 10.96.0.10\noptions timeout:20 attempts:1\n")
        waiting = asyncio.create_task(patient.look_up(tool(patient), NAME, (A,)))
        await asyncio.sleep(0)
        simulation.faults.clear("stop at kube-dns")
        assert (await waiting).outcome.status is Status.ANSWERED
        (now,) = simulation.servers(("kube-system", "kube-dns"))
        assert now.pid == running.pid


async def test_a_server_sees_its_client_and_the_node_where_kube_proxy_masquerades(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        change = {"data": {"Corefile": ".:53 {\n    ready\n    log\n    whoami\n}\n"}}
        simulation.cluster.patch("ConfigMap", "kube-system", "coredns", change)
        (old,) = simulation.servers(("kube-system", "kube-dns"))
        simulation.cluster.delete("Pod", *old.pod)
        await changed(simulation.cluster, lambda: old.pod not in simulation.runtime.running, 20)
        await simulation.ready()
        app = simulation.cluster.get("Pod", "default", "app")
        for number, (setting, field) in enumerate([("no", "podIP"), ("yes", "hostIP")]):
            simulation.faults.add(["proxy", "masquerade", setting])
            await ask(simulation, f"n{number}.example.")
            (running,) = simulation.servers(("kube-system", "kube-dns"))
            log = simulation.runtime.log_file(running.pod).read_text()
            line = next(line for line in log.splitlines() if f"n{number}.example" in line)
            # 10.244.0.5 is 127.244.0.5 on loopback
            assert f" 127.{dig(app, f'status.{field}').partition('.')[2]}:" in line


async def test_kubectl_shows_how_a_container_ended(tmp_path: Path) -> None:
    async with live(tmp_path) as simulation:
        (running,) = simulation.servers(("kube-system", "kube-dns"))
        kubelet = simulation.api.kubelet
        assert kubelet is not None

        def status() -> Json:
            pod = simulation.cluster.get("Pod", *running.pod)
            first: Json = pod["status"]["containerStatuses"][0]
            return first

        async def log(*, previous: bool) -> bytes:
            return b"".join([part async for part in kubelet.log(running.pod, LogOptions(previous=previous))])

        async def until(state: str) -> Json:
            await changed(simulation.cluster, lambda: state in status()["state"], 20)
            return status()

        with pytest.raises(ApiError, match="not found"):
            await log(previous=True)
        simulation.faults.add(["crash", "at", "kube-dns"])
        await look_up(client(simulation))
        simulation.faults.clear()
        first = (await until("terminated"))["state"]["terminated"]
        assert (first["reason"], first["exitCode"]) == ("Error", 137)
        before = await log(previous=False)
        await changed(simulation.cluster, lambda: status()["restartCount"] == 1, 20)
        assert await log(previous=True) == before
        await simulation.ready()
        after = status()
        assert (after["lastState"]["terminated"], after["ready"], list(after["state"])) == (first, True, ["running"])
        simulation.faults.add(["oom", "at", "kube-dns"])
        await look_up(client(simulation))
        second = await until("waiting")  # the second end in a row has to wait
        assert second["lastState"]["terminated"]["reason"] == "OOMKilled"
        assert second["lastState"]["terminated"]["exitCode"] == 137
        assert second["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert "back-off 10s" in second["state"]["waiting"]["message"]
        events = simulation.cluster.list("Event", "kube-system")
        counts = {e["reason"]: e["count"] for e in events if e["involvedObject"]["name"] == running.pod[1]}
        assert "BackOff" in counts
        assert counts["Started"] == 2


async def test_the_command(tmp_path: Path) -> None:
    folder = ("--state", str(tmp_path / "sim"))
    missing = await command.run("fault", "list", *folder)
    assert (missing.status, "minidns-sim up" in missing.err) == (1, True)
    async with command.started("up", *folder) as process:
        await command.line_with(process, "Ctrl-C ends it.")

        async def fault(*words: str) -> command.Ran:
            return await command.run("fault", *words, *folder)

        assert (await fault("list")).out == "no faults\n"
        for wrong_words in ("servfail link app>node", "lose query", "zebra", "lose 0/5 at kube-dns", "proxy race x"):
            refused = await fault("add", wrong_words)
            assert (refused.status, "usage: " in refused.err) == (1, True), wrong_words
        wrong = await fault("add", "servfail", "often", "at", "kube-dns")
        assert "often" in wrong.err
        assert "usage: servfail" in wrong.err
        assert (await fault("add", "answer NXDOMAIN at kube-dns")).status == 0
        assert (await fault("add", "proxy", "race", "1/2")).status == 0
        dug = await command.run("exec", *folder, "app", "--", "dig", NAME)
        assert "NXDOMAIN" in dug.out
        shown = json.loads((await fault("list", "-o", "json")).out)
        assert shown == {
            "faults": [{"fault": "answer NXDOMAIN at kube-dns", "hits": 1}, {"fault": "proxy race 1/2", "hits": None}]
        }
        assert (await fault("clear", "answer", "NXDOMAIN", "at", "kube-dns")).status == 0
        assert (await fault("list")).out == "proxy race 1/2\n"
        assert (await fault("clear", "stop at kube-dns")).status == 1
        assert (await fault("clear")).status == 0
        assert (await fault("list")).out == "no faults\n"
