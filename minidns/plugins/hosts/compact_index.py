"""Lists of numbers by key in flat arrays, for hundreds of thousands of keys.

A dict of lists of tuples takes about 300 bytes for a key with one entry, most of it
headers of objects. Here a key with one entry takes some 40 bytes beside its own bytes,
and freeing a table takes no time, because there are no objects in it.

Keys are found by a hash table with chaining: ``_heads`` has the first key of a bucket,
``_chain`` the next key of the same bucket. The values of a key are a linked list from
``_first`` to ``_last`` through ``_next``. Links are numbers plus one; zero ends a list.
"""

from array import array
from collections.abc import Iterator


class CompactIndex:
    """Keys (bytes), numbered as they come, each with a list of numbers in order."""

    def __init__(self, expected: int = 16) -> None:
        """Begin empty; a lookup takes one or two steps up to ``expected`` keys."""
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

    def _find(self, key: bytes) -> int:
        """Return the number of ``key`` plus one, zero for an unknown key."""
        at = self._heads[hash(key) & self._mask]
        while at and self.key(at - 1) != key:
            at = self._chain[at - 1]
        return at

    def add_key(self, key: bytes) -> int:
        """Return the number of ``key``, which is added if it is new."""
        if at := self._find(key):
            return at - 1
        bucket = hash(key) & self._mask
        self._chain.append(self._heads[bucket])
        self._keys += key
        self._ends.append(len(self._keys))
        for column in (self._first, self._last, self._sizes):
            column.append(0)
        number = len(self._chain) - 1
        self._heads[bucket] = number + 1
        return number

    def size(self, number: int) -> int:
        """Return how many values the key with this number has."""
        return self._sizes[number]

    def append(self, number: int, value: int) -> None:
        """Append ``value`` to the list of the key with this number."""
        self._values.append(value)
        self._next.append(0)
        at = len(self._values)
        if self._sizes[number]:
            self._next[self._last[number] - 1] = at
        else:
            self._first[number] = at
        self._last[number] = at
        self._sizes[number] += 1

    def get(self, key: bytes) -> Iterator[int]:
        """Yield the values of ``key`` in the order they were appended."""
        number = self._find(key)
        at = self._first[number - 1] if number else 0
        while at:
            yield self._values[at - 1]
            at = self._next[at - 1]
