"""*root* - set the folder of relative file names."""

import logging
import re
from dataclasses import dataclass

from minidns.corefile.blocks import Directive
from minidns.plugins.options import setting, text
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RootOptions:
    """The options of a *root* directive."""

    folder: str = ""


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``root PATH``.

    Raises:
        ConfigError: not one argument.

    """
    for directive in directives:  # the last one counts (CoreDNS)
        site.root = PLUGIN.read_arguments(directive, site, RootOptions()).folder
    if not _exists(site):
        log.warning(
            "Root path does not exist: %s", site.root
        )  # the folder may be created later


def _exists(site: Site) -> bool:
    glob = site.edges.files.glob
    # the path is literal: characters of patterns are escaped
    path = re.sub(r"[*?\[\\]", r"\\\g<0>", site.root)
    return bool(glob(path) or glob(f"{path.rstrip('/')}/*"))


PLUGIN = PluginSpec(
    name="root",
    summary="set the folder of relative file names",
    syntax="root PATH",
    traits=Traits.NONE,
    setup=setup,
    defaults=RootOptions(),
    arguments=setting(
        "",
        "PATH",
        "folder",
        text,
        "The folder that relative file names are looked up in.",
        example="/etc/coredns",
    ),
)
