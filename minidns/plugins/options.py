"""The usual kinds of options, for the tables of `minidns.plugins.spec`.

`flag`, `setting`, `accepted`, `zones_argument` and `no_arguments` make options. The
others are *value readers*: they turn the words of a line into the value of a setting,
and raise ValueError with CoreDNS's text.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, TypeVar

from minidns.corefile import values
from minidns.corefile.errors import ConfigError
from minidns.dns.model import Name
from minidns.http import endpoint
from minidns.plugins.spec import Excess, Option, Words
from minidns.text import files

T = TypeVar("T")
V = TypeVar("V")

Read: TypeAlias = Callable[[Words], V]
"""Maps the words of an option to its value; ValueError has CoreDNS's text."""


def flag(
    name: str,
    field: str,
    meaning: str,
    *,
    value: bool = True,
    excess: Excess = Excess.WRONG_COUNT,
) -> Option:
    """Return an option without arguments that sets ``field`` to ``value``."""

    def apply(options: T, _: Words) -> T:
        return replace(options, **{field: value})  # type: ignore[type-var]  # a dataclass

    return Option(
        name=name,
        meaning=meaning,
        example=name,
        field=field,
        apply=apply,
        most=0,
        excess=excess,
    )


def setting(
    name: str,
    arguments: str,
    field: str,
    read: Read[object],
    meaning: str,
    *,
    example: str,
    least: int = 1,
    most: int | None = 1,
    excess: Excess = Excess.WRONG_COUNT,
    located: bool = False,
    prefix: str = "",
) -> Option:
    """Return an option that sets ``field`` to the value that ``read`` returns.

    With the name empty it is the arguments of the directive, which set nothing when
    there are none.
    """

    def apply(options: T, words: Words) -> T:
        if not name and not words.args:
            return options
        return replace(options, **{field: read(words)})  # type: ignore[type-var]  # a dataclass

    return Option(
        name=name,
        arguments=arguments,
        meaning=meaning,
        example=example,
        field=field,
        apply=apply,
        least=least,
        most=most,
        excess=excess,
        located=located,
        prefix=prefix,
    )


def accepted(
    name: str,
    arguments: str,
    meaning: str,
    *,
    example: str,
    least: int = 0,
    most: int | None = None,
) -> Option:
    """Return an option that is accepted and changes nothing."""
    return Option(
        name=name,
        arguments=arguments,
        meaning=meaning,
        example=example,
        least=least,
        most=most,
        apply=lambda options, words: options,
    )


def text(words: Words) -> str:
    """Return the first word."""
    return words.first


def all_words(words: Words) -> tuple[str, ...]:
    """Return all words."""
    return words.args


def integer(
    least: int | None = None,
    most: int | None = None,
    *,
    invalid: str = "{error}",
    outside: str = "",
) -> Read[int]:
    """Return a reader of a whole number within bounds.

    ``invalid`` is the error, with ``{error}`` and ``{text}``, for what is no number;
    ``outside`` the located one, with ``{value}``, for a number out of bounds.
    """

    def read(words: Words) -> int:
        value = _parse(values.integer, words, invalid)
        if _is_outside(value, least, most):
            raise words.error(outside.format(value=value))
        return value

    return read


def duration(
    least_s: float | None = None,
    most_s: float | None = None,
    *,
    invalid: str = "{error}",
    outside: str = "",
) -> Read[float]:
    """Return a reader of a Go duration, in seconds, within bounds.

    ``invalid`` is the error, with ``{error}`` and ``{text}``, for what is no duration;
    ``outside`` the located one, with ``{value}``, for one out of bounds.
    """

    def read(words: Words) -> float:
        seconds = _parse(values.duration, words, invalid)
        if _is_outside(seconds, least_s, most_s):
            shown = values.format_duration(seconds)
            raise words.error(outside.format(value=shown))
        return seconds

    return read


def _parse(parse: Callable[[str], V], words: Words, invalid: str) -> V:
    try:
        return parse(words.first)
    except ValueError as error:
        raise ValueError(invalid.format(error=error, text=words.first)) from error


def _is_outside(value: float, least: float | None, most: float | None) -> bool:
    return (least is not None and value < least) or (most is not None and value > most)


def choice(*words: str, unknown: str) -> Read[str]:
    """Return a reader of one of ``words``.

    ``unknown`` is the located error, with ``{value}``, for any other word.
    """

    def read(line_words: Words) -> str:
        if line_words.first not in words:
            raise line_words.error(unknown.format(value=line_words.first))
        return line_words.first

    return read


def zones(words: Words) -> tuple[Name, ...]:
    """Return the zones that are named; those of the server block without any."""
    return values.zones(words.args, words.site.zones)


def fallthrough(words: Words) -> tuple[Name, ...]:
    """Return the zones whose names are passed on; all without any."""
    return values.fallthrough(words.args)


def path(words: Words) -> str:
    """Return the path that is the first word, relative to *root*."""
    return files.below(words.site.root, words.first)


def listen_address(words: Words) -> str:
    """Return the ``[HOST]:PORT`` that is the first word."""
    endpoint.split(words.first)
    return words.first


def zones_argument(field: str = "zones") -> Option:
    """Return the arguments ``[ZONES...]``: without any, the server block's zones."""

    def apply(options: T, words: Words) -> T:
        return replace(options, **{field: zones(words)})  # type: ignore[type-var]  # a dataclass

    return Option(
        name="",
        arguments="[ZONES...]",
        meaning="The zones it is for; those of the server block without any.",
        example="example.org",
        field=field,
        apply=apply,
    )


def no_arguments(*, names_first: bool = False) -> Option:
    """Return the arguments of a directive that takes none.

    ``names_first`` says that the error names the first word, not the last (CoreDNS).
    """

    def apply(options: T, words: Words) -> T:
        if words.args:
            shown = words.first if names_first else words.args[-1]
            raise ConfigError.arguments(words.where, shown)
        return options

    return Option(name="", meaning="It takes no arguments.", apply=apply)
