"""*forward* - ask other resolvers.

What the client gets is what the upstream said; what counts as its saying so is strict.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import partial

from minidns.corefile import values
from minidns.corefile.blocks import ConfigError, Directive
from minidns.dns.model import Handler, Plugin, Query, Response
from minidns.plugins.forward.line import Line
from minidns.plugins.forward.options import read
from minidns.plugins.forward.targets import (
    Host,
    To,
    addresses,
    distinct,
    read_to,
    resolvers,
)
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits
from minidns.upstream.upstream import Upstream

log = logging.getLogger(__name__)


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``forward FROM TO... [{ options }]``, any number of times."""
    lines = [_line(directive, site) for directive in directives]
    site.explainers["forward"] = partial(_explained, lines)
    site.labels["forward/upstream"] = _upstream_label

    def plugin(next_: Handler) -> Handler:
        handler = next_
        for line in reversed(lines):
            handler = line.before(handler, is_line=handler is not next_)
        return handler

    return plugin


def _line(directive: Directive, site: Site) -> Line:
    if not directive.args:
        raise directive.arg_error()
    written, *words = directive.args
    zones = values.zones((written,), ())
    if not zones:
        raise ConfigError(f"unable to normalize '{written}'")
    if len(zones) > 1:
        log.warning(
            "Unsupported CIDR notation: '%s' expands to multiple zones. "
            "Using only '%s'.",
            written,
            zones[0],
        )
    if not words:
        raise directive.arg_error()
    line = Line(zones[0], read(directive, site.root), site)
    to = read_to(words, site.edges.files)
    if any(isinstance(each, Host) for each in to):
        site.on_start(partial(_look_up, line, to, site))
    else:
        line.use(to)
    return line


async def _look_up(line: Line, to: Iterable[To], site: Site) -> None:
    """Find the addresses of host names, once, before the server answers."""
    found: list[To] = []
    whom = resolvers(line.options.resolvers, site.edges.files)
    for each in to:
        if isinstance(each, Upstream):
            found.append(each)
        else:
            _, port, transport, servername = each
            found += [
                Upstream(address, port, transport, servername)
                for address in await addresses(each, whom, site.edges.exchange)
            ]
    line.use(distinct(found))


def _upstream_label(query: Query, response: Response | None) -> str:
    """Return who answered, for *metadata*."""
    sources = response.sources if response is not None else ()
    return next((each.name for each in sources if each.kind == "upstream"), "")


def _explained(
    lines: list[Line], query: Query, response: Response
) -> Mapping[str, object]:
    """Return how the upstreams fare that were asked, or that failed to answer."""
    if response.rule and not any(each.kind == "upstream" for each in response.sources):
        return {}
    line = next((line for line in lines if line.covers(query.question.qname)), None)
    proxies = line.proxies if line else ()
    return {
        "upstreams": [
            {
                "to": str(proxy.upstream),
                "down": proxy.is_down,
                "failed_checks": proxy.failed_checks,
            }
            for proxy in proxies
        ]
    }


PLUGIN = PluginSpec(
    name="forward",
    summary="ask other resolvers",
    syntax="forward FROM TO...",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANY_CLASS,
    setup=setup,
    defaults=None,
)
