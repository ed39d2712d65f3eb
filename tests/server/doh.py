"""A DoH server on loopback that does what a test's script says, with real TLS."""

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType

from aiohttp import web

from tests.server.resolvers import good

TYPE = "application/dns-message"


@dataclass
class Asked:
    """A request as the server got it."""

    method: str
    path: str
    wire: bytes
    """The DNS message in it."""
    headers: dict[str, str]
    connection: int
    """Which connection it came by, counted from 0."""


Script = Callable[[Asked], Awaitable[web.Response]]


async def answer_well(asked: Asked) -> web.Response:
    """Reply as a resolver does."""
    return web.Response(body=good(asked.wire), content_type=TYPE)


class DohServer:
    """A server at a port of its own; speaks HTTP/1.1."""

    def __init__(self, tls: ssl.SSLContext, script: Script = answer_well, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.script = script
        self.host, self.port = "127.0.0.1", port
        self._tls = tls
        self._connections: list[asyncio.BaseTransport] = []
        self._runner: web.ServerRunner | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """The number of requests so far."""
        return len(self._connections)

    def hang_up(self) -> None:
        """End all connections."""
        for each in self._connections:
            each.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        if request.transport not in self._connections:
            self._connections.append(request.transport)
        if request.method == "GET":
            text = request.query.get("dns", "")
            assert "=" not in text
            wire = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        else:
            wire = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        connection = self._connections.index(request.transport)
        asked = Asked(request.method, request.path, wire, headers, connection)
        self.asked.append(asked)
        return await self.script(asked)

    async def __aenter__(self) -> "DohServer":
        self._runner = web.ServerRunner(web.Server(self._handle))
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Go away: who connects from now on is refused."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
