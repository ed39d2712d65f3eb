"""The usual kinds of options: fields of the dataclass with a plugin's options.

A field declares the option that sets it, and with it the option's documentation:

    ttl: int = option("ttl SECONDS", "The TTL of answers.", 5, integer(0, 3600))

``option`` is for a line of the block, ``argument`` for the arguments of the directive,
``switch`` for an option without arguments. ``set_by`` is for a field that several
options set, or one whose new value depends on other fields. The numbers of words that
an option takes are those of its syntax: ``FILE [CONTEXT]`` takes one or two.

A *reader* turns the words of a line into the value of a field. What it raises as
ValueError, with CoreDNS's text, becomes a ConfigError: without a position, as CoreDNS
prints most errors of its parsers, or with one where the option is ``located``. Readers
that have errors of both kinds raise `Words.error` themselves.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from dataclasses import field as dataclass_field
from enum import Enum, auto
from functools import partial
from typing import Any, NamedTuple, Required, TypeAlias, TypedDict, TypeVar, Unpack

from minidns.corefile import values
from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.dns.model import Name
from minidns.text import files

T = TypeVar("T")
V = TypeVar("V")


class Excess(Enum):
    """CoreDNS's reaction to more words than an option takes."""

    WRONG_COUNT = auto()
    """An error about the number of arguments."""
    NEXT_OPTION = auto()
    """CoreDNS reads word by word: the first excess word is read as an option."""
    IGNORED = auto()
    """None; the words are ignored."""


class Words(NamedTuple):
    """The words after an option or a directive, and where they are."""

    args: tuple[str, ...]
    where: Line | Directive
    zones: tuple[Name, ...] = ()
    """The zones of the server block."""
    root: str = ""
    """The folder that relative file names start at (*root*)."""

    @property
    def first(self) -> str:
        """The first word; empty without any."""
        return self.args[0] if self.args else ""

    def error(self, text: str) -> ConfigError:
        """Return ``text`` as an error with the position of the line."""
        return self.where.error(text)

    def plain(self, text: str) -> ConfigError:
        """Return ``text`` as an error that does not show its position (CoreDNS)."""
        return ConfigError.plain(self.where, text)


Apply: TypeAlias = Callable[[Any, Words], Any]
"""Maps the options so far and the words of one line to the new options."""
Unknown: TypeAlias = Callable[[Line], ConfigError]
"""Maps a line that is no option of the plugin to CoreDNS's error."""
Read: TypeAlias = Callable[[Words], V]
"""Maps the words of an option to its value; ValueError has CoreDNS's text."""
OPTIONS = "options"
"""The key of a dataclass field's metadata with the options that set the field: a tuple
of functions from the name of the field to an Option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a plugin, or the arguments of its directive."""

    name: str
    """The first word of its line; empty for the arguments of the directive."""
    arguments: str = ""
    """The syntax of its arguments: ``DURATION [POLICY]``; empty for a flag."""
    meaning: str
    """Its entry on the plugin's page, in Markdown."""
    example: str = ""
    """A line (or arguments) that CoreDNS accepts and that changes the default."""
    least: int = 0
    """The number of words it takes at least."""
    most: int | None = None
    """The number of words it takes at most; None: any number."""
    excess: Excess = Excess.WRONG_COUNT
    field: str = ""
    """The field that it sets; empty when it is accepted and means nothing here."""
    apply: Apply
    located: bool = False
    """True if errors about its value show the position (CoreDNS)."""
    prefix: str = ""
    """Text before its errors, where CoreDNS prints the plugin's name once more."""
    is_refused: bool = False
    """True for an option of CoreDNS that minidns does not have."""

    @property
    def syntax(self) -> str:
        """The whole line: the name and the arguments."""
        return f"{self.name} {self.arguments}".strip()

    def read(self, options: V, words: Words, unknown: Unknown) -> V:
        """Return ``options`` changed by this line.

        Raises:
            ConfigError: a wrong number of words, or a bad value.

        """
        self._check_count(words, unknown)
        try:
            changed: V = self.apply(options, words)
        except ConfigError as error:
            raise error.prefixed(self.prefix) from error
        except ValueError as error:
            text = self.prefix + str(error)
            located = words.error(text) if self.located else words.plain(text)
            raise located from error
        return changed

    def _check_count(self, words: Words, unknown: Unknown) -> None:
        count = len(words.args)
        is_excess = self.most is not None and count > self.most
        if is_excess and self.excess is Excess.NEXT_OPTION:
            assert isinstance(words.where, Line)
            raise unknown(Line(words.where.tokens[-(count - (self.most or 0)) :]))
        if count < self.least or (is_excess and self.excess is Excess.WRONG_COUNT):
            raise words.where.arg_error().prefixed(self.prefix)


def unknown_property(line: Line) -> ConfigError:
    """Return the error that most plugins of CoreDNS have for an unknown option."""
    return line.error(f"unknown property '{line.name}'")


def declared(options: type) -> tuple[Option, ...]:
    """Return the options that the fields of a dataclass declare, in their order."""
    if not is_dataclass(options):  # NoneType: a plugin without options
        return ()
    return tuple(
        make(field.name)
        for field in fields(options)
        for make in field.metadata.get(OPTIONS, ())
    )


# -- fields


def text(words: Words) -> str:
    """Return the first word."""
    return words.first


class Rules(TypedDict, total=False):
    """The rarer properties of an option; see `Option`."""

    example: Required[str]
    """Arguments that change the default."""
    least: int
    """The least number of words, where CoreDNS has an error of its own for fewer."""
    excess: Excess
    located: bool
    prefix: str


