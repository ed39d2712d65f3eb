"""The language of *view*'s expressions: tokens, types, operators and functions.

The lexer reads what expr-lang 1.17 reads: names, numbers, strings in single, double or
back quotes, operators and brackets. Words that are operators (``and``, ``in``) are
Operator tokens.
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from minidns.corefile.values import pattern
from minidns.text.go_text import quote

Kind: TypeAlias = Literal[
    "Identifier", "Number", "String", "Operator", "Bracket", "EOF"
]


class ExpressionError(ValueError):
    """A malformed expression; ``str()`` is the message of expr-lang."""

    def __init__(self, message: str, text: str, at: int) -> None:
        """Report ``message`` for the character at offset ``at`` of ``text``."""
        pointer = "." * at + "^"
        super().__init__(f"{message} (1:{at + 1})\n | {text}\n | {pointer}")


class Token(NamedTuple):
    """A token and its offset."""

    kind: Kind
    text: str
    """The text; of a string without quotes and escapes."""
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
        ExpressionError: an unknown character, or a string without an end.

    """
    read: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in "'\"`":
            token, at = _string(text, at)
            read.append(token)
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            sign = text[at]
            message = f"unrecognized character: U+{ord(sign):04X} '{sign}'"
            raise ExpressionError(message, text, at)
        at = match.end()
        if match.lastgroup != "space":
            read.append(_token(match))
    return [*read, Token("EOF", "", max(0, len(text) - 1))]


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
    """Return the string at ``start`` and the offset behind it."""
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


# -- types, operators, functions

STRING, INT, FLOAT, BOOL = "string", "int", "float64", "bool"
NIL, ARRAY, ANY = "nil", "[]interface {}", "unknown"
NUMBERS = frozenset((INT, FLOAT, ANY))


class Function(NamedTuple):
    """A function that expressions can call."""

    parameters: tuple[str, ...]
    result: str
    call: Callable[..., Any]
    """Called with the subject and the arguments."""


class Operator(NamedTuple):
    """A binary operator."""

    precedence: int
    accepts: Callable[[str, str], bool]
    """Returns whether it can be applied to values of these types."""
    result: Callable[[str, str], str]
    apply: Callable[[Any, Any], Any]


def _both(*types: str) -> Callable[[str, str], bool]:
    allowed = {*types, ANY}
    return lambda left, right: left in allowed and right in allowed


def _ordered(left: str, right: str) -> bool:
    return _both(INT, FLOAT)(left, right) or _both(STRING)(left, right)


def _comparable(left: str, right: str) -> bool:
    if ANY in (left, right) or NIL in (left, right) or left == right:
        return True
    return left in NUMBERS and right in NUMBERS


def _arithmetic(left: str, right: str) -> str:
    return INT if left == right == INT else FLOAT


def _sum(left: str, right: str) -> str:
    return STRING if STRING in (left, right) else _arithmetic(left, right)


def _always(result: str) -> Callable[[str, str], str]:
    return lambda left, right: result


def _equal(left: object, right: object) -> bool:
    """Compare as Go does: a bool is no number."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _is_in(left: object, right: Sequence[object]) -> bool:
    if isinstance(right, range):
        return type(left) is int and left in right
    return any(_equal(left, element) for element in right)


def _divided(left: float, right: float) -> float:
    if not right:
        raise ValueError("division by zero")
    return left / right


def _modulo(left: int, right: int) -> int:
    """Return the remainder with the sign of ``left`` (Go)."""
    if not right:
        raise ValueError("integer divide by zero")
    return abs(left) % abs(right) * (-1 if left < 0 else 1)


def _range(left: int, right: int) -> range:
    if right - left >= _LONGEST_RANGE:
        raise ValueError("memory budget exceeded")
    return range(left, right + 1)


_LONGEST_RANGE = 1_000_000
"""limit: numbers in ``a..b`` (expr-lang's memory budget)."""


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except (ArithmeticError, ValueError) as exc:
        raise ValueError(str(exc)) from exc


_LOGIC = _both(BOOL)
_TEXT = _both(STRING)
_ORDER = (20, _ordered, _always(BOOL))
_TEXTS = (20, _TEXT, _always(BOOL))
_OR = Operator(10, _LOGIC, _always(BOOL), lambda left, right: left or right)
_AND = Operator(15, _LOGIC, _always(BOOL), lambda left, right: left and right)
_POWER = Operator(100, _both(INT, FLOAT), _always(FLOAT), _power)
BINARY: dict[str, Operator] = {
    "or": _OR,
    "||": _OR,
    "and": _AND,
    "&&": _AND,
    "==": Operator(20, _comparable, _always(BOOL), _equal),
    "!=": Operator(20, _comparable, _always(BOOL), lambda a, b: not _equal(a, b)),
    "<": Operator(*_ORDER, operator.lt),
    ">": Operator(*_ORDER, operator.gt),
    "<=": Operator(*_ORDER, operator.le),
    ">=": Operator(*_ORDER, operator.ge),
    "in": Operator(20, lambda _, right: right in (ARRAY, ANY), _always(BOOL), _is_in),
    "matches": Operator(
        *_TEXTS, lambda text, regex: pattern(regex).search(text) is not None
    ),
    "contains": Operator(*_TEXTS, lambda text, part: part in text),
    "startsWith": Operator(*_TEXTS, str.startswith),
    "endsWith": Operator(*_TEXTS, str.endswith),
    "..": Operator(25, _both(INT), _always(ARRAY), _range),
    "+": Operator(30, _ordered, _sum, operator.add),
    "-": Operator(30, _both(INT, FLOAT), _arithmetic, operator.sub),
    "*": Operator(60, _both(INT, FLOAT), _arithmetic, operator.mul),
    "/": Operator(60, _both(INT, FLOAT), _always(FLOAT), _divided),
    "%": Operator(60, _both(INT), _always(INT), _modulo),
    "**": _POWER,
    "^": _POWER,
    "??": Operator(
        500, lambda left, right: True, lambda left, right: ANY,
        lambda left, right: right if left is None else left,
    ),
}  # fmt: skip
LAZY: dict[str, bool] = {"or": True, "||": True, "and": False, "&&": False}
"""Operators that do not evaluate the right side if the left one has this value."""
NEGATED = frozenset(("in", "matches", "contains", "startsWith", "endsWith"))
"""Operators that ``not`` may precede."""
UNARY = {"not": (50, BOOL), "!": (50, BOOL), "-": (90, INT), "+": (90, INT)}
"""Precedence and operand type of the unary operators."""

BUILTINS: dict[str, Function] = {
    "len": Function((ANY,), INT, lambda _, value: len(value)),
    "lower": Function((STRING,), STRING, lambda _, text: text.lower()),
    "upper": Function((STRING,), STRING, lambda _, text: text.upper()),
    "trim": Function((STRING,), STRING, lambda _, text: text.strip()),
    "hasPrefix": Function((STRING, STRING), BOOL, lambda _, a, b: a.startswith(b)),
    "hasSuffix": Function((STRING, STRING), BOOL, lambda _, a, b: a.endswith(b)),
    "indexOf": Function((STRING, STRING), INT, lambda _, a, b: a.find(b)),
    "split": Function(
        (STRING, STRING), ARRAY, lambda _, a, b: a.split(b) if b else list(a)
    ),
    "int": Function((ANY,), INT, lambda _, value: int(value)),
    "string": Function((ANY,), STRING, lambda _, value: str(value)),
}
"""The supported functions of the language itself."""
