"""*timeouts* - limit the time and the number of queries of TCP and TLS clients."""

from dataclasses import dataclass

from minidns.corefile.directives import Directive, Line
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Words, no_arguments, option
from minidns.corefile.values import duration, format_duration, integer
from minidns.plugins.contracts import Timeouts
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits

_TWICE = "plugin/timeouts: "
"""CoreDNS prints the plugin's name twice before some errors."""
MIN_TIMEOUT_S, MAX_TIMEOUT_S = 1, 24 * 3600


def _read_timeout(words: Words) -> float:
    return _timeout(words.first, words.where)


def _timeout(text: str, line: Line | Directive) -> float:
    with_unit = f"{text}s" if text.lstrip("+-").isdecimal() else text
    try:
        seconds = duration(with_unit)
    except ValueError:
        raise line.error(f"failed to parse duration '{with_unit}'") from None
    if not MIN_TIMEOUT_S <= seconds <= MAX_TIMEOUT_S:
        shown = format_duration(seconds)
        needed = "needs to be between 1 second and 24 hours"
        raise line.error(f"timeout provided '{shown}' {needed}")
    return seconds


def _read_max_queries(words: Words) -> int:
    text = words.first
    try:
        number = integer(text)
    except ValueError as error:
        problem = f"invalid value for maxtcpqueries '{text}': {error}"
        raise words.error(problem) from None
    if number == 0 or number < -1:
        raise words.error(
            f"maxtcpqueries provided '{number}' needs to be -1 (unlimited)"
            " or a positive integer"
        )
    return number


def _timeout_option(name: str, meaning: str, example: str) -> float | None:
    """Return a field for one of the durations."""
    return option(f"{name} DURATION", meaning, None, _read_timeout, example=example)


@dataclass(frozen=True, slots=True)
class TimeoutsOptions:
    """The options of *timeouts*; None for the defaults of the listeners."""

    read: float | None = _timeout_option(
        "read",
        "The time for the first query of a connection, and for each query from its"
        " first byte on (3s). Without a unit, a duration is in seconds; from one second"
        " to a day.",
        "5s",
    )
    write: float | None = _timeout_option(
        "write", "The time for the client to take a reply (5s).", "5s"
    )
    idle: float | None = _timeout_option(
        "idle", "The time between queries (10s).", "30s"
    )
    max_queries: int | None = option(
        "maxtcpqueries NUMBER",
        "The number of messages on a connection, -1 for no limit (-1). Every message"
        " counts, even if it gets no reply.",
        None,
        _read_max_queries,
        example="10",
    )


def setup(options: TimeoutsOptions, site: Site) -> None:
    """Set the limits of the server block's stream listeners.

    Raises:
        ConfigError: a directive has no options.

    """
    for directive in site.block.named("timeouts"):
        if not directive.block:
            problem = directive.end_error("timeouts block with no timeouts specified")
            raise problem.prefixed(_TWICE)
    site.listen.timeouts = Timeouts(
        options.read, options.write, options.idle, options.max_queries
    )


def _unknown(line: Line) -> ConfigError:
    if len(line.args) != 1:
        return line.arg_error()
    try:
        _timeout(line.args[0], line)
    except ConfigError as error:  # CoreDNS checks the value before the name
        return error
    return line.error(f"unknown option: '{line.name}'")


PLUGIN = PluginSpec(
    name="timeouts",
    summary="limit the time and the number of queries of TCP and TLS clients",
    traits=Traits.NONE,
    setup=setup,
    defaults=TimeoutsOptions(),
    options=(no_arguments(prefix=_TWICE),),
    repeated=Repeated.MERGED,
    unknown=_unknown,
)
