"""Parses label selectors by the rules and with the errors of Kubernetes's parser.

The rules are those of ``ParseToLabelSelector`` (k8s.io/apimachinery), which CoreDNS
reads the options ``labels`` and ``namespace_labels`` with: a list of requirements
``KEY``, ``!KEY``, ``KEY = VALUE``, ``KEY in (VALUES)`` and ``KEY notin (VALUES)``. The
operators ``!=``, ``<`` and ``>`` are read, and then refused.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minidns.text.go_text import quote

_TOKEN = re.compile(r"[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^ \t\r\n=!(),<>]+)|$)")
_BINARY = ("in", "notin", "=", "==", "!=", "gt", "lt")
_OPERATOR = {
    **{name: name for name in ("in", "notin", "=", "==", "!=")},
    ">": "gt",
    "<": "lt",
}
"""The words of a selector to Kubernetes's names of operators."""

_NAME_TEXT = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PREFIX_TEXT = rf"{_LABEL}(\.{_LABEL})*"
_NAME, _PREFIX = re.compile(_NAME_TEXT), re.compile(_PREFIX_TEXT)
MAX_NAME, MAX_PREFIX = 63, 253
"""Bytes of the name of a label, and of its value; of what may stand before a slash."""

_CHARACTERS = (
    "consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_NAME_RULE = (
    f"must {_CHARACTERS} (e.g. 'MyName',  or 'my.name',  or '123-abc', "
    f"regex used for validation is '{_NAME_TEXT}')"
)
_VALUE_RULE = (
    f"a valid label must be an empty string or {_CHARACTERS} (e.g. 'MyValue',  or "
    f"'my_value',  or '12345', regex used for validation is '({_NAME_TEXT})?')"
)
_PREFIX_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
    "characters, '-' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'example.com', regex used for validation is '{_PREFIX_TEXT}')"
)


class _Token(NamedTuple):
    text: str
    is_symbol: bool = False

    @property
    def is_word(self) -> bool:
        """Whether it can be a key or a value."""
        return bool(self.text) and not self.is_symbol


_END = _Token("")


