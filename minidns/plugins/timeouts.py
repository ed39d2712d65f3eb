"""*timeouts* - limit the time and the number of queries of TCP and TLS clients."""

from dataclasses import replace

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import duration, format_duration, integer
from minidns.plugins.contracts import Timeouts
from minidns.plugins.options import no_arguments, setting
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits, Words

_TWICE = "plugin/timeouts: "
"""CoreDNS prints the plugin's name twice before some errors."""
MIN_TIMEOUT_S, MAX_TIMEOUT_S = 1, 24 * 3600


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``timeouts { read|write|idle DURATION, maxtcpqueries NUMBER }``.

    Raises:
        ConfigError: no such option, or not such a value.

    """
    for directive in directives:
        site.listen.timeouts = PLUGIN.read_arguments(
            directive, site, site.listen.timeouts
        )
        if not directive.block:
            problem = directive.end_error("timeouts block with no timeouts specified")
            raise problem.prefixed(_TWICE)
        site.listen.timeouts = PLUGIN.read_block(directive, site, site.listen.timeouts)


def _unknown(line: Line) -> ConfigError:
    if len(line.args) != 1:
        return line.arg_error()
    try:
        _timeout(line.args[0], line)
    except ConfigError as error:  # CoreDNS checks the value before the name
        return error
    return line.error(f"unknown option: '{line.name}'")


def _read_max_queries(words: Words) -> int:
    text = words.first
    try:
        number = integer(text)
    except ValueError as error:
        raise words.error(
            f"invalid value for maxtcpqueries '{text}': {error}"
        ) from None
    if number == 0 or number < -1:
        raise words.error(
            f"maxtcpqueries provided '{number}' needs to be -1 (unlimited)"
            " or a positive integer"
        )
    return number


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


PLUGIN = PluginSpec(
    name="timeouts",
    summary="limit the time and the number of queries of TCP and TLS clients",
    syntax="timeouts",
    traits=Traits.NONE,
    setup=setup,
    defaults=Timeouts(),
    arguments=replace(no_arguments(), prefix=_TWICE),
    options=(
        setting(
            "read",
            "DURATION",
            "read",
            _read_timeout,
            "How long a client may take for a query.",
            example="read 5s",
        ),
        setting(
            "write",
            "DURATION",
            "write",
            _read_timeout,
            "How long a client may take to accept a reply.",
            example="write 5s",
        ),
        setting(
            "idle",
            "DURATION",
            "idle",
            _read_timeout,
            "How long a connection without queries stays open.",
            example="idle 30s",
        ),
        setting(
            "maxtcpqueries",
            "NUMBER",
            "max_queries",
            _read_max_queries,
            "How many queries a connection may carry; -1 for any number.",
            example="maxtcpqueries 10",
        ),
    ),
    unknown=_unknown,
)
