"""The description of a plugin as a value: its name, its options and its traits.

Every plugin's module has one ``PLUGIN = PluginSpec(...)``. Together with ``ORDER`` in
`minidns.plugins` these values are the registry: tests, the pages of the plugins,
`minidns check` and the server use them and never compare names of plugins.

The options of a plugin are a frozen dataclass whose fields declare how they are read
(`minidns.corefile.options`). `PluginSpec.read` starts with the defaults and folds the
lines of the plugin's directives over them:

    options value  --(option, the words of its line)-->  options value
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum, Flag, auto
from functools import partial
from typing import Any, TypeVar

from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Option, Unknown, Words, declared, unknown_property
from minidns.dns.model import Handler, Plugin, Query, Response
from minidns.http import endpoint
from minidns.plugins.site import Site

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
    ONCE_PER_PROCESS = auto()
    """It configures the whole process; the last block that has it counts."""
    ACCEPTED_ONLY = auto()
    """It is parsed and validated, and has no effect; a warning is logged."""


class Repeated(Enum):
    """The meaning of several directives of one plugin in a server block (CoreDNS).

    It decides what `PluginSpec.read` returns.
    """

    REFUSED = auto()
    """The second one is an error."""
    MISPLACED = auto()
    """The second one is an error about the number of arguments."""
    FIRST_COUNTS = auto()
    """Only the first one is read."""
    LAST_COUNTS = auto()
    """All are read; the result is the options of the last one."""
    MERGED = auto()
    """Each one changes the options that those before it set."""
    CONTINUED = auto()
    """As MERGED, but the result is a tuple of the options after each directive."""
    SEPARATE = auto()
    """Each one has options of its own; the result is a tuple of them."""
    UNREAD = auto()
    """The plugin reads its directives itself; the result is the directives."""


class Block(Enum):
    """The meaning of a block ``{ }`` after a directive (CoreDNS)."""

    READ = auto()
    """Its lines are options."""
    IGNORED = auto()
    """Whatever is in it means nothing."""
    REFUSED = auto()
    """Its brace is an argument too many, also if the block is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginSpec:
    """A plugin: its name, options, traits, and the function that sets it up."""

    name: str
    summary: str
    """One line, as ``NAME - SUMMARY`` on its page."""
    traits: Traits
    setup: Callable[[Any, Site], Plugin | None]
    """Maps the result of ``read`` and the site to the plugin; to None if it handles no
    queries. It may raise ConfigError."""
    defaults: Any = None
    """The default options, a frozen dataclass; None for a plugin without any."""
    options: tuple[Option, ...] = ()
    """Options that no field of ``defaults`` declares."""
    repeated: Repeated = Repeated.UNREAD
    block: Block = Block.READ
    unknown: Unknown = unknown_property
    """The error for an option that is not in the table."""
    conflicts: Callable[[Any], Iterable[str]] = lambda options: ()
    """Yields CoreDNS's text for options that exclude each other."""
    ignores_case: bool = False
    """True if the names of options are accepted in any case."""
    address: str = ""
    """The ``HOST:PORT`` that it listens at by default (`Traits.OPENS_PORT`)."""
    table: tuple[Option, ...] = field(init=False)
    """All options; the arguments of the directive are the one without a name."""
    _by_name: dict[str, Option] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Put the options of all sources in one table."""
        kind: type = type(self.defaults)
        table = (*declared(kind), *self.options)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "_by_name", {option.name: option for option in table})

    @property
    def page(self) -> str:
        """The path of its documentation in the source tree."""
        return f"docs/plugins/{self.name}.md"

    @property
    def arguments(self) -> Option | None:
        """The arguments of the directive; None if they are not read."""
        return self.option("")

    def option(self, name: str) -> Option | None:
        """Return the option ``name``, if the plugin has it."""
        return self._by_name.get(name.lower() if self.ignores_case else name)

    def set_up(self, directives: tuple[Directive, ...], site: Site) -> Plugin | None:
        """Set the plugin up from all its directives of one server block, at least one.

        Raises:
            ConfigError: CoreDNS refuses a directive, or minidns does not support it.

        """
        return self.setup(self.read(directives, site), site)

    def read(self, directives: tuple[Directive, ...], site: Site) -> object:
        """Return the options that ``directives`` set; see `Repeated` for their shape.

        Raises:
            ConfigError: an unknown option, a wrong number of words or a bad value; or
                a second directive of a plugin that is allowed once.

        """
        first, *others = directives
        options: list[object]
        match self.repeated:
            case Repeated.UNREAD:
                return directives
            case Repeated.FIRST_COUNTS:
                return self.read_one(first, site)
            case Repeated.SEPARATE | Repeated.LAST_COUNTS:
                options = [self.read_one(directive, site) for directive in directives]
            case _:
                options = [self.read_one(first, site)]
                for directive in others:
                    self._check_repetition(directive)
                    options.append(self.read_one(directive, site, options[-1]))
        is_tuple = self.repeated in (Repeated.SEPARATE, Repeated.CONTINUED)
        return tuple(options) if is_tuple else options[-1]

    def _check_repetition(self, directive: Directive) -> None:
        """Raise ConfigError if ``directive``, not the first one, is not allowed."""
        if self.repeated is Repeated.REFUSED:
            raise ConfigError("this plugin can only be used once per Server Block")
        if self.repeated is Repeated.MISPLACED:
            raise ConfigError.arguments(directive, directive.name)

    def read_one(self, directive: Directive, site: Site, options: T | None = None) -> T:
        """Return ``options`` (the defaults, if None) changed by ``directive``.

        Raises:
            ConfigError: see ``read``.

        """
        changed: T = self.defaults if options is None else options
        changed = self.read_arguments(directive, site, changed)
        if self.block is Block.REFUSED and directive.has_block:
            raise ConfigError.arguments(directive, "{")
        if self.block is Block.READ:
            changed = self.read_block(directive, site, changed)
        for conflict in self.conflicts(changed):
            raise directive.end_error(conflict)
        return changed

    def read_arguments(self, directive: Directive, site: Site, options: T) -> T:
        """Return ``options`` changed by the first line of ``directive``.

        Raises:
            ConfigError: see ``read``.

        """
        if self.arguments is None:
            return options
        words = Words(directive.args, directive, site.zones, site.root)
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
            words = Words(line.args, line, site.zones, site.root)
            options = option.read(options, words, self.unknown)
        return options

    def _hinting(self, error: ConfigError, name: str) -> ConfigError:
        """Return ``error`` with the known option that is closest to ``name``."""
        known = [option.name for option in self.table if option.name]
        closest = get_close_matches(name.lower(), known, 1)
        return error.hinting(f"did you mean '{closest[0]}'?") if closest else error


def listen_address(words: Words) -> str:
    """Return the ``[HOST]:PORT`` that is the first word."""
    endpoint.split(words.first)
    return words.first


def as_plugin(handle: Callable[[Handler, Query], Awaitable[Response]]) -> Plugin:
    """Return the plugin whose handler is ``handle`` with the next handler."""
    return partial(partial, handle)
