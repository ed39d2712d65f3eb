"""*ignored* - accept plugins that change no answer; warn that nothing is done."""

import logging
from collections.abc import Callable, Collection
from typing import TypeAlias

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import duration, quote
from minidns.http import endpoint
from minidns.plugins.site import Site, once
from minidns.plugins.spec import PluginSpec, Traits

Reader: TypeAlias = Callable[[tuple[Directive, ...], Site], None]


def _accepted_only(
    name: str, summary: str, syntax: str, read: Reader, instead: str, traits: Traits
) -> PluginSpec[None]:
    """Return the plugin ``name``, which refuses what CoreDNS refuses and else warns."""

    def setup(directives: tuple[Directive, ...], site: Site) -> None:
        read(directives, site)
        logging.getLogger(f"minidns.plugins.{name}").warning("ignored: %s", instead)

    return PluginSpec(
        name=name,
        summary=summary,
        syntax=syntax,
        traits=traits | Traits.ACCEPTED_ONLY,
        setup=setup,
        defaults=None,
    )


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

PLUGINS: dict[str, PluginSpec[None]] = {
    each.name: each
    for each in (
        _accepted_only(
            "cancel",
            "bound the time for a query (ignored)",
            "cancel [DURATION]",
            _cancel,
            "minidns gives every look-up a deadline of its own",
            Traits.NONE,
        ),
        _accepted_only(
            "dnstap",
            "report queries and replies in dnstap form (ignored)",
            "dnstap SOCKET [full]",
            _dnstap,
            "minidns sends no dnstap messages",
            Traits.NONE,
        ),
        _accepted_only(
            "pprof",
            "serve profiles of the process (ignored)",
            "pprof [ADDRESS]",
            _pprof,
            "there is no Go runtime to profile",
            Traits.ONCE_PER_BLOCK,
        ),
        _accepted_only(
            "trace",
            "report spans of queries (ignored)",
            "trace [zipkin|datadog] [ENDPOINT]",
            _trace,
            "minidns sends no spans",
            Traits.NONE,
        ),
    )
}
"""The plugins that minidns accepts and does not have, by name."""
