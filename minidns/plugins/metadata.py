"""*metadata* - let plugins attach labels to a query."""

from dataclasses import dataclass

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.dns.model import Name, Plugin
from minidns.plugins.options import zones_argument
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """The options of *metadata*."""

    zones: tuple[Name, ...] = ()
    """The zones whose queries have labels."""


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``metadata [ZONES...]``.

    Raises:
        ConfigError: an option, or a second line.

    """
    directive, *more = directives
    excess: list[Line | Directive] = [*directive.block, *more]
    if excess:
        raise ConfigError.arguments(excess[0], excess[0].name)
    site.metadata.zones = PLUGIN.read_one(directive, site).zones
    return lambda next_: next_


PLUGIN = PluginSpec(
    name="metadata",
    summary="let plugins attach labels to a query",
    syntax="metadata [ZONES...]",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=MetadataOptions(),
    arguments=zones_argument(),
)
