"""A lesson as HTML: its text, commands with a button each, questions as forms."""

from base64 import b64encode
from typing import NamedTuple

from minidns.text.foreign import in_html

from ..lesson import page
from ..lesson.session import SAID
from ..scenario.play import Step
from ..trial.word import COMMANDS
from .markdown import html

LANGUAGES = {"en": "English", "ja": "日本語"}
"""The languages of lessons, by the code of each."""


class Words(NamedTuple):
    """The words of buttons, by language."""

    run: str
    check: str
    give_up: str
    picture: str
    leave: str
    another: str


WORDS = {
    "en": Words(
        "Run",
        "Check",
        "Show the answer",
        "Picture",
        "End the lesson",
        "Another command",
    ),
    "ja": Words("実行", "確認", "答えを表示", "図", "レッスンを終了", "別のコマンド"),
}


def lesson_html(lesson: page.Lesson, language: str) -> str:
    """Return the whole lesson; elements of commands have their place as data-step."""
    words = WORDS[language]
    parts, number = list[str](), 0
    for block in lesson.blocks:
        parts.append(html(block.above))
        for step in block.steps:
            parts.append(_step(number, step, language))
            number += 1
    picture = b64encode(page.picture(lesson.number, language).read_bytes()).decode()
    return (
        f'<div class="row"><button popovertarget="slide">{words.picture}</button>'
        f'<button id="leave">{words.leave}</button></div>'
        '<div id="slide" popover>'
        f'<img alt="" src="data:image/svg+xml;base64,{picture}"></div>'
        f'<div class="text" lang="{language}">{"".join(parts)}'
        f'<form id="try"><label class="wide">{words.another}'
        f' <input name="line" placeholder="cat shop/client" autocomplete="off"'
        f' autocapitalize="none" spellcheck="false"></label>'
        f"<button>{words.run}</button></form>"
        f'<pre id="tried" role="status" hidden></pre>{html(lesson.end)}'
        '<p id="score" role="status"></p></div>'
    )


def _step(number: int, step: Step, language: str) -> str:
    if step.has_blank:
        return _question(number, step, language)
    body, button = "", ""
    if COMMANDS[step.command.split()[0]].has_output:
        button = f"<button data-run>{WORDS[language].run}</button>"
    elif step.body:
        body = f"<pre>{_lines(step.body)}</pre>"
    return (
        f'<div class="command" data-step="{number}">'
        f"<div><code>$ {in_html(step.command)}</code>{button}</div>{body}"
        '<pre class="out" role="status" hidden></pre></div>'
    )


def _question(number: int, step: Step, language: str) -> str:
    words = WORDS[language]
    return (
        f'<form class="command question" data-step="{number}">'
        f"<div><code>$ {in_html(step.command)}</code></div>"
        f'<pre class="expected">{_lines(step.body)}</pre>'
        f'<label class="wide">{in_html(SAID[language].answer.strip())} '
        '<input name="text" autocomplete="off"'
        ' autocapitalize="none" spellcheck="false"></label>'
        f'<button class="main">{words.check}</button>'
        f'<button type="button" data-give-up>{words.give_up}</button>'
        '<p class="told" role="status"></p><pre class="out" hidden></pre></form>'
    )


def _lines(lines: tuple[str, ...]) -> str:
    return "\n".join(map(in_html, lines))
