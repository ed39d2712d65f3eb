"""The web server of health, readiness, metrics and ``minidns why``.

This module routes requests and checks who may send them; connections are in `clients`.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from inspect import isawaitable
from typing import NamedTuple, cast

from aiohttp import web

from minidns.dns.model import Address
from minidns.http.clients import MAX_CONNECTIONS as MAX_CONNECTIONS
from minidns.http.clients import MAX_HEAD as MAX_HEAD
from minidns.http.clients import TIMEOUT_S, Connections
from minidns.http.endpoint import HttpHandler, HttpReply
from minidns.http.listener import ListeningSockets
from minidns.system.addresses import shown
from minidns.system.tasks import log_failure

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Pause of accepting, in seconds, if no file descriptor is left."""

NOT_FOUND = HttpReply(b"404 page not found\n", 404)
_METHOD = HttpReply(b"405 method not allowed\n", 405)
_BODY = HttpReply(b"413 a body is of no use here\n", 413)
_HOST = HttpReply(b"421 this server has another name\n", 421)
_BROKEN = HttpReply(b"500 internal server error\n", 500)


class _Endpoint(NamedTuple):
    path: str
    handler: HttpHandler
    hosts: frozenset[str]
    """Accepted names in the Host header, lower-case; empty for any."""


class HttpEndpoints:
    """The endpoints of one loaded Corefile by address."""

    def __init__(
        self,
        timeout_s: float = TIMEOUT_S,
        sockets: ListeningSockets | None = None,
    ) -> None:
        """Create endpoints; pass the ``sockets`` of the process to share them."""
        self._timeout_s = timeout_s
        self._sockets = sockets or ListeningSockets()
        self._listeners: dict[str, _Listener] = {}

    def add(
        self, address: str, path: str, handler: HttpHandler, hosts: Collection[str] = ()
    ) -> Callable[[], Awaitable[None]]:
        """Serve ``path`` at ``address`` after ``open``; return a function that ends it.

        Endpoints may share an address; the last one added for a path answers. With
        ``hosts`` the path is a page for a browser on this machine: only a GET with one
        of these names is answered, so that no web site can read it by pointing its own
        name here (DNS rebinding).
        """
        new = _Listener(address, self._timeout_s)
        listener = self._listeners.setdefault(address, new)
        names = frozenset(name.lower().partition("%")[0] for name in hosts)
        added = _Endpoint(path, handler, names)
        listener.endpoints.append(added)

        async def close() -> None:
            if added in listener.endpoints:
                listener.endpoints.remove(added)
            if not listener.endpoints:
                await listener.close()

        return close

    def bound(self, address: str) -> Address:
        """Return the bound address of ``address``, with the chosen port if it was 0."""
        return self._listeners[address].bound()

    async def open(self) -> None:
        """Bind every address and start to answer.

        Raises:
            OSError: ``listen tcp :9153: bind: address already in use`` and the like.

        """
        try:
            for listener in self._listeners.values():
                await listener.open(self._sockets)
        except OSError:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening and finish replies in flight."""
        for listener in self._listeners.values():
            await listener.close()
            listener.endpoints.clear()  # their handlers refer to the owner of this


class _Listener:
    """One address, and the endpoints that share it.

    It calls accept itself: a connection that arrives while asyncio's own Server closes
    is neither served nor closed (CPython before 3.12).
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self.endpoints: list[_Endpoint] = []
        self._sock: socket.socket | None = None
        self._connections: Connections | None = None
        self._opening: set[asyncio.Task[object]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def bound(self) -> Address:
        assert self._sock is not None
        return shown(self._sock.getsockname())

    async def open(self, sockets: ListeningSockets) -> None:
        if not self.endpoints:
            return  # closed before it was opened
        self._sock = await sockets.listen(self.address)
        self._sock.setblocking(False)
        self._connections = Connections(self._reply, self._timeout_s)
        self._go_on()

    def _go_on(self) -> None:
        assert self._sock is not None
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> bool:
        """Accept the next connection; return False if there was none."""
        assert self._sock is not None
        loop = asyncio.get_running_loop()
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as exc:  # too many open files, or no memory
            log.warning("%s: accept: %s", self.address, exc.strerror)
            loop.remove_reader(self._sock.fileno())
            self._pause = loop.call_later(PAUSE_S, self._go_on)
            return False
        assert self._connections is not None
        sock.setblocking(False)
        opening = loop.create_task(
            loop.connect_accepted_socket(self._connections, sock)
        )
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)
        opening.add_done_callback(log_failure)
        return True

    async def close(self) -> None:
        if self._sock is None or self._connections is None:
            return
        while self._accept():
            pass  # closing the socket would reset connections in its backlog
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()
        self._sock = None
        await asyncio.gather(*self._opening, return_exceptions=True)
        await self._connections.shutdown(self._timeout_s)

    async def _reply(self, request: web.BaseRequest) -> HttpReply:
        endpoints = [
            endpoint for endpoint in self.endpoints if endpoint.path == request.path
        ]
        if not endpoints:
            return NOT_FOUND
        _, handler, hosts = endpoints[-1]
        refusal = _refusal(request, hosts)
        if refusal is not None:
            return refusal
        try:
            reply = handler(cast(Mapping[str, str], request.query), request.headers)
            return await reply if isawaitable(reply) else reply
        except Exception:  # a failing page must not affect the probes
            log.exception("%s%s", self.address, request.path)
            return _BROKEN


def _refusal(request: web.BaseRequest, hosts: Collection[str]) -> HttpReply | None:
    """Return the error for a request that its endpoint must not get, or None.

    CoreDNS answers any method; minidns rejects CONNECT and TRACE, which would make it
    a proxy or a mirror, and a body, which no endpoint reads.
    """
    if request.method in ("CONNECT", "TRACE"):
        return _METHOD
    if hosts and request.method not in ("GET", "HEAD"):
        return _METHOD
    if request.can_read_body:
        return _BODY
    if hosts and _name(request.headers.get("Host", "")) not in hosts:
        return _HOST
    return None


def _name(host: str) -> str:
    """Return the host name in a Host header, without port and zone (RFC 6874 4)."""
    if host.startswith("["):
        return host[1:].partition("]")[0].partition("%")[0].lower()
    return host.partition(":")[0].lower()
