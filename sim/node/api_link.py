"""The way of one DNS server to the API, with the faults of the link between them.

Events that a partition holds back arrive after it, as TCP sends them again; until then
the server sees neither events nor an error, so that its view grows old unnoticed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeAlias

from minidns.kubernetes.resources import (
    Access,
    ApiError,
    ListWatch,
    Page,
    Resource,
    WatchEvent,
)

from ..api.direct import Api
from .faults import Faults, Packet, Place
from .places import API_SERVER

TIMEOUT_S = 30.0
"""Seconds until a request without a response fails (client-go's dial time-out)."""
RETRY_S = 1.0
"""Seconds between two attempts to deliver an event."""
_Arrival: TypeAlias = tuple[float, WatchEvent | Exception | None]
"""When an event or the end of a watch reaches the server."""
_SIZE = 1000
"""Bytes of a message of the API: only its link decides about it."""


@dataclass(frozen=True, slots=True)
class ApiWay:
    """The link between the API and the server at a place."""

    faults: Faults
    place: Callable[[], Place]
    """Returns the place of the server."""

    async def request(self) -> None:
        """Wait as long as a request and its response take.

        Raises:
            ApiError: there is no response.

        """
        if not self.faults.active:
            return
        for delays_s in (self._delays_s(to_api=True), self._delays_s()):
            await asyncio.sleep(delays_s[0] if delays_s else TIMEOUT_S)
            if not delays_s:
                raise ApiError("dial tcp: i/o timeout")

    async def arrival(
        self, sent: float, after: float, *, to_api: bool = False
    ) -> float:
        """Return when an event arrives that was ``sent`` then, not before ``after``.

        Waits while a partition holds the event back.
        """
        now = asyncio.get_running_loop().time
        while self.faults.active:
            if delays_s := self._delays_s(to_api=to_api):
                return max(sent + delays_s[0], after)
            await asyncio.sleep(RETRY_S)  # TCP sends it again
            sent = now()
        return max(sent, after)

    def misses_event(self) -> bool:
        """Return whether the server ignores an event that has arrived."""
        return self.faults.misses_event(self.place().names)

    def _delays_s(self, *, to_api: bool = False) -> tuple[float, ...]:
        ends = API_SERVER, self.place()
        source, destination = reversed(ends) if to_api else ends
        return self.faults.delays_s(Packet(source, destination, "tcp", _SIZE, "api"))


@dataclass(frozen=True, slots=True)
class ApiLink:
    """The API as the server at the end of a way sees it."""

    api: Api
    way: ApiWay

    def list_watch(self, access: Access, resource: Resource) -> ListWatch:
        """Return LIST and WATCH of ``resource``; an edge of minidns."""
        return _Linked(self.api.list_watch(access, resource), self.way)


@dataclass(frozen=True, slots=True)
class _Linked:
    """One resource behind a link; implements ``ListWatch``."""

    inner: ListWatch
    link: ApiWay

    async def page(self, token: str, version: str | None) -> Page:
        """Return a page of objects."""
        await self.link.request()
        return await self.inner.page(token, version)

    async def watch(
        self, version: str, *, initial: bool = False
    ) -> AsyncIterator[WatchEvent]:
        """Yield the changes after ``version`` that reach the server."""
        await self.link.request()
        arrivals: asyncio.Queue[_Arrival] = asyncio.Queue()
        now = asyncio.get_running_loop().time
        task = asyncio.create_task(self._send(version, initial, arrivals))
        try:
            while True:
                at, event = await arrivals.get()
                if at > now():
                    await asyncio.sleep(at - now())
                if event is None:
                    return
                if isinstance(event, Exception):
                    raise event
                if not self.link.misses_event():
                    yield event
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _send(
        self, version: str, initial: bool, arrivals: "asyncio.Queue[_Arrival]"
    ) -> None:
        """Put the events and the end of the watch into ``arrivals``, in order."""
        now = asyncio.get_running_loop().time
        last = now()
        end: Exception | None = None
        try:
            async for event in self.inner.watch(version, initial=initial):
                last = await self.link.arrival(now(), last)
                arrivals.put_nowait((last, event))
        except Exception as error:  # the reader of the watch raises it
            end = error
        arrivals.put_nowait((now(), end))
