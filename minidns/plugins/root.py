"""*root* - set the folder of relative file names."""

import logging
import re
from dataclasses import dataclass

from minidns.corefile.options import argument, text
from minidns.plugins.site import Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RootOptions:
    """The options of *root*."""

    folder: str = argument(
        "PATH",
        "The folder that relative file names start at.",
        "",
        text,
        example="/etc/coredns",
    )


def setup(options: RootOptions, site: Site) -> None:
    """Set the folder for the plugins that are set up later."""
    site.root = options.folder
    if not _exists(site):  # the folder may be created later
        log.warning("Root path does not exist: %s", site.block.shown(site.root))


def _exists(site: Site) -> bool:
    glob = site.edges.files.glob
    # the path is literal: characters of patterns are escaped
    path = re.sub(r"[*?\[\\]", r"\\\g<0>", site.root)
    return bool(glob(path) or glob(f"{path.rstrip('/')}/*"))


PLUGIN = PluginSpec(
    name="root",
    summary="set the folder of relative file names",
    traits=Traits.NONE,
    setup=setup,
    defaults=RootOptions(),
    repeated=Repeated.LAST_COUNTS,
    block=Block.REFUSED,
)
