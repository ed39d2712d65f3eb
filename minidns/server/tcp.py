"""TCP and TLS listeners: accept connections, limit their number, and close them.

`connection` answers the queries on a connection; `clients` decides which connection is
closed when there are too many. Every wait for a client has a time limit.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable

from minidns.metrics.registry import Metrics
from minidns.server.answer import Answerer, Responder
from minidns.server.clients import Clients
from minidns.server.connection import Connection, ConnectionContext
from minidns.server.in_flight import InFlight
from minidns.server.remembered import Memory
from minidns.system import files
from minidns.system.addresses import shown
from minidns.system.limits import fair_share
from minidns.text.files import reason

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
"""limit: connections; CoreDNS accepts any number. An idle one takes 3 KB (measured)."""
MAX_IN_FLIGHT = 3072
"""limit: queries in flight on all connections, as for UDP (6 to 14 KB each)."""
MAX_IDLE_PER_CLIENT = 100
"""limit: idle connections of one address, also those with an incomplete query."""
_BACKLOG = 256
_ACCEPTED_AT_ONCE = 16
"""Connections accepted per wake-up; more would delay UDP queries."""
_RETRY_S = 0.1
"""Seconds until the next accept if the process has no file descriptor left."""
_WARN_EVERY_S = 60.0


class TcpListener:
    """A listening TCP socket, served until it is closed."""

    def __init__(
        self,
        sock: socket.socket,
        answerer: Answerer,
        memory: Memory,
        metrics: Metrics,
        now: Callable[[], float],
        tls: ssl.SSLContext | None = None,
        max_connections: int | None = None,
    ) -> None:
        self._sock = sock
        limit = max_connections or fair_share(MAX_CONNECTIONS)
        self._clients = Clients(limit, MAX_IDLE_PER_CLIENT)
        self.in_flight = InFlight(fair_share(MAX_IN_FLIGHT), self._count_dropped)
        local = shown(sock.getsockname())
        responder = Responder(answerer, memory, "tcp", local, now)
        self._context = ConnectionContext(responder, self._clients, self.in_flight, tls)
        self._retry: asyncio.TimerHandle | None = None
        self._warned_at = float("-inf")
        self._refused = metrics.counter(
            "minidns_refused_connections_total",
            "TCP connections closed because there were too many.",
        )
        self._dropped = metrics.counter(
            "minidns_dropped_queries_total",
            "Queries dropped because too many were waiting.",
            ("proto",),
        )
        sock.setblocking(False)

    def __len__(self) -> int:
        """Return the number of open connections."""
        return len(self._clients)

    async def start(self) -> None:
        """Begin to accept connections."""
        self._sock.listen(_BACKLOG)
        self._resume()

    def _resume(self) -> None:
        self._retry = None
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._accept)

    def stop_reading(self) -> None:
        """Accept no more connections."""
        if self._sock.fileno() < 0:
            return
        if self._retry is not None:
            self._retry.cancel()
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop accepting, give queries in flight ``grace_s`` seconds, then close."""
        self.stop_reading()
        for client in self._clients.all():
            client.stop()
        if not await self._clients.wait_empty(grace_s):
            for client in self._clients.all():
                client.abort()
        await self.in_flight.close(0)
        await asyncio.sleep(0)  # transports close in the next iteration of the loop

    def _count_dropped(self) -> None:
        self._dropped.inc(("tcp",))

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:  # too many open files, or no memory
                self._pause_accepting(exc)
                return
            self._admit(sock, shown(peer))

    def _pause_accepting(self, error: OSError) -> None:
        """Leave new connections in the kernel's queue for ``_RETRY_S``."""
        loop = asyncio.get_running_loop()
        self._clients.evict_one()
        loop.remove_reader(self._sock.fileno())
        self._retry = loop.call_later(_RETRY_S, self._resume)
        if loop.time() - self._warned_at > _WARN_EVERY_S:
            self._warned_at = loop.time()
            text = os.strerror(error.errno or 0).lower()
            log.warning("TCP connections have to wait: accept: %s", text)

    def _admit(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        connection = Connection(self._context, peer)
        if self._clients.admit(connection):
            self._refused.inc()
        sock.setblocking(False)
        tls, limits = self._context.tls, self._context.limits
        opening = asyncio.get_running_loop().connect_accepted_socket(
            lambda: connection,
            sock,
            ssl=tls,
            ssl_handshake_timeout=limits.read_s if tls else None,
            ssl_shutdown_timeout=limits.write_s if tls else None,
        )
        connection.open(sock, opening)


_VERIFY = {
    "nocert": ssl.CERT_NONE,
    "verify_if_given": ssl.CERT_OPTIONAL,
    "require_and_verify": ssl.CERT_REQUIRED,
}


def tls_context(
    certificate: str, key: str, ca: str = "", client_auth: str = "nocert"
) -> ssl.SSLContext:
    """Return the TLS settings of a ``tls://`` listener.

    ``client_auth`` is nocert, verify_if_given or require_and_verify; certificates of
    clients are verified by ``ca``, or else by the system's certificates.

    Raises:
        OSError, ssl.SSLError: a file cannot be read or used.

    """
    for path in filter(None, (certificate, key, ca)):
        try:
            files.require_regular(path)
        except OSError as exc:
            raise OSError(f"tls: {reason(exc, path)}") from exc
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.verify_mode = _VERIFY[client_auth]
    if ca:
        context.load_verify_locations(ca)
    elif client_auth != "nocert":
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    return context
