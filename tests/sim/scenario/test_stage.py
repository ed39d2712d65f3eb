"""The stage of scenarios: what the node does, and who is behind the DNS services."""

import asyncio
import logging
import time

import pytest

from sim.api.status import ApiError
from sim.node.replica import Replica
from sim.scenario import clock
from sim.scenario.stage import Stage, staged


def test_it_begins_with_two_dns_services_that_are_ready() -> None:
    async def look() -> list[tuple[str, str]]:
        async with staged() as stage:
            names = ("kube-dns", "kube-dns-2")
            found = [(name, stage.replicas(name)) for name in names]
            assert stage.forwarded == []
            assert stage.log_lines == []
            return [(name, each.state) for name, many in found for each in many]

    assert clock.run(look()) == [("kube-dns", "ready"), ("kube-dns-2", "ready")]


def test_nothing_of_it_goes_on_afterwards() -> None:
    async def look() -> set[asyncio.Task[object]]:
        async with staged() as stage:
            await stage.settle()
        await asyncio.sleep(0)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert clock.run(look()) == set()


def test_logging_is_as_it_was_afterwards() -> None:
    logger = logging.getLogger("minidns")
    before = (logger.level, list(logger.handlers))

    async def look() -> None:
        async with staged():
            assert (logger.level, logger.handlers) != before

    clock.run(look())
    assert (logger.level, list(logger.handlers)) == before


def test_pods_that_come_and_go_are_servers_that_do() -> None:
    async def look() -> list[int]:
        counts = []
        async with staged() as stage:
            for replicas in (1, 3, 0, 1):
                patch = {"spec": {"replicas": replicas}}
                stage.cluster.patch("Deployment", "kube-system", "coredns", patch)
                await stage.settle()
                hosts = [a for a in stage.packets.hosts if a[0].startswith("10.244.")]
                assert len(hosts) == replicas + 1
                counts.append(len(stage.replicas("kube-dns")))
        return counts

    assert clock.run(look()) == [1, 3, 0, 1]


def test_restarting_begins_anew() -> None:
    async def look() -> tuple[Replica, Replica]:
        async with staged() as stage:
            (first,) = stage.replicas("kube-dns")
            await stage.restart()
            (second,) = stage.replicas("kube-dns")
            return first, second

    first, second = clock.run(look())
    assert first is not second
    assert first.address == second.address


def test_a_pod_that_is_not_there() -> None:
    async def look(stage: Stage) -> None:
        await stage.look_up(("shop", "client"), "web", (1,))

    async def play() -> None:
        async with staged() as stage:
            await look(stage)

    with pytest.raises(ApiError, match=r'pods "client" not found'):
        clock.run(play())


@pytest.mark.survive
def test_ten_thousand_lookups_take_twenty_seconds_of_cpu_at_most() -> None:
    count = 1000  # a tenth of them, in a tenth of the time

    async def look() -> float:
        async with staged() as stage:
            stage.faults.add(["lose", "1/1000", "link", "app>node"])
            start = time.process_time()
            for _ in range(count):
                await stage.look_up(("default", "app"), "kubernetes.default", (1, 28))
            return time.process_time() - start

    assert clock.run(look()) * 10_000 / count < 20  # 9 to 11 measured
