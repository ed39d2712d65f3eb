"""From anything to the keys of the objects that have it, in little memory.

A cluster's 150,000 endpoint addresses nearly all belong to one slice each, so a single
key stands for itself and only several make a tuple. Keys are kept sorted: what an
index answers does not depend on the order in which objects arrived.
"""

from collections.abc import Hashable, Set
from typing import Generic, TypeVar

from minidns.kubernetes.objects import Key

What = TypeVar("What", bound=Hashable)


class Index(Generic[What]):
    """The keys of the objects that have something in common."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[What, Key | tuple[Key, ...]] = {}

    def get(self, what: What) -> tuple[Key, ...]:
        """Return the keys under ``what``, sorted; may be empty."""
        keys = self._keys.get(what, ())
        return (keys,) if isinstance(keys, Key) else keys

    def move(self, key: Key, before: Set[What], after: Set[What]) -> Set[What]:
        """Put ``key`` under ``after`` where it was under ``before``.

        Return where it is new or gone.
        """
        changed = before ^ after
        for what in changed:
            others = {each for each in self.get(what) if each != key}
            keys = sorted(others | {key} if what in after else others)
            if keys:
                self._keys[what] = keys[0] if len(keys) == 1 else tuple(keys)
            else:
                self._keys.pop(what, None)
        return changed

    def __len__(self) -> int:
        return len(self._keys)
