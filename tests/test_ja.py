"""The Japanese pages: their commands and outputs are those of the English ones, which the tests play."""

import re
from collections.abc import Iterator
from pathlib import Path

from sim.lesson.page import lessons
from tests.table import table
from tests.test_links import ROOT

ENGLISH = ROOT / "docs"
JAPANESE = ENGLISH / "ja"
PAGES = sorted(path.relative_to(JAPANESE) for path in JAPANESE.rglob("*.md") if path != JAPANESE / "index.md")
_FENCE = re.compile(r"^(?P<mark>`{3,})(?P<info>.*)\n(?P<text>(?s:.*?))^(?P=mark)$", re.M)
_COMMENT = re.compile(r"^#.*\n", re.M)


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of the blocks of a page; comments of scenarios are left out, and may be translated."""
    for block in _FENCE.finditer(page.read_text(encoding="utf-8")):
        is_scenario = block["info"].startswith("scenario")
        yield block["info"], _COMMENT.sub("", block["text"]) if is_scenario else block["text"]


def test_there_are_pages() -> None:
    assert len(PAGES) > 11


@table("page", PAGES, ids=str)
def test_a_page_has_the_blocks_of_the_english_one(page: Path) -> None:
    japanese = list(blocks(JAPANESE / page))
    assert japanese == list(blocks(ENGLISH / page))
    assert japanese


def test_every_lesson_is_translated_with_its_hints() -> None:
    english, japanese = lessons("en"), lessons("ja")
    assert [each.number for each in japanese] == [each.number for each in english]
    for one, other in zip(english, japanese, strict=True):
        assert re.findall(r"\d+", one.minutes) == re.findall(r"\d+", other.minutes)
        for step, translated in zip(one.steps, other.steps, strict=True):
            assert bool(step.hint) == bool(translated.hint)
            assert not step.hint or not translated.hint.isascii()
