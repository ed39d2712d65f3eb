"""*prometheus* - count queries and serve the numbers of all plugins."""

import logging
import platform
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from minidns import __version__
from minidns.corefile.blocks import Directive
from minidns.dns.model import DnsError, Dropped, Handler, Plugin, Query, Rcode, Response
from minidns.metrics.registry import SLIM_TIME_BUCKETS, Gauge, Metrics
from minidns.metrics.traffic import Traffic
from minidns.plugins.site import HttpHandler, HttpReply, Site, listen_address, once
from minidns.plugins.spec import PluginSpec, Traits

if TYPE_CHECKING:
    from minidns.plugins.prometheus.exposition import Exposition

log = logging.getLogger(__name__)

ADDRESS = "localhost:9153"
"""Where the numbers are served unless the Corefile says: not outside a Pod."""

_ALWAYS_THERE = (
    ("coredns_panics_total", "Unexpected failures while answering."),
    (
        "coredns_forward_healthcheck_broken_total",
        "Queries forwarded although every upstream was down.",
    ),
    (
        "coredns_forward_max_concurrent_rejects_total",
        "Queries refused because too many were being forwarded.",
    ),
    ("coredns_health_request_failures_total", "Failed checks of our own /health."),
    ("coredns_reload_failed_total", "Changed Corefiles that could not be used."),
    ("coredns_local_localhost_requests_total", "Queries for localhost.<domain>."),
)
"""Counters that CoreDNS shows at 0 whatever the Corefile names."""


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``prometheus [ADDRESS] { runtime_metrics }``.

    Raises:
        ConfigError: an argument too many, not an address, an unknown option.

    """
    directive = once(directives)
    address = listen_address(directive, ADDRESS)
    _read_options(directive)
    _make_families(site.metrics)
    site.instance.http(address, "/metrics", _page(site.metrics))
    site.on_serving(lambda: _show_plugins(site))
    return _counting(site)


def _read_options(directive: Directive) -> None:
    for line in directive.block:
        match line.name, len(line.args):
            case "runtime_metrics", 0:
                log.warning("runtime_metrics is ignored: there is no Go runtime here")
            case "tls", 1:
                raise line.error("tls is not supported by minidns")
            case (("runtime_metrics" | "tls"), _):
                raise line.arg_error()
            case name, _:
                raise line.error(f"unknown option: {name}")


def _make_families(metrics: Metrics) -> None:
    for name, help_ in _ALWAYS_THERE:
        metrics.counter(name, help_)
    _enabled(metrics)
    metrics.histogram(
        "coredns_health_request_duration_seconds",
        "Seconds that checks of our own /health took.",
        (),
        SLIM_TIME_BUCKETS,
    )
    metrics.gauge(
        "coredns_hosts_reload_timestamp_seconds",
        "When the hosts file was last read, in Unix seconds.",
    )
    metrics.gauge(
        "coredns_build_info",
        "Always 1; the labels say what runs here.",
        ("version", "revision", "goversion"),
    ).set((f"minidns-{__version__}", "", f"python{platform.python_version()}"), 1)


async def _show_plugins(site: Site) -> None:
    """Say which plugins are in the chain; the first site of a load clears the rest."""
    enabled = _enabled(site.metrics)
    counted = (each for each in site.instance.sites if "prometheus" in each.handlers)
    if next(counted, site) is site:
        enabled.clear()
    for server in site.servers:
        for name in site.handlers:
            enabled.set((server, site.zones[0], site.view_name, name), 1)


def _enabled(metrics: Metrics) -> Gauge:
    return metrics.gauge(
        "coredns_plugin_enabled",
        "Always 1; the labels say where a plugin is in the chain.",
        ("server", "zone", "view", "name"),
    )


def _page(metrics: Metrics) -> HttpHandler:
    @cache
    def exposition() -> "Exposition":
        # only now: who is never scraped does not pay for prometheus_client
        from minidns.plugins.prometheus.exposition import Exposition

        return Exposition(metrics)

    async def page(query: Mapping[str, str], headers: Mapping[str, str]) -> HttpReply:
        return await exposition().page(headers.get("Accept", ""))

    return page


def _counting(site: Site) -> Plugin:
    traffic = Traffic(site.metrics)
    now = site.edges.now

    def plugin(next_: Handler) -> Handler:
        below = _below(site)

        async def prometheus(query: Query) -> Response:
            started = now()
            try:
                response = await next_(query)
            except Dropped:
                # nothing written, nothing wrong (plugin/metrics handler)
                traffic.count_silence(query, Rcode.NOERROR, now() - started)
                raise
            except DnsError as error:
                traffic.count_silence(query, error.rcode, now() - started)
                raise
            return traffic.count(query, response, below, now() - started)

        return prometheus

    return plugin


def _below(site: Site) -> str:
    """Return the plugin after this one: the last to hand a response on (1.14)."""
    chain = iter(site.handlers)
    return next(chain, "") if "prometheus" in chain else ""


PLUGIN = PluginSpec(
    name="prometheus",
    summary="count queries and serve the numbers of all plugins",
    syntax="prometheus [ADDRESS]",
    traits=Traits.HANDLES_QUERIES | Traits.OPENS_PORT,
    setup=setup,
    defaults=None,
    address=ADDRESS,
)
