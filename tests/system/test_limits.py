"""Open files: as many as the process may have, shared out."""

import resource
import subprocess
import sys

import pytest

from minidns.system import limits
from tests.table import table

SCRIPT = """
import resource
from minidns.system.limits import fair_share, open_files
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(open_files(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], fair_share(1024))
"""


@table(("soft", "hard", "share"), [(64, 64, 16), (64, 2000, 500), (200, 8000, 1024), (2, 2, 1)])
def test_the_soft_limit_is_raised(soft: int, hard: int, share: int) -> None:
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(soft=soft, hard=hard)], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == [str(hard), str(hard), str(share)]


def test_without_a_limit_all_may_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert limits.fair_share(10_000) == 10_000
