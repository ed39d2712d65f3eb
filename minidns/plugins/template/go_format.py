"""Values as Go's fmt prints them, and string literals as Go reads them."""

import re
from collections.abc import Mapping, Sequence

from minidns.text.go_text import quote


class TemplateError(ValueError):
    """A template that cannot be used, or whose values do not fit what it does."""


class NoValue:
    """What a map gives for a key that it does not have."""

    def __bool__(self) -> bool:
        return False


NO_VALUE = NoValue()


class Struct(dict[str, object]):
    """A mapping whose keys are all there are: another one is a mistake."""


def kind(value: object) -> str:
    """Return what Go would call the type of ``value``."""
    names = {str: "string", bool: "bool", int: "int", float: "float64"}
    return names.get(type(value), "nil" if value is None else "object")


def show(value: object) -> str:
    """Return ``value`` as ``%v`` prints it.

    >>> show(["a", True, 7])
    '[a true 7]'

    Raises:
        TemplateError: a function or a structure, which no record has a use for.

    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if value is None or value is NO_VALUE:
        return "<nil>" if value is None else "<no value>"
    if isinstance(value, Mapping) and not isinstance(value, Struct):
        inner = (f"{key}:{show(value[key])}" for key in sorted(value))
        return f"map[{' '.join(inner)}]"
    if isinstance(value, Sequence):
        return f"[{' '.join(map(show, value))}]"
    raise TemplateError("a value that is neither text nor number is shown")


_VERB = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\d*)(?:\.(?P<digits>\d*))?(?P<verb>.)"
)
_KINDS = {
    **dict.fromkeys("sqxX", ("string",)),
    **dict.fromkeys("dboxXc", ("int",)),
    **dict.fromkeys("xX", ("string", "int")),
    **dict.fromkeys("efgEG", ("float64",)),
    "t": ("bool",),
    "q": ("string", "int"),
}
"""Kinds of value that a verb takes; ``%v`` takes any."""
_MAX_WIDTH = 1000


def printf(form: str, *values: object) -> str:
    """Return ``values`` in the places of the verbs in ``form``.

    >>> printf("%03d-%x %q", 7, 255, "a")
    '007-ff "a"'

    Raises:
        TemplateError: a verb without its value, with one of another kind, or unknown.

    """
    left = list(values)

    def one(verb: re.Match[str]) -> str:
        if verb["verb"] == "%":
            return "%"
        if not left:
            raise TemplateError(f"printf: {verb[0]} has no value")
        return _formatted(verb, left.pop(0))

    out = _VERB.sub(one, form)
    if left:
        raise TemplateError(f"printf: more values than verbs in {quote(form)}")
    return out


def _formatted(verb: re.Match[str], value: object) -> str:
    letter, flags = verb["verb"], verb["flags"]
    wanted = _KINDS.get(letter, ())
    if letter != "v" and kind(value) not in wanted:
        raise TemplateError(f"printf: {verb[0]} cannot show a {kind(value)}")
    width, digits = int(verb["width"] or 0), verb["digits"]
    if max(width, int(digits or 0)) > _MAX_WIDTH:
        raise TemplateError(f"printf: {verb[0]} is too wide")
    precision = f".{digits or 0}" if digits is not None else ""
    if letter in "vst":
        text = show(value)
        return f"%{flags}{width or ''}{precision}s" % text
    if letter == "b":
        return f"{value:{'0' if '0' in flags else ''}{width or ''}b}"
    if letter == "q":
        value = quote(value if isinstance(value, str) else chr(int(str(value))))
    if letter in "xX" and isinstance(value, str):
        value = value.encode().hex()
        value = value.upper() if letter == "X" else value
    as_text = isinstance(value, str)
    return f"%{flags}{width or ''}{precision}{'s' if as_text else letter}" % value


_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))",
    re.DOTALL,
)
_SHORT = dict(zip("abfnrtv\\\"'", "\a\b\f\n\r\t\v\\\"'", strict=True))


def unquote(literal: str) -> str:
    r"""Return the text that a Go string or character literal stands for.

    >>> unquote('"a\\tb"'), unquote("`a\\tb`")
    ('a\tb', 'a\\tb')

    Raises:
        TemplateError: an escape that Go does not have.

    """
    if literal[0] == "`":
        return literal[1:-1]

    def one(found: re.Match[str]) -> str:
        two, four, eight, octal, short = found.groups()
        if short:
            if short not in _SHORT:
                raise TemplateError(f"unknown escape \\{short} in {literal}")
            return _SHORT[short]
        code = int(octal, 8) if octal else int(two or four or eight, 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise TemplateError(f"escape {found[0]} in {literal} is no character")
        return chr(code)

    return _ESCAPE.sub(one, literal[1:-1])
