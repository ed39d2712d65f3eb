"""Expressions of *view*: text to a function from a query to a value.

The language is the part of expr-lang (https://expr-lang.org, 1.17) that conditions are
made of: literals, arrays, calls, ``[]``, arithmetic, comparison, ``in``, ``matches``,
``contains``, ``startsWith``, ``endsWith``, ``not``, ``and``, ``or``, ``??``, ``..`` and
``a ? b : c``. Everything else (maps, predicates, ``let``, pipes) is refused.

The parser is one of operator precedence (Pratt, 1973): an expression is a primary one,
followed by operators that bind at least as tightly as its context asks for; the right
side of an operator is an expression that binds more tightly. Types are checked while
parsing, so that a wrong expression is an error in the Corefile, not at a query. Each
node is a function already; nothing is left to interpret when a query comes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from minidns.corefile.values import pattern
from minidns.plugins.view.language import (
    ANY,
    ARRAY,
    BINARY,
    BOOL,
    BUILTINS,
    FLOAT,
    INT,
    LAZY,
    NEGATED,
    NIL,
    NUMBERS,
    STRING,
    UNARY,
    ExpressionError,
    Function,
    Operator,
    Token,
    tokens,
)

Evaluate: TypeAlias = Callable[[Any], Any]
"""Maps the subject, such as a query, to a value; ValueError if there is none."""

_DEEPEST = 64
"""limit: brackets and operators inside one another."""
_MOST_OPERATORS = 400
"""limit: a chain of operators is as deep as it is long."""


class Node(NamedTuple):
    """A parsed part of an expression, with the type of its value."""

    type: str
    evaluate: Evaluate
    at: int
    constant: bool = False


def compiled(text: str, functions: Mapping[str, Function]) -> Evaluate:
    """Return the function that evaluates ``text``; it may call ``functions``.

    >>> compiled("1 + 2 in [3, 4] and not false", {})(None)
    True

    Raises:
        ExpressionError: it cannot be parsed, or its types do not fit.

    """
    return _Parser(text, functions).whole().evaluate


class _Parser:
    def __init__(self, text: str, functions: Mapping[str, Function]) -> None:
        self._text = text
        self._functions = {**BUILTINS, **functions}
        self._tokens = tokens(text)
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
        node = self._primary()
        while (next_ := self._operator(precedence)) is not None:
            negated, token, known = next_
            # to the right of ** the same operator binds first
            is_right = token.text in ("**", "^")
            right = self._expression(known.precedence + (not is_right))
            node = self._binary_node(token, known, node, right)
            if negated is not None:
                node = _not(node)
        self._depth -= 1
        return self._choice(node) if precedence == 0 else node

    def _operator(self, precedence: int) -> tuple[Token | None, Token, Operator] | None:
        """Take the next operator if it binds tightly enough, and a ``not`` before."""
        start = self._next
        negated = self._take() if self._is("not") else None
        token = self._token
        known = BINARY.get(token.text) if token.kind == "Operator" else None
        fits = known is not None and known.precedence >= precedence
        if known is None or not fits or (negated and token.text not in NEGATED):
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
        lazy = LAZY.get(token.text)
        if lazy is None:
            evaluate: Evaluate = lambda s: apply(first(s), second(s))  # noqa: E731
        elif lazy:
            evaluate = lambda s: first(s) or second(s)  # noqa: E731
        else:
            evaluate = lambda s: first(s) and second(s)  # noqa: E731
        return Node(known.result(left.type, right.type), evaluate, token.at)

    def _choice(self, condition: Node) -> Node:
        """Return ``condition ? one : other`` if that follows, else ``condition``."""
        if not self._is("?"):
            return condition
        self._take()
        if condition.type not in (BOOL, ANY):
            what = f"non-bool expression (type {condition.type}) used as condition"
            condition = self._refused(what, condition.at)
        if_true = self._expression(0)
        self._expect(":")
        if_false = self._expression(0)
        test, yes, no = condition.evaluate, if_true.evaluate, if_false.evaluate
        kind = if_true.type if if_true.type == if_false.type else ANY
        return Node(kind, lambda s: yes(s) if test(s) else no(s), condition.at)

    def _primary(self) -> Node:
        token = self._token
        if token.kind == "Operator" and token.text in UNARY:
            return self._unary()
        node = self._operand()
        while self._is("["):
            node = self._element(node)
        return node

    def _unary(self) -> Node:
        token = self._take()
        precedence, kind = UNARY[token.text]
        node = self._expression(precedence)
        if node.type != ANY and not (
            node.type == BOOL if kind == BOOL else node.type in NUMBERS
        ):
            what = f"invalid operation: {token.text} (mismatched type {node.type})"
            return self._refused(what, token.at)
        inner = node.evaluate
        if kind == BOOL:
            return _not(node)
        if token.text == "+":
            return node
        return Node(node.type, lambda s: -inner(s), token.at)

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
            return self._array(token)
        self._next -= token.kind != "EOF"
        raise self._unexpected()

    def _number(self, token: Token) -> Node:
        word = token.text.replace("_", "")
        try:
            if word[:2] in ("0x", "0o", "0b"):
                return _constant(token, INT, int(word, 0))
            if set(word) & set(".eE"):
                return _constant(token, FLOAT, float(word))
            return _constant(token, INT, int(word))
        except ValueError:
            raise self._error(f"bad number syntax: {token.text}", token.at) from None

    def _name_node(self, token: Token) -> Node:
        match token.text:
            case "true" | "false":
                return _constant(token, BOOL, token.text == "true")
            case "nil":
                return _constant(token, NIL, None)
        function = self._functions.get(token.text)
        if function is None:
            unknown = self._refused(f"unknown name {token.text}", token.at)
            self._arguments()
            return unknown
        arguments = self._arguments()
        if arguments is None:
            return self._refused(f"{token.text} is a function: call it", token.at)
        return self._call(token, function, arguments)

    def _arguments(self) -> list[Node] | None:
        """Return the arguments of a call; None if there is no bracket."""
        if not self._is("("):
            return None
        self._take()
        return self._list(")")

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
        call, evaluates = function.call, [node.evaluate for node in arguments]
        return Node(
            function.result,
            lambda s: call(s, *[evaluate(s) for evaluate in evaluates]),
            token.at,
        )

    def _list(self, end: str) -> list[Node]:
        """Return the expressions up to ``end``, commas between them."""
        nodes: list[Node] = []
        while not self._is(end):
            nodes.append(self._expression(0))
            if not self._is(end):
                self._expect(",")
        self._take()
        return nodes

    def _array(self, token: Token) -> Node:
        elements = [node.evaluate for node in self._list("]")]
        return Node(ARRAY, lambda s: [evaluate(s) for evaluate in elements], token.at)

    def _element(self, node: Node) -> Node:
        token = self._take()
        if node.type not in (ARRAY, ANY):
            node = self._refused(f"type {node.type} is not indexable here", token.at)
        index = self._expression(0)
        self._expect("]")
        if index.type not in (INT, ANY):
            what = "array elements can only be selected using an integer"
            return self._refused(f"{what} (got {index.type})", token.at)
        array, number = node.evaluate, index.evaluate
        return Node(ANY, lambda s: _at(array(s), number(s)), token.at)


def _at(array: Sequence[object], index: int) -> object:
    try:
        return array[index]
    except (IndexError, TypeError) as exc:
        raise ValueError("index out of range") from exc


def _not(node: Node) -> Node:
    inner = node.evaluate
    return Node(BOOL, lambda s: not inner(s), node.at)


def _constant(token: Token, kind: str, value: object) -> Node:
    return Node(kind, lambda s: value, token.at, constant=True)
