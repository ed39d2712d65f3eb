"""The same scenario and seed have the same trace, in any process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = """\
scale coredns 3
lose 1/5 link app>node
outside www.example.org A 192.0.2.7
resolve app kubernetes.default
resolve app www.example.org
crash 1/2 at kube-dns
service shop/web ip 10.96.7.7 port http:80
resolve app web.shop
wait 20 s
"""


def hash_of(file: Path, hash_seed: int, seed: int) -> str:
    """Play a scenario in a process of its own; return the hash of its trace."""
    ran = subprocess.run(
        [sys.executable, "-m", "sim", "run", "-o", "json", "--seed", str(seed), str(file)],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    (run,) = json.loads(ran.stdout)["runs"]
    return str(run["hash"])


@pytest.mark.slow
def test_a_seed_has_one_trace(tmp_path: Path) -> None:
    file = tmp_path / "story.txt"
    file.write_text(TEXT)
    hashes = {hash_of(file, hash_seed, 3) for hash_seed in (1, 2)}
    assert len(hashes) == 1
    assert hashes != {hash_of(file, 1, 4)}
    file.write_text(TEXT + "wait 1 s\nresolve app example.org\n")
    assert hashes != {hash_of(file, 1, 3)}
