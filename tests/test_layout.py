"""The tree is what ARCHITECTURE.md says, and every piece has its companions."""

import ast
import re
from pathlib import Path

import pytest

from minidns import plugins

ROOT = Path(__file__).parent.parent
CODE = sorted(
    path.relative_to(ROOT)
    for package in ("minidns", "sim")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
)
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("path", CODE, ids=str)
def test_every_module_is_used_by_a_test_or_a_tested_module(path: Path) -> None:
    mirror = (
        ROOT / "tests" / Path(*path.parts[1 if path.parts[0] == "minidns" else 0 :])
    )
    near = list(mirror.parent.glob(f"test_{path.stem}*.py"))
    dotted = ".".join(path.with_suffix("").parts)
    package, _, name = dotted.rpartition(".")
    named = f"{dotted} import" in TESTS or f"from {package} import" in TESTS
    importers = [
        other
        for other in CODE
        if other != path
        and re.search(
            rf"from {re.escape(dotted)} import|from {re.escape(package)} import [^#]*\b{name}\b",
            (ROOT / other).read_text(),
        )
    ]
    assert near or named or importers, f"nobody tests or uses {path}"


@pytest.mark.parametrize(
    "name", [n for n in plugins.names() if n not in plugins.OBSERVING]
)
def test_every_plugin_has_its_companions(name: str) -> None:
    assert (ROOT / f"docs/plugins/{name}.md").exists(), (
        f"docs/plugins/{name}.md is missing"
    )
    assert list((ROOT / "tests/plugins").glob(f"test_{name}*.py")), (
        f"tests/plugins/test_{name}.py is missing"
    )
    line = (
        ast.get_docstring(ast.parse((ROOT / f"minidns/plugins/{name}.py").read_text()))
        or ""
    ).splitlines()[0]
    assert line.startswith(f"*{name}* - "), (
        f"minidns/plugins/{name}.py: the docstring does not begin with its manual-page line"
    )


def test_plugins_do_not_know_each_other() -> None:
    known = set(plugins.ORDER)
    for path in (ROOT / "minidns/plugins").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "minidns.plugins."
            ):
                other = (node.module or "").split(".")[2]
                assert other not in known or other == path.stem, (
                    f"{path.name} imports the plugin {other}"
                )


@pytest.mark.parametrize("path", CODE, ids=str)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= 400


def test_nothing_points_outside_the_project() -> None:
    for folder in ("minidns", "sim", "bench", "docs", "deploy"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".yaml", ".sh"}:
                text = path.read_text()
                for word in ("TODO", "FIXME", "XXX", "../shared", "/work/"):
                    assert word not in text, f"{path.relative_to(ROOT)} says {word}"