def option(
    syntax: str,
    meaning: str,
    default: V,
    read: Read[V],
    *,
    adding: Callable[[V, V], V] | None = None,
    **rules: Unpack[Rules],
) -> V:
    """Return a field whose value is what ``read`` makes of an option's words.

    ``syntax`` is the option's name and its arguments. ``adding`` combines the values of
    several lines.
    """

    def make(field: str) -> Option:
        def apply(options: T, words: Words) -> T:
            value = read(words)
            if adding is not None:
                value = adding(getattr(options, field), value)
            return _with_field(options, field, value)

        return _for_field(line(syntax, meaning, apply, **rules), field)

    return dataclass_field(default=default, metadata={OPTIONS: (make,)})


def argument(
    syntax: str,
    meaning: str,
    default: V,
    read: Read[V],
    *,
    always: bool = False,
    **rules: Unpack[Rules],
) -> V:
    """Return a field whose value is what ``read`` makes of the directive's arguments.

    It keeps its value if there are no arguments, unless ``always`` is set.
    """

    def make(field: str) -> Option:
        def apply(options: T, words: Words) -> T:
            if not (words.args or always):
                return options
            return _with_field(options, field, read(words))

        return _for_field(line(f" {syntax}", meaning, apply, **rules), field)

    return dataclass_field(default=default, metadata={OPTIONS: (make,)})


def switch(
    name: str,
    meaning: str,
    *,
    default: bool = False,
    excess: Excess = Excess.WRONG_COUNT,
) -> bool:
    """Return a field that an option without arguments sets to the other value."""
    return option(
        name, meaning, default, lambda _: not default, example="", excess=excess
    )


def set_by(default: V, *options: Option) -> V:
    """Return a field that ``options``, made by ``line``, change."""
    makers = tuple(partial(_for_field, option) for option in options)
    return dataclass_field(default=default, metadata={OPTIONS: makers})


def _for_field(option: Option, field: str) -> Option:
    return replace(option, field=field)


def _with_field(options: T, field: str, value: object) -> T:
    return replace(options, **{field: value})  # type: ignore[type-var]  # a dataclass


def line(
    syntax: str,
    meaning: str,
    apply: Apply,
    *,
    example: str = "",
    least: int | None = None,
    excess: Excess = Excess.WRONG_COUNT,
    located: bool = False,
    prefix: str = "",
) -> Option:
    """Return an option that changes the options by ``apply``.

    ``syntax`` begins with a space for the arguments of the directive. ``least`` is
    needed where CoreDNS has an error of its own for too few words.
    """
    name, _, arguments = syntax.partition(" ")
    fewest, most = _arity(arguments)
    return Option(
        name=name,
        arguments=arguments,
        meaning=meaning,
        example=f"{name} {example}".strip(),
        apply=apply,
        least=fewest if least is None else least,
        most=most,
        excess=excess,
        located=located,
        prefix=prefix,
    )


def _arity(arguments: str) -> tuple[int, int | None]:
    """Return the least and the greatest number of words (None: any number).

    >>> _arity("FILE [CONTEXT]"), _arity("[ZONES...]")
    ((1, 2), (0, None))
    """
    required = re.sub(r"\[.*\]", "", arguments).split()
    words = re.findall(r"[^\s\[\]]+", arguments)
    return len(required), None if "..." in arguments else len(words)


def accepted(syntax: str, meaning: str, *, example: str = "") -> Option:
    """Return an option that is accepted with any words, and changes nothing."""
    return line(
        syntax,
        meaning,
        lambda options, words: options,
        example=example,
        least=0,
        excess=Excess.IGNORED,
    )


def refused(syntax: str) -> Option:
    """Return an option of CoreDNS that minidns does not have: an error."""
    name = syntax.partition(" ")[0]

    def apply(options: T, words: Words) -> T:
        raise words.error(f"{name} is not supported by minidns")

    return replace(line(syntax, "Refused.", apply), example="", is_refused=True)


def no_arguments(*, names_first: bool = False, prefix: str = "") -> Option:
    """Return the arguments of a directive that takes none.

    ``names_first`` says that the error names the first word, not the last (CoreDNS).
    """

    def apply(options: V, words: Words) -> V:
        if words.args:
            shown = words.first if names_first else words.args[-1]
            raise ConfigError.arguments(words.where, shown)
        return options

    return Option(name="", meaning="", apply=apply, prefix=prefix)


def zones_argument() -> tuple[Name, ...]:
    """Return a field for ``[ZONES...]``: by default the server block's zones."""
    return argument(
        "[ZONES...]",
        "The zones that it is for; by default those of the server block.",
        (),
        zones,
        example="example.org",
        always=True,
    )


def fallthrough_option() -> tuple[Name, ...]:
    """Return a field for ``fallthrough [ZONES...]``: by default for no zone."""
    return option(
        "fallthrough [ZONES...]",
        "Passes names that do not exist to the next plugin; with ZONES only names in"
        " these zones.",
        (),
        lambda words: values.fallthrough(words.args),
        example="example.org",
    )


# -- readers


def integer(least: int, most: int, outside: str) -> Read[int]:
    """Return a reader of a whole number from ``least`` to ``most``.

    ``outside`` is the located error, with ``{value}``, for other numbers.
    """

    def read(words: Words) -> int:
        value = values.integer(words.first)
        if not least <= value <= most:
            raise words.error(outside.format(value=value))
        return value

    return read


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
    return values.zones(words.args, words.zones)


def path(words: Words) -> str:
    """Return the path that is the first word, relative to *root*."""
    return files.below(words.root, words.first)
