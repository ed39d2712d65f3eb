"""*debug* - log more."""

import logging

from minidns.corefile.options import no_arguments
from minidns.plugins.site import Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits


def setup(options: None, site: Site) -> None:
    """Lower the level of the log, for the whole process and for good (CoreDNS)."""

    async def start() -> None:
        logging.getLogger("minidns").setLevel(logging.DEBUG)

    site.on_start(start)


PLUGIN = PluginSpec(
    name="debug",
    summary="log more",
    traits=Traits.ONCE_PER_PROCESS,
    setup=setup,
    options=(no_arguments(names_first=True),),
    repeated=Repeated.LAST_COUNTS,
    block=Block.REFUSED,
)
