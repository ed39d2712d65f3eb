"""Whatever ends apply or undo, and at whatever step: undo has it all back."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.laptop.world import FILES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("recipe", FILES)
def test_undo_restores_after_an_end_at_every_step(recipe: str, tmp_path: Path) -> None:
    asked = ("-m", "tests.laptop.interrupted", recipe, str(tmp_path))
    done = subprocess.run([sys.executable, *asked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    steps = [int(line) for line in done.stdout.splitlines()]
    assert len(steps) == 6
    assert min(steps) >= 4  # none would mean that nothing was tried
