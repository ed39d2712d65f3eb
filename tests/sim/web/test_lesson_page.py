"""The HTML of lessons, and of the Markdown that they are written in."""

import re

import pytest

from sim.lesson.page import lessons
from sim.web.lesson_page import lesson_html
from sim.web.markdown import html


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_page_of_a_lesson_has_all_of_its_text_commands_and_questions(language: str) -> None:
    for lesson in lessons(language):
        page = lesson_html(lesson, language)
        assert page.count("data-step=") == len(lesson.steps)
        assert page.count("data-give-up") == lesson.questions
        assert "image/svg+xml;base64," in page
        assert "](" not in page
        assert "`" not in re.sub(r"<pre>.*?</pre>", "", page, flags=re.S)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# A *title*", "<h2>A <em>title</em></h2>"),
        ("one\ntwo\n\nthree", "<p>one two</p><p>three</p>"),
        ("これは\nDNSです。", "<p>これはDNSです。</p>"),
        ("see [the *page*](../x.md)", "<p>see the <em>page</em></p>"),
        ("`a *b* [c](d) <e>`", "<p><code>a *b* [c](d) &lt;e&gt;</code></p>"),
        ("| a | b |\n| --- | --- |\n| 1 | `2` |",
         '<table class="plain"><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><code>2</code></td></tr></table>'),
    ],
)  # fmt: skip
def test_markdown(markdown: str, expected: str) -> None:
    assert html(markdown) == expected
