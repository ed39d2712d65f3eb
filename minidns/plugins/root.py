"""*root* - name the folder that relative file names are meant from."""

import logging

from minidns.corefile.blocks import Directive
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

log = logging.getLogger(__name__)


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``root PATH``.

    Raises:
        ConfigError: not one argument.

    """
    for directive in directives:  # the last one counts (CoreDNS)
        if len(directive.args) != 1:
            raise directive.arg_error()
        site.root = directive.args[0]
    if not _exists(site):
        log.warning("Root path does not exist: %s", site.root)  # it may still come


def _exists(site: Site) -> bool:
    glob = site.edges.files.glob
    return bool(glob(site.root) or glob(f"{site.root.rstrip('/')}/*"))


PLUGIN = PluginSpec(
    name="root",
    summary="name the folder that relative file names are meant from",
    syntax="root PATH",
    traits=Traits.NONE,
    setup=setup,
    defaults=None,
)
