"""Limits the candidates of a large Service to what the reply can hold, and one more.

A headless Service may have 10,000 endpoints, and a reply of 512 bytes holds 30
addresses. Which of them are sent is random, as in CoreDNS, which reads EndpointSlices
in the random order of a Go map: every ready endpoint is as likely to be the first as
any other.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple, TypeAlias, TypeVar

from minidns.dns.rdata import AAAA, SRV, A
from minidns.kubernetes.objects import (
    NO_PORT,
    Endpoint,
    Endpoints,
    EndpointSlice,
    family_of,
)

T = TypeVar("T")
Ready: TypeAlias = tuple[EndpointSlice, list[Endpoint]]

MIN_CANDIDATES = 101
"""Candidates that are always looked at: from 100 on, the weight of SRV records is 1."""
_TRIES = 16
_SMALLEST = {A: 16, AAAA: 28, SRV: 29}
"""Bytes of the smallest record of a type in a reply, its owner compressed."""
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
        self, candidates: Iterator[T], is_wanted: Callable[[T], bool]
    ) -> tuple[list[T], int, bool]:
        """Return enough wanted candidates, the number seen, and whether more follow."""
        chosen: list[T] = []
        seen = 0
        for seen, candidate in enumerate(candidates, 1):  # returned
            if is_wanted(candidate):
                if len(chosen) == self.limit:
                    return chosen, seen, True
                chosen.append(candidate)
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
    return Window(limit, _FAMILIES[qtype], random, qtype == SRV)
