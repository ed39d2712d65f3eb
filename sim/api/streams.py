"""WATCH over HTTP: one stream per watcher, with its faults."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import web

from . import table
from .connections import reset, trickle
from .faults import Faults, Rule
from .kind import Kind
from .listing import read_number, read_version
from .objects import Json, encode
from .selectors import Selection
from .server import ClusterApi
from .status import ApiError, failure, invalid, not_allowed
from .watching import Cursor, WatchEvent, bookmark

MAX_WATCH_S = 1800.0
"""Seconds of a watch without a timeoutSeconds (a real server: 30 to 60 minutes)."""
STALE_POLL_S = 0.05
"""Seconds between checks of a stale view."""
BATCH = 256
"""Maximum number of events per write."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The options of a WATCH."""

    version: int = 0
    timeout_s: float = MAX_WATCH_S
    allows_bookmarks: bool = False
    begins_with_all: bool = False
    """Whether it starts with ADDED for all existing objects."""
    is_watch_list: bool = False
    """Whether a bookmark ends these events (sendInitialEvents)."""


def options_of(query: Mapping[str, str], head: int) -> WatchOptions:
    """Return the options in a query string; ``head`` is the latest version.

    Raises:
        ApiError: they are invalid (500) or contradict each other (422).

    """
    initial = query.get("sendInitialEvents", "")
    match, text = (
        query.get("resourceVersionMatch", ""),
        query.get("resourceVersion", ""),
    )
    if initial and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise _invalid("resourceVersionMatch", why)
    if match and not initial:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is"
        raise _invalid("resourceVersionMatch", f"{why} provided")
    bookmarks = query.get("allowWatchBookmarks") in ("1", "true")
    if initial == "true" and not bookmarks:
        why = "sendInitialEvents requires allowWatchBookmarks to be set to true"
        raise _invalid("allowWatchBookmarks", why)
    version = read_version(text)
    # without a version or with "0" the existing objects come first (API concepts, "Get
    # State and Start")
    begins = initial == "true" or (not version and initial != "false")
    return WatchOptions(
        version or head,
        read_number(query, "timeoutSeconds") or MAX_WATCH_S,
        bookmarks,
        begins,
        initial == "true",
    )


def _invalid(field: str, why: str) -> ApiError:
    """Return 422 for options that contradict each other."""
    return invalid("ListOptions.meta.k8s.io", "", [not_allowed(field, why)])


