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


IMPOSSIBLE = [
    ("miss at kube-dns", "HTTP"),
    ("partition link kube-dns<>api", "HTTP"),
    ("lose link dns>outside", "at outside"),
    ("garble at outside", "garble"),
    ("lose link app>nowhere", "nowhere"),
    ("proxy", "proxy"),
    ("proxy race", "race"),
    ("", "missing"),
]


async def test_impossible_faults_are_refused(tmp_path: Path) -> None:
    async with started(tmp_path, seed=1) as simulation:
        for text, word in IMPOSSIBLE:
            with pytest.raises(ValueError, match=word):
                simulation.faults.add(text.split())


async def test_the_command(tmp_path: Path) -> None:
    folder = ("--state", str(tmp_path / "sim"))
    missing = await command.run("fault", "list", *folder)
    assert (missing.status, "minidns-sim up" in missing.err) == (1, True)
    async with command.started("up", *folder) as process:
        await command.line_with(process, "Ctrl-C ends it.")

        async def fault(*words: str) -> command.Ran:
            return await command.run("fault", *words, *folder)

        assert (await fault("list")).out == "no faults\n"
        assert (await fault("add", "servfail link app>node")).status == 1
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
