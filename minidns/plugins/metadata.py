"""*metadata* - let plugins say more about a query, under labels."""

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import zones
from minidns.dns.model import Plugin
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits


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
    return lambda next_: next_


PLUGIN = PluginSpec(
    name="metadata",
    summary="let plugins say more about a query, under labels",
    syntax="metadata [ZONES...]",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=None,
)
