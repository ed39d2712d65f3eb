"""Pods that run one command to its end."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.api.objects import Json, dig, key_of
from sim.controllers.cluster import Cluster
from sim.node.container import Container
from sim.node.one_shots import OneShots, command_of
from tests.sim.builders import pod, until
from tests.sim.controllers.test_jobs import job
from tests.sim.node.outside import outside
from tests.table import table


def once(*words: str, policy: str = "Never") -> Json:
    return pod(containers=[{"name": "c", "image": "i", "args": list(words)}], restartPolicy=policy)


@table(
    ("obj", "words"),
    [
        pytest.param(once("dig", "a"), ["dig", "a"], id="arguments"),
        pytest.param(once("sh", "-c", "true", policy="OnFailure"), ["sh", "-c", "true"], id="restarted on failure"),
        pytest.param(once("dig", "a", policy="Always"), [], id="restarted always"),
        pytest.param(once("vi"), [], id="unknown program"),
        pytest.param(once(), [], id="the command of the image"),
        pytest.param({"spec": {}}, [], id="no container"),
    ],
)
def test_command(obj: Json, words: list[str]) -> None:
    assert command_of(obj) == words


async def run(folder: Path, act: Callable[[Cluster], Any]) -> tuple[str, str]:
    """Return the phase and the log of the only pod, when it has ended."""
    cluster = Cluster()

    def log(key: tuple[str, str]) -> Path:
        return folder / key[1] / "log"

    async with outside() as (container, _):

        def of(namespace: str, name: str) -> Container:
            return container

        async with OneShots(cluster, of, log).following():
            act(cluster)
            (made,) = cluster.list("Pod")

            def phase() -> str:
                return str(dig(cluster.get("Pod", *key_of(made)), "status.phase"))

            await until(lambda: phase() != "Running")
            await asyncio.sleep(0)
            return phase(), log(key_of(made)).read_text()


@pytest.mark.parametrize(
    ("words", "phase", "text"),
    [
        pytest.param(["dig", "+short", "google.com"], "Succeeded", "192.0.2.100\n", id="success"),
        pytest.param(["sh", "-c", "echo a; false"], "Failed", "a\n", id="failure"),
    ],
)
async def test_pod_ends_with_its_command(tmp_path: Path, words: list[str], phase: str, text: str) -> None:
    assert await run(tmp_path, lambda cluster: cluster.create(once(*words))) == (phase, text)


async def test_job_is_complete_then(tmp_path: Path) -> None:
    done: list[Cluster] = []

    def act(cluster: Cluster) -> None:
        done.append(cluster)
        look = job()
        look["spec"]["template"]["spec"]["containers"][0]["command"] = ["host", "-t", "A", "google.com"]
        cluster.create(look)

    phase, text = await run(tmp_path, act)
    assert (phase, text) == ("Succeeded", "google.com has address 192.0.2.100\n")
    assert dig(done[0].get("Job", "default", "work"), "status.succeeded") == 1
