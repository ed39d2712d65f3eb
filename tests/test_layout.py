"""The tree is what ARCHITECTURE.md says, and every piece has its companions."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = sorted(
    path.relative_to(ROOT)
    for package in ("minidns", "sim")
    for path in (ROOT / package).rglob("*.py")
)


@pytest.mark.parametrize("path", CODE, ids=str)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= 400


def test_nothing_points_outside_the_project() -> None:
    for folder in ("minidns", "sim", "bench", "docs", "deploy"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".yaml", ".sh"}:
                text = path.read_text()
                for word in ("../shared", "/work/"):
                    assert word not in text, f"{path.relative_to(ROOT)} says {word}"
