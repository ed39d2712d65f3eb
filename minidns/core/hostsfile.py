"""Host tables as in /etc/hosts: lines of an address and its names.

The only module that knows what such a line means (hosts(5), CoreDNS plugin hosts).
Lines that mean nothing are left out, as everybody's hosts files have some.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from minidns.core import names
from minidns.core.model import Name, Source

MAX_ENTRIES = 500_000
"""limit: pairs of a name and an address; they take 150 MB."""
MAX_SET = 4096
"""limit: addresses of a name, or names of an address; no message holds more."""
MAX_LINE = 65_536
"""Characters (Go's bufio.Scanner)."""
_CHUNK = 500
"""Lines between two chances for others to work: a few milliseconds."""
_LINE = re.compile(r"(.*)\n?")
_PLAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.ASCII)


class HostsLine(NamedTuple):
    """A line and where it stands."""

    text: str
    file: str
    line: int


class Entry(NamedTuple):
    """A name and an address of it, and the line that says so."""

    name: Name
    packed: bytes
    """4 or 16 bytes."""
    file: str
    line: int

    @property
    def source(self) -> Source:
        """What an answer with this address follows from."""
        return Source("hosts", f"{self.file}:{self.line}")


def lines(text: str, file: str) -> Iterator[HostsLine]:
    """Yield the lines of the hosts file ``text``."""
    for number, line in enumerate(_LINE.finditer(text), 1):
        yield HostsLine(line[1], file, number)


class Hosts:
    """The names and addresses that some lines give."""

    def __init__(self, zones: Sequence[Name] = (".",), *, reverse: bool = True) -> None:
        """Begin empty; names outside ``zones`` will be left out."""
        self._zones = () if "." in zones else tuple(zones)
        self._reverse = reverse
        self._entries: dict[Name, list[Entry]] = {}
        self._names: dict[bytes, list[Entry]] = {}
        self._packed: dict[bytes, bytes] = {}
        self._forward = self._backward = 0
        self.skipped = 0
        """Lines with words that are no address with names, or that were too many."""

    def __len__(self) -> int:
        """Return how many addresses names have, plus how many names addresses."""
        return self._forward + self._backward

    def read(self, lines: Iterable[HostsLine]) -> Iterator[None]:
        """Take ``lines`` in; yield now and then, so that others can work in between."""
        for at, line in enumerate(lines, 1):
            if not self._line(line):
                self.skipped += 1
            if not at % _CHUNK:
                yield

    def _line(self, line: HostsLine) -> bool:
        """Take a line in; False: something in it has no meaning, or is too much."""
        if len(line.text) > MAX_LINE:
            return False
        words = line.text.partition("#")[0].split()
        if not words:
            return True
        packed = pack(words[0])
        if packed is None or len(words) < 2:
            return False
        packed = self._packed.setdefault(packed, packed)
        return all([self._word(word, packed, line) for word in words[1:]])

    def _word(self, word: str, packed: bytes, line: HostsLine) -> bool:
        name = _name(word)
        if name is None or self._forward == MAX_ENTRIES:
            return False
        if self._zones and not names.longest(self._zones, name):
            return True
        entry = Entry(name, packed, line.file, line.line)
        self._forward += 1
        fits = _put(self._entries.setdefault(name, []), entry)
        if self._reverse and not name.startswith("*."):
            self._backward += 1
            _put(self._names.setdefault(packed, []), entry)
        return fits

    def addresses(self, name: Name, size: int) -> list[Entry]:
        """Return the entries of ``name`` with addresses of ``size`` bytes, in order.

        Without any, those of the wildcard for names with its last labels.
        """
        found = self._sized(name, size)
        if not found and (rest := names.parent(name)) != ".":
            found = self._sized(f"*.{rest}", size)
        return found

    def _sized(self, name: Name, size: int) -> list[Entry]:
        entries = self._entries.get(name, ())
        return [each for each in entries if len(each.packed) == size]

    def names_of(self, packed: bytes) -> list[Entry]:
        """Return the entries of an address, in order."""
        return self._names.get(packed, [])


def _put(entries: list[Entry], entry: Entry) -> bool:
    if len(entries) < MAX_SET:
        entries.append(entry)
        return True
    return False


def _name(word: str) -> Name | None:
    name = names.absolute(word)
    if len(name) < names.MAX_NAME and _PLAIN.fullmatch(name):
        return name
    try:
        return names.from_wire(names.to_wire(name)).lower()
    except ValueError:
        return None


def pack(word: str) -> bytes | None:
    """Return the bytes of an IP address, None for another word.

    A scope is dropped; an IPv4 address in IPv6 form is an IPv4 address.
    """
    try:
        address = ipaddress.ip_address(word.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if address.version == 6 else None
    return (mapped or address).packed


def pointed(name: Name) -> bytes | None:
    r"""Return the bytes of the address whose PTR records stand at ``name``, if any.

    >>> pointed("1.0.0.10.in-addr.arpa.")
    b'\n\x00\x00\x01'
    """
    if name.endswith(".in-addr.arpa."):
        return pack(".".join(name.removesuffix(".in-addr.arpa.").split(".")[::-1]))
    digits = name.removesuffix(".ip6.arpa.").split(".")[::-1]
    if not name.endswith(".ip6.arpa.") or len(digits) != 32:
        return None
    groups = ("".join(digits[at : at + 4]) for at in range(0, 32, 4))
    return pack(":".join(groups)) if all(len(each) == 1 for each in digits) else None
