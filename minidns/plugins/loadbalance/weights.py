"""Weights of addresses by name, as *loadbalance* reads them from a file.

A line with one word names a domain; the lines below it have an address and its weight.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from random import Random
from typing import TypeAlias

from minidns.dns import names
from minidns.dns.model import Name, Rdata, RRset

Weights: TypeAlias = Mapping[Name, Mapping[Rdata, int]]
"""By owner and address in wire form."""

MAX_WEIGHT = 255


def parse(text: str, file: str) -> Weights:
    r"""Return the weights in ``text``, the content of ``file``.

    >>> parse("example.org\n192.0.2.1 3", "weights")
    {'example.org.': {b'\xc0\x00\x02\x01': 3}}

    Raises:
        ValueError: a line that is none of the two; the message never quotes the line,
            because a mistyped path may name a file with a secret.

    """
    found: dict[Name, dict[Rdata, int]] = {}
    domain = None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"in line {number} of weight file {file}"
        match words:
            case [name]:
                domain = found.setdefault(_domain(name, where), {})
            case [address, weight]:
                packed, share = _address(address, where), _weight(weight, where)
                if domain is None:
                    raise ValueError(f"missing domain name {where}")
                domain.setdefault(packed, share)
            case _:
                raise ValueError(f"could not parse weight line {where}")
    return found


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
    """Return which RRset, and which record of it, comes first this time.

    Who is not named has the weight 1. ``rrsets`` are of addresses, at least one.
    """
    places = [
        (at, number, weights.get(rrset.owner.lower(), {}).get(data, 1))
        for at, rrset in enumerate(rrsets)
        for number, data in enumerate(rrset.rdata)
    ]
    at, number, _ = random.choices(places, [weight for _, _, weight in places])[0]
    return at, number
