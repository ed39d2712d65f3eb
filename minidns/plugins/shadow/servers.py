"""The servers that *shadow* asks: found in EndpointSlices, left alone if silent."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import TypeAlias

from minidns.kubernetes.objects import EndpointSlice, Key
from minidns.plugins.site import Edges, Site
from minidns.probe.lookup import LookupResult
from minidns.probe.probing import Tally
from minidns.probe.servers import DNS_PORT, Target
from minidns.system.backoff import Backoff
from minidns.text.foreign import escaped

Wanted: TypeAlias = Key | Target
"""A Service, each of whose pods is asked, or one server."""
SILENT_AFTER = 5
"""Unanswered lookups in a row after which a server is left alone for a while."""
MOST_S = 60.0
"""Largest step of the backoff for a server that does not answer."""


class AskedServer:
    """A server, what happened at it, and whether it is asked at present."""

    def __init__(self, target: Target, edges: Edges) -> None:
        self.target = target
        self.tally = Tally()
        self.asked_again_at = -inf
        """Monotonic seconds from which on it is asked again after a silence."""
        self._now = edges.now
        self._backoff = Backoff(edges.now, edges.random, MOST_S)
        self._unanswered = 0

    @property
    def is_asked(self) -> bool:
        """Whether it is asked now."""
        return self._now() >= self.asked_again_at

    def add(self, result: LookupResult) -> None:
        """Count one lookup; a server that stays silent is left alone."""
        self.tally.add(result)
        if result.answer is not None:
            self._unanswered = 0
            self._backoff.reset()
            return
        self._unanswered += 1
        if self._unanswered >= SILENT_AFTER and self.is_asked:
            self.asked_again_at = self._now() + self._backoff.wait_s()


class Shadowed:
    """The servers of a *shadow*, as they are at present."""

    def __init__(self, wanted: Sequence[Wanted], site: Site) -> None:
        self._wanted = wanted
        self._site = site
        self._known: dict[Target, AskedServer] = {}

    def present(self) -> list[AskedServer]:
        """Return all servers; one that was there before keeps its counts."""
        targets = dict.fromkeys(self._targets())
        self._known = {
            target: self._known.get(target) or AskedServer(target, self._site.edges)
            for target in targets
        }
        return list(self._known.values())

    def _targets(self) -> Iterator[Target]:
        cluster = self._site.offers.cluster
        for wanted in self._wanted:
            if isinstance(wanted, Target):
                yield wanted
            elif cluster is not None:
                for slice_ in cluster.main.slices_of(wanted):
                    yield from _pods(slice_)


def _pods(slice_: EndpointSlice) -> Iterator[Target]:
    """Yield the ready pods of a slice, at its port for DNS over UDP."""
    udp = [port for port in slice_.ports if port.protocol == "UDP" and port.number > 0]
    named = [port for port in udp if port.name in ("dns", "dns-udp")]
    port = next((each.number for each in (*named, *udp)), DNS_PORT)
    for end in slice_.endpoints:
        if end.ready:
            yield Target(escaped(end.target) or end.address, (end.address, port))
