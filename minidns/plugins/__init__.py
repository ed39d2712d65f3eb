"""The plugins, in the order queries meet them, and how a block's are set up.

ORDER is that of CoreDNS 1.14.7, whatever the order in the Corefile; ``order`` gives
that of older releases. A name in it without a file of its own here is one that minidns
does not have: naming it in a Corefile is a fatal error that says so, since leaving it
out would change answers.
"""

from importlib import import_module
from importlib.util import find_spec

from minidns.corefile.blocks import ConfigError
from minidns.corefile.releases import NEWEST, Release, order_at
from minidns.dns.model import Plugin
from minidns.plugins.site import Setup, Site

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
)
"""Every directive of a Corefile, outermost handler first."""

OBSERVING = frozenset(("cancel", "dnstap", "pprof", "trace"))
"""Plugins that change no answer: where minidns lacks one it warns and goes on."""


def order(release: Release) -> tuple[str, ...]:
    """Return every directive that ``release`` of CoreDNS knows, outermost first."""
    return order_at(release, ORDER)


def names(release: Release = NEWEST) -> tuple[str, ...]:
    """Return the plugins of ``release`` that minidns has, outermost first."""
    known = order(release)
    return tuple(name for name in known if name in OBSERVING or _exists(name))


def _exists(name: str) -> bool:
    return find_spec(f"{__name__}.{name}") is not None


def find(name: str) -> Setup:
    """Return the setup function of the plugin ``name``.

    Imported only now: a plugin that no Corefile names costs nothing.

    Raises:
        ConfigError: minidns does not have it.

    """
    if not _exists(name):
        if name in OBSERVING:
            from minidns.plugins import ignored

            return ignored.setup(name)
        raise ConfigError("not supported by minidns")
    setup: Setup = import_module(f"{__name__}.{name}").setup
    return setup


def configure(site: Site) -> tuple[tuple[str, Plugin], ...]:
    """Set up every plugin that the site's block names; return those that answer.

    Raises:
        ConfigError: a directive cannot be used; the text begins with its plugin's name.

    """
    chain = []
    for name in order(site.release):
        directives = site.block.named(name)
        if not directives:
            continue
        try:
            plugin = find(name)(directives, site)
        except ConfigError as exc:
            raise exc.prefixed(f"plugin/{name}: ") from exc
        if plugin is not None:
            chain.append((name, plugin))
    site.handlers = tuple(name for name, _ in chain)
    return tuple(chain)
