"""The functions of Go's text/template, and ``parseInt`` of CoreDNS's *template*."""

from collections.abc import Callable, Mapping, Sequence

from minidns.plugins.template.go_format import (
    NO_VALUE,
    Struct,
    TemplateError,
    kind,
    printf,
    show,
)
from minidns.text import go_numbers


def field(value: object, name: str) -> object:
    """Return the field or entry ``name`` of ``value``.

    Raises:
        TemplateError: it has no fields, or not that one.

    """
    if isinstance(value, Struct):
        if name not in value:
            raise TemplateError(f"can't evaluate field {name}")
        return value[name]
    if isinstance(value, Mapping):
        return value.get(name, NO_VALUE)
    raise TemplateError(f"can't evaluate field {name} in type {kind(value)}")


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, Mapping) and not isinstance(value, Struct):
            if not isinstance(key, str):
                raise TemplateError(f"index: a map is not indexed by {kind(key)}")
            value = value.get(key, "")
        elif isinstance(value, Sequence) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise TemplateError(f"index: out of range: {key}")
            value = ord(value[key]) if isinstance(value, str) else value[key]
        else:
            raise TemplateError(f"index: can't index {kind(value)} by {kind(key)}")
    return value


def _len(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping | Sequence):
        return len(value)
    raise TemplateError(f"len of type {kind(value)}")


def _same(one: object, other: object) -> bool:
    if None in (one, other) or NO_VALUE in (one, other):
        return one is other
    if kind(one) != kind(other) or kind(one) == "object":
        raise TemplateError("incompatible types for comparison")
    return one == other


def _eq(first: object, *others: object) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    return any([_same(first, other) for other in others])


def _less(one: object, other: object) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one < other
    for number in ("int", "float64"):
        if kind(one) == kind(other) == number:
            return bool(one < other)  # type: ignore[operator]  # both are numbers
    raise TemplateError("incompatible types for comparison")


def _print(*values: object) -> str:
    out = ""
    for at, value in enumerate(values):
        texts = isinstance(value, str) or at == 0 or isinstance(values[at - 1], str)
        out += ("" if texts else " ") + show(value)
    return out


def _printf(form: object, *values: object) -> str:
    if not isinstance(form, str):
        raise TemplateError(f"printf: the form is a {kind(form)}")
    return printf(form, *values)


def _parse_int(text: object, base: object, bits: object) -> int:
    if not (isinstance(text, str) and isinstance(base, int) and isinstance(bits, int)):
        raise TemplateError("parseInt needs a text and two numbers")
    try:
        return go_numbers.parse(text, base, bits)
    except ValueError as error:
        raise TemplateError(str(error)) from error


FUNCTIONS: dict[str, Callable[..., object]] = {
    "and": lambda *values: next((v for v in values if not v), values[-1]),
    "or": lambda *values: next((v for v in values if v), values[-1]),
    "not": lambda value: not value,
    "len": _len,
    "index": _index,
    "print": _print,
    "printf": _printf,
    "eq": _eq,
    "ne": lambda one, other: not _same(one, other),
    "lt": _less,
    "le": lambda one, other: not _less(other, one),
    "gt": lambda one, other: _less(other, one),
    "ge": lambda one, other: not _less(one, other),
    "parseInt": _parse_int,
}


def call(name: str, values: Sequence[object]) -> object:
    """Return what the function ``name`` makes of ``values``.

    Raises:
        TemplateError: too few or too many of them, or not of the kind it takes.

    """
    given = [None if value is NO_VALUE else value for value in values]
    try:
        return FUNCTIONS[name](*given)
    except (TypeError, IndexError) as error:
        raise TemplateError(f"wrong number of args for {name}") from error
    except TemplateError as error:
        raise TemplateError(f"error calling {name}: {error}") from error
