"""The systemd unit for one user: systemd reads it without a complaint."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_links import ROOT

ANALYZE = shutil.which("systemd-analyze")
USER_UNITS = ("default.target", "sockets.target", "timers.target", "basic.target")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is missing")
def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    text = (ROOT / "deploy/systemd/minidns.service").read_text()
    unit = tmp_path / "minidns.service"
    unit.write_text(text.replace("%h/.local/bin/minidns", "/bin/true"))
    tmp_path.chmod(0o700)  # the run-time folder of a user
    words = [str(ANALYZE), "--user", "verify", str(unit)]
    done = subprocess.run(words, env={"XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def test_it_is_ordered_by_units_of_a_user_only() -> None:
    """A user's systemd has no network-online.target: the name would have no effect."""
    lines = (ROOT / "deploy/systemd/minidns.service").read_text().splitlines()
    named = [
        line.partition("=")[2] for line in lines if line.startswith(("After=", "Wants=", "WantedBy=", "Requires="))
    ]
    assert set(named) <= set(USER_UNITS)
