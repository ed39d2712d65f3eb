"""Host tables as in /etc/hosts: lines of an address and its names.

The only module that knows what such a line means (hosts(5), CoreDNS plugin hosts).
Lines that mean nothing are left out, as everybody's hosts files have some.
"""

import ipaddress
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.model import Name, Source
from minidns.plugins.hosts.compact_index import CompactIndex

MAX_ENTRIES = 500_000
"""limit: pairs of a name and an address; they take 60 MB."""
MAX_SET = 4096
"""limit: addresses of a name, or names of an address; no message holds more."""
MAX_LINE = 65_536
"""Characters (Go's bufio.Scanner)."""
_LINE_LENGTH = 24
"""Characters of a usual line."""
_CHUNK = 500
"""Names, or lines without any, between two chances for others to work: 4 ms."""
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

    def __init__(
        self,
        zones: Sequence[Name] = (".",),
        *,
        reverse: bool = True,
        characters: int = 0,
    ) -> None:
        """Begin empty; names outside ``zones`` will be left out.

        ``characters`` is the length of the text that will be read, if it is long.
        """
        self._zones = () if "." in zones else tuple(zones)
        self._reverse = reverse
        expected = min(characters // _LINE_LENGTH, MAX_ENTRIES)
        self._by_name = CompactIndex(expected)
        self._by_address = CompactIndex(expected)
        # columns of the entries
        self._names = array("I")
        self._addresses = array("I")
        self._lines = array("I")
        self._files = array("H")
        self._paths: list[str] = []
        self._backward = 0
        self.skipped = 0
        """Lines with words that are no address with names, or that were too many."""

    def __len__(self) -> int:
        """Return how many addresses names have, plus how many names addresses."""
        return len(self._names) + self._backward

    def read(self, lines: Iterable[HostsLine]) -> Iterator[None]:
        """Take ``lines`` in; yield now and then, so that others can work in between."""
        done = 0
        for line in lines:
            is_good = len(line.text) <= MAX_LINE
            words = line.text.partition("#")[0].split() if is_good else []
            packed = pack(words[0]) if words else None
            if words and (packed is None or len(words) == 1):
                is_good, words = False, []
            for word in words[1:]:
                assert packed is not None
                is_good &= self._add(word, packed, line)
                done += 1
                if not done % _CHUNK:
                    yield
            self.skipped += not is_good
            if not words:
                done += 1
                if not done % _CHUNK:
                    yield

    def _add(self, word: str, packed: bytes, line: HostsLine) -> bool:
        """Add an entry; return whether ``word`` is a name and there is room for it."""
        name = _name(word)
        if name is None or len(self._names) == MAX_ENTRIES:
            return False
        if self._zones and not names.longest(self._zones, name):
            return True
        if not self._paths or self._paths[-1] != line.file:
            self._paths.append(line.file)
        entry = len(self._names)
        self._names.append(self._by_name.add_key(name.encode()))
        self._addresses.append(self._by_address.add_key(packed))
        self._lines.append(line.line)
        self._files.append(len(self._paths) - 1)
        if self._reverse and not name.startswith("*."):
            self._backward += 1
            _append(self._by_address, self._addresses[entry], entry)
        return _append(self._by_name, self._names[entry], entry)

    def _entry(self, number: int) -> Entry:
        return Entry(
            self._by_name.key(self._names[number]).decode(),
            self._by_address.key(self._addresses[number]),
            self._paths[self._files[number]],
            self._lines[number],
        )

    def addresses(self, name: Name, size: int) -> list[Entry]:
        """Return the entries of ``name`` with addresses of ``size`` bytes, in order.

        Without any, those of the wildcard for names with its last labels.
        """
        found = self._sized(name, size)
        if not found and (rest := names.parent(name)) != ".":
            found = self._sized(f"*.{rest}", size)
        return found

    def _sized(self, name: Name, size: int) -> list[Entry]:
        entries = map(self._entry, self._by_name.get(name.encode()))
        return [each for each in entries if len(each.packed) == size]

    def names_of(self, packed: bytes) -> list[Entry]:
        """Return the entries of an address, in order."""
        return [self._entry(number) for number in self._by_address.get(packed)]


def _append(index: CompactIndex, key: int, entry: int) -> bool:
    if index.size(key) == MAX_SET:
        return False
    index.append(key, entry)
    return True


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
