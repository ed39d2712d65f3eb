"""*ignored* - accept plugins that change no answer; warn that nothing is done."""

import logging
from collections.abc import Callable, Collection
from typing import TypeAlias

from minidns.core.corefile import ConfigError, Directive, Line
from minidns.core.values import duration, format_duration, integer, quote
from minidns.net import endpoint
from minidns.plugins.setup import Setup, Site, Timeouts, once

Reader: TypeAlias = Callable[[tuple[Directive, ...], Site], None]

MIN_TIMEOUT_S, MAX_TIMEOUT_S = 1, 24 * 3600


def setup(name: str) -> Setup:
    """Return the setup function of the plugin ``name``.

    It refuses what CoreDNS would refuse; what *timeouts* says is kept in the site.

    Raises:
        ConfigError: that plugin cannot be ignored.

    """
    if name not in _PLUGINS:
        raise ConfigError("not supported by minidns")
    read, instead = _PLUGINS[name]

    def accept(directives: tuple[Directive, ...], site: Site) -> None:
        read(directives, site)
        logging.getLogger(f"minidns.plugins.{name}").warning("ignored: %s", instead)

    return accept


def _cancel(directives: tuple[Directive, ...], site: Site) -> None:
    for directive in directives:
        if len(directive.args) > 1:
            raise directive.arg_error()
        for text in directive.args:
            try:
                seconds = duration(text)
            except ValueError:
                raise ConfigError(f"invalid duration: {quote(text)}") from None
            if seconds <= 0:
                raise ConfigError(f"invalid negative duration: {quote(text)}")


def _timeouts(directives: tuple[Directive, ...], site: Site) -> None:
    for directive in directives:
        if directive.args:
            # the plugin's name stands twice before these two (CoreDNS)
            raise directive.arg_error().prefixed("plugin/timeouts: ")
        if not directive.block:
            problem = directive.end_error("timeouts block with no timeouts specified")
            raise problem.prefixed("plugin/timeouts: ")
        for line in directive.block:
            site.timeouts = _with_option(site.timeouts, line)


def _with_option(timeouts: Timeouts, line: Line) -> Timeouts:
    if len(line.args) != 1:
        raise line.arg_error()
    (text,) = line.args
    if line.name == "maxtcpqueries":
        return timeouts._replace(max_queries=_max_queries(text, line))
    seconds = _timeout(text, line)
    match line.name:
        case "read":
            return timeouts._replace(read=seconds)
        case "write":
            return timeouts._replace(write=seconds)
        case "idle":
            return timeouts._replace(idle=seconds)
        case name:
            raise line.error(f"unknown option: '{name}'")


def _max_queries(text: str, line: Line) -> int:
    try:
        number = integer(text)
    except ValueError as error:
        raise line.error(f"invalid value for maxtcpqueries '{text}': {error}") from None
    if number == 0 or number < -1:
        raise line.error(
            f"maxtcpqueries provided '{number}' needs to be -1 (unlimited)"
            " or a positive integer"
        )
    return number


def _timeout(text: str, line: Line) -> float:
    with_unit = f"{text}s" if text.lstrip("+-").isdecimal() else text
    try:
        seconds = duration(with_unit)
    except ValueError:
        raise line.error(f"failed to parse duration '{with_unit}'") from None
    if not MIN_TIMEOUT_S <= seconds <= MAX_TIMEOUT_S:
        said = format_duration(seconds)
        needed = "needs to be between 1 second and 24 hours"
        raise line.error(f"timeout provided '{said}' {needed}")
    return seconds


def _trace(directives: tuple[Directive, ...], site: Site) -> None:
    for directive in directives:
        if len(directive.args) > 2:
            raise directive.arg_error()
        kind = directive.args[0].lower() if len(directive.args) == 2 else "zipkin"
        if kind not in ("zipkin", "datadog"):
            raise ConfigError(f"tracing endpoint type '{kind}' is not supported")
        _only(directive, _TRACE_OPTIONS)


def _dnstap(directives: tuple[Directive, ...], site: Site) -> None:
    for directive in directives:
        if not directive.args:
            raise directive.arg_error()
        _only(directive, _DNSTAP_OPTIONS)


def _pprof(directives: tuple[Directive, ...], site: Site) -> None:
    directive = once(directives)
    if len(directive.args) > 1:
        raise directive.arg_error()
    for address in directive.args:
        try:
            endpoint.split(address)
        except ValueError as error:
            raise directive.error(str(error)) from error
    _only(directive, ("block",))


def _only(directive: Directive, options: Collection[str]) -> None:
    for line in directive.block:
        if line.name not in options:
            raise line.error(f"unknown property '{line.name}'")


_TRACE_OPTIONS = (
    "every",
    "service",
    "client_server",
    "datadog_analytics_rate",
    "zipkin_max_backlog_size",
    "zipkin_max_batch_size",
    "zipkin_max_batch_interval",
)
_DNSTAP_OPTIONS = ("skipverify", "tls", "identity", "version", "extra")

_PLUGINS: dict[str, tuple[Reader, str]] = {
    "cancel": (_cancel, "minidns gives every look-up a deadline of its own"),
    "dnstap": (_dnstap, "minidns sends no dnstap messages"),
    "pprof": (_pprof, "there is no Go runtime to profile"),
    "timeouts": (_timeouts, "minidns has its own: 3s to read, 5s to write, 10s idle"),
    "trace": (_trace, "minidns sends no spans"),
}
"""What is refused, and what there is instead."""
