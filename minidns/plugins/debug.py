"""*debug* - log more."""

import logging

from minidns.corefile.blocks import Directive
from minidns.plugins.options import no_arguments
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``debug``.

    Raises:
        ConfigError: an argument.

    """
    for directive in directives:
        PLUGIN.read_arguments(directive, site, None)

    async def start() -> None:
        # for the whole process, and permanently (CoreDNS)
        logging.getLogger("minidns").setLevel(logging.DEBUG)

    site.on_start(start)


PLUGIN = PluginSpec(
    name="debug",
    summary="log more",
    syntax="debug",
    traits=Traits.ONCE_PER_PROCESS,
    setup=setup,
    defaults=None,
    arguments=no_arguments(names_first=True),
)
