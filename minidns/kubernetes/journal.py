"""The journal of a store: its changes with their times of arrival, and its past states.

Theory of operation. A store holds the present alone. The journal notes with each change
the state of the object before it. To look back, a copy of the store undoes the changes
from the newest on; then they are applied again, each at its own time, until the moment
in question. The result is the store of a server that had seen only the events until
then: with the serial of that time, and with the endpoints that it held (*hold*).

The journal begins with the first sync. It is bounded in changes and in bytes, and drops
the oldest ones: ``since`` says how far back it reaches. The unchanged objects of a
relist are no changes and take no place.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import msgspec

from minidns.kubernetes.lingering import LingeringEndpoints
from minidns.kubernetes.objects import Key, Kind, Object, Service, ServiceImport
from minidns.kubernetes.resources import Applied, Deleted, Event
from minidns.kubernetes.store import Store, Touched, as_service
from minidns.text.moments import rfc3339

MAX_CHANGES = 10_000
MAX_BYTES = 8 << 20
OVERHEAD = 400
"""Bytes of a change beside the state before it (measured)."""
_CHUNK = 20
"""Changes undone or applied in one iteration of the event loop."""


class NotRecorded(Exception):
    """The journal does not reach back so far, or has not begun; ``str()`` says why."""


class _Noted(NamedTuple):
    """A change as the journal keeps it."""

    at: float
    kind: Kind
    key: Key
    before: bytes | None
    """The object before as MessagePack; None if there was none."""
    serial: int
    external_serial: int
    """The serials of the store before."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one object."""

    at: float
    """Unix seconds at which it arrived."""
    kind: Kind
    key: Key
    before: Object | None
    after: Object | None
    touched: Touched
    """The keys of what changed for DNS, see `store`; empty if DNS cannot see it."""


@dataclass(frozen=True, slots=True)
class History:
    """What a journal has: the store at its beginning, and the changes since."""

    since: float
    """Unix seconds from which on the history is complete."""
    base: Store
    changes: Sequence[Change]
    """The changes in the order of their arrival."""


@dataclass(frozen=True, slots=True)
class Past:
    """A cluster at a moment in the past."""

    main: Store
    """The objects of the cluster itself."""
    imports: Store
    """The Services of its cluster set (*multicluster*)."""
    since: float
    changes: Sequence[Change]
    """All changes that the journals have, also those after the moment."""


class Journal:
    """Applies events to a store, and notes what they change once it has begun."""

    def __init__(
        self,
        store: Store,
        wall: Callable[[], float],
        max_changes: int = MAX_CHANGES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.since: float | None = None
        """Unix seconds from which on all changes are noted; None before it begins."""
        self.size = 0
        """Bytes of memory that the changes take, about."""
        self._store = store
        self._wall = wall
        self._max_changes = max_changes
        self._max_bytes = max_bytes
        self._noted: deque[_Noted] = deque()

    def __len__(self) -> int:
        """Return the number of changes."""
        return len(self._noted)

    def begin(self) -> None:
        """Note changes from now on."""
        if self.since is None:
            held = self._store.held
            # since when an endpoint is held is not known
            self.since = self._wall() + (held.hold_s if held.deadline() else 0.0)

    def apply(self, event: Event) -> Touched:
        """Apply ``event`` to the store; return the keys of what it changed for DNS."""
        store = self._store
        if self.since is None:
            return store.apply(event)
        kind, key = _subject(event)
        before = store.find(kind, key)
        serials = store.serial, store.external_serial
        touched = store.apply(event)
        if store.find(kind, key) != before:
            packed = None if before is None else msgspec.msgpack.encode(before)
            self._note(_Noted(self._wall(), kind, key, packed, *serials))
        return touched

    def _note(self, change: _Noted) -> None:
        self._noted.append(change)
        self.size += _size(change)
        while len(self._noted) > self._max_changes or self.size > self._max_bytes:
            oldest = self._noted.popleft()
            self.size -= _size(oldest)
            # what was held just after it is not known
            known = oldest.at + self._store.held.hold_s
            self.since = max(self.since or known, known)

    async def history(self, back_to: float = -inf) -> History:
        """Return the past since ``back_to`` as far as it is known.

        ``back_to`` is in Unix seconds. Other tasks run meanwhile.

        Raises:
            NotRecorded: the journal has not begun.

        """
        if self.since is None:
            raise NotRecorded("the first lists of the API server are not complete yet")
        since, noted = max(self.since, back_to), tuple(self._noted)
        base, undone = self._store.copy(self._wall), list[Change]()
        # what was held at a moment left its slice at most so long before
        oldest = back_to - self._store.held.hold_s
        for number, change in enumerate(reversed(noted)):
            if change.at <= oldest:
                break
            undone.append(_undo(base, change))
            if number % _CHUNK == 0:
                await asyncio.sleep(0)
        return History(since, base, undone[::-1])

    async def at(self, when: float, span_s: float = inf) -> tuple[Store, History]:
        """Return the store as it was at ``when``, in Unix seconds, and the history.

        The history begins at most ``span_s`` seconds before.

        Raises:
            NotRecorded: the journal does not reach back so far.

        """
        history = await self.history(when - span_s)
        if when < history.since:
            since = rfc3339(history.since)
            raise NotRecorded(f"the journal reaches back to {since} only")
        time = history.since
        store = history.base.copy(lambda: time)
        store.held = LingeringEndpoints(lambda: time, self._store.held.hold_s)
        for number, change in enumerate(history.changes):
            if change.at > when:
                break
            time = change.at
            store.expire()
            store.apply(_event(change.kind, change.key, change.after))
            if number % _CHUNK == 0:
                await asyncio.sleep(0)
        time = when
        store.expire()
        return store, history


def _subject(event: Event) -> tuple[Kind, Key]:
    """Return the kind and the key under which a store has the object of ``event``."""
    if isinstance(event, Applied):
        obj = as_service(event.obj)
        return type(obj), obj.key
    return (Service if event.kind is ServiceImport else event.kind), event.key


def _event(kind: Kind, key: Key, state: Object | None) -> Event:
    return Deleted(kind, key) if state is None else Applied(state)


def _undo(store: Store, noted: _Noted) -> Change:
    """Undo a change in ``store``, which has not seen any later one."""
    at, kind, key, packed, *serials = noted
    before = None if packed is None else msgspec.msgpack.decode(packed, type=kind)
    after = store.find(kind, key)
    touched = store.apply(_event(kind, key, before))
    store.serial, store.external_serial = serials
    return Change(at, kind, key, before, after, touched)


def _size(noted: _Noted) -> int:
    return OVERHEAD + len(noted.before or b"")
