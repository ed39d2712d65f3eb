"""*ignored* - accept plugins that change no answer, with a warning.

Their options are checked as CoreDNS checks them, so that a Corefile that CoreDNS would
refuse is refused here, too.
"""

import logging

from minidns.corefile.blocks import Directive
from minidns.corefile.values import duration, quote
from minidns.plugins.options import accepted, listen_address
from minidns.plugins.site import Site
from minidns.plugins.spec import Option, PluginSpec, Traits, Words


def _accepted_only(
    name: str,
    summary: str,
    syntax: str,
    instead: str,
    *,
    arguments: Option,
    options: tuple[Option, ...] = (),
    traits: Traits = Traits.NONE,
) -> PluginSpec[None]:
    """Return the plugin ``name``; ``instead`` is the reason in the warning."""

    def setup(directives: tuple[Directive, ...], site: Site) -> None:
        spec.read(directives, site)
        logging.getLogger(f"minidns.plugins.{name}").warning("ignored: %s", instead)

    spec: PluginSpec[None] = PluginSpec(
        name=name,
        summary=summary,
        syntax=syntax,
        traits=traits | Traits.ACCEPTED_ONLY,
        setup=setup,
        defaults=None,
        arguments=arguments,
        options=options,
    )
    return spec


def _check_duration(_: None, words: Words) -> None:
    if not words.args:
        return
    try:
        seconds = duration(words.first)
    except ValueError:
        raise ValueError(f"invalid duration: {quote(words.first)}") from None
    if seconds <= 0:
        raise ValueError(f"invalid negative duration: {quote(words.first)}")


def _check_endpoint(_: None, words: Words) -> None:
    kind = words.first.lower() if len(words.args) == 2 else "zipkin"
    if kind not in ("zipkin", "datadog"):
        raise ValueError(f"tracing endpoint type '{kind}' is not supported")


def _check_address(_: None, words: Words) -> None:
    if words.args:
        listen_address(words)


CANCEL = _accepted_only(
    "cancel",
    "bound the time for a query (ignored)",
    "cancel [DURATION]",
    "minidns gives every look-up a deadline of its own",
    arguments=Option(
        name="",
        arguments="[DURATION]",
        meaning="The time that a query may take.",
        example="1s",
        most=1,
        apply=_check_duration,
    ),
)
DNSTAP = _accepted_only(
    "dnstap",
    "report queries and replies in dnstap form (ignored)",
    "dnstap SOCKET [full]",
    "minidns sends no dnstap messages",
    arguments=accepted(
        "",
        "SOCKET [full]",
        "Where messages go, and whether they hold the whole query.",
        example="/tmp/dnstap.sock full",
        least=1,
    ),
    options=(
        accepted("skipverify", "", "No certificate is checked.", example="skipverify"),
        accepted("tls", "FILES...", "The files for TLS.", example="tls cert.pem"),
        accepted("identity", "TEXT", "The server's identity.", example="identity a"),
        accepted("version", "TEXT", "The server's version.", example="version 1"),
        accepted("extra", "TEXT", "Further text.", example="extra a"),
    ),
)
PPROF = _accepted_only(
    "pprof",
    "serve profiles of the process (ignored)",
    "pprof [ADDRESS]",
    "there is no Go runtime to profile",
    arguments=Option(
        name="",
        arguments="[ADDRESS]",
        meaning="The HOST:PORT to serve profiles at.",
        example=":6060",
        most=1,
        apply=_check_address,
        located=True,
    ),
    options=(
        accepted("block", "[RATE]", "The rate of block profiles.", example="block 1"),
    ),
    traits=Traits.ONCE_PER_BLOCK,
)
TRACE = _accepted_only(
    "trace",
    "report spans of queries (ignored)",
    "trace [zipkin|datadog] [ENDPOINT]",
    "minidns sends no spans",
    arguments=Option(
        name="",
        arguments="[zipkin|datadog] [ENDPOINT]",
        meaning="Where spans go.",
        example="datadog localhost:8126",
        most=2,
        apply=_check_endpoint,
    ),
    options=tuple(
        accepted(name, arguments, meaning, example=f"{name} {value}".strip())
        for name, arguments, meaning, value in (
            ("every", "AMOUNT", "How many queries there are to a span.", "100"),
            ("service", "NAME", "The name of the service.", "dns"),
            ("client_server", "", "Whether client and server share a span.", ""),
            ("datadog_analytics_rate", "RATE", "The rate of analytics.", "0.5"),
            ("zipkin_max_backlog_size", "SIZE", "Spans that wait at most.", "100"),
            ("zipkin_max_batch_size", "SIZE", "Spans of a message at most.", "10"),
            ("zipkin_max_batch_interval", "TIME", "How often spans are sent.", "1s"),
        )
    ),
)
PLUGINS = {spec.name: spec for spec in (CANCEL, DNSTAP, PPROF, TRACE)}
"""The plugins that minidns accepts and does not have, by name."""
