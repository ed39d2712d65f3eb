"""Every case and sequence against a minidns process, in a network namespace."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.cases import cases
from tests.conformance.decided import DECIDED
from tests.conformance.dynamic import SEQUENCES

ROOT = Path(__file__).parent.parent.parent


def why_not() -> str:
    """Return why no network namespace can be had; nothing when it can."""
    for tool in ("unshare", "ip"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    words = ("unshare", "-n", "ip", "link", "set", "lo", "up")
    tried = subprocess.run(words, capture_output=True, text=True, check=False)
    return tried.stderr.strip()


@pytest.mark.netns
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "prefix",
    [pytest.param("", marks=pytest.mark.survive), pytest.param("DYN-", marks=pytest.mark.slow)],
    ids=["cases-and-sequences", "sequences"],
)
def test_as_coredns(prefix: str, tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(f"no network namespace: {reason}")
    file = tmp_path / "found.json"
    ran = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.conformance.run", "--only", prefix, "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert file.exists(), ran.stdout + ran.stderr
    found = json.loads(file.read_text())
    names = [name for name in (*(case.id for case in cases()), *SEQUENCES) if name.startswith(prefix)]
    assert len(found) == len(names)
    decided = {name for name in DECIDED if name.startswith(prefix)}
    assert {name for name, differs in found.items() if differs} == decided, ran.stdout
