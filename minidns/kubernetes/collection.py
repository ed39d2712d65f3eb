"""One resource as the main process knows it, and what changed lately, for its workers.

To a worker it is what the API server is to the main process: it lists in pages, and
tells what changed after a version. It keeps the objects the store has anyway, and the
keys of the last changes: a worker further behind is told to list again, so that a slow
one costs no memory. A key that changed several times is told of once, as it is now.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from minidns.kubernetes.objects import Key, Object
from minidns.kubernetes.reflector import chunks, key_of
from minidns.kubernetes.resources import ApiError, Gone, Page, WatchEvent

REMEMBERED = 10_000
"""Changes that a worker may be behind."""
BATCH = 100
"""Objects told of at a time."""
FORBIDDEN = 403


class News(NamedTuple):
    """What a worker is told: a part of a list, or what has changed."""

    objects: tuple[Object, ...] = ()
    gone: tuple[Key, ...] = ()
    version: str = ""
    """Where to go on from."""


class Collection:
    """The objects of one resource."""

    def __init__(self, now: Callable[[], float], remembered: int) -> None:
        self.objects: dict[Key, Object] = {}
        self._now = now
        self._heard_at = now()
        self._synced = False
        self._refusal: ApiError | None = None
        self._count = 0
        """Changes so far: the version of what is told."""
        self._changed: deque[Key] = deque(maxlen=remembered)
        """The keys of the last of them."""
        self._news = asyncio.Event()
        self._listed: set[Key] = set()

    @property
    def age_s(self) -> float:
        """Seconds since the API server was last heard of."""
        return self._now() - self._heard_at

    # -- what comes from the API server

    def begin(self) -> None:
        """Take what comes next for a new list."""
        self._listed = set()

    def take(self, page: Page) -> None:
        """Take in a page of the list."""
        self.heard()
        for obj in page.objects:
            self._put(obj.key, obj)
            self._listed.add(obj.key)
        self._listed.update(page.unread)
        if not page.token and page.version:
            self._end()

    def hear(self, event: WatchEvent, *, initial: bool) -> None:
        """Take in a line of a watch; ``initial`` ones make up a list."""
        self.heard()
        if event.ends_initial:
            self._end()
        elif event.type in ("ADDED", "MODIFIED", "DELETED") and (key := key_of(event)):
            if initial:
                self._listed.add(key)
            if event.obj is not None or event.type == "DELETED":
                self._put(key, None if event.type == "DELETED" else event.obj)

    def refused(self, error: ApiError) -> None:
        """Note that the list failed; workers hear of it if it is forbidden."""
        if error.status == FORBIDDEN and not self._synced:
            self._refusal = error
            self._tell()

    def heard(self) -> None:
        """Note that the API server is alive."""
        self._heard_at = self._now()

    def _put(self, key: Key, obj: Object | None) -> None:
        if self.objects.get(key) == obj:
            return
        if obj is None:
            del self.objects[key]
        else:
            self.objects[key] = obj
        self._count += 1
        self._changed.append(key)
        self._tell()

    def _end(self) -> None:
        for key in self.objects.keys() - self._listed:
            self._put(key, None)
        self._listed = set()
        self._synced, self._refusal = True, None
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    # -- what goes to workers

    async def listing(self) -> "Listing":
        """Return all objects in parts, once they are known.

        Raises:
            ApiError: they cannot be known, as the list is forbidden.

        """
        while not self._synced:
            if self._refusal is not None:
                raise self._refusal
            await self._news.wait()
        return Listing(self.objects, str(self._count))

    async def since(self, version: str, patience_s: float) -> News:
        """Return what changed after ``version``, waiting a while for the first change.

        Raises:
            Gone: that is longer ago than is remembered.

        """
        behind = self._behind(version)
        if not behind:
            try:
                async with asyncio.timeout(patience_s):
                    await self._news.wait()
            except TimeoutError:
                return News(version=version)
            behind = self._behind(version)
        keys = [self._changed[-n] for n in range(behind, max(0, behind - BATCH), -1)]
        keys = list(dict.fromkeys(keys))
        gone = tuple(key for key in keys if key not in self.objects)
        reached = self._count - max(0, behind - BATCH)
        return News(present(self.objects, keys), gone, str(reached))

    def _behind(self, version: str) -> int:
        behind = self._count - int(version)
        if not 0 <= behind <= len(self._changed):
            raise Gone(f"version {version} is too old: this is {self._count}")
        return behind


class Listing:
    """A list on its way to one worker.

    What changes meanwhile is told by ``since`` its version, though a later part may
    show it already.
    """

    def __init__(self, objects: Mapping[Key, Object], version: str) -> None:
        self._objects = objects
        self._version = version
        self._parts = list(chunks(objects, BATCH)) or [[]]
        self._parts.reverse()

    @property
    def is_done(self) -> bool:
        """Whether the last part has been taken."""
        return not self._parts

    def part(self) -> News:
        """Return the next part."""
        return News(present(self._objects, self._parts.pop()), (), self._version)


def present(objects: Mapping[Key, Object], keys: Iterable[Key]) -> tuple[Object, ...]:
    """Return those of ``keys`` that are there."""
    return tuple([objects[key] for key in keys if key in objects])
