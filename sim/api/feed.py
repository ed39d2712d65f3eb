"""The store with subscribers that receive every change in order."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from random import Random

from .addresses import Addresses
from .kind import Kind
from .kinds import KINDS, kind_of
from .objects import Clock, Json, key_of, timestamp
from .store import Change, Snapshot, Store
from .writing import is_deletable

Subscriber = Callable[[Change], None]
Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after some seconds."""
SAFE = "bcdfghjklmnpqrstvwxz2456789"
"""The characters of generated names (k8s.io/apimachinery util/rand)."""


def on_loop(delay_s: float, act: Callable[[], None]) -> None:
    """Call ``act`` after ``delay_s`` on the running event loop; never without one."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop().call_later(delay_s, act)


class Feed:
    """Objects by kind; a write returns after all writes that its subscribers make."""

    def __init__(
        self,
        now: Clock,
        later: Later,
        seed: int,
        history: int,
        families: Iterable[str],
    ) -> None:
        self.now = now
        self.later = later
        self.store = Store(history)
        self.addresses = Addresses(families)
        self._random = Random(seed)
        self._subscribers: list[Subscriber] = []
        self._changes: deque[Change] = deque()
        self._is_notifying = False

    @property
    def version(self) -> int:
        """Return the latest resource version."""
        return self.store.version

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` with every later change; return a function to stop it.

        Calls follow the order of the changes. A change that a subscriber makes is
        delivered after the current one.
        """
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def commit(self, kind: Kind, obj: Json) -> Json:
        """Store ``obj``, or remove it if it is terminating without finalizers."""
        if is_deletable(obj) and key_of(obj) in self.store[kind].objects:
            return self.remove(kind, obj)
        change = self.store.put(kind, obj)
        self._notify(change)
        return change.obj

    def remove(self, kind: Kind, obj: Json) -> Json:
        """Remove an object; return its last state."""
        change = self.store.remove(kind, key_of(obj))
        self._notify(change)
        return change.obj

    def load(self, objects: Iterable[Json]) -> int:
        """Store many objects as they are; return their number.

        Watchers see them, subscribers do not. Only metadata is completed: there are no
        defaults, validation or controllers. The objects are not copied.

        Raises:
            ApiError: a kind is unknown (400).

        """
        stamp, count = timestamp(self.now()), 0
        for obj in objects:
            kind = kind_of(obj)
            meta = obj["metadata"]
            if kind.namespaced:
                meta.setdefault("namespace", "default")
            if "uid" not in meta:
                meta["uid"] = self.new_uid()
            meta.setdefault("creationTimestamp", stamp)
            self.addresses.observe(self.store.put(kind, obj))
            count += 1
        return count

    def compact(self) -> None:
        """Drop the change log: watchers that are behind get 410."""
        self.store.compact()

    def snapshot(self) -> Snapshot:
        """Return the current state, for `restore`."""
        return self.store.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Return to ``snapshot`` and its version, as a restored etcd backup does.

        Subscribers and watchers get no event, which makes this a fault.
        """
        self.store.restore(snapshot)
        self._changes.clear()
        self.addresses = Addresses(self.addresses.families)
        for kind in KINDS:
            for obj in self.store[kind].objects.values():
                self.addresses.observe(Change(self.version, "ADDED", kind, obj, None))

    def new_uid(self) -> str:
        """Return a random UID."""
        text = f"{self._random.getrandbits(128):032x}"
        # version 4 of the leftmost variant (RFC 9562 5.4)
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def new_suffix(self) -> str:
        """Return the five random characters of a generated name."""
        return "".join(self._random.choices(SAFE, k=5))

    def _notify(self, change: Change) -> None:
        """Deliver a change; one made during a delivery is queued."""
        self.addresses.observe(change)
        self._changes.append(change)
        if self._is_notifying:
            return
        self._is_notifying = True
        try:
            while self._changes:
                current = self._changes.popleft()
                for subscriber in tuple(self._subscribers):
                    subscriber(current)
        finally:
            self._changes.clear()
            self._is_notifying = False
