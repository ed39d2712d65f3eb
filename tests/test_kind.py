"""docs/kind.md: what it tells a newcomer to type, typed."""

import asyncio
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from minidns import __version__
from tests.sim import command

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/kind.md").read_text()
BLOCKS = re.findall(r"^```sh sim\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
KUBECTL = shutil.which("kubectl")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is missing"),
    pytest.mark.timeout(180),
]

EXEC = """\
#!/bin/bash
# kubectl, but for exec: the simulation has no kubelet to send that to
if [ "$1" = exec ]; then shift; exec {python} -m sim exec --state {folder} "$@"; fi
exec {kubectl} "$@"
"""


def terminal(folder: Path) -> dict[str, str]:
    """Return the environment of a newcomer to the cluster in ``folder``."""
    (folder / "bin").mkdir()
    wrapper = folder / "bin/kubectl"
    words = {"python": sys.executable, "folder": folder, "kubectl": str(KUBECTL)}
    wrapper.write_text(EXEC.format(**{name: shlex.quote(str(word)) for name, word in words.items()}))
    wrapper.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


async def typed(block: str, env: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", block),
        cwd=ROOT,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"{block}\n{out.decode()}{err.decode()}"
    return out.decode()


FRESH = """\
kubectl delete pod/dnsutils --now
kubectl -n kube-system delete deployment/coredns-2 service/kube-dns-2
"""
"""The cluster as kind creates it; the simulation has a second DNS by default."""
EVERYTHING = "kubectl get all,cm,sa,netpol,pdb -A -o custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name"


async def test_from_nothing_to_a_look_up_and_back(tmp_path: Path) -> None:
    async with command.started("up", "--state", str(tmp_path)) as process:
        await command.line_with(process, "Ctrl-C ends it.")
        env = terminal(tmp_path)
        await typed(FRESH, env)
        before = await typed(EVERYTHING, env)
        cluster, look, applied, made, looked_up, both, away = [await typed(block, env) for block in BLOCKS]
        after = await typed(EVERYTHING, env)
    assert "10.96.0.10" in cluster
    assert "10.96.0.20" not in look.split("diff -u")[0]
    assert 'deployment "kube-dns-2" successfully rolled out' in applied
    assert re.search(r"kube-dns-2 .* 10\.96\.0\.20 .* 53/UDP,53/TCP,9153/TCP", applied)
    assert "pod/dnsutils condition met" in made
    assert looked_up.startswith("nameserver 10.96.0.20\n") or ("nameserver 10.96.0.20\n" in looked_up)
    assert looked_up.count("Server:\t\t10.96.0.20\n") == 3
    assert looked_up.count("Address: 10.96.0.1\n") == 2
    assert "Name:\tgoogle.com\n" in looked_up
    for server in ("10.96.0.10", "10.96.0.20"):
        assert f"Server:\t\t{server}\n" in both
    assert both.count("Address: 10.96.0.20\n") == 2
    assert 'pod "dnsutils"' in away
    assert after == before


def test_its_version_is_this_one() -> None:
    assert set(re.findall(r"minidns:(\d[\w.]*)", TEXT)) == {__version__}


def test_what_needs_a_container_runtime_is_not_marked_as_run() -> None:
    for block in BLOCKS:
        assert not re.search(r"^(kind|docker|podman) ", block, re.MULTILINE)
