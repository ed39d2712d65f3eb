"""How much of a large Service an answer needs: what fits into the reply, and one more.

A headless Service may have 10,000 endpoints, a reply of 512 bytes holds 30 addresses.
Which of them are given is chance, as it is in CoreDNS, where slices come in the random
order of a Go map: every ready endpoint is as likely to be the first as any other.
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

LEAST = 101
"""Candidates that are looked at in any case: from 100 on the weight of SRV is 1."""
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
    """How many candidates are enough, and of which families of addresses."""

    most: int
    families: int = _ANY
    random: Random = Random()
    ports: bool = False
    """Whether records are of ports (SRV): only those with a number make one."""

    def wants(self, one: EndpointSlice) -> bool:
        """Return whether records can be made of what is in ``one``."""
        if self.ports and all(each.number == NO_PORT.number for each in one.ports):
            return False
        return bool(one.endpoints.families & self.families)

    def counted(self, one: EndpointSlice, hosts: list[str]) -> list[str]:
        """Return those of the ``hosts`` of ``one`` that records are made of."""
        if not one.endpoints.families & ~self.families:
            return hosts
        return [each for each in hosts if family_of(each) & self.families]

    def walk(self, slices: Sequence[EndpointSlice]) -> Iterator[Ready]:
        """Yield slices with their ready endpoints, those that are not wanted last.

        All in their order where they are few; else from an endpoint of chance on, and
        the slice of that in two parts. Whoever has enough may stop.
        """
        wanted = [each for each in slices if self.wants(each)]
        others = [each for each in slices if not self.wants(each)]
        if sum(len(each.endpoints) for each in wanted) > self.most:
            yield from self._turned(wanted)
        else:
            yield from ((each, _ready(each)) for each in wanted)
        yield from ((each, _ready(each)) for each in others)

    def _turned(self, slices: Sequence[EndpointSlice]) -> Iterator[Ready]:
        sizes = [len(each.endpoints) for each in slices]
        numbers = range(len(slices))
        for _ in range(_TRIES):  # by chance among the ready: others are drawn again
            (number,) = self.random.choices(numbers, sizes)
            at = self.random.randrange(sizes[number])
            endpoints = list(slices[number].endpoints)
            if endpoints[at].ready:
                break
        first = slices[number]
        yield first, [end for end in endpoints[at:] if end.ready]
        for each in (*slices[number + 1 :], *slices[:number]):
            yield each, _ready(each)
        yield first, [end for end in endpoints[:at] if end.ready]

    def cut(
        self, candidates: Iterator[T], is_wanted: Callable[[T], bool]
    ) -> tuple[list[T], int, bool]:
        """Return as many wanted ``candidates`` as are needed, and how many were seen.

        And whether some are left.
        """
        found: list[T] = []
        seen = 0
        for seen, each in enumerate(candidates, 1):  # returned
            if is_wanted(each):
                if len(found) == self.most:
                    return found, seen, True
                found.append(each)
        return found, seen, False


def _ready(one: EndpointSlice) -> list[Endpoint]:
    return [end for end in one.endpoints if end.ready]


EVERYTHING = Window(2**62)
"""For those who need to see all there is."""


def window(qtype: int, size: int, random: Random) -> Window:
    """Return what a reply of ``size`` bytes to a question for ``qtype`` can hold."""
    smallest = _SMALLEST.get(qtype)
    if smallest is None:  # no more than one record, or none
        return Window(LEAST, _ANY, random)
    most = max(LEAST, size // smallest + 1)
    return Window(most, _FAMILIES[qtype], random, qtype == SRV)
