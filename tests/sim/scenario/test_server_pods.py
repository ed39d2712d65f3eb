"""The DNS server pods of a stage: what they run, how they end and start again."""

import asyncio

import pytest

from minidns.corefile import releases
from sim.api.objects import condition, key_of
from sim.node.fault_words import parse
from sim.node.runtime import RESTARTS_S
from sim.scenario import clock
from sim.scenario.stage import Stage, staged

NAME = "kubernetes.default.svc.cluster.local."


async def ask(stage: Stage) -> bool:
    result = await stage.look_up(("default", "app"), NAME, (1,))
    return bool(result.outcome.addresses)


@pytest.mark.slow
def test_each_service_has_its_software() -> None:
    async def look() -> list[str]:
        async with staged() as stage:
            stage.servers.configure("kube-dns", release=releases.parse("1.11.3"))
            stage.servers.configure("kube-dns-2", corefile=". {\n whoami\n}\n")
            await stage.restart()
            (first,) = stage.replicas("kube-dns")
            (second,) = stage.replicas("kube-dns-2")
            return [str(first.release), second.files.read("Corefile")]

    assert clock.run(look()) == ["1.11.3", ". {\n whoami\n}\n"]


@pytest.mark.parametrize("cause", ["crash", "oom"])
def test_a_server_that_ends_starts_again_after_a_back_off(cause: str) -> None:
    async def look() -> list[list[str]]:
        states = []
        async with staged() as stage:
            for pause_s in RESTARTS_S[:3]:
                stage.packets.faults.add(parse([cause, "at", "kube-dns"]))
                assert not await ask_once(stage)
                stage.packets.faults.clear()
                (replica,) = stage.replicas("kube-dns")
                assert replica.ended
                await asyncio.sleep(pause_s - 0.5)
                before = stage.replicas("kube-dns")[0]
                await asyncio.sleep(1)
                states.append([before.state[:5], stage.replicas("kube-dns")[0].state])
                assert await ask(stage)
        return states

    assert clock.run(look()) == [["ended", "ready"]] * 3


async def ask_once(stage: Stage) -> bool:
    """Look up with a client that gives up at once."""
    try:
        async with asyncio.timeout(0.1):
            return await ask(stage)
    except TimeoutError:
        return False


def test_a_server_that_fails_its_probe_is_no_endpoint() -> None:
    async def look() -> list[bool]:
        answers = []
        async with staged() as stage:
            for words in (["unready", "at", "kube-dns"], None):
                if words:
                    stage.packets.faults.add(parse(words))
                else:
                    stage.packets.faults.clear()
                await stage.settle()
                answers.append(await ask(stage))
        return answers

    assert clock.run(look()) == [False, True]


def test_readiness_is_not_written_while_the_api_is_down() -> None:
    async def look() -> list[str]:
        async with staged() as stage:
            pods = list(stage.cluster.list("Pod", "kube-system"))
            stage.api.cut()
            await stage.restart()
            assert not any(replica.is_ready for replica in stage.servers.replicas.values())
            return [condition(stage.cluster.get("Pod", *key_of(pod)), "Ready") for pod in pods]

    assert set(clock.run(look())) == {"True"}


def test_a_reload_goes_on_with_the_view_and_answers_while_the_api_is_down() -> None:
    async def look() -> list[bool]:
        async with staged() as stage:
            (replica,) = stage.replicas("kube-dns-2")
            before = replica.instance
            stage.api.cut()
            stage.servers.reload("kube-dns-2")
            await stage.settle()
            after = replica.instance
            result = await stage.look_up(("default", "dnsutils"), NAME, (1,), server=replica.address)
            return [before is not after, bool(result.outcome.addresses)]

    assert clock.run(look()) == [True, True]


def test_a_server_that_ends_during_a_reload_starts_again() -> None:
    async def look() -> bool:
        async with staged() as stage:
            stage.servers.reload("kube-dns")
            stage.servers.reload("kube-dns")
            (replica,) = stage.replicas("kube-dns")
            stage.servers.end((replica.address, 53), "crash")
            await asyncio.sleep(RESTARTS_S[0] + 1)
            return await ask(stage)

    assert clock.run(look())
