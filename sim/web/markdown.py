"""The Markdown of lessons as HTML: headings, paragraphs, tables, emphasis, code."""

import re
from collections.abc import Iterator

from minidns.text.foreign import in_html

_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_EMPHASIS = re.compile(r"\*([^*]+)\*")
_ROW_OF_DASHES = re.compile(r"\|[-| :]+\|")
_UNSPACED = re.compile(
    "(?<=[\u3000-\u9fff\uff00-\uffef])\n|\n(?=[\u3000-\u9fff\uff00-\uffef])"
)
"""A line feed beside a character of a script that has no spaces."""


def html(page: str) -> str:
    """Return the HTML of a page, or of a part of one.

    The text of a link remains; the page that it leads to is not served.
    """
    parts = re.split(r"\n{2,}", page.strip())
    return "".join(_part(part) for part in parts if part)


def _part(part: str) -> str:
    if part.startswith("#"):
        marks, _, title = part.partition(" ")
        level = len(marks) + 1  # the page itself has the first level
        return f"<h{level}>{_inline(title)}</h{level}>"
    if part.startswith("|"):
        return f'<table class="plain">{"".join(_rows(part.splitlines()))}</table>'
    text = _UNSPACED.sub("", part).replace("\n", " ")
    return f"<p>{_inline(text)}</p>"


def _rows(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if not _ROW_OF_DASHES.fullmatch(line):
            cell = "td" if number else "th"
            words = line.strip("| ").split(" | ")
            cells = "".join(f"<{cell}>{_inline(each)}</{cell}>" for each in words)
            yield f"<tr>{cells}</tr>"


def _inline(text: str) -> str:
    """Return text with its emphasis and code; code has nothing else in it."""
    parts = _CODE.split(text)
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = f"<code>{in_html(part)}</code>"
        else:
            plain = _LINK.sub(r"\1", part)
            parts[number] = _EMPHASIS.sub(r"<em>\1</em>", in_html(plain))
    return "".join(parts)
