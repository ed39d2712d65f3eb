"""Clients of the small web server, and how little of them it must stand.

What strangers can cost is bounded: bytes before a request is whole, seconds of silence
or of not reading, connections in all. The newest connection is always served, the
oldest makes room: a probe of the kubelet gets through whoever sits on the others.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

from aiohttp import web

from minidns.http.endpoint import HttpReply

_SILENT = logging.Logger("requests", logging.CRITICAL)

TIMEOUT_S = 5.0
"""Seconds to read a request, to write a reply, to be idle (CoreDNS)."""
FIRST_S = 1.0
"""Seconds at the end in which a new connection may still ask (Go's Shutdown: 5)."""
LINGER_S = 1.0
"""Seconds in which an unwanted body is read away before the connection closes."""
MAX_HEAD = 16 << 10
"""Bytes that may arrive without being a whole request."""
MAX_CONNECTIONS = 64
"""limit: CoreDNS takes any number."""

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
"""For what a browser renders; a name from the network stays text there."""


def _response(reply: HttpReply) -> web.Response:
    headers = {
        "Content-Type": reply.content_type,
        "X-Content-Type-Options": "nosniff",
        "Server": "minidns",
    }
    if "html" in reply.content_type:
        headers |= _PAGE_HEADERS
    response = web.Response(body=reply.body, status=reply.status, headers=headers)
    if reply.status >= 400 and reply.status != 503:
        response.force_close()
    return response


class _Connection(web.RequestHandler):
    """A client, held to MAX_HEAD; a whole request sets ``unread`` back to 0."""

    unread = 0
    busy = False
    """Whether a reply is under way."""
    is_new = True
    """Whether no request has come yet."""

    def data_received(self, data: bytes) -> None:
        """Take bytes from the client, unless there are too many of them."""
        self.unread += len(data)
        if self.unread > MAX_HEAD:
            self.force_close()
        else:
            super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return what a request that cannot be read gets: not its own bytes."""
        return _response(HttpReply(b"%d bad request\n" % status, status))


class Connections(web.Server):
    """The open connections of a listener, and the maker of more."""

    def __init__(
        self,
        reply: Callable[[web.BaseRequest], Awaitable[HttpReply]],
        timeout_s: float,
    ) -> None:
        super().__init__(self._respond)
        self._loop = asyncio.get_running_loop()
        self._reply = reply
        self._timeout_s = timeout_s
        self._changed = asyncio.Event()
        """Set when somebody asks or goes."""

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of one more connection."""
        return _Connection(
            self,
            loop=self._loop,
            keepalive_timeout=self._timeout_s,
            lingering_time=LINGER_S,
            access_log=_SILENT,
        )

    def connection_made(
        self, handler: web.RequestHandler, transport: asyncio.Transport
    ) -> None:
        """Take one more connection in; the oldest may make room."""
        super().connection_made(handler, transport)
        # those that were told to close are still here until the loop comes round
        is_open = [each for each in self.connections if each.transport is not None]
        if len(is_open) > MAX_CONNECTIONS:
            is_open[0].force_close()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Note that a client has gone."""
        super().connection_lost(handler, exc)
        self._changed.set()

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast(_Connection, request.protocol)
        connection.unread, connection.busy, connection.is_new = 0, True, False
        self._changed.set()
        response = _response(await self._reply(request))
        try:
            async with asyncio.timeout(self._timeout_s):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            connection.busy = False
        return response

    async def shutdown(self, timeout: float | None = None) -> None:
        """Let replies under way end; who only keeps a connection is not waited for.

        But who has just come may ask.
        """
        self._close_idle(also_new=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_S):
                await self._until_all_have_asked()
        self._close_idle(also_new=True)
        await super().shutdown(timeout)

    async def _until_all_have_asked(self) -> None:
        while any(cast(_Connection, each).is_new for each in self.connections):
            self._changed.clear()
            await self._changed.wait()

    def _close_idle(self, *, also_new: bool) -> None:
        for each in self.connections:
            connection = cast(_Connection, each)
            if not connection.busy and (also_new or not connection.is_new):
                connection.force_close()
