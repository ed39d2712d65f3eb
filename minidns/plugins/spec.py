"""The description of a plugin as a value: its name, its syntax and its traits.

Every plugin's module has one ``PLUGIN = PluginSpec(...)``. Together with ``ORDER`` in
`minidns.plugins` these values are the registry: tests, `minidns check` and the server
use them and never compare names of plugins.

The options of a plugin are a table of `Option`. `PluginSpec.read` folds the lines of
its directives over the plugin's default options, a frozen dataclass:

    options value  --(option, its words)-->  options value

`minidns.plugins.options` makes the usual options. What an option raises as ValueError,
with CoreDNS's text, becomes a ConfigError: without a position, as CoreDNS prints errors
of its parsers, or with one where the option is ``located``. Options that have errors of
both kinds raise `Words.error` for the located ones.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, Flag, auto
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.plugins.site import Setup, Site

T = TypeVar("T")


class Traits(Flag):
    """The traits of a plugin, which others use instead of its name."""

    NONE = 0
    HANDLES_QUERIES = auto()
    """It is a handler in the chain; the others only configure something."""
    ANSWERS = auto()
    """It creates answers, or changes those of others."""
    TOUCHES_NAMES = auto()
    """Its effect depends on names: it changes them, or selects by them."""
    ANSWERS_VARY = auto()
    """Any reply that comes through it depends on the client, the time, chance or a
    count: the server remembers none. Where that holds for some replies only, these
    have no `Reuse`."""
    ANY_CLASS = auto()
    """It answers classes other than IN; the listener lets them through."""
    OPENS_PORT = auto()
    """It listens at an HTTP address of its own; see `PluginSpec.address`."""
    MAIN_PROCESS_ONLY = auto()
    """It belongs to the process that owns the Corefile; workers leave it out."""
    ONCE_PER_BLOCK = auto()
    """Naming it twice in a server block is an error."""
    ONCE_PER_PROCESS = auto()
    """It configures the whole process; the last block that has it counts."""
    ACCEPTED_ONLY = auto()
    """It is parsed and validated, and has no effect; a warning is logged."""


class Excess(Enum):
    """CoreDNS's reaction to more words than an option takes."""

    WRONG_COUNT = auto()
    """An error about the number of arguments."""
    NEXT_OPTION = auto()
    """CoreDNS reads word by word: the first excess word is read as an option."""
    IGNORED = auto()
    """None; the words are ignored."""


class Words(NamedTuple):
    """The words after an option or a directive, and their position."""

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


Apply: TypeAlias = Callable[[Any, Words], Any]
"""Maps the options so far and the words of one line to the new options."""


Unknown: TypeAlias = Callable[[Line], ConfigError]
"""Maps a line that is no option of the plugin to CoreDNS's error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a plugin, or the arguments of its directive."""

    name: str
    """The first word of its line; empty for the arguments of the directive."""
    arguments: str = ""
    """The syntax of its arguments: ``DURATION [POLICY]``; empty for a flag."""
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
    """True if errors about its value show the position (CoreDNS)."""
    prefix: str = ""
    """Text before its errors, where CoreDNS prints the plugin's name once more."""

    @property
    def anchor(self) -> str:
        """The word by which the plugin's page refers to it."""
        return self.name or self.arguments

    def read(self, options: T, words: Words, unknown: Unknown) -> T:
        """Return ``options`` changed by this line.

        Raises:
            ConfigError: a wrong number of words, or a bad value.

        """
        self._check_count(words, unknown)
        try:
            changed: T = self.apply(options, words)
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
    """The default options, a frozen dataclass; None for a plugin without any."""
    arguments: Option | None = None
    """The arguments of the directive; None when it takes none, or reads its own."""
    options: tuple[Option, ...] = ()
    unknown: Unknown = unknown_property
    """The error for an option that is not in the table."""
    ignores_case: bool = False
    """True if the names of options are accepted in any case."""
    address: str = ""
    """The ``HOST:PORT`` that it listens at by default (`Traits.OPENS_PORT`)."""

    @property
    def page(self) -> str:
        """The path of its documentation in the source tree."""
        return f"docs/plugins/{self.name}.md"

    def option(self, name: str) -> Option | None:
        """Return the option ``name``, if the plugin has it."""
        if self.ignores_case:
            name = name.lower()
        return next((option for option in self.options if option.name == name), None)

    def _hinting(self, error: ConfigError, name: str) -> ConfigError:
        """Return ``error`` with the known option that is closest to ``name``."""
        names = [option.name for option in self.options]
        meant = get_close_matches(name.lower(), names, 1)
        return error.hinting(f"did you mean '{meant[0]}'?") if meant else error

    def read(self, directives: Iterable[Directive], site: Site) -> T:
        """Return the options that all ``directives`` of a block set together.

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
        """Return ``options`` (the defaults, if None) changed by ``directive``.

        Raises:
            ConfigError: see ``read``.

        """
        start = self.defaults if options is None else options
        return self.read_block(
            directive, site, self.read_arguments(directive, site, start)
        )

    def read_arguments(self, directive: Directive, site: Site, options: T) -> T:
        """Return ``options`` changed by the first line of ``directive``.

        Raises:
            ConfigError: see ``read``.

        """
        if self.arguments is None:
            return options
        words = Words(directive.args, directive, site)
        return self.arguments.read(options, words, self.unknown)

    def read_block(self, directive: Directive, site: Site, options: T) -> T:
        """Return ``options`` changed by the lines in the block of ``directive``.

        Raises:
            ConfigError: see ``read``.

        """
        for line in directive.block:
            option = self.option(line.name)
            if option is None:
                raise self._hinting(self.unknown(line), line.name)
            words = Words(line.args, line, site)
            options = option.read(options, words, self.unknown)
        return options
