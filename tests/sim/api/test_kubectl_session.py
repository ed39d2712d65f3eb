"""kubectl says of the simulated cluster what it says of a real one: `kubectl_session`."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sim.cluster.simulation import started
from tests.sim.api.kubectl_session import FILE, entries, played, written

ENTRIES = list(entries(FILE.read_text()))


@pytest.fixture
async def env(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    async with started(tmp_path, seed=1) as simulation:
        yield {"KUBECONFIG": str(simulation.kubeconfig), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def test_file_is_in_its_own_form() -> None:
    assert written(ENTRIES) == FILE.read_text()
    assert len(ENTRIES) == 47


@pytest.mark.slow
@pytest.mark.kubectl
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
async def test_same_as_the_real_server(env: dict[str, str]) -> None:
    wrong = []
    for entry in ENTRIES:
        status, output = await played(entry, env)
        if output != entry.expected or (not entry.reason and status != entry.status):
            wrong.append(f"{entry.command}\nexpected {entry.status}:\n{entry.expected}got {status}:\n{output}")
    assert not wrong, "\n".join(wrong)
