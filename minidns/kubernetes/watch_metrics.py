"""Metrics of watches and requests, and the age of watches for the page and *ready*."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple

from minidns.kubernetes.objects import TRIGGER_TIME, EndpointSlice
from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import Applied, Event, Resource
from minidns.kubernetes.store import Store
from minidns.metrics.registry import Histogram, Metrics
from minidns.text.go_text import quote

log = logging.getLogger("minidns.plugins.kubernetes")

PREFIX = "minidns_kubernetes_"
LABELS = ("resource",)
COUNTED = {
    "lists": ("lists", "Lists of the API server that were read to their end."),
    "watches": ("watches", "Watches of the API server that were begun."),
    "events": ("events", "Changes that watches brought."),
    "errors": ("errors", "Lists and watches that failed or broke off."),
    "skipped": ("skipped_objects", "Objects that could not be read or applied."),
}
"""Attribute of a reflector: name and help of the metric."""
BUCKETS = tuple(0.001 * 2**k for k in range(20))
"""Seconds, as in CoreDNS *kubernetes*."""


class WatchStatus(NamedTuple):
    """The state of the watch of one resource."""

    resource: Resource
    synced: bool
    silent_s: float | None
    """Seconds since the last list, change or bookmark; None before the first."""
    age_s: float
    """The same, but counted from the start of the watcher before the first."""
    error: str
    """The last error of the API server; empty without one."""


def statuses(
    reflectors: Iterable[Reflector], now: float, start: float
) -> list[WatchStatus]:
    """Return the status of each watch at ``now``; the watcher began at ``start``."""
    result = []
    for reflector in reflectors:
        life = reflector.proof_of_life
        silent_s = None if life is None else now - life
        age_s = now - start if silent_s is None else silent_s
        resource, synced = reflector.resource, reflector.synced
        result.append(
            WatchStatus(resource, synced, silent_s, age_s, reflector.last_error)
        )
    return result


class ReflectorMetrics:
    """Counters that are brought up to date from reflectors at every scrape."""

    def __init__(self, metrics: Metrics) -> None:
        self._counters = {
            attribute: metrics.counter(f"{PREFIX}{name}_total", help_, LABELS)
            for attribute, (name, help_) in COUNTED.items()
        }
        self._counted: dict[Reflector, dict[str, int]] = {}

    def update(self, reflector: Reflector) -> None:
        """Add the counts of ``reflector`` since the last update."""
        counted = self._counted.setdefault(reflector, {})
        labels = (reflector.resource.plural,)
        for attribute, counter in self._counters.items():
            count = getattr(reflector, attribute)
            counter.inc(labels, count - counted.get(attribute, 0))
            counted[attribute] = count

    def end(self, reflector: Reflector) -> None:
        """Add the last counts of ``reflector``, which has ended, and forget it."""
        if reflector in self._counted:
            self.update(reflector)
            del self._counted[reflector]


def latency_histogram(metrics: Metrics) -> Histogram:
    """Return the metric that CoreDNS calls DNS programming latency."""
    return metrics.histogram(
        "coredns_kubernetes_dns_programming_duration_seconds",
        "Seconds from the cause of a change of endpoints to the answers.",
        ("service_kind",),
        BUCKETS,
    )


def observe_latency(
    event: Event, store: Store, histogram: Histogram, wall: Callable[[], float]
) -> None:
    """Observe ``event``, not applied yet, if it changes a slice of a known Service.

    Kubernetes writes the time of the cause into the EndpointSlice. A slice in the same
    version as before, as a relist brings it, is no change.
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
    histogram.observe((kind,), wall() - caused)


# -- requests

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of durations."""


class RequestMetrics:
    """The metrics that CoreDNS has of its requests to the API server."""

    def __init__(self, metrics: Metrics) -> None:
        prefix, labels = "coredns_kubernetes_rest_client_", ("verb", "host")
        self.durations = metrics.histogram(
            f"{prefix}request_duration_seconds",
            "Seconds that requests took, watches left out.",
            labels,
            SECONDS,
        )
        self.waits = metrics.histogram(
            f"{prefix}rate_limiter_duration_seconds",
            "Seconds that requests were held back by the client itself.",
            labels,
            SECONDS,
        )
        self.requests = metrics.counter(
            f"{prefix}requests_total",
            "Requests sent, by HTTP status.",
            ("code", "method", "host"),
        )

    def count(
        self, host: str, method: str, code: str, duration_s: float | None
    ) -> None:
        """Count one request; a watch has no duration."""
        self.requests.inc((code, method, host))
        self.waits.observe((method, host), 0.0)  # nothing is held back here
        if duration_s is not None:
            self.durations.observe((method, host), duration_s)


def status_label(status: int) -> str:
    """Return the label of an HTTP status: ``other`` where it is none that is known."""
    return str(status) if status in _STATUSES else "other"


_STATUSES = frozenset(HTTPStatus)
