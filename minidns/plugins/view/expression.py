"""Expressions of *view*: text to a function from a query to a value.

The language is the part of expr-lang (https://expr-lang.org, 1.17) that conditions are
written in: texts, whole numbers, arrays, calls, comparison, ``in``, ``matches``,
``contains``, ``startsWith``, ``endsWith``, ``not``, ``and`` and ``or``. Everything else
(arithmetic, maps, predicates, ``let``, pipes) is refused.

The parser is one of operator precedence (Pratt, 1973): an expression is an operand,
followed by operators that bind at least as tightly as its context asks for; the right
side of an operator is an expression that binds more tightly. Types are checked while
parsing, so that a wrong expression is an error in the Corefile, not at a query. Each
node is a function already; nothing is left to interpret when a query comes.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from minidns.corefile.values import pattern
from minidns.text.go_text import quote

Evaluate: TypeAlias = Callable[[Any], Any]
"""Maps the subject, such as a query, to a value; ValueError if there is none."""

_DEEPEST = 64
"""limit: brackets and operators inside one another."""
_MOST_OPERATORS = 400
"""limit: a chain of operators is as deep as it is long."""


def compiled(text: str, functions: Mapping[str, "Function"]) -> Evaluate:
    """Return the function that evaluates ``text``; it may call ``functions``.

    >>> compiled("2 in [3, 4] or not false", {})(None)
    True

    Raises:
        ExpressionError: it cannot be parsed, or its types do not fit.

    """
    return _Parser(text, functions).whole().evaluate


# -- tokens


class ExpressionError(ValueError):
    """A malformed expression; ``str()`` is the message of expr-lang."""

    def __init__(self, message: str, text: str, at: int) -> None:
        """Report ``message`` for the character at offset ``at`` of ``text``."""
        pointer = "." * at + "^"
        super().__init__(f"{message} (1:{at + 1})\n | {text}\n | {pointer}")


class Token(NamedTuple):
    """A token and its offset."""

    kind: str
    """Identifier, Number, String, Operator, Bracket, or EOF."""
    text: str
    """The text; of a string without quotes and escapes."""
    at: int

    def __str__(self) -> str:
        """Return it as errors show it: ``Operator("==")``, ``EOF``."""
        return self.kind if self.kind == "EOF" else f"{self.kind}({quote(self.text)})"


_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<String>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`)
  | (?P<Number>\d[\w.]*)
  | (?P<Identifier>[A-Za-z_$][A-Za-z0-9_$]*)
  | (?P<Operator>\.\.|\*\*|&&|\|\||==|!=|<=|>=|\?\?|[-+*/%^<>!=?:,.|;\#])
  | (?P<Bracket>[()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}
_WORDS = frozenset(
    ("and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith")
)
"""Operators that are words."""


def _tokens(text: str) -> list[Token]:
    """Return the tokens of ``text``; the last one is EOF.

    Raises:
        ExpressionError: an unknown character, or a string without an end.

    """
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None and text[at] in "'\"`":
            raise ExpressionError("literal not terminated", text, len(text))
        if match is None:
            message = f"unrecognized character: U+{ord(text[at]):04X} '{text[at]}'"
            raise ExpressionError(message, text, at)
        kind, word = str(match.lastgroup), match.group()
        if kind == "String":
            word = _unquoted(word, text, at)
        elif word in _WORDS:
            kind = "Operator"
        if kind != "space":
            tokens.append(Token(kind, word, at))
        at = match.end()
    return [*tokens, Token("EOF", "", max(0, len(text) - 1))]


def _unquoted(literal: str, text: str, at: int) -> str:
    if literal[0] == "`":
        return literal[1:-1]
    try:
        return _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], literal[1:-1])
    except KeyError:
        raise ExpressionError("unable to unescape string", text, at) from None


# -- types, operators, functions

STRING, INT, BOOL, ARRAY = "string", "int", "bool", "[]interface {}"
ANY = "unknown"
"""The type of what is wrong; it fits everywhere, so that parsing goes on."""


class Function(NamedTuple):
    """A function that expressions can call."""

    parameters: tuple[str, ...]
    result: str
    call: Callable[..., Any]
    """Called with the subject and the arguments."""


class Operator(NamedTuple):
    """A binary operator; its value is a bool."""

    precedence: int
    accepts: Callable[[str, str], bool]
    """Returns whether it can be applied to values of these types."""
    apply: Callable[[Any, Any], Any]


def _both(kind: str) -> Callable[[str, str], bool]:
    return lambda left, right: {left, right} <= {kind, ANY}


def _alike(left: str, right: str) -> bool:
    return ANY in (left, right) or left == right


def _ordered(left: str, right: str) -> bool:
    return _both(INT)(left, right) or _both(STRING)(left, right)


def _is_in(left: object, right: Sequence[object]) -> bool:
    """Compare as Go does: a bool is no number."""
    return any(type(left) is type(element) and left == element for element in right)


_OR = Operator(10, _both(BOOL), lambda left, right: left or right)
_AND = Operator(15, _both(BOOL), lambda left, right: left and right)
BINARY: dict[str, Operator] = {
    "or": _OR,
    "||": _OR,
    "and": _AND,
    "&&": _AND,
    "==": Operator(20, _alike, operator.eq),
    "!=": Operator(20, _alike, operator.ne),
    "<": Operator(20, _ordered, operator.lt),
    ">": Operator(20, _ordered, operator.gt),
    "<=": Operator(20, _ordered, operator.le),
    ">=": Operator(20, _ordered, operator.ge),
    "in": Operator(20, lambda _, right: right in (ARRAY, ANY), _is_in),
    "matches": Operator(
        20, _both(STRING), lambda text, regex: pattern(regex).search(text) is not None
    ),
    "contains": Operator(20, _both(STRING), operator.contains),
    "startsWith": Operator(20, _both(STRING), str.startswith),
    "endsWith": Operator(20, _both(STRING), str.endswith),
}
NEGATED = frozenset(("in", "matches", "contains", "startsWith", "endsWith"))
"""Operators that ``not`` may precede."""
_NOT_PRECEDENCE = 50

BUILTINS: dict[str, Function] = {
    "len": Function((ANY,), INT, lambda _, value: len(value)),
    "lower": Function((STRING,), STRING, lambda _, text: text.lower()),
    "upper": Function((STRING,), STRING, lambda _, text: text.upper()),
    "hasPrefix": Function((STRING, STRING), BOOL, lambda _, a, b: a.startswith(b)),
    "hasSuffix": Function((STRING, STRING), BOOL, lambda _, a, b: a.endswith(b)),
}
"""The supported functions of the language itself."""


# -- parser


class Node(NamedTuple):
    """A parsed part of an expression, with the type of its value."""

    type: str
    evaluate: Evaluate
    at: int
    constant: bool = False


class _Parser:
    def __init__(self, text: str, functions: Mapping[str, Function]) -> None:
        self._text = text
        self._functions = {**BUILTINS, **functions}
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._operators = 0
        self._wrong: ExpressionError | None = None
        """The first wrong name or type; syntax errors are reported before it."""

    def whole(self) -> Node:
        node = self._expression(0)
        if self._token.kind != "EOF":
            raise self._unexpected()
        if self._wrong is not None:
            raise self._wrong
        return node

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += token.kind != "EOF"
        return token

    def _is(self, text: str) -> bool:
        return self._token.kind in ("Operator", "Bracket") and self._token.text == text

    def _expect(self, text: str) -> None:
        if not self._is(text):
            raise self._unexpected()
        self._take()

    def _error(self, message: str, at: int) -> ExpressionError:
        return ExpressionError(message, self._text, at)

    def _refused(self, message: str, at: int) -> Node:
        """Remember what is wrong, and return a node to go on parsing with."""
        self._wrong = self._wrong or self._error(message, at)
        return Node(ANY, lambda s: None, at)

    def _unexpected(self) -> ExpressionError:
        return self._error(f"unexpected token {self._token}", self._token.at)

    def _expression(self, precedence: int) -> Node:
        """Return the longest expression whose operators bind at least so tightly."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("the expression is nested too deeply", self._token.at)
        node = self._operand()
        while (next_ := self._operator(precedence)) is not None:
            negated, token, known = next_
            right = self._expression(known.precedence + 1)
            node = self._binary_node(token, known, node, right)
            if negated is not None:
                node = _not(node)
        self._depth -= 1
        return node

    def _operator(self, precedence: int) -> tuple[Token | None, Token, Operator] | None:
        """Take the next operator if it binds tightly enough, and a ``not`` before."""
        start = self._next
        negated = self._take() if self._is("not") else None
        token = self._token
        known = BINARY.get(token.text) if token.kind == "Operator" else None
        fits = known is not None and known.precedence >= precedence
        if known is None or not fits or (negated and token.text not in NEGATED):
            # leave the operator, and a not before it, to an outer expression
            self._next = start
            if negated and precedence == 0:
                raise self._unexpected()
            return None
        self._take()
        return negated, token, known

    def _binary_node(
        self, token: Token, known: Operator, left: Node, right: Node
    ) -> Node:
        self._operators += 1
        if self._operators > _MOST_OPERATORS:
            raise self._error("the expression has too many operators", token.at)
        if not known.accepts(left.type, right.type):
            types = f"mismatched types {left.type} and {right.type}"
            return self._refused(f"invalid operation: {token.text} ({types})", token.at)
        if token.text == "matches" and right.constant:
            try:
                pattern(right.evaluate(None))
            except ValueError as exc:
                return self._refused(str(exc), token.at)
        first, second, apply = left.evaluate, right.evaluate, known.apply
        if known is _OR:
            evaluate: Evaluate = lambda s: first(s) or second(s)  # noqa: E731
        elif known is _AND:
            evaluate = lambda s: first(s) and second(s)  # noqa: E731
        else:
            evaluate = lambda s: apply(first(s), second(s))  # noqa: E731
        return Node(BOOL, evaluate, token.at)

    def _operand(self) -> Node:
        token = self._take()
        if token.kind == "String":
            return _constant(token, STRING, token.text)
        if token.kind == "Number":
            return self._number(token)
        if token.kind == "Identifier":
            return self._name_node(token)
        if token.kind == "Bracket" and token.text == "(":
            node = self._expression(0)
            self._expect(")")
            return node
        if token.kind == "Bracket" and token.text == "[":
            elements = [element.evaluate for element in self._list("]")]
            evaluate = lambda s: [element(s) for element in elements]  # noqa: E731
            return Node(ARRAY, evaluate, token.at)
        if token.kind == "Operator" and token.text in ("not", "!"):
            return self._negation(token)
        self._next -= token.kind != "EOF"
        raise self._unexpected()

    def _negation(self, token: Token) -> Node:
        node = self._expression(_NOT_PRECEDENCE)
        if node.type in (BOOL, ANY):
            return _not(node)
        what = f"invalid operation: {token.text} (mismatched type {node.type})"
        return self._refused(what, token.at)

    def _number(self, token: Token) -> Node:
        try:
            return _constant(token, INT, int(token.text))
        except ValueError:
            raise self._error(f"bad number syntax: {token.text}", token.at) from None

    def _name_node(self, token: Token) -> Node:
        if token.text in ("true", "false"):
            return _constant(token, BOOL, token.text == "true")
        function = self._functions.get(token.text)
        # only remembered, because a syntax error further right is reported first
        if function is None:
            self._refused(f"unknown name {token.text}", token.at)
        if not self._is("("):
            return self._refused(f"{token.text} is a function: call it", token.at)
        self._take()
        arguments = self._list(")")
        if function is None:
            return Node(ANY, lambda s: None, token.at)
        return self._call(token, function, arguments)

    def _call(
        self, token: Token, function: Function, arguments: Sequence[Node]
    ) -> Node:
        expected = len(function.parameters)
        if len(arguments) != expected:
            few = "not enough" if len(arguments) < expected else "too many"
            what = f"{few} arguments to call {token.text}"
            return self._refused(what, token.at)
        for node, kind in zip(arguments, function.parameters, strict=True):
            if ANY not in (kind, node.type) and node.type != kind:
                what = f"cannot use {node.type} as argument (type {kind})"
                return self._refused(f"{what} to call {token.text} ", node.at)
        call, terms = function.call, [node.evaluate for node in arguments]
        evaluate = lambda s: call(s, *(term(s) for term in terms))  # noqa: E731
        return Node(function.result, evaluate, token.at)

    def _list(self, end: str) -> list[Node]:
        """Return the expressions up to ``end``, commas between them."""
        nodes: list[Node] = []
        while not self._is(end):
            nodes.append(self._expression(0))
            if not self._is(end):
                self._expect(",")
        self._take()
        return nodes


def _not(node: Node) -> Node:
    inner = node.evaluate
    return Node(BOOL, lambda s: not inner(s), node.at)


def _constant(token: Token, kind: str, value: object) -> Node:
    return Node(kind, lambda s: value, token.at, constant=True)
