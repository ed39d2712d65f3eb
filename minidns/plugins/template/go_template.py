"""A part of Go's template language: text with ``{{ }}``, parsed once, rendered often.

Fields, variables, literals, pipes, parentheses, the functions in ``gofunction``, if,
with, range, break and continue; anything else is refused when parsed, so that what is
loaded can be relied on.
"""

from collections.abc import Collection, Mapping

from minidns.plugins.template import go_action
from minidns.plugins.template.go_action import Part, Scope, Term
from minidns.plugins.template.go_format import Struct, TemplateError, unquote
from minidns.plugins.template.go_function import FUNCTIONS
from minidns.plugins.template.go_token import Token, pieces

MAX_DEPTH = 50
"""How deep blocks and parentheses may nest."""


class Template:
    """A template that was found to be good; ``text`` is how it was written."""

    def __init__(self, text: str, fields: Collection[str]) -> None:
        """Parse ``text``; ``fields`` are the names that the data will have.

        Raises:
            TemplateError: not the part of Go's language that is spoken here.

        """
        self.text = text
        self._part = _Parser(text, fields).template()

    def render(self, data: Mapping[str, object]) -> str:
        """Return the text with its actions replaced.

        Raises:
            TemplateError: a value is not of the kind that an action needs.

        """
        scope = Scope(Struct(data))
        self._part(scope)
        return "".join(scope.out)


_KEYWORDS = frozenset(("if", "with", "range", "else", "end"))
_REFUSED = frozenset(("define", "template", "block", "break", "continue"))
_CONSTANTS: dict[str, object] = {"true": True, "false": False, "nil": None}


class _Parser:
    """One pass over the pieces of one template, blocks and their lists of parts."""

    def __init__(self, text: str, fields: Collection[str]) -> None:
        self._pieces = pieces(text)[::-1]
        self._actions = _Actions(fields)
        self._depth = 0

    def template(self) -> Part:
        part, end = self._parts()
        if end:
            raise TemplateError(f"unexpected {{{{{end}}}}}")
        return part

    def _parts(self) -> tuple[Part, str]:
        """Parse to the keyword that ends this list; empty at the end of the text."""
        parts: list[Part] = []
        while self._pieces:
            piece = self._pieces.pop()
            if isinstance(piece, str):
                parts += [go_action.text(piece)] if piece else []
                continue
            keyword = self._actions.begin(piece)
            if keyword in ("end", "else"):
                return go_action.sequence(parts), keyword
            parts.append(self._block(keyword) if keyword else self._actions.action())
        return go_action.sequence(parts), ""

    def _block(self, keyword: str) -> Part:
        if self._depth == MAX_DEPTH:
            raise TemplateError(f"nested deeper than {MAX_DEPTH}")
        self._depth += 1
        declared = len(self._actions.variables)
        names, value = self._actions.declaration(2 if keyword == "range" else 1)
        self._actions.finish(keyword)
        body, end = self._body(keyword)
        other = self._otherwise(end, keyword)
        del self._actions.variables[declared:]
        self._depth -= 1
        if keyword == "range":
            return go_action.loop(value, names, body, other)
        return go_action.choice(value, names, body, other, keyword == "with")

    def _body(self, keyword: str) -> tuple[Part, str]:
        """Parse the parts of a block; ``keyword`` says what they are to be used for."""
        declared = len(self._actions.variables)
        self._actions.moved += keyword in ("with", "range")
        part, end = self._parts()
        self._actions.moved -= keyword in ("with", "range")
        del self._actions.variables[declared:]
        if not end:
            raise TemplateError("unexpected EOF: a block has no {{end}}")
        return part, end

    def _otherwise(self, end: str, keyword: str) -> Part:
        """Parse what follows ``{{else``, which may be another condition."""
        if end == "end":
            self._actions.finish(end)
            return go_action.sequence(())
        if keyword != "range" and self._actions.again(keyword):
            return self._block(keyword)
        self._actions.finish("else")
        part, last = self._body("else")
        if last != "end":
            raise TemplateError("expected end; found {{else}}")
        self._actions.finish(last)
        return part


