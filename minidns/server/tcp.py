"""TCP and TLS: connections accepted, bounded in number, ended when it is time.

What happens on a connection is in `connection`, who has to leave for another in
`clients`. Nobody is waited for without a deadline.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable

from minidns.metrics.registry import Metrics
from minidns.server.answer import Answerer
from minidns.server.clients import Clients
from minidns.server.connection import Connection, Service
from minidns.server.in_flight import Waiting
from minidns.server.remembered import Memory
from minidns.system import files
from minidns.system.addresses import shown
from minidns.system.limits import fair_share
from minidns.text.files import reason

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 2048
"""limit: CoreDNS takes any number. An idle one takes 3 KB (measured)."""
MAX_WAITING = 2048
"""Queries of all connections that may wait at a time, as by UDP (5 to 10 KB each)."""
MAX_PER_CLIENT = 100
"""Connections of one address that may be idle or have sent a part of a query."""
_BACKLOG = 256
_AT_ONCE = 16
"""Connections accepted per wake-up: more would keep the datagrams waiting."""
_PAUSE_S = 0.1
"""Seconds without accepting when the process has no file descriptor left."""
_SAID_EVERY_S = 60.0


class Streams:
    """One listening TCP socket, answered until it is closed."""

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
        self._local = shown(sock.getsockname())
        most = max_connections or fair_share(MAX_CONNECTIONS)
        self._clients = Clients(most, MAX_PER_CLIENT)
        self._waiting = Waiting(fair_share(MAX_WAITING), self._count_dropped)
        self._service = Service(
            answerer, memory, now, self._clients, self._waiting, tls
        )
        self._pause: asyncio.TimerHandle | None = None
        self._said_at = float("-inf")
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
        """Return how many clients are connected."""
        return len(self._clients)

    async def start(self) -> None:
        """Begin to accept."""
        self._sock.listen(_BACKLOG)
        self._go_on()

    def _go_on(self) -> None:
        self._pause = None
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._accept)

    def stop_reading(self) -> None:
        """Accept no more connections."""
        if self._sock.fileno() < 0:
            return
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop accepting, let queries in work end within ``grace_s``, then hang up."""
        self.stop_reading()
        for client in self._clients.each():
            client.stop()
        if not await self._clients.gone(grace_s):
            for client in self._clients.each():
                client.hang_up()
        await self._waiting.end(0)
        await asyncio.sleep(0)  # the transports close in the loop's next turn

    def _count_dropped(self) -> None:
        self._dropped.inc(("tcp",))

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, peer = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as exc:  # too many open files, or no memory
                self._wait(exc)
                return
            self._admit(sock, shown(peer))

    def _wait(self, reason: OSError) -> None:
        """Leave those who want to connect in the queue for a moment."""
        loop = asyncio.get_running_loop()
        self._clients.make_room()
        loop.remove_reader(self._sock.fileno())
        self._pause = loop.call_later(_PAUSE_S, self._go_on)
        if loop.time() - self._said_at > _SAID_EVERY_S:
            self._said_at = loop.time()
            text = os.strerror(reason.errno or 0).lower()
            log.warning("TCP connections have to wait: accept: %s", text)

    def _admit(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        connection = Connection(self._service, peer, self._local)
        if self._clients.admit(connection):
            self._refused.inc()
        sock.setblocking(False)
        tls, limits = self._service.tls, self._service.answerer.limits
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


def context(
    certificate: str, key: str, ca: str = "", client_auth: str = "nocert"
) -> ssl.SSLContext:
    """Return what a ``tls://`` listener shows and asks of clients.

    ``client_auth`` is nocert, verify_if_given or require_and_verify, by ``ca`` or what
    the system trusts.

    Raises:
        OSError, ssl.SSLError: a file cannot be read or is not what it should be.

    """
    for path in filter(None, (certificate, key, ca)):
        try:
            files.require_regular(path)
        except OSError as exc:
            raise OSError(f"tls: {reason(exc, path)}") from exc
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(certificate, key)
    made.verify_mode = _VERIFY[client_auth]
    if ca:
        made.load_verify_locations(ca)
    elif client_auth != "nocert":
        made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    return made
