"""deploy/README.md: what it tells people to type, typed."""

import asyncio
import os
import re
from pathlib import Path

import pytest

from minidns import __version__
from tests.deploy import rendered
from tests.deploy.rendered import DEPLOY
from tests.deploy.simulated import World, gone

TEXT = (DEPLOY / "README.md").read_text()
BLOCKS = re.findall(r"^```sh sim\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.kubectl,
    pytest.mark.skipif(rendered.kubectl() is None, reason="kubectl is missing"),
    pytest.mark.timeout(120),
]


@pytest.fixture
async def typed(world: World) -> str:
    """Type every block, one after the other; give what was printed."""
    world.cluster.delete("Namespace", "", "minidns")
    before, printed = world.everything(), ""
    home = {"HOME": str(world.kubeconfig.parent), "KUBECONFIG": str(world.kubeconfig)}
    for block in BLOCKS:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", block),
            cwd=DEPLOY.parent,
            env={**os.environ, **home},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, f"{block}\n{out.decode()}{err.decode()}"
        printed += out.decode()
    await gone(world, "kube-system")
    await gone(world, "minidns")
    assert world.everything() == before
    return printed


async def test_every_block_does_what_it_says_and_nothing_stays(typed: str) -> None:
    assert len(BLOCKS) == 5
    assert 'deployment "kube-dns-2" successfully rolled out' in typed
    assert "10.96.0.20" in typed


def test_files_it_names_are_there() -> None:
    for name in re.findall(r"`((?:deploy|tests|overlays|chart|image)/[\w./-]*)`", TEXT):
        root = DEPLOY.parent if name.startswith(("deploy", "tests")) else DEPLOY
        assert (root / name).exists(), name


def test_its_version_is_this_one() -> None:
    assert set(re.findall(r"minidns:(\d[\w.]*)", TEXT)) == {__version__}


def test_it_names_every_overlay() -> None:
    for overlay in sorted(Path(DEPLOY / "overlays").iterdir()):
        assert f"`overlays/{overlay.name}`" in TEXT
