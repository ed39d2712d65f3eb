"""From the main process to its workers: what one watch of the API server tells all.

Every list-watch of the main process is tapped on its way to the reflector. A worker's
reflectors are none the wiser: they list and watch as ever, by a RelayedListWatch, one
question and one answer at a time over whatever carries bytes between the processes. A
question waits until there is something to say, so nothing heaps up for a slow worker.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from minidns.kubernetes.collection import REMEMBERED, Collection, Listing, News
from minidns.kubernetes.objects import Key
from minidns.kubernetes.resources import (
    Access,
    ApiError,
    Gone,
    ListWatch,
    Page,
    Resource,
    WatchEvent,
)

BEAT_S = 5.0
"""Seconds after which a worker without news hears how old what it has is."""

T = TypeVar("T")


class Asked(Struct, array_like=True, frozen=True):
    """What a worker asks."""

    collection: str
    verb: str
    """list: a new one; more: its next part; watch: what changed since ``version``."""
    version: str = ""


class Told(Struct, Generic[T], array_like=True, frozen=True):
    """What it is told."""

    objects: tuple[T, ...] = ()
    gone: tuple[Key, ...] = ()
    version: str = ""
    more: bool = False
    """Whether the list goes on."""
    age_s: float = 0.0
    """Seconds since the API server was last heard of."""
    error: str = ""
    status: int = 0
    """HTTP status of the error; 410 is Gone."""


GONE = 410

_asked = msgspec.msgpack.Decoder(Asked)


def address(access: Access, resource: Resource) -> str:
    """Return how a collection is called between processes."""
    selectors = (resource.label_selector, resource.field_selector)
    return f"{access} {resource.path} {selectors} {resource.read.__name__}"


class Relay:
    """All that the main process follows for one loaded Corefile."""

    def __init__(
        self,
        now: Callable[[], float],
        beat_s: float = BEAT_S,
        remembered: int = REMEMBERED,
    ) -> None:
        self.beat_s = beat_s
        self._now = now
        self._remembered = remembered
        self._collections: dict[str, Collection] = {}
        self._grown = asyncio.Event()

    def tap(
        self, access: Access, resource: Resource, list_watch: ListWatch
    ) -> ListWatch:
        """Return ``list_watch`` such that workers learn what comes through it.

        Unless they learn it already, from one that was here before: an audit's is not
        to come in between.
        """
        name = address(access, resource)
        if name in self._collections:
            return list_watch
        collection = Collection(self._now, self._remembered)
        self._collections[name] = collection
        self._grown.set()
        self._grown = asyncio.Event()
        return Tapped(list_watch, collection)

    async def collection(self, name: str) -> Collection:
        """Return a collection, as soon as it is tapped."""
        while name not in self._collections:
            await self._grown.wait()
        return self._collections[name]

    def desk(self) -> "Desk":
        """Return where one worker asks."""
        return Desk(self)


class Desk:
    """Answers one worker, which asks of a collection one thing at a time."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._listings: dict[str, Listing] = {}

    async def answer(self, question: bytes) -> bytes:
        """Return the answer to ``question`` once there is one."""
        asked = _asked.decode(question)
        collection = await self._relay.collection(asked.collection)
        try:
            news = await self._news(asked, collection)
            more = asked.collection in self._listings
            told = Told(*news, more=more, age_s=collection.age_s)
        except Gone as gone:
            told = Told(error=str(gone), status=GONE)
        except ApiError as error:
            told = Told(error=str(error), status=error.status)
        return msgspec.msgpack.encode(told)

    async def _news(self, asked: Asked, collection: Collection) -> News:
        name = asked.collection
        if asked.verb == "watch":
            return await collection.since(asked.version, self._relay.beat_s)
        if asked.verb == "list":
            self._listings[name] = await collection.listing()
        listing = self._listings[name]
        news = listing.part()
        if listing.is_done:
            del self._listings[name]
        return news


class Tapped:
    """A ListWatch that tells a collection what it gives."""

    def __init__(self, inner: ListWatch, collection: Collection) -> None:
        self._inner = inner
        self._collection = collection

    async def page(self, token: str, version: str | None) -> Page:
        """Return a page; see ``ListWatch``."""
        try:
            page = await self._inner.page(token, version)
        except ApiError as error:
            self._collection.refused(error)
            raise
        if version is not None:
            self._collection.heard()
            return page
        if not token:
            self._collection.begin()
        self._collection.take(page)
        return page

    async def watch(
        self, version: str, *, initial: bool = False
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes; see ``ListWatch``."""
        if initial:
            self._collection.begin()
        stream = self._inner.watch(version, initial=initial)
        try:
            async for event in stream:
                self._collection.hear(event, initial=initial)
                initial = initial and not event.ends_initial
                yield event
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
