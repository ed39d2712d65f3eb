import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from sim.api.status import ApiError
from sim.cluster import simulation as cluster
from sim.demo.scene import Scene, both, table
from sim.demo.story import Story
from sim.node.container import Output


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene whose DNS servers nobody has waited for."""
    async with cluster.started(tmp_path, seed=1) as simulation, simulation.http() as http:
        yield Scene(simulation, Story(StringIO()), http)


def told(found: Scene) -> str:
    assert isinstance(found.story.out, StringIO)
    return found.story.out.getvalue()


def test_both_families() -> None:
    assert both("a.", "NXDOMAIN") == ["a. A NXDOMAIN", "a. AAAA NXDOMAIN"]
    assert both("a.", "NOERROR", "NODATA") == ["a. A NOERROR", "a. AAAA NODATA"]


def test_table() -> None:
    assert table([("NAME", "TYPE"), ("kubernetes", "x")]) == ["NAME         TYPE", "kubernetes   x"]


@pytest.mark.slow
async def test_api_is_read_and_written_over_http(tmp_path: Path) -> None:
    services = "/api/v1/namespaces/default/services"
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    async with scene(tmp_path) as found:
        await found.write("POST", services, body)
        change = {"metadata": {"labels": {"a": "b"}}}
        await found.write("PATCH", f"{services}/web", change)
        read = await found.get(f"{services}/web")
        with pytest.raises(ApiError, match="not found"):
            await found.get(f"{services}/nope")
    assert read["metadata"]["labels"] == {"a": "b"}


@pytest.mark.slow
async def test_lines_that_should_be_there(tmp_path: Path) -> None:
    async with scene(tmp_path) as found:
        found.check_lines(Output(0, "a\nb\n"), "b", "c")
    assert found.story.failures == ["0. it prints 'c'"]
    assert "not among the lines above" in told(found)


@pytest.mark.slow
async def test_answer_that_never_comes(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        found = replace(made, soon_s=0.05)
        # nobody is ready behind kube-dns-2 yet: connection refused
        await found.until("web", ["10.96.1.0"], time.perf_counter())
    assert found.story.failures == ["0. the answer within 0.05 s of the API write"]


@pytest.mark.slow
async def test_minidns_command(tmp_path: Path) -> None:
    async with scene(tmp_path) as found:
        status, text = await found.minidns("-version")
    assert status == 0
    assert text.startswith("minidns-")
    assert "  $ minidns -version\n    minidns-" in told(found)
