"""The tree is what ARCHITECTURE.md says, and every piece has its companions."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
LINES = 400


def test_no_module_is_longer_than_contributing_allows() -> None:
    too_long = [
        path.relative_to(ROOT)
        for package in ("minidns", "sim", "bench")
        for path in (ROOT / package).rglob("*.py")
        if len(path.read_text().splitlines()) > LINES
    ]
    assert too_long == []


def test_nothing_points_outside_the_project() -> None:
    for folder in ("minidns", "sim", "bench", "docs", "deploy"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".yaml", ".sh"}:
                text = path.read_text()
                for word in ("../shared", "/work/"):
                    assert word not in text, f"{path.relative_to(ROOT)} says {word}"


def test_a_decision_has_a_number_of_its_own() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert len(set(numbers)) == len(numbers) > 20
