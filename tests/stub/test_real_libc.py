"""glibc and musl do what their machines do, packet for packet: a short form.

`python -m tests.stub.real.compare glibc 1000` is the long one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stub.real.compare import LIBRARIES

ROOT = Path(__file__).parents[2]
CASES = 40


def why_not(compiler: str) -> str:
    """Return why the comparison cannot run here, empty if it can."""
    if shutil.which(compiler) is None:
        return f"{compiler} is not installed"
    if shutil.which("unshare") is None or os.geteuid() != 0:
        return "only root can make network and mount namespaces"
    tried = subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True)
    return f"no namespaces: {tried.stderr.decode()}" if tried.returncode else ""


@pytest.mark.netns
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", LIBRARIES)
def test_machine_and_library_send_the_same_packets(name: str) -> None:
    if reason := why_not(LIBRARIES[name].compiler):
        pytest.skip(reason)
    compare = [sys.executable, "-m", "tests.stub.real.compare", "--ignore-times"]
    command = [*compare, "--seed", "5", name, str(CASES)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
