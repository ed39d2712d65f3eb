"""A mapping that forgets its oldest entries rather than grow past its bounds."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Up to ``max_entries`` values of ``max_bytes`` together, oldest out first.

    Putting a value under a key that exists makes it the youngest; reading does not.
    """

    def __init__(
        self, max_entries: int, max_bytes: int, size_of: Callable[[V], int]
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.bytes = 0
        """What the values take together, as ``size_of`` says."""

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        """Return what is kept under ``key``, if anything."""
        found = self._values.get(key)
        return found[0] if found else None

    def put(self, key: K, value: V) -> int:
        """Keep ``value`` under ``key``; return how many others had to go for it.

        A value that is larger than everything may be is not kept.
        """
        self.drop(key)
        size = self._size_of(value)
        if size > self._max_bytes:
            return 0
        gone = 0
        while (
            len(self._values) >= self._max_entries
            or self.bytes + size > self._max_bytes
        ):
            _, (_, freed) = self._values.popitem(last=False)
            self.bytes -= freed
            gone += 1
        self._values[key] = value, size
        self.bytes += size
        return gone

    def drop(self, key: K) -> None:
        """Forget what is kept under ``key``, if anything."""
        if key in self._values:
            self.bytes -= self._values.pop(key)[1]
