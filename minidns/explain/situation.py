"""All that is to be known about one question when its answer is explained."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from minidns.dns import names
from minidns.dns.model import Name, Query, Response
from minidns.kubernetes import names as grammar
from minidns.kubernetes.addresses import endpoint_name
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.lookup import Lookup
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion
from minidns.kubernetes.objects import Endpoint, EndpointSlice, Key, Service
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.watcher import ClusterWatcher

MAX_COMPARED = 2000
"""limit: names compared with a misspelt one; the event loop waits meanwhile."""


@dataclass(frozen=True)
class Situation:
    """A question, the answer, and what *kubernetes* knows."""

    view: ClusterWatcher
    answers: ClusterZones
    query: Query
    response: Response
    inquiry: ClusterQuestion
    outcome: ClusterAnswer
    """What the rules say now; the response may be of another plugin, or older."""

    @property
    def options(self) -> KubernetesOptions:
        """The plugin's options."""
        return self.answers.options

    @property
    def zone(self) -> Name:
        """The zone that the name is in."""
        return self.inquiry.zone

    @property
    def lookup(self) -> Lookup:
        """What finds the objects of the zone."""
        return self.answers.lookup(self.zone)

    @property
    def labels(self) -> list[str]:
        """The labels left of the zone."""
        count = len(names.labels(self.zone))
        return names.labels(self.inquiry.name)[: -count or None]

    @property
    def asked(self) -> grammar.ParsedName:
        """What the labels say; only for names that can be read."""
        lookup = self.lookup
        zonal = self.options.zonal and not lookup.imports
        read = grammar.read(self.labels, multicluster=lookup.imports, zonal=zonal)
        return read or grammar.ParsedName("", "")

    @property
    def key(self) -> Key:
        """The Service that the name asks for."""
        return Key(self.asked.namespace, self.asked.service)

    @property
    def service(self) -> Service | None:
        """That Service, if there is one."""
        return self.lookup.store.services.get(self.key)

    @property
    def slices(self) -> tuple[EndpointSlice, ...]:
        """The slices that name it."""
        return self.lookup.store.slices_of(self.key)

    @property
    def endpoints(self) -> Iterator[Endpoint]:
        """Every endpoint in them, ready or not."""
        return (end for each in self.slices for end in each.endpoints)

    def name_of(self, end: Endpoint) -> str:
        """Return the label of an endpoint."""
        return endpoint_name(end, self.options.endpoint_pod_names)

    def full(self, key: Key) -> str:
        """Return the name of a Service in the zone."""
        return f"{key.name}.{key.namespace}.svc.{self.zone}"


def close(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three of ``known`` that ``word`` may be misspelt from."""
    alike = (each for each in known if abs(len(each) - len(word)) <= 2)
    some = list(islice(alike, MAX_COMPARED))
    # two letters changed over are a third of a word of three
    cutoff = 0.65 if len(word) < 5 else 0.75
    return difflib.get_close_matches(word, some, n=3, cutoff=cutoff)


def listed(words: Iterable[str], most: int = 5) -> str:
    """Return words in a row, the rest as a number.

    >>> listed("abc", 2)
    'a, b and 1 more'
    """
    every = list(words)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