class Requirement(NamedTuple):
    """One part of a selector."""

    key: str
    operator: str
    """``exists``, ``!`` or one of the binary operators."""
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it as Kubernetes writes it."""
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case _:
                return f"{self.key}={self.values[0]}"


def parse(text: str) -> str:
    """Return the selector that ``text`` means, as it is sent to the API server.

    Of several requirements of equality for one key the last one counts, as in CoreDNS.

    Raises:
        ValueError: it is none, or has an operator that label selectors do not have.

    """
    try:
        requirements = _Parser(text).requirements()
    except ValueError as error:
        start = f'couldn\'t parse the selector string "{text}"'
        raise ValueError(f"{start}: {error}") from None
    equal, others = {}, []
    for requirement in sorted(requirements, key=lambda one: one.key):
        if requirement.operator in ("gt", "lt"):
            raise ValueError(
                f'"{requirement.operator}" isn\'t supported in label selectors'
            )
        if requirement.operator == "!=":
            raise ValueError('"!=" is not a valid label selector operator')
        if requirement.operator in ("=", "=="):
            equal[requirement.key] = requirement
        else:
            others.append(requirement)
    selected = sorted((*equal.values(), *others), key=lambda one: one.key)
    return ",".join(map(str, selected))


def _tokens(text: str) -> Iterator[_Token]:
    text, at = text.partition("\0")[0], 0
    while (match := _TOKEN.match(text, at)) and (match[1] or match[2]):
        yield _Token(match[1] or match[2], bool(match[1]))
        at = match.end()
    yield _END


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def requirements(self) -> list[Requirement]:
        """Return all requirements, in the order of the text."""
        requirements: list[Requirement] = []
        while self._next is not _END:
            if not self._begins_requirement():
                expected = "!, identifier, or 'end of string'"
                raise _unexpected(self._next, expected)
            try:
                requirements.append(self._requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            token = self._take()
            if token is _END:
                break
            if token.text != ",":
                raise _unexpected(token, "',' or 'end of string'")
            if not self._begins_requirement():
                raise _unexpected(self._next, "identifier after ','")
        return requirements

    def _begins_requirement(self) -> bool:
        return self._next.is_word or self._next.text == "!"

    def _requirement(self) -> Requirement:
        is_absent = self._next.text == "!"
        token = self._take()
        if is_absent:
            token = self._take()
        if not token.is_word:
            raise _unexpected(token, "identifier")
        key = token.text
        if problems := _key_problems(key):
            raise ValueError(_invalid("<nil>", key, problems))
        if is_absent or self._next is _END or self._next.text == ",":
            return Requirement(key, "!" if is_absent else "exists")
        token = self._take()
        operator = _OPERATOR.get(token.text)
        if operator is None:
            raise _unexpected(token, ", ".join(_BINARY))
        is_set = operator in ("in", "notin")
        values = self._set() if is_set else self._value()
        _check_values(key, operator, values)
        return Requirement(key, operator, tuple(values))

    def _value(self) -> list[str]:
        if self._next is _END or self._next.text == ",":
            return [""]
        token = self._take()
        if not token.is_word:
            raise _unexpected(token, "identifier")
        return [token.text]

    def _set(self) -> list[str]:
        """Return the values between parentheses, sorted, each once."""
        token = self._take()
        if token.text != "(":
            raise ValueError(f"found '{token.text}' expected: '('")
        if self._next.text == ")":
            self._take()
            return [""]
        if not (self._next.is_word or self._next.text == ","):
            raise _unexpected(self._next, "',', ')' or identifier")
        values = self._list()
        self._take()  # the closing parenthesis
        return sorted(values)

    def _list(self) -> set[str]:
        values: set[str] = set()
        while True:
            token = self._take()
            if token.is_word:
                values.add(token.text)
                if self._next.text == ")":
                    return values
                if self._next.text != ",":
                    raise _unexpected(self._next, "',' or ')'")
            elif token.text == ",":
                if not values or self._next.text in (")", ","):
                    values.add("")
                if self._next.text == ")":
                    return values
            else:
                raise _unexpected(token, "',', or identifier")


def _unexpected(token: _Token, expected: str) -> ValueError:
    return ValueError(f"found '{token.text}', expected: {expected}")


def _invalid(field: str, value: str, problems: Sequence[str]) -> str:
    return f"{field}: Invalid value: {quote(value)}: {'; '.join(problems)}"


def _check_values(key: str, operator: str, values: Sequence[str]) -> None:
    problems = []
    for at, value in enumerate(values):
        if operator in ("gt", "lt") and not _is_integer(value):
            rule = "for 'Gt', 'Lt' operators, the value must be an integer"
            problems.append(_invalid(f"values[{at}]", value, [rule]))
    for at, value in enumerate(values):
        if reasons := _value_problems(value):
            problems.append(_invalid(f"values[{at}][{key}]", value, reasons))
    if problems:
        distinct = list(dict.fromkeys(problems))
        text = ", ".join(distinct)
        raise ValueError(text if len(distinct) == 1 else f"[{text}]")


def _is_integer(value: str) -> bool:
    if not re.fullmatch(r"[+-]?[0-9]+", value):
        return False
    return -(1 << 63) <= int(value) < 1 << 63


def _key_problems(key: str) -> list[str]:
    """Return why ``key`` is no key of a label; nothing if it is."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return [
            f"a valid label key {_NAME_RULE} with an optional DNS subdomain prefix and "
            "'/' (e.g. 'example.com/MyName')"
        ]
    problems = [
        f"prefix part {problem}" for problem in _prefix_problems(prefix) if slash
    ]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > MAX_NAME:
        problems.append(f"name part must be no more than {MAX_NAME} bytes")
    if not _NAME.fullmatch(name):
        problems.append(f"name part {_NAME_RULE}")
    return problems


def _prefix_problems(prefix: str) -> list[str]:
    if not prefix:
        return ["must be non-empty"]
    problems = []
    if len(prefix.encode()) > MAX_PREFIX:
        problems.append(f"must be no more than {MAX_PREFIX} bytes")
    if not _PREFIX.fullmatch(prefix):
        problems.append(_PREFIX_RULE)
    return problems


def _value_problems(value: str) -> list[str]:
    problems = []
    if len(value.encode()) > MAX_NAME:
        problems.append(f"must be no more than {MAX_NAME} bytes")
    if value and not _NAME.fullmatch(value):
        problems.append(_VALUE_RULE)
    return problems
