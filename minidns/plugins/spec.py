"""A plugin as a value: what it is called, what it accepts, and what it is like.

Every plugin's module has one ``PLUGIN = PluginSpec(...)``. Together with ``ORDER`` in
`minidns.plugins` these values are the registry: tests, `minidns check` and the server
ask them and never compare names of plugins.

The options of a plugin are a table of `Option`. `PluginSpec.read` folds the lines of
its directives over the plugin's default options, a frozen dataclass:

    options value  --(option, its words)-->  options value

A *value reader* turns the words of one line into a value. It raises ValueError with
CoreDNS's text, which `PluginSpec.read` turns into a ConfigError: without a position, as
CoreDNS prints errors of its parsers, or with one where the option is ``located``.
Readers that need both use `Words.error` for the located ones.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, Flag, auto
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from minidns.corefile import values
from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.dns.model import Name
from minidns.http import endpoint
from minidns.plugins.site import Setup, Site
from minidns.text import files

T = TypeVar("T")
V = TypeVar("V")


class Traits(Flag):
    """The nature of a plugin: what others may conclude without knowing it by name."""

    NONE = 0
    HANDLES_QUERIES = auto()
    """It is a handler in the chain; the others only configure something."""
    ANSWERS = auto()
    """It gives answers of its own, or edits those of others."""
    TOUCHES_NAMES = auto()
    """It treats names differently: it changes them, or selects by them."""
    ANSWERS_VARY = auto()
    """Replies depend on the client, the time, chance or a count: do not reuse them."""
    ANY_CLASS = auto()
    """It answers classes other than IN; the listener lets them through."""
    OPENS_PORT = auto()
    """It listens at an HTTP address of its own; see `PluginSpec.address`."""
    MAIN_PROCESS_ONLY = auto()
    """It belongs to the process that owns the Corefile; workers leave it out."""
    ONCE_PER_BLOCK = auto()
    """Naming it twice in a server block is an error."""
    ONCE_PER_PROCESS = auto()
    """It sets something of the whole process; the last block that has it counts."""
    ACCEPTED_ONLY = auto()
    """It is read and checked, and does nothing; a warning says so."""


class Excess(Enum):
    """What CoreDNS makes of more words than an option takes."""

    WRONG_COUNT = auto()
    """An error about the number of arguments."""
    NEXT_OPTION = auto()
    """It reads word by word: the first one too many is taken for another option."""
    IGNORED = auto()
    """Nothing: they are not looked at."""


class Words(NamedTuple):
    """The words after an option or a directive, and where they stand."""

    args: tuple[str, ...]
    where: Line | Directive
    site: Site

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


Read: TypeAlias = Callable[[Words], V]
"""From the words of an option to its value; ValueError has CoreDNS's text."""
Apply: TypeAlias = Callable[[Any, Words], Any]
"""From the options so far and the words of one line to the new options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a plugin, or the arguments of its directive."""

    name: str
    """The first word of its line; empty for the arguments of the directive."""
    arguments: str = ""
    """As in the syntax: ``DURATION [POLICY]``; empty for a flag."""
    meaning: str
    """One sentence, for the reference page."""
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
    """Whether errors about its value show the position (CoreDNS)."""

    @property
    def anchor(self) -> str:
        """The word by which its page describes it."""
        return self.name or self.arguments

    def read(self, options: T, words: Words) -> T:
        """Return ``options`` with what this line says.

        Raises:
            ConfigError: a wrong number of words, or a bad value.

        """
        args = words.args
        if len(args) < self.least:
            raise words.where.arg_error()
        if self.most is not None and len(args) > self.most:
            if self.excess is Excess.WRONG_COUNT:
                raise words.where.arg_error()
            if self.excess is Excess.NEXT_OPTION:
                raise words.error(f"unknown property '{args[self.most]}'")
        try:
            changed: T = self.apply(options, words)
        except ConfigError:
            raise
        except ValueError as error:
            text = str(error)
            located = words.error(text) if self.located else words.plain(text)
            raise located from error
        return changed


