"""Objects and their change log: the etcd of the simulation.

Objects are immutable: a write stores a new object in place of the old. LIST pages, log
entries and snapshots therefore share objects without copies, and callers must not
change them.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Literal, NamedTuple

from .kind import Kind
from .kinds import KINDS
from .objects import Json, Key, key_of, with_meta
from .status import too_old

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
_version = attrgetter("version")


class Change(NamedTuple):
    """One write, with the new and the previous state of the object."""

    version: int
    type: EventType
    kind: Kind
    obj: Json
    """The new state; for DELETED the last state with the version of the deletion."""
    previous: Json | None


class View(NamedTuple):
    """All objects of one kind at one version, in the order of LIST."""

    order: Sequence[Key]
    objects: Mapping[Key, Json]

    def keys(self, namespace: str = "", after: Key | None = None) -> Sequence[Key]:
        """Return the keys after ``after`` in a namespace, or in all if it is empty."""
        low = bisect_left(self.order, (namespace, "")) if namespace else 0
        high = len(self.order)
        if namespace:
            high = bisect_left(self.order, (namespace + "\0", ""))
        if after is not None:
            low = max(low, bisect_right(self.order, after))
        return self.order[low:high]

    def within(self, namespace: str = "") -> Iterator[Json]:
        """Yield the objects of a namespace, or of all if it is empty."""
        return (self.objects[key] for key in self.keys(namespace))


class Snapshot(NamedTuple):
    """All objects at one version, as in a backup."""

    version: int
    objects: Mapping[Kind, Mapping[Key, Json]]


class Collection:
    """The objects of one kind and the latest changes to them."""

    def __init__(self, kind: Kind, history: int) -> None:
        self.kind = kind
        self.objects: dict[Key, Json] = {}
        self.oldest = 0
        """The first version at which a reader may start."""
        self.dropped = 0
        """The version of the latest change that was removed from the log."""
        self.listeners: dict[Callable[[], None], None] = {}
        """Called after each change."""
        self._history = history
        self._log: list[Change] = []
        self._order: list[Key] | None = None  # None until it is needed

    def record(self, change: Change) -> None:
        """Apply ``change`` and append it to the log."""
        key = key_of(change.obj)
        if change.type == "DELETED":
            del self.objects[key]
            if self._order is not None:
                del self._order[bisect_left(self._order, key)]
        else:
            if key not in self.objects and self._order is not None:
                insort(self._order, key)
            self.objects[key] = change.obj
        self._log.append(change)
        # trim at twice the size, so that the cost is spread over many changes
        if len(self._log) > 2 * self._history:
            self.forget(self._log[-self._history - 1].version)
        self.wake()

    def wake(self) -> None:
        """Call the listeners."""
        for listener in tuple(self.listeners):
            listener()

    def load(self, objects: Mapping[Key, Json], version: int) -> None:
        """Replace all objects by ``objects`` and clear the log."""
        self.objects = dict(objects)
        self._order = None
        self._log.clear()
        self.oldest = self.dropped = version

    def forget(self, version: int) -> None:
        """Remove the changes up to ``version`` from the log."""
        count = bisect_right(self._log, version, key=_version)
        if count:
            self.dropped = self._log[count - 1].version
            del self._log[:count]
        self.oldest = max(self.oldest, version)

    def check(self, version: int) -> None:
        """Check that a reader may start at ``version``.

        Raises:
            ApiError: the version has been compacted (410).

        """
        if version < self.oldest:
            raise too_old(version, self.oldest)

    def since(self, version: int) -> Sequence[Change]:
        """Return the changes after ``version``, oldest first.

        Compaction does not affect a reader that has read the compacted changes.

        Raises:
            ApiError: some of the changes have been removed (410).

        """
        if version < self.dropped:
            raise too_old(version, self.oldest)
        return self._log[bisect_right(self._log, version, key=_version) :]

    def last(self, count: int) -> Sequence[Change]:
        """Return the latest changes, oldest first."""
        return self._log[-count:] if count else ()

    def now(self) -> View:
        """Return all objects at the latest version."""
        if self._order is None:
            self._order = sorted(self.objects)
        return View(self._order, self.objects)

    def at(self, version: int) -> View:
        """Return all objects at ``version``, by undoing the later changes.

        Raises:
            ApiError: the version has been compacted (410).

        """
        self.check(version)
        later = self.since(version)
        if not later:
            return self.now()
        objects = dict(self.objects)
        for change in reversed(later):
            if change.previous is None:
                del objects[key_of(change.obj)]
            else:
                objects[key_of(change.obj)] = change.previous
        return View(sorted(objects), objects)


class Store:
    """One collection per kind, and the version counter of all of them."""

    def __init__(self, history: int, kinds: Iterable[Kind] = KINDS) -> None:
        self.version = 0
        self.compacted = 0
        self._collections = {kind: Collection(kind, history) for kind in kinds}

    def __getitem__(self, kind: Kind) -> Collection:
        return self._collections[kind]

    def put(self, kind: Kind, obj: Json) -> Change:
        """Store ``obj`` under the next version; return the change."""
        collection = self[kind]
        self.version += 1
        obj = with_meta(obj, resourceVersion=str(self.version))
        previous = collection.objects.get(key_of(obj))
        done: EventType = "ADDED" if previous is None else "MODIFIED"
        change = Change(self.version, done, kind, obj, previous)
        collection.record(change)
        return change

    def remove(self, kind: Kind, key: Key) -> Change:
        """Remove an object under the next version; return the change."""
        collection = self[kind]
        self.version += 1
        previous = collection.objects[key]
        obj = with_meta(previous, resourceVersion=str(self.version))
        change = Change(self.version, "DELETED", kind, obj, previous)
        collection.record(change)
        return change

    def compact(self) -> None:
        """Clear the change log, as the API server compacts etcd every few minutes."""
        self.compacted = self.version
        for collection in self._collections.values():
            collection.forget(self.version)

    def snapshot(self) -> Snapshot:
        """Return the current state."""
        objects = {k: dict(c.objects) for k, c in self._collections.items()}
        return Snapshot(self.version, objects)

    def restore(self, snapshot: Snapshot) -> None:
        """Return to ``snapshot``; its later versions will be used again."""
        self.version = self.compacted = snapshot.version
        for kind, collection in self._collections.items():
            collection.load(snapshot.objects[kind], snapshot.version)
