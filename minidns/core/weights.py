"""Weights of addresses by name, as *loadbalance* reads them from a file.

A line with one word names a domain; the lines below it have an address and its weight.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from random import Random
from typing import TypeAlias

from minidns.core import names
from minidns.core.model import Name, Rdata, RRset

Weights: TypeAlias = Mapping[Name, Mapping[Rdata, int]]
"""By owner and address in wire form."""

MAX_WEIGHT = 255


def parse(text: str, file: str) -> Weights:
    r"""Return the weights in ``text``, the content of ``file``.

    >>> parse("example.org\n192.0.2.1 3", "weights")
    {'example.org.': {b'\xc0\x00\x02\x01': 3}}

    Raises:
        ValueError: a line that is none of the two.

    """
    found: dict[Name, dict[Rdata, int]] = {}
    domain = None
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        match words:
            case [name]:
                domain = found.setdefault(_domain(name, file), {})
            case [address, weight]:
                packed, number = _address(address, file), _weight(weight, file)
                if domain is None:
                    raise ValueError(f"missing domain name in weight file {file}")
                domain.setdefault(packed, number)
            case _:
                bad = f'could not parse weight line:"{line.strip()}"'
                raise ValueError(f"{bad} in weight file {file}")
    return found


def _domain(word: str, file: str) -> Name:
    if _packed(word) is not None:
        raise ValueError(
            f'wrong domain name:"{word}" in weight file {file}.'
            " (Maybe a missing weight value?)"
        )
    return names.absolute(word)


def _address(word: str, file: str) -> Rdata:
    packed = _packed(word)
    if packed is None:
        raise ValueError(f'wrong IP address:"{word}" in weight file {file}')
    return packed


def _packed(word: str) -> bytes | None:
    try:
        return ip_address(word).packed
    except ValueError:
        return None


def _weight(word: str, file: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < int(word) <= MAX_WEIGHT):
        raise ValueError(f'wrong weight value:"{word}" in weight file {file}')
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
