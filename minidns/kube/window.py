"""How much of a large Service an answer needs: what fits into the reply, and one more.

A headless Service may have 10,000 endpoints, a reply of 512 bytes holds 30 addresses.
Which of them are given is chance, as it is in CoreDNS, where slices come in the random
order of a Go map: every ready endpoint is as likely to be the first as any other.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import NamedTuple, TypeAlias, TypeVar

from minidns.core.rdata import AAAA, SRV, A
from minidns.kube.objects import Endpoint, Endpoints, EndpointSlice

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

    def walk(self, slices: Sequence[EndpointSlice]) -> Iterator[Ready]:
        """Yield slices with their ready endpoints, those of other families last.

        All in their order where they are few; else from an endpoint of chance on, and
        the slice of that in two parts. Whoever has enough may stop.
        """
        families = self.families
        wanted = [each for each in slices if each.endpoints.families & families]
        others = [each for each in slices if not each.endpoints.families & families]
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

    def cut(self, candidates: Iterator[T]) -> tuple[list[T], bool]:
        """Return as many of ``candidates`` as are needed, and whether some are left."""
        found = list(islice(candidates, self.most + 1))
        return found[: self.most], len(found) > self.most


def _ready(one: EndpointSlice) -> list[Endpoint]:
    return [end for end in one.endpoints if end.ready]


EVERYTHING = Window(2**62)
"""For those who need to see all there is."""


def window(qtype: int, size: int, random: Random) -> Window:
    """Return what a reply of ``size`` bytes to a question for ``qtype`` can hold."""
    smallest = _SMALLEST.get(qtype)
    if smallest is None:  # no more than one record, or none
        return Window(LEAST, _ANY, random)
    return Window(max(LEAST, size // smallest + 1), _FAMILIES[qtype], random)
