"""*metadata* - let plugins attach labels to a query."""

from dataclasses import dataclass

from minidns.corefile.errors import ConfigError
from minidns.corefile.options import zones_argument
from minidns.dns.model import Name, Plugin
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits


@dataclass(frozen=True, slots=True)
class MetadataOptions:
    """The options of *metadata*."""

    zones: tuple[Name, ...] = zones_argument()


def setup(options: MetadataOptions, site: Site) -> Plugin:
    """Set the zones whose queries have labels; the plugin passes queries on."""
    site.metadata.zones = options.zones
    return lambda next_: next_


PLUGIN = PluginSpec(
    name="metadata",
    summary="let plugins attach labels to a query",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=MetadataOptions(),
    repeated=Repeated.MISPLACED,
    unknown=lambda line: ConfigError.arguments(line, line.name),
)
