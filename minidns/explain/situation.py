"""The facts about one question when its answer is explained."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from minidns.dns.model import Name, Response
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.lookup import Lookup
from minidns.kubernetes.model import ClusterQuestion
from minidns.kubernetes.names import ParsedName, endpoint_name
from minidns.kubernetes.objects import Endpoint, EndpointSlice, Key, Service
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.rules import Rule
from minidns.kubernetes.watcher import ClusterWatcher

MAX_COMPARED = 2000
"""limit: names compared with a misspelt one; the event loop waits meanwhile."""

MAX_NAMED = 20
"""limit: names that an explanation lists where the one in question does not exist."""


@dataclass(frozen=True)
class Situation:
    """A question, its response, and the objects that *kubernetes* has now."""

    watcher: ClusterWatcher
    cluster: ClusterZones
    response: Response
    """The response of the chain; from a cache it may be older than the objects."""
    question: ClusterQuestion
    rule: Rule | None
    """The rule of *kubernetes* that decided; None if another plugin did."""

    @property
    def options(self) -> KubernetesOptions:
        """The plugin's options."""
        return self.cluster.options

    @property
    def zone(self) -> Name:
        """The zone that the name is in."""
        return self.question.zone

    @property
    def lookup(self) -> Lookup:
        """The lookup for objects of the zone."""
        return self.cluster.lookup(self.zone)

    @property
    def labels(self) -> list[str]:
        """The labels left of the zone."""
        return self.cluster.labels(self.question.name, self.zone)

    @property
    def parsed(self) -> ParsedName:
        """The meaning of the labels; empty for names that have none."""
        labels = self.labels
        if len(labels) < 2:
            return ParsedName("", "")
        return self.cluster.parse(labels, self.zone) or ParsedName("", "")

    @property
    def key(self) -> Key:
        """The key of the Service in the name."""
        return Key(self.parsed.namespace, self.parsed.service)

    @property
    def service(self) -> Service | None:
        """The Service in the name, if it exists."""
        return self.lookup.store.services.get(self.key)

    @property
    def slices(self) -> tuple[EndpointSlice, ...]:
        """The EndpointSlices of the Service."""
        return self.lookup.store.slices_of(self.key)

    @property
    def endpoints(self) -> Iterator[Endpoint]:
        """The endpoints of the Service, ready or not."""
        return (end for one in self.slices for end in one.endpoints)

    def name_of(self, end: Endpoint) -> str:
        """Return the label of an endpoint."""
        return endpoint_name(end, self.options.endpoint_pod_names)

    def full(self, key: Key) -> str:
        """Return the name of a Service in the zone."""
        return f"{key.name}.{key.namespace}.svc.{self.zone}"


def close(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three of ``known`` that ``word`` may be a misspelling of."""
    alike = (other for other in known if abs(len(other) - len(word)) <= 2)
    compared = list(islice(alike, MAX_COMPARED))
    # two transposed letters are a third of a word of three
    cutoff = 0.65 if len(word) < 5 else 0.75
    return difflib.get_close_matches(word, compared, n=3, cutoff=cutoff)


def listed(words: Iterable[str], limit: int = 5) -> str:
    """Return the first ``limit`` words with commas, and the number of the others.

    >>> listed("abc", 2)
    'a, b and 1 more'
    """
    every = list(words)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more