class Stream:
    """One open watch, with the faults that act on it."""

    def __init__(
        self,
        cluster: ClusterApi,
        kind: Kind,
        selected: Selection,
        options: WatchOptions,
        faults: Faults,
        accept: str,
    ) -> None:
        self.kind = kind
        self._cluster = cluster
        self._wanted = selected
        self._options = options
        self._faults = faults
        self._accept = accept
        self._wake = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._is_ending = False
        self._cuts_next = False
        self._cursor: Cursor | None = None
        self._response = web.StreamResponse()
        self._transport: asyncio.Transport | None = None
        self._rate = 0
        self.misses: Callable[[], bool] = lambda: False
        """Returns whether the next event is left out."""

    async def run(self, raw: web.BaseRequest, rule: Rule) -> web.StreamResponse:
        """Serve the watch until its time-out or another end."""
        self._response.content_type = "application/json"
        self._response.enable_chunked_encoding()
        self._transport = raw.transport
        self._rate = rule.bytes_per_s
        await self._response.prepare(raw)
        listeners = self._cluster.store[self.kind].listeners
        listeners[self._wake.set] = None
        try:
            await self.send(rule.lines)
            if not rule.ends:
                await self._serve()
            await self._response.write_eof()
        except ConnectionError:
            pass  # the client closed the connection, or a fault did
        finally:
            listeners.pop(self._wake.set, None)
        return self._response

    def end(self) -> None:
        """End as at a time-out, after pending events have been sent."""
        self._is_ending = True
        self._wake.set()

    def freeze(self) -> None:
        """Stop sending, also the end of the watch."""
        self._open.clear()

    def thaw(self) -> None:
        """Continue after `freeze`."""
        self._open.set()

    def cut(self) -> None:
        """Send only half of the next event, then close the connection."""
        self._cuts_next = True

    def reset(self) -> None:
        """Reset the connection."""
        self._open.set()
        self.end()
        reset(self._transport)

    async def send(self, lines: Iterable[str]) -> None:
        """Send raw ``lines``."""
        await self._write(b"".join(line.encode() + b"\n" for line in lines))

    async def replay(self, count: int, *, newest_first: bool = False) -> None:
        """Send the latest events again."""
        if self._cursor is not None:
            events = list(self._cursor.recent(count))
            await self._events(reversed(events) if newest_first else events)

    async def fail(self, status: Json) -> None:
        """Send an ERROR event, then end."""
        await self._write(_line({"type": "ERROR", "object": status}))
        self.end()

    async def _serve(self) -> None:
        """Send events until the end."""
        clock = asyncio.get_running_loop().time
        longest = self._faults.watch_max_s or self._options.timeout_s
        ends_at = clock() + min(longest, self._options.timeout_s)
        bookmark_at = clock() + self._faults.bookmark_s
        try:
            await self._begin()
            while clock() < ends_at and not self._is_ending:
                await self._follow()
                if clock() >= bookmark_at:
                    await self._bookmark()
                    bookmark_at = clock() + self._faults.bookmark_s
                until = min(ends_at, bookmark_at) if self._bookmarks() else ends_at
                await self._pause(until)
            await self._follow()
            await self._bookmark()
        except ApiError as error:
            await self.fail(error.status)

    async def _begin(self) -> None:
        """Open the cursor and send the initial events, if any."""
        options = self._options
        if options.is_watch_list and self._faults.refuse_watch_list == 500:
            message = (
                'etcdserver: RequestWatchProgress is disabled for resource "sim", '
                "the storage does not support it"
            )
            raise failure(500, message)
        collection = self._cluster.store[self.kind]
        if not options.begins_with_all:
            self._cursor = Cursor(collection, self._wanted, options.version)
            return
        head = self._head()
        self._cursor = Cursor(collection, self._wanted, head)
        await self._events(self._cursor.initial(head))
        if options.is_watch_list and not self._faults.withhold_initial_end:
            end = bookmark(self.kind, head, ends_initial=True)
            await self._events([end])

    async def _follow(self) -> None:
        """Send the changes since the last call."""
        assert self._cursor is not None
        self._wake.clear()
        head = self._faults.stale_at or None
        await self._events(self._cursor.following(head))

    def _head(self) -> int:
        """Return the newest visible version."""
        return self._faults.stale_at or self._cluster.version

    def _bookmarks(self) -> bool:
        """Return whether this watch sends bookmarks."""
        return self._options.allows_bookmarks and self._faults.bookmark_s > 0

    async def _bookmark(self) -> None:
        """Send a bookmark, unless the watcher is ahead of this server."""
        assert self._cursor is not None
        head = self._head()
        if self._bookmarks() and self._cursor.version <= head:
            self._cursor.skip(head)
            await self._events([bookmark(self.kind, head)])

    async def _pause(self, until: float) -> None:
        """Wait for a change, at most until ``until``."""
        if self._faults.stale_at:  # a change of stale_at wakes no watch
            until = min(until, asyncio.get_running_loop().time() + STALE_POLL_S)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._wake.wait()

    async def _events(self, events: Iterable[WatchEvent]) -> None:
        """Send events, in batches."""
        lines: list[bytes] = []
        for event in events:
            if event.type != "BOOKMARK" and self.misses():
                continue
            lines.append(self._encoded(event))
            if self._cuts_next:
                await self._send_half(b"".join(lines[:-1]), lines[-1])
            if len(lines) >= BATCH:
                await self._write(b"".join(lines))
                lines.clear()
        await self._write(b"".join(lines))

    async def _send_half(self, complete: bytes, line: bytes) -> None:
        """Send half of ``line``, then close the connection."""
        await self._write(complete + line[: len(line) // 2])
        if self._transport is not None:
            self._transport.close()
        raise ConnectionResetError

    async def _write(self, data: bytes) -> None:
        """Send bytes at the configured rate; wait while frozen."""
        await self._open.wait()
        if data:
            await trickle(self._response, data, self._rate)

    def _encoded(self, event: WatchEvent) -> bytes:
        """Return the line of an event in the form that the client prefers."""
        obj = event.obj
        if table.wants_table(self._accept):
            meta = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            obj = table.table(self.kind, [obj], meta, self._cluster.now())
        elif table.wants_partial(self._accept):
            obj = table.partial(obj)
        return _line({"type": event.type, "object": obj})


def _line(event: Json) -> bytes:
    """Return the encoded line of an event."""
    return encode(event) + b"\n"
