"""Open files: as many as the process may have, shared out."""

import subprocess
import sys

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
