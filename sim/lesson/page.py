"""Pages of lessons: where they are, and what is in them in the order of the page."""

import re
from dataclasses import dataclass
from pathlib import Path

from ..scenario.play import Block, Step, blocks

LANGUAGES = {"en": "lessons", "ja": "ja/lessons"}
"""The folders of the pages, by language."""
_PICTURE = re.compile(r"^!\[.*\]\(.*\)\n", re.M)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A page that a learner works through."""

    number: int
    title: str
    minutes: str
    """How long it takes, in words of its language."""
    blocks: tuple[Block, ...]
    """The commands, which are played on one cluster, with the text above them."""
    end: str
    """The text after the last block."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The commands of all blocks."""
        return tuple(step for block in self.blocks for step in block.steps)

    @property
    def questions(self) -> int:
        """The number of blanks to fill in."""
        return sum(step.has_blank for step in self.steps)


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
    found = tuple(blocks(page))
    if any(block.continued is (block is found[0]) for block in found):
        raise ValueError(f"{file}: every block after the first one continues it")
    return Lesson(int(number[0]), title[1], minutes[1], found, end)


def picture(number: int, language: str = "en") -> Path:
    """Return the file with the picture of a lesson, as SVG."""
    return folder(language) / "pictures" / f"{number:02}.svg"
