"""`minidns trial` as somebody in front of it sees it: what is refused, what is left."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.json import decode

from minidns.kubernetes.client import connect
from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import Access
from sim.cluster.simulation import started
from tests.second_dns.mortal import Mortal, survives
from tests.second_dns.world import desk, everything, seated

RUN = "trial run --name kubernetes.default.svc.cluster.local --per-replica 20 --rate 1/10 --for 1m"
CREATED = 9
"""Objects that a trial creates: 2 Jobs, 2 Deployments, 3 Services, 2 ConfigMaps."""


async def writes_of_a_trial() -> int:
    async with desk(wrap=Mortal) as made:
        await made.run(RUN)
        assert isinstance(made.session.api, Mortal)
        return made.session.api.writes


@pytest.mark.slow
@pytest.mark.parametrize("arrives", [True, False], ids=["the last write arrives", "it does not"])
async def test_nothing_is_left_of_a_trial_that_was_killed_at_any_write(*, arrives: bool) -> None:
    for lives in range(await writes_of_a_trial()):
        async with desk(wrap=Mortal) as made:
            before = everything(made.cluster)
            api = made.session.api
            assert isinstance(api, Mortal)
            api.lives, api.last_arrives = lives, arrives
            assert not await survives(made.run(RUN))
            async with connect(Access(endpoint=made.server.url)) as connection:
                assert await seated(made.server, Documents(connection)).run("trial clean") == 0
            assert everything(made.cluster) == before, lives


async def test_all_pods_of_minidns_have_the_image_that_was_given() -> None:
    async with desk(wrap=Mortal) as made:
        before = everything(made.cluster)
        api = made.session.api
        assert isinstance(api, Mortal)
        api.lives = CREATED
        assert not await survives(made.run(f"{RUN} --image registry.example/minidns:9"))
        new = [decode(text) for name, text in everything(made.cluster).items() if name not in before]
        pods = [obj["spec"]["template"]["spec"] for obj in new if obj["kind"] in ("Job", "Deployment")]
        assert len(pods) == 4
        assert {pod["containers"][0]["image"] for pod in pods} == {"registry.example/minidns:9"}


async def test_a_trial_whose_pods_cannot_be_attached_to_is_removed() -> None:
    async with desk() as made:
        before = everything(made.cluster)
        assert await made.run(RUN) == 1
        assert "attach" in made.said
        assert everything(made.cluster) == before


async def test_nothing_is_created_without_a_yes() -> None:
    async with desk() as made:
        made.says, before = False, everything(made.cluster)
        assert await made.run(RUN) == 1
        assert everything(made.cluster) == before


@pytest.mark.slow
@pytest.mark.xdist_group("live")
async def test_a_trial_in_a_live_cluster_finds_an_interceptor_and_leaves_nothing(tmp_path: Path) -> None:
    async with started(tmp_path, seed=1) as simulation:
        await simulation.ready()
        before = everything(simulation.cluster)
        simulation.faults.add(["intercept", "link", "pods>node", "by", "kube-dns"])
        async with connect(Access(kubeconfig=str(simulation.kubeconfig))) as connection:
            made = seated(simulation.api, Documents(connection))
            made.session = replace(made.session, sleep=asyncio.sleep, wall=time.time)
            assert await made.run(f"{RUN} --image minidns") == 26, made.said
        assert everything(simulation.cluster) == before
