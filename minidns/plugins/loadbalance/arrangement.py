"""The order of records in an answer: rotated, by weight, or preferred networks first.

Most clients use the first address, so the order decides where the load goes. Weights
come from a file: a line with one word names a domain, and the lines below it have an
address and its weight.
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from operator import is_
from random import Random
from typing import TypeAlias

from minidns.dns import names
from minidns.dns.model import Name, Rdata, Response, RRset, replace
from minidns.dns.networks import Network
from minidns.dns.rdata import AAAA, CNAME, MX, A

Weights: TypeAlias = Mapping[Name, Mapping[Rdata, int]]
"""Weights by owner and address in wire form."""

Section: TypeAlias = tuple[RRset, ...]

_RANKS = {CNAME: 0, A: 2, AAAA: 2, MX: 3}
_OTHERS, _ADDRESSES = 1, 2


def _rank(rrset: RRset) -> int:
    """Return the position of a type in a section: aliases, others, addresses, MX."""
    return _RANKS.get(rrset.rtype, _OTHERS)


def _is_settled(section: Section) -> bool:
    """Return whether the section has only one order."""
    if len(section) < 2:  # the most frequent case
        return not section or len(section[0].rdata) < 2
    ranks = list(map(_rank, section))
    return ranks == sorted(ranks) and _count(section, _ADDRESSES) < 2


def _count(section: Iterable[RRset], rank: int) -> int:
    return sum(len(rrset.rdata) for rrset in section if _rank(rrset) >= rank)


def round_robin(response: Response, random: Random) -> Response:
    """Return ``response`` with addresses and MX records in random order.

    It may be reused, with its records rotated each time.
    """
    sections = (response.answer, response.authority, response.additional)
    rotated = [
        section if _is_settled(section) else _rotated(section, random)
        for section in sections
    ]
    if all(map(is_, rotated, sections)):
        return response
    reuse = response.reuse
    answer, authority, additional = rotated
    return replace(
        response,
        answer=answer,
        authority=authority,
        additional=additional,
        reuse=replace(reuse, rotates=True) if reuse else None,
    )


def _rotated(section: Section, random: Random) -> Section:
    if len(section) < 2:
        return tuple(_rotated_set(rrset, random) for rrset in section)
    ranks = list(map(_rank, section))
    if ranks[-2] < _ADDRESSES and ranks == sorted(ranks):  # aliases, then their target
        return (*section[:-1], _rotated_set(section[-1], random))
    keyed = [(_rank(rrset), random.random(), rrset) for rrset in section]
    movable = [key for key in keyed if key[0] >= _ADDRESSES]
    first = sorted((rrset for rrset in section if _rank(rrset) < _ADDRESSES), key=_rank)
    rest = [rrset for _, _, rrset in sorted(movable, key=lambda key: key[:2])]
    return (*first, *(_rotated_set(rrset, random) for rrset in rest))


def _rotated_set(rrset: RRset, random: Random) -> RRset:
    # unlike CoreDNS: rotated and perhaps reversed, not shuffled. Every record is first
    # equally often, at a fifth of the cost, and the second one differs, too
    size = len(rrset.rdata)
    if size < 2 or _rank(rrset) < _ADDRESSES:
        return rrset
    at, is_mirrored = divmod(int(random.random() * size * 2), 2)
    rdata = rrset.rdata[at:] + rrset.rdata[:at]
    return rrset._replace(rdata=rdata[::-1] if is_mirrored else rdata)


def by_weight(response: Response, weights: Weights, random: Random) -> Response:
    """Return ``response`` with one address, chosen by weight, before the others.

    If there was a choice, the response must not be reused.
    """
    answer, additional = (
        _weighted(section, weights, random)
        for section in (response.answer, response.additional)
    )
    return _rearranged(response, answer, additional)


def _weighted(section: Section, weights: Weights, random: Random) -> Section:
    addresses = [rrset for rrset in section if _rank(rrset) == _ADDRESSES]
    if not addresses:
        return section
    at, number = choose(addresses, weights, random)
    rdata = list(addresses[at].rdata)
    rdata[0], rdata[number] = rdata[number], rdata[0]
    addresses[at] = addresses[at]._replace(rdata=tuple(rdata))
    addresses[0], addresses[at] = addresses[at], addresses[0]
    return _in_order(section, addresses)


def _in_order(section: Section, addresses: Sequence[RRset]) -> Section:
    """Return ``section`` sorted by rank, with ``addresses`` as its addresses."""
    others = (rrset for rrset in section if _rank(rrset) != _ADDRESSES)
    return tuple(sorted((*others, *addresses), key=_rank))


def preferring(response: Response, networks: Sequence[Network]) -> Response:
    """Return ``response`` with addresses of ``networks`` first, in their order.

    If there was a choice, the response must not be reused.
    """
    answer, additional = (
        _preferred(section, networks)
        for section in (response.answer, response.additional)
    )
    return _rearranged(response, answer, additional)


def _preferred(section: Section, networks: Sequence[Network]) -> Section:
    def distance(data: bytes) -> int:
        address = ip_address(data)
        near = (at for at, network in enumerate(networks) if address in network)
        return next(near, len(networks))

    addresses = [
        rrset._replace(rdata=tuple(sorted(rrset.rdata, key=distance)))
        for rrset in section
        if _rank(rrset) == _ADDRESSES
    ]
    addresses.sort(key=lambda rrset: distance(rrset.rdata[0]))
    return _in_order(section, addresses)


def _rearranged(response: Response, answer: Section, additional: Section) -> Response:
    changed = replace(response, answer=answer, additional=additional)
    if _count(answer, _ADDRESSES) < 2 and _count(additional, _ADDRESSES) < 2:
        return changed
    return replace(changed, reuse=None)


# -- weights

MAX_WEIGHT = 255


def parse(text: str, file: str) -> Weights:
    r"""Return the weights in ``text``, the content of ``file``.

    >>> parse("example.org\n192.0.2.1 3", "weights")
    {'example.org.': {b'\xc0\x00\x02\x01': 3}}

    Raises:
        ValueError: a malformed line; the message never quotes the line,
            because a mistyped path may name a file with a secret.

    """
    weights: dict[Name, dict[Rdata, int]] = {}
    domain = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"in line {number} of weight file {file}"
        match words:
            case [name]:
                domain = weights.setdefault(_domain(name, where), {})
            case [address, weight]:
                packed, share = _address(address, where), _weight(weight, where)
                if domain is None:
                    raise ValueError(f"missing domain name {where}")
                domain.setdefault(packed, share)
            case _:
                raise ValueError(f"could not parse weight line {where}")
    return weights


def _domain(word: str, where: str) -> Name:
    if _packed(word) is not None:
        raise ValueError(f"wrong domain name {where}. (Maybe a missing weight value?)")
    return names.absolute(word)


def _address(word: str, where: str) -> Rdata:
    packed = _packed(word)
    if packed is None:
        raise ValueError(f"wrong IP address {where}")
    return packed


def _packed(word: str) -> bytes | None:
    try:
        return ip_address(word).packed
    except ValueError:
        return None


def _weight(word: str, where: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < int(word) <= MAX_WEIGHT):
        raise ValueError(f"wrong weight value {where}")
    return int(word)


def choose(
    rrsets: Sequence[RRset], weights: Weights, random: Random
) -> tuple[int, int]:
    """Return the indexes of an RRset and of its record, chosen by weight.

    An address that is not in ``weights`` has the weight 1. ``rrsets`` is not empty.
    """
    places = [
        (at, number, weights.get(rrset.owner.lower(), {}).get(data, 1))
        for at, rrset in enumerate(rrsets)
        for number, data in enumerate(rrset.rdata)
    ]
    at, number, _ = random.choices(places, [weight for _, _, weight in places])[0]
    return at, number
