"""The order of records in an answer: turned, by weight, or near ones first.

Clients take the first address; so whose is first is where the load goes.
"""

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from operator import is_
from random import Random
from typing import TypeAlias

from minidns.dns.model import Response, RRset, replace
from minidns.dns.networks import Network
from minidns.dns.rdata import AAAA, CNAME, MX, A
from minidns.plugins.loadbalance.weights import Weights, choose

Section: TypeAlias = tuple[RRset, ...]

_RANKS = {CNAME: 0, A: 2, AAAA: 2, MX: 3}
_OTHERS, _ADDRESSES = 1, 2


def _rank(rrset: RRset) -> int:
    """Return the place of a type within a section: aliases, others, addresses, MX."""
    return _RANKS.get(rrset.rtype, _OTHERS)


def _is_settled(section: Section) -> bool:
    """Return whether there is but one order for this section."""
    if len(section) < 2:  # by far the most
        return not section or len(section[0].rdata) < 2
    ranks = [_rank(each) for each in section]
    return ranks == sorted(ranks) and _count(section, _ADDRESSES) < 2


def _count(section: Iterable[RRset], rank: int) -> int:
    return sum(len(each.rdata) for each in section if _rank(each) >= rank)


def round_robin(response: Response, random: Random) -> Response:
    """Return ``response`` with addresses and MX records in an order of chance.

    The edge may turn its repetitions.
    """
    sections = (response.answer, response.authority, response.additional)
    turned = [each if _is_settled(each) else _turned(each, random) for each in sections]
    if all(map(is_, turned, sections)):
        return response
    reuse = response.reuse
    answer, authority, additional = turned
    return replace(
        response,
        answer=answer,
        authority=authority,
        additional=additional,
        reuse=replace(reuse, rotates=True) if reuse else None,
    )


def _turned(section: Section, random: Random) -> Section:
    if len(section) < 2:
        return tuple(_turned_set(each, random) for each in section)
    ranks = [_rank(each) for each in section]
    if ranks[-2] < _ADDRESSES and ranks == sorted(ranks):  # aliases, what they lead to
        return (*section[:-1], _turned_set(section[-1], random))
    keyed = [(_rank(each), random.random(), each) for each in section]
    movable = [each for each in keyed if each[0] >= _ADDRESSES]
    first = sorted((each for each in section if _rank(each) < _ADDRESSES), key=_rank)
    rest = [each for _, _, each in sorted(movable, key=lambda each: each[:2])]
    return (*first, *(_turned_set(each, random) for each in rest))


def _turned_set(rrset: RRset, random: Random) -> RRset:
    # unlike CoreDNS: turned and perhaps mirrored, not shuffled: every record is first
    # equally often, at a fifth of the cost, and not always the same one is second
    size = len(rrset.rdata)
    if size < 2 or _rank(rrset) < _ADDRESSES:
        return rrset
    at, is_mirrored = divmod(int(random.random() * size * 2), 2)
    rdata = rrset.rdata[at:] + rrset.rdata[:at]
    return rrset._replace(rdata=rdata[::-1] if is_mirrored else rdata)


def by_weight(response: Response, weights: Weights, random: Random) -> Response:
    """Return ``response`` with one address, taken by weight, before the others.

    Where there was a choice, it is not to be repeated.
    """
    answer, additional = (
        _weighted(each, weights, random)
        for each in (response.answer, response.additional)
    )
    return _rearranged(response, answer, additional)


def _weighted(section: Section, weights: Weights, random: Random) -> Section:
    addresses = [each for each in section if _rank(each) == _ADDRESSES]
    if not addresses:
        return section
    at, number = choose(addresses, weights, random)
    rdata = list(addresses[at].rdata)
    rdata[0], rdata[number] = rdata[number], rdata[0]
    addresses[at] = addresses[at]._replace(rdata=tuple(rdata))
    addresses[0], addresses[at] = addresses[at], addresses[0]
    return _in_order(section, addresses)


def _in_order(section: Section, addresses: Sequence[RRset]) -> Section:
    """Return ``section`` by rank, with ``addresses`` in the place of its addresses."""
    others = (each for each in section if _rank(each) != _ADDRESSES)
    return tuple(sorted((*others, *addresses), key=_rank))


def preferring(response: Response, networks: Sequence[Network]) -> Response:
    """Return ``response`` with addresses of ``networks`` first, in their order.

    Where there was a choice, it is not to be repeated.
    """
    answer, additional = (
        _preferred(each, networks) for each in (response.answer, response.additional)
    )
    return _rearranged(response, answer, additional)


def _preferred(section: Section, networks: Sequence[Network]) -> Section:
    def distance(data: bytes) -> int:
        address = ip_address(data)
        near = (at for at, each in enumerate(networks) if address in each)
        return next(near, len(networks))

    addresses = [
        each._replace(rdata=tuple(sorted(each.rdata, key=distance)))
        for each in section
        if _rank(each) == _ADDRESSES
    ]
    addresses.sort(key=lambda each: distance(each.rdata[0]))
    return _in_order(section, addresses)


def _rearranged(response: Response, answer: Section, additional: Section) -> Response:
    changed = replace(response, answer=answer, additional=additional)
    if _count(answer, _ADDRESSES) < 2 and _count(additional, _ADDRESSES) < 2:
        return changed
    return replace(changed, reuse=None)
