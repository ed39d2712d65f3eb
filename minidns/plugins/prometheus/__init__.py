"""*prometheus* - count queries and serve the metrics of all plugins.

Plugins register their own families (`minidns.metrics.registry`). Here are those of all
queries, the families that CoreDNS shows with any Corefile, and the page.
"""

import logging
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from minidns import __version__
from minidns.corefile.options import Words, argument, line, refused
from minidns.dns.model import DnsError, Dropped, Handler, Plugin, Query, Rcode, Response
from minidns.metrics.registry import SLIM_TIME_BUCKETS, Gauge, Metrics
from minidns.metrics.traffic import Traffic
from minidns.plugins.site import HttpHandler, HttpReply, Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, listen_address

if TYPE_CHECKING:
    from minidns.plugins.prometheus.exposition import Exposition

log = logging.getLogger(__name__)

V = TypeVar("V")

ADDRESS = "localhost:9153"
"""The default address, which is not reachable from outside the Pod (CoreDNS)."""

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
    (
        "coredns_health_request_failures_total",
        "Failed checks of the own /health endpoint.",
    ),
    ("coredns_reload_failed_total", "Changed Corefiles that could not be used."),
    ("coredns_local_localhost_requests_total", "Queries for localhost.<domain>."),
)
"""Counters that CoreDNS shows at 0 with any Corefile."""


def _warn_of_runtime_metrics(options: V, words: Words) -> V:
    log.warning("runtime_metrics is ignored: there is no Go runtime here")
    return options


@dataclass(frozen=True, slots=True)
class PrometheusOptions:
    """The options of *prometheus*."""

    address: str = argument(
        "[ADDRESS]",
        "The address of `/metrics`, with a colon before the port. The default cannot be"
        " reached from outside a Pod. Blocks may share an address.",
        ADDRESS,
        listen_address,
        example=":9153",
    )


def setup(options: PrometheusOptions, site: Site) -> Plugin:
    """Serve the metrics of the process; return the plugin that counts queries."""
    _register_families(site.metrics)
    site.instance.http(options.address, "/metrics", _page(site.metrics))
    site.on_serving(lambda: _show_plugins(site))
    return _counting_plugin(site)


def _register_families(metrics: Metrics) -> None:
    for name, help_ in _ALWAYS_THERE:
        metrics.counter(name, help_)
    _enabled(metrics)
    metrics.histogram(
        "coredns_health_request_duration_seconds",
        "Duration of the checks of the own /health endpoint in seconds.",
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
    """Set the gauge of plugins in the chain; the first site of a load clears it."""
    enabled = _enabled(site.metrics)
    counted = (other for other in site.instance.sites if PLUGIN in other.chain)
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
        # imported at the first scrape: prometheus_client takes memory and time
        from minidns.plugins.prometheus.exposition import Exposition

        return Exposition(metrics)

    async def page(query: Mapping[str, str], headers: Mapping[str, str]) -> HttpReply:
        return await exposition().page(headers.get("Accept", ""))

    return page


def _counting_plugin(site: Site) -> Plugin:
    traffic = Traffic(site.metrics)
    now = site.edges.now

    def plugin(next_: Handler) -> Handler:
        below = _next_plugin(site)

        async def prometheus(query: Query) -> Response:
            started = now()
            try:
                response = await next_(query)
            except Dropped:
                # no reply and no error (plugin/metrics handler)
                traffic.count_silence(query, Rcode.NOERROR, now() - started)
                raise
            except DnsError as error:
                traffic.count_silence(query, error.rcode, now() - started)
                raise
            return traffic.count(query, response, below, now() - started)

        return prometheus

    return plugin


def _next_plugin(site: Site) -> str:
    """Return the plugin after this one, which CoreDNS 1.14 shows as the writer."""
    chain = iter(site.handlers)
    return next(chain, "") if PLUGIN.name in chain else ""


PLUGIN = PluginSpec(
    name="prometheus",
    summary="count queries and serve the metrics of all plugins",
    traits=Traits.HANDLES_QUERIES | Traits.OPENS_PORT,
    setup=setup,
    defaults=PrometheusOptions(),
    options=(
        line(
            "runtime_metrics",
            "Accepted and ignored: it selects metrics of Go's runtime.",
            _warn_of_runtime_metrics,
        ),
        refused("tls FILE"),
    ),
    repeated=Repeated.REFUSED,
    unknown=lambda line: line.error(f"unknown option: {line.name}"),
    address=ADDRESS,
)
