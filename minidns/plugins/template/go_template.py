"""The part of Go's text/template that records in Corefiles are written in.

A template is text with actions in ``{{ }}``. An action is a pipeline of fields
(``.Group.a``), literals and calls of ``index``, ``parseInt``, ``printf`` and ``.Meta``,
with parentheses, comments and trimming (``{{-``). Everything else of the language,
such as variables and blocks, is refused when the template is parsed: a Corefile that
loads does not fail at a query because of it.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from minidns.text.go_text import parse_uint, quote

MAX_DEPTH = 50
"""limit: parentheses inside one another."""
_MAX_WIDTH = 1000
"""limit: characters that a verb of ``printf`` pads to."""


class TemplateError(ValueError):
    """A template that cannot be parsed, or whose values have the wrong type."""


class Struct(dict[str, object]):
    """A mapping with a fixed set of keys: any other key is an error."""


Data: TypeAlias = Mapping[str, object]
Term: TypeAlias = Callable[[Data], object]
"""Maps the data of a template to the value of one expression in it."""


class Template:
    """A parsed template; ``text`` is how it was written."""

    def __init__(self, text: str, fields: Collection[str]) -> None:
        """Parse ``text``; ``fields`` are the keys of the data.

        Raises:
            TemplateError: not the supported part of Go's language.

        """
        self.text = text
        self._parts = [
            part if isinstance(part, str) else _Parser(part, fields).action()
            for part in _pieces(text)
        ]

    def render(self, data: Data) -> str:
        """Return the text with its actions replaced by their values.

        Raises:
            TemplateError: a value has not the type that an action needs.

        """
        return "".join(
            part if isinstance(part, str) else show(part(data)) for part in self._parts
        )


# -- tokens


class Token(NamedTuple):
    """A word of an action."""

    kind: str
    text: str
    spaced: bool
    """True if white space precedes it."""


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
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+))
    | (?P<field>\.[^\W\d]\w*)
    | (?P<word>[^\W\d]\w*)
    | (?P<sign>[|()])
    )""",
    re.VERBOSE,
)


def _pieces(text: str) -> list[str | list[Token]]:
    """Return the text between actions as str, and the actions as their tokens."""
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


def _tokens(body: str) -> list[Token]:
    tokens: list[Token] = []
    body, at = body.rstrip(), 0
    while at < len(body):
        word = _WORD.match(body, at)
        if word is None:
            raise TemplateError(_syntax_error(body[at:].strip()))
        kind = str(word.lastgroup)
        tokens.append(Token(kind, word[kind], word.start(kind) > at))
        at = word.end()
    return tokens


def _syntax_error(rest: str) -> str:
    if rest.startswith("$"):
        return "variables are not supported by minidns"
    return f"unexpected {rest!r} in action"


# -- parser

_KEYWORD = re.compile(r"if|else|end|with|range|define|template|block|break|continue")


class _Parser:
    """Reads the tokens of one action."""

    def __init__(self, tokens: Sequence[Token], fields: Collection[str]) -> None:
        self._left = list(tokens[::-1])
        """The tokens that are not read yet, the next one last."""
        self._fields = fields
        self._depth = 0

    def action(self) -> Term:
        term = self._pipeline()
        if self._left:
            raise TemplateError(f"unexpected {self._next()!r} in action")
        return term

    def _next(self) -> str:
        return self._left[-1].text if self._left else ""

    def _pipeline(self) -> Term:
        term = self._command(())
        while self._next() == "|":
            self._left.pop()
            term = self._command((term,))
        return term

    def _command(self, piped: tuple[Term, ...]) -> Term:
        """Parse a call or an operand; ``piped`` is its last argument, if any."""
        if self._next() in ("", "|", ")"):
            raise TemplateError("missing value for command")
        if self._left[-1].kind == "word":
            name = self._left.pop().text
            return _call(name, (*self._arguments(), *piped))
        term = self._operand()
        arguments = (*self._arguments(), *piped)
        return _method(term, arguments) if arguments else term

    def _arguments(self) -> list[Term]:
        terms: list[Term] = []
        while self._next() not in ("", "|", ")"):
            if not self._left[-1].spaced:
                raise TemplateError(f"unexpected {self._next()!r} in operand")
            terms.append(self._operand())
        return terms

    def _operand(self) -> Term:
        kind, text, _ = self._left.pop()
        names: list[str] = []
        if kind == "field":
            names.append(text[1:])
            if names[0] not in self._fields:
                raise TemplateError(f"there is no field {text}")
            term: Term = _data
        elif kind == "word":
            term = _call(text, ())
        elif kind == "sign":
            term = self._parenthesis(text)
        else:
            term = _constant(_number(text) if kind == "number" else _unquote(text))
        while self._left and self._left[-1].kind == "field":
            if self._left[-1].spaced:
                break
            names.append(self._left.pop().text[1:])
        return _with_fields(term, names)

    def _parenthesis(self, sign: str) -> Term:
        if sign != "(":
            raise TemplateError(f"unexpected {sign!r} in operand")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TemplateError(f"nested deeper than {MAX_DEPTH}")
        inner = self._pipeline()
        self._depth -= 1
        if self._next() != ")":
            raise TemplateError("unclosed left paren")
        self._left.pop()
        return inner


