"""LIST in pages and WATCH over HTTP: the ListWatch of one resource.

Knows URLs, deadlines and bodies; connections and credentials are in ``client``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from random import Random
from typing import NamedTuple, Protocol, TypeAlias
from urllib.parse import urlencode

from aiohttp import ClientError, ClientResponse, StreamReader

from minidns.kubernetes import decode
from minidns.kubernetes.objects import Key, Object
from minidns.kubernetes.resources import ApiError, Gone, Page, Resource, WatchEvent

PAGE = 100
"""Objects a page; decoding them takes a few milliseconds of the loop."""
WATCH_S = (300, 600)
"""Seconds after which the server is asked to end a watch, between these (client-go)."""
BURST = 50
"""Lines of a watch between two turns of the loop: queries come in between."""
MOST_LINE = 16 * 2**20
MOST_PAGE = PAGE * 2 * 2**20
"""Bytes; etcd keeps no object larger than 1.5 MiB."""
MOST_WHOLE = 512 * 2**20
MOST_REFUSAL = 64 * 1024

Query: TypeAlias = dict[str, str]

log = logging.getLogger("minidns.plugins.kubernetes")  # "plugin/kubernetes: ..."


class Deadlines(NamedTuple):
    """Deadlines of requests, in seconds."""

    connect_s: float = 5.0
    list_s: float = 60.0
    """Time for a whole page; the API server has the same limit."""
    open_s: float = 10.0
    """Time until the headers of a watch."""
    silence_s: tuple[float, float] = (80.0, 90.0)
    """Silence after which a watch counts as dead; random between the two."""
    late_s: float = 10.0
    """Time until the missing end of a streaming list is logged."""
    initial_s: float = 60.0
    """Time until a streaming list without its end is given up."""


DEADLINES = Deadlines()


class Requests(Protocol):
    """The sender of GET requests, see ``client.Connection``."""

    server: str
    """URL of the API server, for people."""

    async def get(self, path: str, *, timed: bool) -> ClientResponse:
        """Return the answer as soon as its headers are there.

        ``timed`` counts its seconds in the metric (a watch has none).

        Raises:
            ApiError: there is none.

        """
        ...


class HttpListWatch:
    """LIST and WATCH of one resource through one connection."""

    def __init__(
        self,
        requests: Requests,
        resource: Resource,
        random: Random,
        deadlines: Deadlines = DEADLINES,
    ) -> None:
        self._requests = requests
        self._resource = resource
        self._random = random
        self._deadlines = deadlines
        self._whole = False
        """A token ran out: ask for everything at once the next time (client-go)."""

    async def page(self, token: str, version: str | None) -> Page:
        """Return a page; see ``ListWatch``."""
        whole = self._whole and not token and version is None
        most = MOST_WHOLE if whole else MOST_PAGE
        list_s = self._deadlines.list_s
        try:
            async with asyncio.timeout(list_s):
                body = await self._body(self._page_query(token, version, whole), most)
        except TimeoutError as error:
            raise self._late("no complete answer", list_s) from error
        except Gone:
            self._whole = bool(token)
            raise
        if whole:
            self._whole = False
        return await self._read(decode.listing(self._resource, body))

    async def watch(
        self, version: str, *, initial: bool = False
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes; see ``ListWatch``."""
        query = self._watch_query(version, initial=initial)
        open_s, silence_s = self._deadlines.open_s, self._deadlines.silence_s
        try:
            async with asyncio.timeout(open_s):
                response = await self._open(query, timed=False)
        except TimeoutError as error:
            raise self._late("no answer", open_s) from error
        lines = Lines(response.content, self._random.uniform(*silence_s))
        warning = self._expect_end(lines) if initial else None
        try:
            async for line in lines:
                event = decode.event(self._resource, line)
                if event.ends_initial and warning is not None:
                    lines.until = None
                    warning.cancel()
                yield event
            if lines.until is not None:
                server = self._requests.server
                text = f"the streaming list from {server} did not come to its end"
                raise ApiError(text, status=504)
        except (ClientError, OSError) as error:
            raise ApiError(f"the watch broke off: {cause(error)}") from error
        finally:
            response.close()
            if warning is not None:
                warning.cancel()

    def _page_query(self, token: str, version: str | None, whole: bool) -> Query:
        query = self._selectors()
        if token:
            query |= {"continue": token}  # no version beside it, the server says (400)
        elif version is not None:
            query |= {"resourceVersion": version}
            query |= {"resourceVersionMatch": "NotOlderThan", "limit": "1"}
            return query
        return query if whole else query | {"limit": str(PAGE)}

    def _watch_query(self, version: str, *, initial: bool) -> Query:
        query = self._selectors() | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self._random.randint(*WATCH_S)),
            "resourceVersion": version,
        }
        if initial:
            query |= {"sendInitialEvents": "true"}
            query |= {"resourceVersionMatch": "NotOlderThan"}
        return query

    def _selectors(self) -> Query:
        labels, fields = self._resource.label_selector, self._resource.field_selector
        query = {"labelSelector": labels, "fieldSelector": fields}
        return {name: value for name, value in query.items() if value}

    async def _open(self, query: Query, *, timed: bool) -> ClientResponse:
        path = f"{self._resource.path}?{urlencode(query)}"
        response = await self._requests.get(path, timed=timed)
        try:
            if response.status != 200:
                body = await response.content.read(MOST_REFUSAL)
                wait_s = seconds(response.headers.get("Retry-After", ""))
                raise decode.refusal(self._resource, response.status, body, wait_s)
            self._check_type(response.content_type)
        except BaseException:
            response.close()
            raise
        return response

    def _check_type(self, content_type: str) -> None:
        if content_type != "application/json":
            kind = decode.printable(content_type, 60)
            server = self._requests.server
            text = f"{server} answered with {kind} where JSON was expected"
            raise ApiError(f"{text}: is there a proxy or a log-in page in between?")

    async def _body(self, query: Query, most: int) -> bytes:
        response = await self._open(query, timed=True)
        try:
            return await body_of(response.content, most)
        except (ClientError, OSError) as error:
            raise ApiError(f"the list broke off: {cause(error)}") from error
        finally:
            response.close()

    async def _read(self, listing: decode.Listing) -> Page:
        objects: list[Object] = []
        unread: list[Key] = []
        items = listing.items or []
        for number, raw in enumerate(items, 1):
            obj, key, _ = decode.item(self._resource, raw)
            if obj is not None:
                objects.append(obj)
            elif key is not None:
                unread.append(key)
            if number % PAGE == 0:
                await asyncio.sleep(0)
        skipped = len(items) - len(objects)
        meta = listing.metadata
        return Page(tuple(objects), meta.version, meta.token, skipped, tuple(unread))

    def _expect_end(self, lines: "Lines") -> asyncio.TimerHandle:
        """Bound the wait for the end of the initial events; warn before."""
        loop = asyncio.get_running_loop()
        late_s = self._deadlines.late_s
        lines.until = loop.time() + self._deadlines.initial_s
        text = "the streaming list of %s has not ended after %.0f s"
        name = self._resource.type_name
        return loop.call_later(late_s, log.warning, text, name, late_s)

    def _late(self, what: str, after_s: float) -> ApiError:
        return ApiError(f"{what} from {self._requests.server} within {after_s:g} s")


