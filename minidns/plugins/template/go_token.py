"""Template text to pieces: what stands between actions, and the words of each."""

import re
from typing import NamedTuple

from minidns.plugins.template.go_format import TemplateError


class Token(NamedTuple):
    """A word of an action."""

    kind: str
    text: str
    spaced: bool
    """Whether white space stands before it."""

    @property
    def goes_on(self) -> bool:
        """Whether this is a field of what stands before it."""
        return self.kind == "field" and not self.spaced


_ACTION = re.compile(
    r"""\{\{(?P<left>-\s)?(?:
        \s*(?P<comment>/\*.*?\*/)\s*
      | (?P<body>(?:"(?:\\.|[^"\\\n])*"|`[^`]*`
                 |[^"`}]|\}(?!\}))*?)
    )(?P<right>\s-)?\}\}""",
    re.DOTALL | re.VERBOSE,
)
_WORD = re.compile(
    r"""\s*(?:
      (?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?))
    | (?P<variable>\$\w*)
    | (?P<field>\.[^\W\d]\w*)
    | (?P<dot>\.)
    | (?P<word>[^\W\d]\w*)
    | (?P<sign>:=|[=|(),])
    )""",
    re.VERBOSE,
)


def _tokens(body: str) -> list[Token]:
    found: list[Token] = []
    body, at = body.rstrip(), 0
    while at < len(body):
        word = _WORD.match(body, at)
        if word is None:
            raise TemplateError(f"unexpected {body[at:].strip()!r} in action")
        kind = str(word.lastgroup)
        found.append(Token(kind, word[kind], word.start(kind) > at))
        at = word.end()
    return found


def pieces(text: str) -> list[str | list[Token]]:
    """Return the text between actions as str, the actions as their tokens."""
    pieces: list[str | list[Token]] = []
    at, trim = 0, False
    while (start := text.find("{{", at)) >= 0:
        action = _ACTION.match(text, start)
        if action is None:
            raise TemplateError("unclosed action")
        between = text[at:start]
        between = between.lstrip() if trim else between
        pieces.append(between.rstrip() if action["left"] else between)
        if action["comment"] is None:
            pieces.append(_tokens(action["body"]))
        at, trim = action.end(), bool(action["right"])
    pieces.append(text[at:].lstrip() if trim else text[at:])
    return pieces
