"""How long a change of endpoints took from its cause to the answers.

Kubernetes writes the moment of the cause into the EndpointSlice.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from minidns.kubernetes.events import Applied, Event
from minidns.kubernetes.objects import TRIGGER_TIME, EndpointSlice
from minidns.kubernetes.store import Store
from minidns.metrics.registry import Histogram, Metrics
from minidns.text.go_text import quote

log = logging.getLogger("minidns.plugins.kubernetes")

BUCKETS = tuple(0.001 * 2**k for k in range(20))
"""Seconds, as CoreDNS has them."""


def histogram(metrics: Metrics) -> Histogram:
    """Return the family CoreDNS calls DNS programming latency."""
    return metrics.histogram(
        "coredns_kubernetes_dns_programming_duration_seconds",
        "Seconds from the cause of a change of endpoints to the answers.",
        ("service_kind",),
        BUCKETS,
    )


def observe(
    event: Event, store: Store, family: Histogram, wall: Callable[[], float]
) -> None:
    """Count ``event``, before it is applied, if it changes a slice of a known Service.

    A slice told of again in the same version, as by a relist, is no change.
    """
    if isinstance(event, Applied):
        one = event.obj
        old = store.slices.get(one.key) if isinstance(one, EndpointSlice) else None
        if old is not None and old.meta.version and old.meta == one.meta:
            return
    elif event.kind is EndpointSlice and event.key in store.slices:
        one = store.slices[event.key]
    else:
        return
    if not isinstance(one, EndpointSlice) or not one.triggered:
        return
    service = store.services.get(one.service)
    if service is None:
        return
    try:
        caused = datetime.fromisoformat(one.triggered).timestamp()
    except ValueError:
        log.warning(
            "DnsProgrammingLatency cannot be calculated for Endpoints '%s';"
            " invalid %s annotation RFC3339 value of %s",
            one.service,
            quote(TRIGGER_TIME),
            quote(one.triggered),
        )
        return
    kind = "headless_with_selector" if service.headless else "cluster_ip"
    family.observe((kind,), wall() - caused)
