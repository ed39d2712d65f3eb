"""Whatever ends apply or undo, and at whatever step: undo has it all back."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.laptop.world import FILES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("how", ["kill", "once", "on"])
@pytest.mark.parametrize("action", ["apply", "undo"])
@pytest.mark.parametrize("recipe", FILES)
def test_undo_restores_after_an_end_at_every_step(recipe: str, action: str, how: str, tmp_path: Path) -> None:
    asked = ("-m", "tests.laptop.interrupted", recipe, action, how, str(tmp_path))
    done = subprocess.run([sys.executable, *asked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4  # steps; none would mean that nothing was tried
