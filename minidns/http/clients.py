"""Client connections of the web server, with limits.

Limited are the bytes before a request is complete, the seconds without reading or
writing, and the number of connections. A new connection is always served, and closes
the oldest one at the limit: a probe of the kubelet succeeds even if another client
holds all connections.
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
"""Seconds at shutdown for the first request of a connection (Go: 5)."""
LINGER_S = 1.0
"""Seconds in which a rejected body is discarded before the connection closes."""
MAX_HEAD = 16 << 10
"""Maximum bytes of an incomplete request."""
MAX_CONNECTIONS = 64
"""limit: connections; CoreDNS accepts any number."""

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
"""Headers of HTML pages: names from the network must not become markup."""


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
    """A client connection limited to MAX_HEAD; a complete request resets ``unread``."""

    unread = 0
    busy = False
    """True while a reply is being sent."""
    is_new = True
    """True before the first request."""

    def data_received(self, data: bytes) -> None:
        """Pass on bytes from the client; close the connection if there are too many."""
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
        """Return the reply to a malformed request, which does not echo its bytes."""
        return _response(HttpReply(b"%d bad request\n" % status, status))


class Connections(web.Server):
    """The open connections of a listener; a protocol factory for new ones."""

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
        """Set when a client sends a request or disconnects."""

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
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
        """Add a connection; close the oldest one above the limit."""
        super().connection_made(handler, transport)
        # a closed connection stays in the list until the loop runs again
        is_open = [
            connection
            for connection in self.connections
            if connection.transport is not None
        ]
        if len(is_open) > MAX_CONNECTIONS:
            is_open[0].force_close()

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        """Remove a closed connection."""
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
        """Finish replies in flight and close idle connections.

        A new connection may still send its first request for FIRST_S.
        """
        self._close_idle(also_new=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_S):
                await self._first_requests()
        self._close_idle(also_new=True)
        await super().shutdown(timeout)

    async def _first_requests(self) -> None:
        while any(
            cast(_Connection, connection).is_new for connection in self.connections
        ):
            self._changed.clear()
            await self._changed.wait()

    def _close_idle(self, *, also_new: bool) -> None:
        for handler in self.connections:
            connection = cast(_Connection, handler)
            if not connection.busy and (also_new or not connection.is_new):
                connection.force_close()