class Lines:
    """The lines of a watch; they end when nothing comes for ``silence_s``."""

    def __init__(self, content: StreamReader, silence_s: float) -> None:
        self._content = content
        self._silence_s = silence_s
        self.until: float | None = None
        """Time of the event loop at which the stream ends in any case."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield each line without its end.

        Raises:
            Gone: a line is too long to be read; only a list has its content.
            ApiError: the stream ends within a line.

        """
        begun: list[bytes] = []
        while chunk := await self._chunk():
            first, *others = chunk.split(b"\n")
            begun.append(first)
            if sum(map(len, begun)) > MOST_LINE:
                raise Gone(f"a line of the watch is longer than {MOST_LINE} bytes")
            if others:
                whole = [b"".join(begun), *others[:-1]]
                begun = [others[-1]]
                for number, line in enumerate(whole, 1):
                    if line.strip():
                        yield line
                    if number % BURST == 0:
                        await asyncio.sleep(0)
        if chunk is not None and b"".join(begun).strip():
            raise ApiError("the watch ended in the middle of a line")

    async def _chunk(self) -> bytes | None:
        """Return what has come; nothing at the end, None after silence."""
        wait = self._silence_s
        if self.until is not None:
            wait = self.until - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(wait):
                return await self._content.readany()
        except TimeoutError:
            return None


async def body_of(content: StreamReader, most: int) -> bytes:
    """Return a whole body.

    Raises:
        ApiError: it is longer than ``most``.

    """
    chunks, size = [], 0
    while chunk := await content.readany():
        size += len(chunk)
        if size > most:
            raise ApiError(f"the list is larger than {most} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def seconds(text: str) -> float | None:
    """Return a Retry-After in seconds; a date, or nonsense, is None."""
    return float(text) if text.isascii() and text.isdigit() else None


def cause(error: Exception) -> str:
    """Return why a connection failed, as one short line."""
    return decode.printable(str(error) or type(error).__name__)
