"""The store with those who follow it: every change is told to each, in order."""

from collections import deque
from collections.abc import Callable, Iterable
from random import Random

from .addresses import Addresses
from .kinds import KINDS, Kind, kind_of
from .objects import Clock, Json, key_of, timestamp
from .store import Change, Snapshot, Store
from .writing import is_over

Subscriber = Callable[[Change], None]
SAFE = "bcdfghjklmnpqrstvwxz2456789"
"""Letters that make no words, from which Kubernetes makes suffixes."""


class Feed:
    """Objects by kind; writes that follow from a write are done before it returns."""

    def __init__(
        self, now: Clock, seed: int, history: int, families: Iterable[str]
    ) -> None:
        self.now = now
        self.store = Store(history)
        self.addresses = Addresses(families)
        self._random = Random(seed)
        self._subscribers: list[Subscriber] = []
        self._changes: deque[Change] = deque()
        self._is_telling = False

    @property
    def version(self) -> int:
        """Return the latest resource version."""
        return self.store.version

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` with every change from now on; return what ends that.

        It is called after the change took place, in the order of changes; what it
        writes itself is told after what is being told.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def commit(self, kind: Kind, obj: Json) -> Json:
        """Store ``obj`` as it is, or remove it if it only waited for that."""
        if is_over(obj) and key_of(obj) in self.store[kind].objects:
            return self.remove(kind, obj)
        change = self.store.put(kind, obj)
        self._tell(change)
        return change.obj

    def remove(self, kind: Kind, obj: Json) -> Json:
        """Remove an object; return its last state."""
        change = self.store.remove(kind, key_of(obj))
        self._tell(change)
        return change.obj

    def load(self, objects: Iterable[Json]) -> int:
        """Store many objects as they are, telling watchers but not subscribers.

        Only metadata is completed: no defaults, no checks, no controllers. The objects
        are taken over, not copied. Return how many there were.

        Raises:
            ApiError: a kind is unknown (400).

        """
        stamp, count = timestamp(self.now()), 0
        for obj in objects:
            kind = kind_of(obj)
            meta = obj["metadata"]
            if kind.namespaced:
                meta.setdefault("namespace", "default")
            meta.setdefault("uid", self.new_uid())
            meta.setdefault("creationTimestamp", stamp)
            self.addresses.see(self.store.put(kind, obj))
            count += 1
        return count

    def compact(self) -> None:
        """Forget the history: watchers that are behind get 410."""
        self.store.compact()

    def snapshot(self) -> Snapshot:
        """Return everything as it is now, for `restore`."""
        return self.store.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to ``snapshot``, versions too, as a restored backup of etcd does.

        Subscribers and watchers are not told: that is what makes it a fault.
        """
        self.store.restore(snapshot)
        self._changes.clear()
        self.addresses = Addresses(self.addresses.families)
        for kind in KINDS:
            for obj in self.store[kind].objects.values():
                self.addresses.see(Change(self.version, "ADDED", kind, obj, None))

    def new_uid(self) -> str:
        """Return a UID that no other object has."""
        text = f"{self._random.getrandbits(128):032x}"
        # version 4 of the leftmost variant (RFC 9562 5.4)
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def new_suffix(self) -> str:
        """Return the five letters that follow a generated name."""
        return "".join(self._random.choices(SAFE, k=5))

    def _tell(self, change: Change) -> None:
        """Tell the subscribers, unless they are being told: then after that."""
        self.addresses.see(change)
        self._changes.append(change)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._changes:
                told = self._changes.popleft()
                for subscriber in tuple(self._subscribers):
                    subscriber(told)
        finally:
            self._changes.clear()
            self._is_telling = False
