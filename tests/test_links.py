"""Every link in the documentation leads somewhere, on GitHub and in the site."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.table import table

ROOT = Path(__file__).parent.parent
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
FILES = sorted(
    [path for name in TOP if (path := ROOT / name).exists()]
    + [path for folder in ("docs", "deploy") for path in (ROOT / folder).rglob("*.md")]
)
_FENCED = re.compile(r"^(`{3,}).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[(?:[^][]|\[[^]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


class Link(NamedTuple):
    """A link of a page to something of this project."""

    page: Path
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.target}"


def prose(text: str) -> str:
    """Return a page without its code, its lines where they were."""
    text = _FENCED.sub(lambda found: "\n" * found[0].count("\n"), text)
    return _CODE.sub(lambda found: "`" + " " * (len(found[0]) - 2) + "`", text)


def links(page: Path) -> Iterator[Link]:
    text = prose(page.read_text())
    # in a link's text there may be code: what it says does not matter here
    for found in _LINK.finditer(text):
        if not _ELSEWHERE.match(found[1]):
            yield Link(page, text.count("\n", 0, found.start()) + 1, found[1])


def headings(text: str) -> list[str]:
    return _HEADING.findall(_FENCED.sub("", text))


def anchors_on_github(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    return set(_numbered(map(_github, headings(text)), "-"))


def anchors_in_site(text: str) -> set[str]:
    """Return the anchors that mkdocs gives them (Python-Markdown, toc)."""
    return set(_numbered(map(_toc, headings(text)), "_"))


def _github(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", _plain(heading).lower())
    return kept.replace(" ", "-")


def _toc(heading: str) -> str:
    kept = re.sub(r"[^\w\s-]", "", _plain(heading)).strip().lower()
    return re.sub(r"[-\s]+", "-", kept)


def _plain(heading: str) -> str:
    """Return a heading as it is shown."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("*", "").replace("`", "")


def _numbered(slugs: Iterator[str], mark: str) -> Iterator[str]:
    seen: set[str] = set()
    for slug in slugs:
        tries = (f"{slug}{mark}{n}" if n else slug for n in count())
        name = next(each for each in tries if each not in seen)
        seen.add(name)
        yield name


def broken(link: Link) -> str:
    """Return what is wrong with a link, empty when nothing is."""
    path, _, anchor = link.target.partition("#")
    file = (link.page.parent / path).resolve() if path else link.page
    if not file.exists():
        return "there is no such file"
    if not file.is_relative_to(ROOT):
        return "it leads out of the project"
    if anchor and file.suffix == ".md":
        text = file.read_text()
        if anchor not in anchors_on_github(text):
            return "there is no such heading on GitHub"
        if anchor not in anchors_in_site(text):
            return "there is no such heading in the site"
    return ""


@table("page", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    wrong = [f"{link}: {why}" for link in links(page) if (why := broken(link))]
    assert not wrong, "\n".join(wrong)


def test_there_are_links() -> None:
    assert sum(1 for page in FILES for _ in links(page)) > 30


# -- the navigation


def flat(nav: object) -> Iterator[str]:
    match nav:
        case str():
            yield nav
        case dict():
            for value in nav.values():
                yield from flat(value)
        case list():
            for value in nav:
                yield from flat(value)


NAV = list(flat(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))


def test_every_page_is_in_the_navigation() -> None:
    folders = tuple(each for each in NAV if each.endswith("/"))
    pages = {str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")}
    missing = {page for page in pages - set(NAV) if not page.startswith(folders)}
    assert not missing, f"mkdocs.yml: nav lacks {', '.join(sorted(missing))}"


def test_the_navigation_names_pages_once_that_exist() -> None:
    assert [each for each in NAV if not (ROOT / "docs" / each).exists()] == []
    assert len(NAV) == len(set(NAV))


# -- what is tested with


@table(
    ("heading", "github", "site"),
    [
        ("Watch and store", "watch-and-store", "watch-and-store"),
        ("1. Look at the pod", "1-look-at-the-pod", "1-look-at-the-pod"),
        ("`minidns why`, and *more*", "minidns-why-and-more", "minidns-why-and-more"),
        ("A - B", "a---b", "a-b"),
        ("See [there](x.md)", "see-there", "see-there"),
    ],
)
def test_anchors(heading: str, github: str, site: str) -> None:
    text = f"# {heading}\n\n```\n# not a heading\n```\n"
    assert anchors_on_github(text) == {github}
    assert anchors_in_site(text) == {site}


def test_the_second_of_a_name_is_numbered() -> None:
    assert anchors_on_github("# A\n# A\n") == {"a", "a-1"}
    assert anchors_in_site("# A\n# A\n") == {"a", "a_1"}


@table(
    ("text", "why"),
    [
        ("[x](other.md)", ""),
        ("[x](other.md#there)", ""),
        ("[x](#here)", ""),
        ("[`x`](other.md)", ""),
        ("[x](https://example.org/none.md)", ""),
        ("`[x](none.md)`", ""),
        ("```\n[x](none.md)\n```", ""),
        ("[x](none.md)", "there is no such file"),
        ("[x](other.md#nowhere)", "there is no such heading on GitHub"),
        ("[x](#nowhere)", "there is no such heading on GitHub"),
        ("[x](other.md#a---b)", "there is no such heading in the site"),
        ("[x](../../..)", "it leads out of the project"),
    ],
)
def test_what_is_broken(text: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_links.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n{text}\n")
    (tmp_path / "other.md").write_text("# There\n\n# A - B\n")
    assert [each for link in links(page) if (each := broken(link))] == [why] * bool(why)
