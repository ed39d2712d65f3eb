"""TCP and TLS: messages with a length before them, several on one connection.

Pipelined queries are answered as their answers are ready (RFC 7766 6.2.1.1), with a
bounded number in work per connection: past that the connection is not read. Nobody is
waited for without a deadline, and nothing is reserved by what a length claims.
"""

import asyncio
import contextlib
import logging
import socket
import ssl

from minidns.core.metrics import Metrics
from minidns.core.model import Address, Query
from minidns.net.answer import Answerer

log = logging.getLogger(__name__)

FIRST_S, FRAME_S, WRITE_S, IDLE_S = 3.0, 3.0, 5.0, 10.0
"""Seconds for the first query, a whole frame, a write, and between queries."""
MAX_IN_FLIGHT = 128
MAX_CONNECTIONS = 1024
MAX_PER_CLIENT = 100
_WRITE_BUFFER = 256 << 10


class Streams:
    """One listening TCP socket, answered until it is closed."""

    def __init__(
        self,
        sock: socket.socket,
        answerer: Answerer,
        metrics: Metrics,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._sock = sock
        self._answerer = answerer
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._refused = metrics.counter(
            "minidns_refused_connections_total",
            "TCP connections closed because there were too many.",
        )

    async def start(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(
            self._accept, sock=self._sock, ssl=self._tls, backlog=256
        )

    def stop_reading(self) -> None:
        """Accept no more connections."""
        if self._server is not None:
            self._server.close()

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop accepting, let queries in work end within ``grace_s``, then hang up."""
        self.stop_reading()
        for connection in self._connections.values():
            connection.stop()
        if self._connections:
            await asyncio.wait(self._connections, timeout=grace_s)
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(reader, writer, self._answerer)
        if not self._make_room(connection.peer[0]):
            self._refused.inc()
            writer.close()
            return
        self._connections[task] = connection
        try:
            await connection.serve()
        except (OSError, EOFError, TimeoutError, asyncio.CancelledError):
            pass  # gone, silent or too slow: that is the client's affair
        finally:
            del self._connections[task]
            writer.close()

    def _make_room(self, host: str) -> bool:
        """Return whether one more connection of ``host`` may stay."""
        if (
            sum(each.peer[0] == host for each in self._connections.values())
            >= MAX_PER_CLIENT
            and len(self._connections) >= MAX_PER_CLIENT * 2
        ):
            return False
        if len(self._connections) < MAX_CONNECTIONS:
            return True
        idle = [each for each in self._connections.items() if each[1].idle]
        if not idle:
            return False
        idle[0][0].cancel()  # the oldest idle one makes room
        return True


class _Connection:
    """One client's stream of queries."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answerer: Answerer,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._answerer = answerer
        self.peer: Address = (writer.get_extra_info("peername") or ("", 0))[:2]
        self._local: Address = (writer.get_extra_info("sockname") or ("", 0))[:2]
        self._work: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._stopping = False
        self._reading: asyncio.Task[bytes | None] | None = None
        writer.transport.set_write_buffer_limits(high=_WRITE_BUFFER)

    @property
    def idle(self) -> bool:
        """Whether no query of this client is in work."""
        return not self._work

    def stop(self) -> None:
        """Read no further query."""
        self._stopping = True
        if self._reading is not None:
            self._reading.cancel()

    async def serve(self) -> None:
        """Answer queries until the client ends, errs or is silent too long."""
        patience = FIRST_S
        try:
            while not self._stopping:
                await self._room.acquire()
                wire = await self._next(patience)
                if wire is None or not self._begin(wire):
                    break
                patience = IDLE_S
        finally:
            if self._work:
                await asyncio.wait(self._work, timeout=WRITE_S)
            for task in self._work:
                task.cancel()

    async def _next(self, patience: float) -> bytes | None:
        """Return the next message, or None at the end."""
        self._reading = asyncio.ensure_future(self._frame(patience))
        try:
            return await self._reading
        except asyncio.CancelledError:
            self._reading.cancel()
            if self._stopping:
                return None
            raise

    async def _frame(self, patience: float) -> bytes | None:
        try:
            async with asyncio.timeout(patience):
                first = await self._reader.readexactly(1)
            async with asyncio.timeout(FRAME_S):  # for all of it: no slow drip
                size = int.from_bytes(first + await self._reader.readexactly(1))
                return await self._reader.readexactly(size) if size else None
        except (EOFError, OSError, TimeoutError):
            return None

    def _begin(self, wire: bytes) -> bool:
        """Start on a message; return whether the connection goes on after it."""
        query = self._answerer.decode(wire, "tcp", self.peer, self._local)
        if query is None:
            return False
        task = asyncio.ensure_future(self._answer(query))
        self._work.add(task)
        task.add_done_callback(self._done)
        return not isinstance(query, bytes)  # after garbage the framing is not trusted

    def _done(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            self._writer.close()

    async def _answer(self, query: Query | bytes) -> None:
        replies = (
            [query] if isinstance(query, bytes) else await self._answerer.answer(query)
        )
        for reply in replies:
            self._writer.write(len(reply).to_bytes(2) + reply)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(WRITE_S):
                await self._writer.drain()


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
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(certificate, key)
    made.verify_mode = _VERIFY[client_auth]
    if ca:
        made.load_verify_locations(ca)
    elif client_auth != "nocert":
        made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    return made