def unknown_property(line: Line) -> ConfigError:
    """Return the error that most plugins of CoreDNS have for an unknown option."""
    return line.error(f"unknown property '{line.name}'")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSpec(Generic[T]):
    """A plugin: its name, syntax, options, nature, and the function that sets it up."""

    name: str
    summary: str
    """One line, as ``NAME - SUMMARY`` on its page."""
    syntax: str
    """The first line of the directive: ``health [ADDRESS]``."""
    traits: Traits
    setup: Setup
    """Reads the directives of one server block; returns the handler, if it is one."""
    defaults: T
    """Its options by default, a frozen dataclass; None for a plugin without any."""
    arguments: Option | None = None
    """The arguments of the directive; None when it takes none, or reads its own."""
    options: tuple[Option, ...] = ()
    unknown: Callable[[Line], ConfigError] = unknown_property
    """The error for an option that is not in the table."""
    address: str = ""
    """The ``HOST:PORT`` that it listens at by default (`Traits.OPENS_PORT`)."""

    @property
    def page(self) -> str:
        """The path of its documentation in the source tree."""
        return f"docs/plugins/{self.name}.md"

    def option(self, name: str) -> Option | None:
        """Return the option ``name``, if the plugin has it."""
        return next((each for each in self.options if each.name == name), None)

    def read(self, directives: Iterable[Directive], site: Site) -> T:
        """Return the options that all ``directives`` of a block give together.

        Raises:
            ConfigError: an unknown option, a wrong number of words or a bad value; or
                a second directive of a plugin that is allowed once.

        """
        options = self.defaults
        for number, directive in enumerate(directives):
            if number and Traits.ONCE_PER_BLOCK in self.traits:
                raise ConfigError("this plugin can only be used once per Server Block")
            options = self.read_one(directive, site, options)
        return options

    def read_one(self, directive: Directive, site: Site, options: T | None = None) -> T:
        """Return ``options`` (the defaults, if None) with what ``directive`` says.

        Raises:
            ConfigError: see ``read``.

        """
        read = self.defaults if options is None else options
        if self.arguments is not None:
            words = Words(directive.args, directive, site)
            read = self.arguments.read(read, words)
        for line in directive.block:
            option = self.option(line.name)
            if option is None:
                raise self.unknown(line)
            read = option.read(read, Words(line.args, line, site))
        return read


# -- options


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
) -> Option:
    """Return an option that sets ``field`` to what ``read`` makes of its words.

    With the name empty it is the arguments of the directive, which set nothing when
    there are none.
    """

    def apply(options: T, words: Words) -> T:
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


# -- value readers


def text(words: Words) -> str:
    """Return the first word."""
    return words.first


def each_word(words: Words) -> tuple[str, ...]:
    """Return all words."""
    return words.args


def integer(
    least: int | None = None, most: int | None = None, *, outside: str = ""
) -> Read[int]:
    """Return a reader of a whole number within bounds.

    ``outside`` is the located error, with ``{value}``, for a number out of bounds.
    """

    def read(words: Words) -> int:
        value = values.integer(words.first)
        if _is_outside(value, least, most):
            raise words.error(outside.format(value=value))
        return value

    return read


def duration(
    least_s: float | None = None, most_s: float | None = None, *, outside: str = ""
) -> Read[float]:
    """Return a reader of a Go duration, in seconds, within bounds.

    ``outside`` is the located error, with ``{value}``, for one out of bounds.
    """

    def read(words: Words) -> float:
        seconds = values.duration(words.first)
        if _is_outside(seconds, least_s, most_s):
            shown = values.format_duration(seconds)
            raise words.error(outside.format(value=shown))
        return seconds

    return read


def _is_outside(value: float, least: float | None, most: float | None) -> bool:
    return (least is not None and value < least) or (most is not None and value > most)


def choice(*words: str, unknown: str) -> Read[str]:
    """Return a reader of one of ``words``.

    ``unknown`` is the located error, with ``{value}``, for any other word.
    """

    def read(given: Words) -> str:
        if given.first not in words:
            raise given.error(unknown.format(value=given.first))
        return given.first

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


def listen_address(default: str) -> Read[str]:
    """Return a reader of ``[HOST]:PORT``; ``default`` without any word."""

    def read(words: Words) -> str:
        address = words.first or default
        endpoint.split(address)
        return address

    return read


def no_arguments() -> Option:
    """Return the arguments of a directive that takes none.

    unlike `Option.most` the error names the first word too many (CoreDNS).
    """

    def apply(options: T, words: Words) -> T:
        if words.args:
            raise ConfigError.arguments(words.where, words.first)
        return options

    return Option(name="", meaning="It takes no arguments.", apply=apply)


def names_with(trait: Traits, specs: Sequence["PluginSpec[Any]"]) -> frozenset[str]:
    """Return the names of those of ``specs`` that have ``trait``."""
    return frozenset(spec.name for spec in specs if trait & spec.traits)
