"""Pages of lessons: where they are, and their parts in the order of the page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..scenario.play import Block, Scenario, blocks, scenarios

LANGUAGES = {"en": "lessons", "ja": "ja/lessons"}
"""The folders of the pages, by language."""
_PICTURE = re.compile(r"^!\[.*\]\(.*\)\n", re.M)


class Part(NamedTuple):
    """A scenario of a page, with the text above each of its blocks."""

    scenario: Scenario
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A page that a learner works through."""

    number: int
    title: str
    minutes: str
    """How long it takes, in words of its language."""
    parts: tuple[Part, ...]
    end: str
    """The text after the last block."""

    @property
    def questions(self) -> int:
        """The number of blanks to fill in."""
        steps = (step for part in self.parts for step in part.scenario.steps)
        return sum(step.has_blank for step in steps)


def folder(language: str = "en") -> Path:
    """Return the folder of the pages: in the package if installed, or in docs."""
    packed = Path(__file__).parent / "pages"
    root = packed if packed.exists() else Path(__file__).parents[2] / "docs"
    return root / LANGUAGES[language]


def lessons(language: str = "en") -> list[Lesson]:
    """Return the lessons of a language by their numbers."""
    files = sorted(folder(language).glob("[0-9]*.md"))
    return [parse(path.read_text(encoding="utf-8"), path.name) for path in files]


def parse(page: str, file: str) -> Lesson:
    """Return the lesson of a page.

    The name of the file begins with the number of the lesson, the first heading is its
    title, and the first line in italics says how long it takes.

    Raises:
        ValueError: the page is not in this form.

    """
    number = re.match(r"\d+", file)
    title = re.search(r"^# (.+)$", page, re.M)
    minutes = re.search(r"^\*(.+)\*$", page, re.M)
    if not (number and title and minutes):
        raise ValueError(f"{file}: a lesson has a number, a title and its minutes")
    page = _PICTURE.sub("", page)
    *_, end = page.rpartition("\n```\n")
    return Lesson(int(number[0]), title[1], minutes[1], tuple(_parts(page, file)), end)


def _parts(page: str, file: str) -> Iterator[Part]:
    below = list(blocks(page))
    for scenario in scenarios(page, file):
        count = next((n for n, b in enumerate(below[1:], 1) if not b.continued), None)
        yield Part(scenario, tuple(below[:count]))
        below = below[count:] if count else []
