"""Words and signs of the expression language of expr-lang, as *view* uses it.

The lexer reads what expr-lang 1.17 reads: names, numbers, strings in single, double or
back quotes, operators and brackets. Words that are operators (``and``, ``in``) are
Operator tokens.
"""

import re
from typing import Literal, NamedTuple, TypeAlias

from minidns.text.go_text import quote

Kind: TypeAlias = Literal[
    "Identifier", "Number", "String", "Operator", "Bracket", "EOF"
]


class ExpressionError(ValueError):
    """An expression that cannot be used; ``str()`` is what expr-lang says of it."""

    def __init__(self, message: str, text: str, at: int) -> None:
        """Say ``message`` of the sign at offset ``at`` of ``text``."""
        pointer = "." * at + "^"
        super().__init__(f"{message} (1:{at + 1})\n | {text}\n | {pointer}")


class Token(NamedTuple):
    """A word or sign, and where it begins."""

    kind: Kind
    text: str
    """A string's is without quotes and escapes."""
    at: int

    def __str__(self) -> str:
        """Return it as errors show it: ``Operator("==")``, ``EOF``."""
        return self.kind if self.kind == "EOF" else f"{self.kind}({quote(self.text)})"


WORDS = frozenset(
    ("and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith")
)
"""Operators that are words."""
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<Number>0x[0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+
       |(?:\d[\d_]*(?:\.(?!\.)\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<Identifier>[A-Za-z_$][A-Za-z0-9_$]*)
  | (?P<Operator>\.\.|\*\*|&&|\|\||==|!=|<=|>=|\?\?|[-+*/%^<>!=?:,.|;\#])
  | (?P<Bracket>[()\[\]{}])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:(?P<sign>[abfnrtv\\'\"])|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})"
    r"|U(?P<U>[0-9a-fA-F]{8})|(?P<octal>[0-7]{3})|(?P<bad>.|$))",
    re.DOTALL,
)
_SIGNS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def tokens(text: str) -> list[Token]:
    """Return the tokens of ``text``; the last one is EOF.

    Raises:
        ExpressionError: a sign that means nothing, a string without an end.

    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in "'\"`":
            token, at = _string(text, at)
            found.append(token)
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            sign = text[at]
            message = f"unrecognized character: U+{ord(sign):04X} '{sign}'"
            raise ExpressionError(message, text, at)
        at = match.end()
        if match.lastgroup != "space":
            found.append(_token(match))
    return [*found, Token("EOF", "", max(0, len(text) - 1))]


def _token(match: re.Match[str]) -> Token:
    word = match.group()
    at = match.start()
    if match["Number"]:
        return Token("Number", word, at)
    if match["Bracket"]:
        return Token("Bracket", word, at)
    if match["Operator"] or word in WORDS:
        return Token("Operator", word, at)
    return Token("Identifier", word, at)


def _string(text: str, start: int) -> tuple[Token, int]:
    """Return the string at ``start``, and where it ends."""
    mark = text[start]
    end = start + 1
    while end < len(text) and text[end] != mark:
        end += 2 if text[end] == "\\" and mark != "`" else 1
    if end >= len(text):
        raise ExpressionError("literal not terminated", text, len(text))
    inner = text[start + 1 : end]
    if mark != "`":
        try:
            inner = _ESCAPE.sub(_unescaped, inner)
        except (ValueError, OverflowError):
            message = "unable to unescape string"
            raise ExpressionError(message, text, start) from None
    return Token("String", inner, start), end + 1


def _unescaped(match: re.Match[str]) -> str:
    if match["sign"]:
        return _SIGNS.get(match["sign"], match["sign"])
    digits = match["x"] or match["u"] or match["U"]
    if digits:
        return chr(int(digits, 16))
    if match["octal"]:
        return chr(int(match["octal"], 8))
    raise ValueError(match.group())
