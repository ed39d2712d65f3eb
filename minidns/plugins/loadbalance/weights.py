"""The weights of addresses for *loadbalance*, from a file that is read repeatedly.

A line with one word names a domain, and the lines below it have an address and its
weight. A file that cannot be used leaves the weights as they are.
"""

import logging
from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeAlias

from minidns.corefile.errors import ConfigError
from minidns.corefile.values import format_duration
from minidns.dns import names
from minidns.dns.model import Name, Rdata, RRset
from minidns.plugins.site import Site
from minidns.plugins.watched import WatchedFile
from minidns.system.addresses import packed
from minidns.text import files

log = logging.getLogger(__name__)

Weights: TypeAlias = Mapping[Name, Mapping[Rdata, int]]
"""Weights by owner and address in wire form."""
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
                data, share = _address(address, where), _weight(weight, where)
                if domain is None:
                    raise ValueError(f"missing domain name {where}")
                domain.setdefault(data, share)
            case _:
                raise ValueError(f"could not parse weight line {where}")
    return weights


def _domain(word: str, where: str) -> Name:
    if packed(word) is not None:
        raise ValueError(f"wrong domain name {where}. (Maybe a missing weight value?)")
    return names.absolute(word)


def _address(word: str, where: str) -> Rdata:
    address = packed(word)
    if address is None:
        raise ValueError(f"wrong IP address {where}")
    return address


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


class WeightFile:
    """The weights of a file that is read again from time to time."""

    def __init__(self, path: str, reload_s: float, site: Site) -> None:
        self.weights: Weights = {}
        self._file = WatchedFile(path, site)
        self._reload_s = reload_s
        self._site = site

    async def start(self) -> None:
        """Read the file now, and again from time to time.

        Raises:
            ConfigError: the file is malformed; or it cannot be read, and reloading is
                off.

        """
        try:
            await self._read()
        except OSError as error:
            if not self._reload_s:
                problem = "plugin/loadbalance: weight file open error"
                raise ConfigError(problem) from error
            log.warning(
                "Failed to open weight file:%s. Will try again in %s",
                files.reason(error, self._file.path),
                format_duration(self._reload_s),
            )
        except ValueError as error:
            raise ConfigError(f"plugin/loadbalance: {error}") from error
        if self._reload_s > 0:
            self._site.task("loadbalance", self._watch)

    async def _read(self) -> None:
        text = await self._site.edges.aside(self._file.read)
        if text is not None:
            self._file.accept(text)
            self.weights = parse(text, self._file.path)
            log.info("Successfully reloaded weight file %s", self._file.path)

    async def _watch(self) -> None:
        await self._file.watch(self._reload_s, self._read, self._report)

    def _report(self, error: OSError | ValueError) -> None:
        if isinstance(error, OSError):
            log.error("%s", files.reason(error, self._file.path))
        else:
            log.error("%s", error)