def _data(data: Data) -> object:
    return data


def _constant(value: object) -> Term:
    return lambda data: value


def _with_fields(term: Term, names: Sequence[str]) -> Term:
    """Return the term that follows the fields ``names`` from the value of ``term``."""

    def value(data: Data) -> object:
        at = term(data)
        for name in names:
            if not isinstance(at, Mapping):
                raise TemplateError(f"can't evaluate field {name} in type {_kind(at)}")
            if isinstance(at, Struct) and name not in at:
                raise TemplateError(f"can't evaluate field {name}")
            at = at.get(name)
        return at

    return value if names else term


def _method(term: Term, terms: Sequence[Term]) -> Term:
    """Return the term that calls the value of ``term``: ``.Meta "label"``."""

    def value(data: Data) -> object:
        method = term(data)
        if not callable(method) or len(terms) != 1:
            raise TemplateError("only .Meta takes an argument, and one")
        return method(terms[0](data))

    return value


def _call(name: str, terms: Sequence[Term]) -> Term:
    if name not in _FUNCTIONS:
        if _KEYWORD.fullmatch(name):
            raise TemplateError(f"{{{{{name}}}}} is not supported by minidns")
        raise TemplateError(f'function "{name}" not defined')
    function = _FUNCTIONS[name]

    def value(data: Data) -> object:
        values = [term(data) for term in terms]
        try:
            return function(*values)
        except TypeError as error:
            raise TemplateError(f"wrong number of args for {name}") from error
        except TemplateError as error:
            raise TemplateError(f"error calling {name}: {error}") from error

    return value


def _number(text: str) -> int:
    return int(text, 16 if "x" in text.lower() else 10)


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"'}


def _unquote(literal: str) -> str:
    if literal[0] == "`":
        return literal[1:-1]

    def character(escape: re.Match[str]) -> str:
        if escape[1] not in _ESCAPES:
            raise TemplateError(f"escape {escape[0]} in {literal} is not supported")
        return _ESCAPES[escape[1]]

    return _ESCAPE.sub(character, literal[1:-1])


# -- values and functions


def _kind(value: object) -> str:
    """Return Go's name of the type of ``value``, as errors show it."""
    names = {str: "string", int: "int", type(None): "nil"}
    return names.get(type(value), "object")


def show(value: object) -> str:
    """Return ``value`` as Go prints it.

    >>> show(["a", 7])
    '[a 7]'

    Raises:
        TemplateError: a function or a structure, which no record has a use for.

    """
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if value is None:
        return "<no value>"
    if isinstance(value, Mapping) and not isinstance(value, Struct):
        inner = (f"{key}:{show(value[key])}" for key in sorted(value))
        return f"map[{' '.join(inner)}]"
    if isinstance(value, Sequence):
        return f"[{' '.join(map(show, value))}]"
    raise TemplateError("a value that is neither text nor number is shown")


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, Mapping) and not isinstance(value, Struct):
            if not isinstance(key, str):
                raise TemplateError(f"index: a map is not indexed by {_kind(key)}")
            value = value.get(key, "")
        elif isinstance(value, list) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise TemplateError(f"index: out of range: {key}")
            value = value[key]
        else:
            raise TemplateError(f"index: can't index {_kind(value)} by {_kind(key)}")
    return value


def _parse_int(text: object, base: object, bits: object) -> int:
    if not (isinstance(text, str) and isinstance(base, int) and isinstance(bits, int)):
        raise TemplateError("parseInt needs a text and two numbers")
    try:
        return parse_uint(text, base, bits)
    except ValueError as error:
        raise TemplateError(str(error)) from error


_VERB = re.compile(r"%(?P<flags>[-+0 ]*)(?P<width>\d*)(?P<verb>.|$)", re.DOTALL)
_TYPES = {"s": str, "v": object, "q": str, **dict.fromkeys("dxXo", int)}
"""The type of value that each verb of ``printf`` takes."""


def _printf(form: object, *values: object) -> str:
    if not isinstance(form, str):
        raise TemplateError(f"printf: the format is of type {_kind(form)}")
    left = list(values)

    def formatted(verb: re.Match[str]) -> str:
        if verb["verb"] == "%":
            return "%"
        if verb["verb"] not in _TYPES:
            raise TemplateError(f"printf: {verb[0]} is not supported by minidns")
        if int(verb["width"] or 0) > _MAX_WIDTH:
            raise TemplateError(f"printf: {verb[0]} is too wide")
        if not left:
            raise TemplateError(f"printf: {verb[0]} has no value")
        value = left.pop(0)
        if not isinstance(value, _TYPES[verb["verb"]]):
            raise TemplateError(f"printf: {verb[0]} cannot show a {_kind(value)}")
        if verb["verb"] in "svq":
            text = show(value)
            text = quote(text) if verb["verb"] == "q" else text
            return f"%{verb['flags']}{verb['width']}s" % text
        return verb[0] % value

    text = _VERB.sub(formatted, form)
    if left:
        raise TemplateError(f"printf: more values than verbs in {quote(form)}")
    return text


_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "index": _index,
    "parseInt": _parse_int,
    "printf": _printf,
}
