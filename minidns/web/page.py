"""The page as HTML: form, walks, panels, list of queries; nothing is loaded.

Style and script are part of the page, under a content security policy with a nonce.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from string import Template
from typing import NamedTuple
from urllib.parse import urlencode

from minidns.text.foreign import in_html
from minidns.walk.steps import Walk
from minidns.walk.wording import COMMON_TYPES
from minidns.web.picture import sides
from minidns.web.source import Asked, Choices, Option

_SCRIPTS = ("page.js", "lesson.js", "live.js")
RATES = ("1/1", "1/2", "1/10", "1/100", "1/1000")
"""Rates of faults and of planted causes to choose from."""


def policy(nonce: str) -> str:
    """Return the content security policy of a page."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}';"
        " style-src-attr 'unsafe-inline'; img-src data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


class Shown(NamedTuple):
    """What a page shows."""

    asked: Asked
    walks: Sequence[Walk] = ()
    wrong: str = ""
    """Why there are no walks, if the lookup could not be made."""
    faults: Sequence[str] = ()
    """The active faults."""


def document(choices: Choices, shown: Shown, token: str) -> tuple[str, str]:
    """Return the page, and its content security policy."""
    asked, walks = shown.asked, shown.walks
    nonce = secrets.token_urlsafe(12)
    title = f"{asked.name} from {asked.pod}" if walks else "minidns: a lookup's walk"
    values = {
        "nonce": nonce,
        "title": in_html(title),
        "style": _file("page.css"),
        "script": "".join(map(_file, _SCRIPTS)),
        "cluster": in_html(choices.cluster),
        "read_only": str(choices.is_read_only).lower(),
        "token": in_html(token),
        "name": in_html(asked.name),
        "names": "".join(f'<option value="{in_html(name)}">' for name in choices.names),
        "pods": _options(choices.pods, asked.pod),
        "resolvers": _options(choices.resolvers, asked.resolver),
        "types": _options(_TYPES, asked.type.upper()),
        "wrong": in_html(shown.wrong),
        "faults": _active_faults(shown, token),
        "walk": sides(walks) if walks else "",
        "panels": "".join(_panels(choices)),
        "bursts": "" if choices.is_read_only else _BURST,
    }
    return Template(_file("page.html")).substitute(values), policy(nonce)


def _active_faults(shown: Shown, token: str) -> str:
    """Return the active faults for a browser without JavaScript, with a way back."""
    if not shown.faults:
        return ""
    fields = {"token": token, **shown.asked._asdict()}
    kept = "".join(
        f'<input type="hidden" name="fault" value="{in_html(fault)}">'
        for fault in shown.faults
    )
    mend = f'<a href="/walk?{in_html(urlencode(fields))}">mend everything</a>'
    faults = in_html("; ".join(shown.faults))
    return f"<noscript>{kept}<p>Active faults: {faults} ({mend})</p></noscript>"


_TYPES = (Option("", "A and AAAA"), *map(Option, COMMON_TYPES))
_BURST = '<button id="burst">1,000 lookups</button>'


@cache
def _file(name: str) -> str:
    return resources.files("minidns.web").joinpath(name).read_text("utf-8")


def _options(options: Iterable[Option], chosen: str) -> str:
    return "".join(
        f'<option value="{in_html(value)}"{" selected" * (value == chosen)}>'
        f"{in_html(words or value)}</option>"
        for value, words in options
    )


def _panels(choices: Choices) -> Iterable[str]:
    if choices.experiments:
        items = "".join(
            f'<li><button data-experiment="{in_html(each.id)}">{in_html(each.title)}'
            "</button></li>"
            for each in choices.experiments
        )
        yield _panel("Try", f'<p id="watch" role="status"></p><ul>{items}</ul>')
    if choices.lessons:
        yield _panel("Learn", "".join(_lessons(choices.lessons)))
    if choices.switches:
        yield _panel("Break a link", _switches(choices.switches))
    if choices.causes:
        yield _panel("Find a rare fault", _trial(choices.causes))


def _lessons(lessons: Mapping[str, Sequence[Option]]) -> Iterable[str]:
    for number, (language, options) in enumerate(lessons.items()):
        items = "".join(
            f'<li><button data-lesson="{in_html(value)}">{in_html(title)}</button></li>'
            for value, title in options
        )
        opened = "" if number else " open"
        yield (
            f"<details{opened}><summary>{in_html(language)}</summary>"
            f"<ul>{items}</ul></details>"
        )


def _panel(title: str, body: str) -> str:
    return f'<section class="panel"><h2>{title}</h2>{body}</section>'


def _rates(rates: Sequence[str]) -> str:
    return _options([Option(rate, f"1 in {rate[2:]}") for rate in rates], "")


def _switches(switches: Iterable[Option]) -> str:
    boxes = "".join(
        '<li><label class="check">'
        f'<input type="checkbox" data-fault="{in_html(value)}">'
        f"<span>{in_html(words)}</span></label></li>"
        for value, words in switches
    )
    return (
        f'<label>Rate <select id="rate">{_rates(RATES)}</select></label>'
        f"<ul>{boxes}</ul>"
        '<form id="own-fault"><label class="wide">Another fault, in words'
        ' <input name="words" placeholder="lose 1/10 link pods&gt;node"></label>'
        "<button>Add</button></form>"
        '<ul id="active" aria-label="Active faults" aria-live="polite"></ul>'
        '<button id="clear">Mend everything</button>'
    )


def _trial(causes: Iterable[Option]) -> str:
    return (
        "<p>A trial plants a cause in a cluster of its own, looks names up over every"
        " path, and finds the cause by its odds.</p>"
        f'<form id="trial"><label class="wide">Cause <select name="plant">'
        f"{_options(causes, '')}</select></label>"
        f'<label>Rate <select name="rate">{_rates(RATES[2:])}</select></label>'
        "<button>Start</button></form>"
        '<p id="verdict" role="status"></p><ul id="odds" class="odds"'
        ' aria-label="Odds of each suspect"></ul>'
    )
