"""Types, operators and functions of the expressions of *view*; see ``expression``."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minidns.corefile.values import pattern

STRING, INT, FLOAT, BOOL = "string", "int", "float64", "bool"
NIL, ARRAY, ANY = "nil", "[]interface {}", "unknown"
NUMBERS = frozenset((INT, FLOAT, ANY))


class Function(NamedTuple):
    """Something an expression may call."""

    parameters: tuple[str, ...]
    result: str
    call: Callable[..., Any]
    """Gets the subject and the arguments."""


class Operator(NamedTuple):
    """An operator with a value on either side."""

    precedence: int
    accepts: Callable[[str, str], bool]
    """Whether it can be applied to values of these types."""
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
    return any(_equal(left, each) for each in right)


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
"""Operators that do not look at their right side when the left one has this value."""
NEGATED = frozenset(("in", "matches", "contains", "startsWith", "endsWith"))
"""Operators that ``not`` may stand before."""
UNARY = {"not": (50, BOOL), "!": (50, BOOL), "-": (90, INT), "+": (90, INT)}
"""How tightly each binds, and the type it is for."""

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
"""Functions of the language itself, as far as there are any here."""
