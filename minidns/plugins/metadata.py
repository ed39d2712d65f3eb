"""*metadata* - let plugins say more about a query, under labels."""

from minidns.core.corefile import ConfigError, Directive, Line
from minidns.core.model import Plugin, Query, Response
from minidns.core.values import zones
from minidns.plugins.setup import Site


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``metadata [ZONES...]``.

    Raises:
        ConfigError: an option, or a second line.

    """
    directive, *more = directives
    excess: list[Line | Directive] = [*directive.block, *more]
    if excess:
        raise ConfigError.arguments(excess[0], excess[0].name)
    site.labeled = zones(directive.args, site.zones)
    site.labels["forward/upstream"] = _upstream
    return lambda next_: next_


def _upstream(query: Query, response: Response | None) -> str:
    """Return which upstream the response came from."""
    sources = response.sources if response else ()
    return next((each.name for each in sources if each.kind == "upstream"), "")
