"""Host tables as in /etc/hosts: lines of an address and its names.

Only this module parses such lines (hosts(5), CoreDNS plugin hosts). Lines that are not
an address with names are skipped, because most hosts files have some.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.model import Name, Source
from minidns.system.addresses import packed

MAX_ENTRIES = 500_000
"""limit: pairs of a name and an address; they take 60 MB."""
MAX_SET = 4096
"""limit: addresses of a name, or names of an address; no message holds more."""
MAX_LINE = 65_536
"""Characters (Go's bufio.Scanner)."""
_LINE_LENGTH = 24
"""Characters of a usual line."""
_LINE = re.compile(r"(.*)\n?")
_PLAIN = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.ASCII)


class HostsLine(NamedTuple):
    """A line and its position."""

    text: str
    file: str
    line: int


class Entry(NamedTuple):
    """A name, an address of it, and the position of their line."""

    name: Name
    packed: bytes
    """4 or 16 bytes."""
    file: str
    line: int

    @property
    def source(self) -> Source:
        """The source of an answer with this address, for ``minidns why``."""
        return Source("hosts", f"{self.file}:{self.line}")


def lines(text: str, file: str) -> Iterator[HostsLine]:
    """Yield the lines of the hosts file ``text``."""
    for number, line in enumerate(_LINE.finditer(text), 1):
        yield HostsLine(line[1], file, number)


class CompactIndex:
    """Lists of numbers by key (bytes) in flat arrays; keys are numbered from 0.

    A dict of lists of tuples takes about 300 bytes for a key with one entry, most of it
    headers of objects. Here it takes some 40 bytes beside the key itself, and freeing
    the index takes no time, because there are no objects in it.

    Keys are found by a hash table with chaining: ``_heads`` has the first key of a
    bucket, ``_chain`` the next key of the same bucket. The values of a key are a linked
    list from ``_first`` to ``_last`` through ``_next``. Links are numbers plus one;
    zero ends a list.
    """

    def __init__(self, expected: int = 16) -> None:
        """Start empty; a lookup takes one or two steps for up to ``expected`` keys."""
        size = 1 << max(expected, 16).bit_length()
        self._mask = size - 1
        self._heads = array("I", bytes(4 * size))
        self._chain = array("I")
        self._keys = bytearray()
        self._ends = array("I", [0])
        self._first = array("I")
        self._last = array("I")
        self._sizes = array("I")
        self._values = array("I")
        self._next = array("I")

    def key(self, number: int) -> bytes:
        """Return the key that has this number."""
        return bytes(self._keys[self._ends[number] : self._ends[number + 1]])

    def _find(self, key: bytes, bucket: int) -> int:
        """Return the number of ``key`` plus one, zero for an unknown key."""
        at = self._heads[bucket]
        while at and self.key(at - 1) != key:
            at = self._chain[at - 1]
        return at

    def add_key(self, key: bytes) -> int:
        """Return the number of ``key``, which is added if it is new."""
        bucket = hash(key) & self._mask
        if at := self._find(key, bucket):
            return at - 1
        number = len(self._chain)
        self._chain.append(self._heads[bucket])
        self._heads[bucket] = number + 1
        self._keys += key
        self._ends.append(len(self._keys))
        for column in (self._first, self._last, self._sizes):
            column.append(0)
        return number

    def append(self, number: int, value: int) -> bool:
        """Append ``value`` to the list of the key with this number.

        Return False if the list is full: it has MAX_SET values.
        """
        size = self._sizes[number]
        if size == MAX_SET:
            return False
        self._values.append(value)
        self._next.append(0)
        at = len(self._values)
        if size:
            self._next[self._last[number] - 1] = at
        else:
            self._first[number] = at
        self._last[number] = at
        self._sizes[number] = size + 1
        return True

    def get(self, key: bytes) -> Iterator[int]:
        """Yield the values of ``key`` in the order they were appended."""
        number = self._find(key, hash(key) & self._mask)
        at = self._first[number - 1] if number else 0
        while at:
            yield self._values[at - 1]
            at = self._next[at - 1]


class Hosts:
    """The entries of some lines."""

    def __init__(
        self,
        zones: Sequence[Name] = (".",),
        *,
        reverse: bool = True,
        characters: int = 0,
    ) -> None:
        """Start empty; names outside ``zones`` are skipped.

        ``characters`` is the length of the text that will be read.
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
        """Number of lines that were skipped, malformed or beyond a limit."""

    def __len__(self) -> int:
        """Return the number of addresses of names plus that of names of addresses."""
        return len(self._names) + self._backward

    def read(self, lines: Iterable[HostsLine]) -> None:
        """Add the entries of ``lines``."""
        for line in lines:
            self.skipped += not self._read_line(line)

    def _read_line(self, line: HostsLine) -> bool:
        """Add the entries of ``line``; return whether there was nothing to skip."""
        if len(line.text) > MAX_LINE:
            return False
        words = line.text.partition("#")[0].split()
        if not words:
            return True
        address = packed(words[0])
        if address is None or len(words) == 1:
            return False
        return all([self._add(word, address, line) for word in words[1:]])

    def _add(self, word: str, address: bytes, line: HostsLine) -> bool:
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
        self._addresses.append(self._by_address.add_key(address))
        self._lines.append(line.line)
        self._files.append(len(self._paths) - 1)
        if self._reverse and not name.startswith("*."):
            self._backward += 1
            self._by_address.append(self._addresses[entry], entry)
        return self._by_name.append(self._names[entry], entry)

    def _entry(self, number: int) -> Entry:
        return Entry(
            self._by_name.key(self._names[number]).decode(),
            self._by_address.key(self._addresses[number]),
            self._paths[self._files[number]],
            self._lines[number],
        )

    def addresses(self, name: Name, size: int) -> list[Entry]:
        """Return the entries of ``name`` with addresses of ``size`` bytes, in order.

        Without any, those of the wildcard at its parent.
        """
        entries = self._sized(name, size)
        if not entries and (rest := names.parent(name)) != ".":
            entries = self._sized(f"*.{rest}", size)
        return entries

    def _sized(self, name: Name, size: int) -> list[Entry]:
        entries = map(self._entry, self._by_name.get(name.encode()))
        return [entry for entry in entries if len(entry.packed) == size]

    def names_of(self, packed: bytes) -> list[Entry]:
        """Return the entries of an address, in order."""
        return [self._entry(number) for number in self._by_address.get(packed)]


def _name(word: str) -> Name | None:
    name = names.absolute(word)
    if len(name) < names.MAX_NAME and _PLAIN.fullmatch(name):
        return name
    try:
        return names.from_wire(names.to_wire(name)).lower()
    except ValueError:
        return None


def pointed(name: Name) -> bytes | None:
    r"""Return the bytes of the address whose PTR records are at ``name``, if any.

    >>> pointed("1.0.0.10.in-addr.arpa.")
    b'\n\x00\x00\x01'
    """
    if name.endswith(".in-addr.arpa."):
        return packed(".".join(name.removesuffix(".in-addr.arpa.").split(".")[::-1]))
    digits = name.removesuffix(".ip6.arpa.").split(".")[::-1]
    if not name.endswith(".ip6.arpa.") or len(digits) != 32:
        return None
    groups = ("".join(digits[at : at + 4]) for at in range(0, 32, 4))
    return (
        packed(":".join(groups)) if all(len(digit) == 1 for digit in digits) else None
    )
