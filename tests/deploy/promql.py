"""The metrics of a PromQL expression, and the labels that it matches and groups by."""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<range>\[[^\]]*\])
      | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<number>[0-9][0-9.eE+-]*)
      | (?P<op>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},])
      | (?P<space>\s+)""",
    re.VERBOSE,
)
_GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset"}


class Matcher(NamedTuple):
    label: str
    op: str
    value: str


class Selected(NamedTuple):
    """A metric, with what its labels must be."""

    metric: str
    matchers: tuple[Matcher, ...]


class Read(NamedTuple):
    """All that an expression reads."""

    selected: tuple[Selected, ...]
    grouped: frozenset[str]
    """Labels in ``by (...)`` and the like."""


def read(expr: str) -> Read:
    """Return what ``expr`` reads; ValueError if it cannot be understood."""
    tokens = [t for t in _tokens(expr) if t[0] != "space"]
    selected: list[Selected] = []
    grouped: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        after = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        at += 1
        if kind != "name" or text in _WORDS:
            continue
        if text in _GROUPING:
            if after == "(":
                end = tokens.index(("op", ")"), at)
                grouped |= {each for k, each in tokens[at:end] if k == "name"}
                at = end + 1
        elif after == "{":
            end = tokens.index(("op", "}"), at)
            selected.append(Selected(text, tuple(_matchers(tokens[at + 1 : end]))))
            at = end + 1
        elif after != "(" and after not in _GROUPING:  # else a function, or sum by
            selected.append(Selected(text, ()))
    return Read(tuple(selected), frozenset(grouped))


def _tokens(expr: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(expr):
        match = _TOKEN.match(expr, at)
        if match is None:
            raise ValueError(f"not PromQL at {expr[at : at + 20]!r}")
        found.append((str(match.lastgroup), match.group()))
        at = match.end()
    return found


def _matchers(tokens: list[tuple[str, str]]) -> list[Matcher]:
    tokens = [token for token in tokens if token != ("op", ",")]
    if len(tokens) % 3:
        raise ValueError(f"not matchers: {tokens}")
    found = []
    for (_, label), (_, op), (_, value) in zip(*[iter(tokens)] * 3, strict=True):
        found.append(Matcher(label, op, value[1:-1]))
    return found
