"""*ignored* - accept plugins that change no answer, with a warning.

Their options are checked as CoreDNS checks them, so that a Corefile that CoreDNS would
refuse is refused here, too.
"""

import logging

from minidns.corefile.options import Excess, Option, Words, accepted, line
from minidns.corefile.values import duration, quote
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, listen_address


def _accepted_only(
    name: str,
    summary: str,
    instead: str,
    *options: Option,
    repeated: Repeated = Repeated.MERGED,
) -> PluginSpec:
    """Return the plugin ``name``; ``instead`` is the reason in the warning."""

    def setup(options: None, site: Site) -> None:
        logging.getLogger(f"minidns.plugins.{name}").warning("ignored: %s", instead)

    return PluginSpec(
        name=name,
        summary=f"{summary} (ignored)",
        traits=Traits.ACCEPTED_ONLY,
        setup=setup,
        options=options,
        repeated=repeated,
    )


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
    "bound the time for a query",
    "minidns gives every look-up a deadline of its own",
    line(" [DURATION]", "The time for a query.", _check_duration, example="1s"),
)
DNSTAP = _accepted_only(
    "dnstap",
    "report queries and replies in dnstap form",
    "minidns sends no dnstap messages",
    line(
        " SOCKET [full]",
        "Where messages go, and whether they hold the whole query.",
        lambda options, words: options,
        example="/tmp/dnstap.sock full",
        excess=Excess.IGNORED,
    ),
    accepted("skipverify", "No certificate is checked."),
    accepted("tls CERTIFICATE KEY [CA]", "The files for TLS.", example="cert.pem"),
    accepted("identity WORD", "The server's identity.", example="a"),
    accepted("version WORD", "The server's version.", example="1"),
    accepted("extra FORMAT", "Further text.", example="a"),
)
PPROF = _accepted_only(
    "pprof",
    "serve profiles of the process",
    "there is no Go runtime to profile",
    line(
        " [ADDRESS]",
        "The address to serve profiles at.",
        _check_address,
        example=":6060",
        located=True,
    ),
    accepted("block [RATE]", "The rate of block profiles.", example="1"),
    repeated=Repeated.REFUSED,
)
TRACE = _accepted_only(
    "trace",
    "report spans of queries",
    "minidns sends no spans",
    line(
        " [zipkin|datadog] [ENDPOINT]",
        "Where spans go.",
        _check_endpoint,
        example="datadog localhost:8126",
    ),
    accepted("every NUMBER", "The number of queries to a span.", example="100"),
    accepted("service NAME", "The name of the service.", example="dns"),
    accepted("client_server", "Whether client and server share a span."),
    accepted("datadog_analytics_rate RATE", "The rate of analytics.", example="0.5"),
    accepted(
        "zipkin_max_backlog_size NUMBER", "The most spans that wait.", example="9"
    ),
    accepted("zipkin_max_batch_size NUMBER", "The most spans to send.", example="9"),
    accepted("zipkin_max_batch_interval TIME", "How often to send.", example="1s"),
)
PLUGINS = {spec.name: spec for spec in (CANCEL, DNSTAP, PPROF, TRACE)}
"""The plugins that minidns accepts and does not have, by name."""
