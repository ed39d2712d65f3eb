"""The values of a lookup: a question, the objects found for it, and the answer.

A query passes three shapes on its way through *kubernetes*::

    ClusterQuestion  --names.parse-->      ParsedName      what the labels mean
    ParsedName       --Lookup.find-->      FoundObjects    hosts and ports that match
    FoundObjects     --records, aliases--> ClusterAnswer   records, or none

The rule is decided once, by the lookup or by the records, and goes along as a member of
``Rule``; with it go the objects that the answer follows from (``sources``, for people)
and the keys whose change ends its reuse (``keys``, for remembered replies).

A headless Service may have 10,000 endpoints, and a reply of 512 bytes holds 30
addresses. A ``Window`` limits the candidates of an answer to what the reply can hold,
and one more. Which of them are sent is random, as in CoreDNS, which reads
EndpointSlices in the random order of a Go map: every ready endpoint is as likely to be
the first as any other.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from random import Random
from typing import NamedTuple, TypeAlias, TypeVar

from msgspec import Struct

from minidns.dns.model import Name, RRset, Source
from minidns.dns.rdata import AAAA, SRV, A
from minidns.kubernetes.objects import (
    NO_PORT,
    Endpoint,
    Endpoints,
    EndpointSlice,
    Key,
    Object,
    Port,
    family_of,
)
from minidns.kubernetes.rules import Rule

Sources: TypeAlias = tuple[Source, ...]
Keys: TypeAlias = tuple[Hashable, ...]
"""Keys of ``store``: an event that touches one of them makes the answer stale."""


T = TypeVar("T")
Ready: TypeAlias = tuple[EndpointSlice, list[Endpoint]]

MIN_CANDIDATES = 101
"""Candidates that are always looked at: from 100 on, the weight of SRV records is 1."""
_TRIES = 16
_SMALLEST = {A: 16, AAAA: 28, SRV: 29}
"""Bytes of the smallest record of a type in a reply, its owner compressed."""
_SRV_SIZE = 19
"""Bytes of an SRV record, its owner compressed, beside the text of its target."""
_FAMILIES = {
    A: Endpoints.A | Endpoints.NAMES,
    AAAA: Endpoints.AAAA | Endpoints.NAMES,
    SRV: Endpoints.A | Endpoints.AAAA,
}
_ANY = Endpoints.A | Endpoints.AAAA | Endpoints.NAMES


class Window(NamedTuple):
    """The number of candidates that is enough, and the families of their addresses."""

    limit: int
    families: int = _ANY
    random: Random = Random()
    ports: bool = False
    """Whether records are made of ports (SRV); only ports with a number make one."""
    size: int = 2**62
    """Bytes of the reply."""

    def wants(self, one: EndpointSlice) -> bool:
        """Return whether ``one`` has endpoints and ports that records are made of."""
        if self.ports and all(port.number == NO_PORT.number for port in one.ports):
            return False
        return bool(one.endpoints.families & self.families)

    def counted(self, one: EndpointSlice, hosts: list[str]) -> list[str]:
        """Return the ``hosts`` of ``one`` that records are made of."""
        if not one.endpoints.families & ~self.families:
            return hosts
        return [host for host in hosts if family_of(host) & self.families]

    def walk(self, slices: Sequence[EndpointSlice]) -> Iterator[Ready]:
        """Yield slices with their ready endpoints, slices that make no records last.

        Few endpoints come in their order. Many start at a random endpoint, and the
        slice with that endpoint comes in two parts. The caller stops when it has
        enough.
        """
        wanted = [one for one in slices if self.wants(one)]
        others = [one for one in slices if not self.wants(one)]
        if sum(len(one.endpoints) for one in wanted) > self.limit:
            yield from self._rotated(wanted)
        else:
            yield from ((one, _ready(one)) for one in wanted)
        yield from ((one, _ready(one)) for one in others)

    def _rotated(self, slices: Sequence[EndpointSlice]) -> Iterator[Ready]:
        sizes = [len(one.endpoints) for one in slices]
        numbers = range(len(slices))
        for _ in range(_TRIES):  # an endpoint that is not ready is drawn again
            (number,) = self.random.choices(numbers, sizes)
            at = self.random.randrange(sizes[number])
            endpoints = list(slices[number].endpoints)
            if endpoints[at].ready:
                break
        first = slices[number]
        yield first, [end for end in endpoints[at:] if end.ready]
        for one in (*slices[number + 1 :], *slices[:number]):
            yield one, _ready(one)
        yield first, [end for end in endpoints[:at] if end.ready]

    def cut(
        self, candidates: Iterator[T], srv_of: Callable[[T], tuple[Name, int] | None]
    ) -> tuple[list[T], int, bool]:
        """Return enough candidates, the number seen, and whether more follow.

        ``srv_of`` returns target and port of the SRV record that a candidate makes,
        None if it makes none. Enough is more than the reply holds.
        """
        chosen: list[T] = []
        records: set[tuple[Name, int]] = set()
        seen = size = 0
        for seen, candidate in enumerate(candidates, 1):  # returned
            record = srv_of(candidate)
            if record is None:
                continue
            if size > self.size and len(chosen) >= MIN_CANDIDATES:
                return chosen, seen, True
            chosen.append(candidate)
            if record not in records:
                records.add(record)
                size += _SRV_SIZE + len(record[0])
        return chosen, seen, False


def _ready(one: EndpointSlice) -> list[Endpoint]:
    return [end for end in one.endpoints if end.ready]


EVERYTHING = Window(2**62)
"""A window without a limit."""


def window(qtype: int, size: int, random: Random) -> Window:
    """Return the window for a reply of ``size`` bytes to a query of type ``qtype``."""
    smallest = _SMALLEST.get(qtype)
    if smallest is None:  # no more than one record, or none
        return Window(MIN_CANDIDATES, _ANY, random)
    limit = max(MIN_CANDIDATES, size // smallest + 1)
    return Window(limit, _FAMILIES[qtype], random, qtype == SRV, size)


class ClusterQuestion(Struct, frozen=True):
    """A question for a name in a zone of the cluster."""

    name: Name
    qtype: int
    zone: Name
    spelled: str
    """The zone in the letters of the query, in which synthesized names end."""
    owner: str
    """The owner of the records: the name as the client or the alias spells it."""
    window: Window = EVERYTHING
    """The number of candidates that the reply can hold."""


class HostGroup(Struct, frozen=True):
    """Hosts with the ports they share; every pair of host and port is a candidate."""

    hosts: Sequence[str]
    ports: Sequence[Port]
    endpoints: Sequence[Endpoint] = ()
    """The endpoints with these hosts; empty for the addresses of a Service or Pod."""
    cluster: str = ""


class FoundObjects(Struct, frozen=True):
    """The objects a name stands for; without groups it exists at most as a node."""

    rule: Rule
    sources: Sources = ()
    keys: Keys = ()
    owner: str = ""
    """Name of the Service or Pod relative to the zone: ``web.prod.svc.``."""
    groups: Sequence[HostGroup] = ()
    partial: bool = False
    """Whether there are more candidates than ``groups`` holds."""


class ExternalTarget(NamedTuple):
    """A name of another zone, in whose place the records of that name belong."""

    target: Name


RecordOrTarget: TypeAlias = RRset | ExternalTarget


class ClusterAnswer(Struct, frozen=True):
    """An answer before it is a Response; without records its rule gives the rcode."""

    rule: Rule
    sources: Sources = ()
    keys: Keys = ()
    answer: tuple[RecordOrTarget, ...] = ()
    additional: tuple[RRset, ...] = ()
    partial: bool = False
    """Whether there are more records than ``answer`` holds."""

    @property
    def exists(self) -> bool:
        """Whether the name exists; if not, the answer is NXDOMAIN."""
        return self.rule.exists


def endpoint_keys(service: Key) -> Keys:
    """Return the keys of answers that use the EndpointSlices of ``service``.

    They come on top of the key of the Service itself.
    """
    return (("endpoints", *service),)


def service_keys(service: Key) -> Keys:
    """Return the keys of answers that show a Service and its endpoints."""
    return ("service", *service), *endpoint_keys(service)


def source_of(kind: str, obj: Object) -> Source:
    """Return ``obj`` as a source of an answer."""
    uid, version, _ = obj.meta
    return Source(kind, str(obj.key), uid, version)


def option_source(name: str) -> Source:
    """Return an option of *kubernetes* as a source of an answer."""
    return Source("Corefile", f"kubernetes {name}")