class _Actions:
    """The inside of ``{{ }}``: declarations, pipelines, commands, operands."""

    def __init__(self, fields: Collection[str]) -> None:
        self.variables = ["$"]
        """Names that are known here, innermost last."""
        self.moved = 0
        """How many blocks around have made the dot something else than the data."""
        self._fields = fields
        self._left: list[Token] = []
        """What is still to be read, the next token last."""

    def begin(self, tokens: list[Token]) -> str:
        """Start to read ``tokens``; return the keyword they begin with, if any."""
        if not tokens:
            raise TemplateError("missing value for command")
        self._left = tokens[::-1]
        head = tokens[0]
        if head.kind == "word" and head.text in _REFUSED:
            raise TemplateError(f"{{{{{head.text}}}}} is not supported")
        if head.kind != "word" or head.text not in _KEYWORDS:
            return ""
        return self._left.pop().text

    def again(self, keyword: str) -> bool:
        """Take ``keyword`` off, if it comes next."""
        return self._next() == keyword and bool(self._left.pop())

    def finish(self, where: str) -> None:
        """Raise TemplateError if anything is left."""
        if self._left:
            raise TemplateError(f"unexpected {self._next()!r} in {where}")

    def _next(self) -> str:
        return self._left[-1].text if self._left else ""

    def action(self) -> Part:
        """Parse an action that is no block."""
        names, value = self.declaration(1)
        self.finish("action")
        return go_action.declare(value, names) if names else go_action.shown(value)

    def declaration(self, most: int) -> tuple[tuple[str, ...], Term]:
        """Parse ``[$x [, $y] :=] PIPELINE``: the names and the value."""
        names: list[str] = []
        ahead = self._left[::-1]
        while len(names) < most and len(ahead) > 2 * len(names) + 1:
            name, sign = ahead[2 * len(names) : 2 * len(names) + 2]
            if name.kind != "variable" or sign.text not in (":=", ","):
                break
            names.append(name.text)
            if sign.text == ":=":
                del self._left[len(ahead) - 2 * len(names) :]
                value = self._pipeline()  # which does not know the names yet
                self.variables += names
                return tuple(names), value
        return (), self._pipeline()

    def _known(self, name: str) -> None:
        if name not in self.variables:
            raise TemplateError(f'undefined variable "{name}"')

    def _pipeline(self) -> Term:
        value = self._command(None)
        while self._next() == "|":
            self._left.pop()
            value = self._command(value)
        return value

    def _command(self, piped: Term | None) -> Term:
        """Parse an operand and its arguments; ``piped`` becomes the last of these."""
        if not self._left:
            raise TemplateError("missing value for command")
        head = self._left[-1]
        named = head.kind == "word" and head.text not in _CONSTANTS
        if named:
            self._function(self._left.pop().text)
        terms: list[Term] = []
        while self._left and self._next() not in ("|", ")"):
            if (named or terms) and not self._left[-1].spaced:
                raise TemplateError(f"unexpected {self._next()!r} in operand")
            terms.append(self._operand())
        terms += [piped] if piped else []
        if named:
            return go_action.function(head.text, terms)
        if not terms:
            raise TemplateError("missing value for command")
        return go_action.method(terms[0], terms[1:]) if len(terms) > 1 else terms[0]

    def _function(self, name: str) -> None:
        if name not in FUNCTIONS:
            raise TemplateError(f'function "{name}" not defined')

    def _operand(self) -> Term:
        token = self._left.pop()
        term = self._term(token)
        chain = [token.text[1:]] if token.kind == "field" else []
        while self._left and self._left[-1].goes_on:
            chain.append(self._left.pop().text[1:])
        at_data = token.text == "$" or (token.kind == "field" and not self.moved)
        if chain and at_data and chain[0] not in self._fields:
            raise TemplateError(f"there is no field .{chain[0]}")
        return go_action.chain(term, chain)

    def _term(self, token: Token) -> Term:
        kind, text = token.kind, token.text
        if kind in ("dot", "field"):
            return go_action.dot
        if kind == "variable":
            self._known(text)
            return go_action.variable(text)
        if text == "(" and kind == "sign":
            return self._parenthesis()
        if kind == "sign":
            raise TemplateError(f"unexpected {text!r} in operand")
        if kind == "word" and text not in _CONSTANTS:
            self._function(text)
            return go_action.function(text, ())
        return go_action.constant(_literal(kind, text))

    def _parenthesis(self) -> Term:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise TemplateError(f"nested deeper than {MAX_DEPTH}")
        inner = self._pipeline()
        self._depth -= 1
        if self._next() != ")":
            raise TemplateError("unclosed left paren")
        self._left.pop()
        return inner

    _depth = 0


def _literal(kind: str, text: str) -> object:
    if kind == "word":
        return _CONSTANTS[text]
    if kind == "number":
        return float(text) if "." in text else int(text, 16 if "x" in text else 10)
    return unquote(text)
