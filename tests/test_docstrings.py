"""Examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

from tests.table import table

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for folder in ("minidns", "sim", "bench", "docs")
    for path in (ROOT / folder).rglob("*.py")
    if ">>>" in path.read_text()
)


@table("module", MODULES)
def test_examples_of_a_module(module: str) -> None:
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted
    assert not results.failed, f"see the output for the examples of {module} that fail"
