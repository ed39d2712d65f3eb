import subprocess
import sys

import pytest

from tests.conformance.test_over_sockets import ROOT, why_not

pytestmark = pytest.mark.slow


@pytest.mark.netns
def test_everything_listens_at_link_local_addresses_and_shows_their_scope() -> None:
    if reason := why_not():
        pytest.skip(f"no network namespace: {reason}")
    ran = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.link_local"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
