"""The registry of plugins: their order, and how those of a server block are set up.

ORDER is that of CoreDNS 1.14.7, whatever the order in the Corefile, and then *shadow*,
which only minidns has; ``order`` gives that of older releases. A plugin is the value
``PLUGIN`` of the module of its name (see `minidns.plugins.spec`). A name in ORDER
without a module is a plugin that minidns does not have: naming it in a Corefile is a
fatal error, since leaving it out would change answers.
"""

import functools
from importlib import import_module
from importlib.util import find_spec

from minidns.corefile.blocks import ConfigError
from minidns.corefile.releases import NEWEST, Release, order_at
from minidns.dns.model import Plugin
from minidns.plugins import ignored
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

ORDER: tuple[str, ...] = (
    "root",
    "metadata",
    "geoip",
    "cancel",
    "proxyproto",
    "quic",
    "grpc_server",
    "https",
    "https3",
    "timeouts",
    "multisocket",
    "reload",
    "nsid",
    "bufsize",
    "bind",
    "debug",
    "trace",
    "ready",
    "health",
    "pprof",
    "shed",
    "prometheus",
    "errors",
    "log",
    "dnstap",
    "local",
    "dns64",
    "any",
    "chaos",
    "loadbalance",
    "tsig",
    "rewrite",
    "autopath",
    "acl",
    "cache",
    "header",
    "dnssec",
    "tls",
    "minimal",
    "template",
    "transfer",
    "hosts",
    "route53",
    "azure",
    "clouddns",
    "k8s_external",
    "kubernetes",
    "file",
    "auto",
    "secondary",
    "etcd",
    "loop",
    "forward",
    "grpc",
    "erratic",
    "whoami",
    "on",
    "sign",
    "view",
    "nomad",
    "shadow",
)
"""Every directive of a Corefile, outermost handler first."""


def order(release: Release) -> tuple[str, ...]:
    """Return every directive that ``release`` of CoreDNS knows, outermost first."""
    return order_at(release, ORDER)


def names(release: Release = NEWEST) -> tuple[str, ...]:
    """Return the plugins of ``release`` that minidns has, outermost first."""
    return tuple(name for name in order(release) if _has(name))


@functools.cache
def _has(name: str) -> bool:
    return name in ignored.PLUGINS or find_spec(f"{__name__}.{name}") is not None


def find(name: str) -> PluginSpec:
    """Return the plugin ``name``, imported: a plugin without a user costs nothing.

    Raises:
        ConfigError: minidns does not have it.

    """
    if name in ignored.PLUGINS:
        return ignored.PLUGINS[name]
    if name not in ORDER or not _has(name):
        raise ConfigError("not supported by minidns")
    plugin: PluginSpec = import_module(f"{__name__}.{name}").PLUGIN
    return plugin


def has_trait(name: str, traits: Traits) -> bool:
    """Return whether minidns has the plugin ``name``, and it has one of ``traits``."""
    return _has(name) and bool(find(name).traits & traits)


def registry() -> tuple[PluginSpec, ...]:
    """Return every plugin that minidns has, outermost first; imports all of them."""
    return tuple(map(find, names()))


def configure(site: Site) -> tuple[tuple[PluginSpec, Plugin], ...]:
    """Set up every plugin that the site's block names; return those in the chain.

    Raises:
        ConfigError: a directive cannot be used; the text begins with its plugin's name.

    """
    chain = []
    for name in order(site.release):
        directives = site.block.named(name)
        if not directives:
            continue
        try:
            spec = find(name)
            plugin = spec.set_up(directives, site)
        except ConfigError as exc:
            for directive in directives:
                exc = exc.hiding(directive)
            raise exc.prefixed(f"plugin/{name}: ") from exc
        if plugin is not None:
            chain.append((spec, plugin))
    site.chain = tuple(spec for spec, _ in chain)
    return tuple(chain)
