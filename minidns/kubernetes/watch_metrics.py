"""What reflectors count, as families of metrics; brought up to date when scraped."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from minidns.kubernetes.objects import TRIGGER_TIME, EndpointSlice
from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import Applied, Event, Resource
from minidns.kubernetes.store import Store
from minidns.metrics.registry import Histogram, Metrics
from minidns.text.go_text import quote

PREFIX = "minidns_kubernetes_"
LABELS = ("resource",)
COUNTED = {
    "lists": ("lists", "Lists of the API server that were taken in to their end."),
    "watches": ("watches", "Watches of the API server that were begun."),
    "events": ("events", "Changes that watches told of."),
    "errors": ("errors", "Lists and watches that failed or broke off."),
    "skipped": ("skipped_objects", "Objects that could not be read or applied."),
}
"""By attribute of a reflector: name and help of the family."""


class ReflectorMetrics:
    """The families, and how much of each reflector they have."""

    def __init__(self, metrics: Metrics) -> None:
        self._families = {
            attribute: metrics.counter(f"{PREFIX}{name}_total", help_, LABELS)
            for attribute, (name, help_) in COUNTED.items()
        }
        self._told: dict[Reflector, dict[str, int]] = {}

    def tell(self, reflector: Reflector) -> None:
        """Add what ``reflector`` has counted since the last time."""
        told = self._told.setdefault(reflector, {})
        labels = (reflector.resource.plural,)
        for attribute, family in self._families.items():
            count = getattr(reflector, attribute)
            family.inc(labels, count - told.get(attribute, 0))
            told[attribute] = count

    def end(self, reflector: Reflector) -> None:
        """Add what is left of ``reflector``, which has ended."""
        if reflector in self._told:
            self.tell(reflector)
            del self._told[reflector]


log = logging.getLogger("minidns.plugins.kubernetes")

BUCKETS = tuple(0.001 * 2**k for k in range(20))
"""Seconds, as CoreDNS has them."""


def latency_histogram(metrics: Metrics) -> Histogram:
    """Return the family CoreDNS calls DNS programming latency."""
    return metrics.histogram(
        "coredns_kubernetes_dns_programming_duration_seconds",
        "Seconds from the cause of a change of endpoints to the answers.",
        ("service_kind",),
        BUCKETS,
    )


def observe_latency(
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


class WatchStatus(NamedTuple):
    """How well one resource is known."""

    resource: Resource
    synced: bool
    silent_s: float | None
    """Since the last list, change or bookmark; None before the first."""
    age_s: float
    """The same, counted from the start before the first."""
    error: str
    """What the API server said last that was no answer."""


def known(
    reflectors: Iterable[Reflector], now: float, start: float
) -> list[WatchStatus]:
    """Return how well each is known ``now``; following began at ``start``."""
    found = []
    for each in reflectors:
        life = each.proof_of_life
        silent_s = None if life is None else now - life
        age_s = now - start if silent_s is None else silent_s
        found.append(
            WatchStatus(each.resource, each.synced, silent_s, age_s, each.last_error)
        )
    return found
