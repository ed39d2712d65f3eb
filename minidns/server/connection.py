"""A TCP or TLS connection of a client: messages with their lengths (RFC 1035 4.2.2).

Pipelined queries are answered in the order in which their answers are ready (RFC 7766
6.2.1.1). A zone transfer has the connection for itself: it starts when the queries
before it are answered, and no other is read until its last message is sent. There are
limits for the bytes of an incomplete message, for queries in flight, for bytes that the
client does not read, and for the time of each of these. An idle connection is one
object and one timer, without a task.
"""

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from functools import partial
from typing import Any, cast

from minidns.dns.model import Address, Query
from minidns.dns.rdata import AXFR, IXFR
from minidns.server.answer import Responder
from minidns.server.clients import Clients
from minidns.server.in_flight import InFlight, Task
from minidns.server.remembered import Miss
from minidns.system.limits import StreamLimits
from minidns.system.tasks import log_failure

MAX_IN_FLIGHT = 128
MAX_FRAME = 16 << 10
"""limit: bytes of a message that are parsed, CoreDNS: 64 KB; the rest is discarded.

A question with a padded OPT is smaller than 1 KB.
"""
_WRITE_BUFFER = 64 << 10
READ_SIZE = 2048
"""Bytes read at a time: some 50 queries, so that no client delays the others."""
_TRANSFERS = frozenset((AXFR, IXFR))


class ConnectionContext:
    """The objects that all connections of a listening socket share."""

    def __init__(
        self,
        responder: Responder,
        clients: Clients,
        in_flight: InFlight,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.responder = responder
        self.clients = clients
        self.in_flight = in_flight
        self.tls = tls
        self.read_buffer = memoryview(bytearray(READ_SIZE))
        """Memory for received bytes; a connection copies them before the next read."""

    @property
    def limits(self) -> StreamLimits:
        """The present limits of the listener."""
        return self.responder.answerer.limits


class Connection(asyncio.BufferedProtocol):
    """A connection, from the moment it is accepted."""

    def __init__(self, context: ConnectionContext, peer: Address) -> None:
        self.host = peer[0]
        self._context = context
        self._peer = peer
        self._opening: asyncio.Task[object] | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._buffer = bytearray()
        self._to_discard = 0
        """Bytes to discard of a message that is longer than MAX_FRAME."""
        self._unsent: list[bytes] = []
        self._tasks: set[Task] = set()
        self._transfer: Task | None = None
        self._received = 0
        """Number of messages received."""
        self._processing = False
        self._eof = False
        self._stopped = False
        """True if no further message is read."""
        self._writable: asyncio.Future[None] | None = None
        """Done when the client reads again; None unless the write buffer is full."""

    # -- life cycle

    def open(self, sock: socket.socket, opening: Coroutine[Any, Any, object]) -> None:
        """Run ``opening``, which connects this protocol to ``sock``."""
        self._opening = asyncio.get_running_loop().create_task(opening)
        self._opening.add_done_callback(partial(self._opened, sock))

    def _opened(self, sock: socket.socket, opening: asyncio.Task[object]) -> None:
        self._opening = None
        log_failure(opening)
        if opening.cancelled() or opening.exception() is not None:
            self._context.clients.remove(self)  # aborted, or the TLS handshake failed
            sock.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline of the first query."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._context.limits.read_s
        self._timer = loop.call_at(self._deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        """Stop if the client is too slow or idle for too long."""
        loop = asyncio.get_running_loop()
        idle_s = self._context.limits.idle_s
        when = loop.time() + idle_s if self._tasks else self._deadline
        if when > loop.time():
            self._timer = loop.call_at(when, self._check_deadline)
        else:
            self._timer = None
            self.stop()

    def _advance_timer(self) -> None:
        """Restart the timer if the deadline is earlier than before."""
        if self._timer is not None and self._deadline < self._timer.when():
            self._timer.cancel()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._deadline, self._check_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the client's queries in flight and remove the connection."""
        for timer in (self._timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._stopped = True
        self._transport = None
        self._wake_writers()
        for task in self._tasks:
            self._context.in_flight.cancel(task)
        self._context.clients.remove(self)

    def cancel(self) -> None:
        """Close now; queries in flight get SERVFAIL."""
        self.stop()
        for task in self._tasks:
            self._context.in_flight.cancel(task)

    def stop(self) -> None:
        """Read no further query; close when those in flight are answered."""
        self._stopped = True
        if self._transport is not None:
            self._transport.pause_reading()
            self._close_if_done()
        elif self._opening is not None:
            self._opening.cancel()

    def abort(self) -> None:
        """Close at once; nothing more is sent."""
        self._context.clients.remove(self)
        self._stopped = True
        if self._transport is not None:
            self._transport.abort()
        elif self._opening is not None:
            self._opening.cancel()

    def _close_if_done(self) -> None:
        if self._tasks or self._transport is None or self._transport.is_closing():
            return
        self._transport.close()
        # a client that never reads would keep a closing connection open forever
        if self._write_timer is None and self._transport.get_write_buffer_size():
            self._write_timer = self._abort_later()

    def _abort_later(self) -> asyncio.TimerHandle:
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        return loop.call_later(self._context.limits.write_s, self._transport.abort)

    # -- queries

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the memory that the next bytes are written to."""
        return self._context.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Process bytes that arrived."""
        if self._stopped:
            return
        if not self._buffer and not self._to_discard:
            limits = self._context.limits
            self._deadline = asyncio.get_running_loop().time() + limits.read_s
        discarded = min(self._to_discard, nbytes)
        self._to_discard -= discarded
        self._buffer += self._context.read_buffer[discarded:nbytes]
        self._process()
        self._advance_timer()

    def eof_received(self) -> bool:
        """Answer the queries that came before the end, then close."""
        self._eof = True
        self._process()
        return self._context.tls is None  # TLS has no half-closed connections

    def _process(self) -> None:
        """Start the complete messages, as many as may be in flight."""
        buffer, at = self._buffer, 0
        self._processing = True
        while not self._is_full and len(buffer) - at >= 2:
            size = buffer[at] << 8 | buffer[at + 1]
            end = at + 2 + min(size, MAX_FRAME)
            if len(buffer) < end:
                break
            self._receive(bytes(buffer[at + 2 : end]))
            at = end + size - min(size, MAX_FRAME)
            self._received += 1
            if self._received == self._context.limits.max_queries:
                self._stopped = True
        self._processing = False
        if at:
            self._to_discard += max(0, at - len(buffer))
            del buffer[:at]
            now, limits = asyncio.get_running_loop().time(), self._context.limits
            is_partial = buffer or self._to_discard
            self._deadline = now + (limits.read_s if is_partial else limits.idle_s)
            if not self._tasks:
                self._context.clients.mark_idle(self)
        self._flush()
        self._pause_or_resume()

    @property
    def _is_full(self) -> bool:
        """True if no further message may be read for now."""
        return (
            self._stopped
            or len(self._tasks) >= MAX_IN_FLIGHT
            or self._writable is not None
            or self._transfer is not None
        )

    def _pause_or_resume(self) -> None:
        """Resume or pause reading; close the connection if nothing is left to do."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._stopped or (self._eof and self._writable is None):
            self._transport.pause_reading()
            self._close_if_done()
        elif self._is_full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _receive(self, wire: bytes) -> None:
        responder = self._context.responder
        if (reply := responder.cached(wire)) is not None:
            self._send(reply)
            return
        decoded = responder.decode(wire, self._peer)
        if isinstance(decoded, tuple):
            self._start(*decoded)
        elif decoded is not None:
            self._send(decoded)

    def _start(self, query: Query, miss: Miss) -> None:
        is_transfer = query.question.qtype in _TRANSFERS
        before = {*self._tasks} if is_transfer else set()
        reply = partial(self._reply, query, miss, before)
        task = self._context.in_flight.start(reply)
        self._tasks.add(task)
        if is_transfer:
            self._transfer = task
        task.add_done_callback(self._finished)
        self._context.clients.mark_busy(self)

    async def _reply(self, query: Query, miss: Miss, before: set[Task]) -> None:
        if before:
            await asyncio.wait(before)
        responder = self._context.responder
        try:
            await responder.reply(query, miss, self._send, self._drained)
        except Exception:
            self.abort()
            raise

    def _finished(self, task: Task) -> None:
        self._tasks.discard(task)
        if task is self._transfer:
            self._transfer = None
            if task.cancelled():
                self.abort()  # the client would wait for the rest of it
        if not self._tasks:
            limits = self._context.limits
            self._deadline = asyncio.get_running_loop().time() + limits.idle_s
            self._context.clients.mark_idle(self)
        self._process()
        self._advance_timer()

    # -- replies

    def _send(self, reply: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._unsent.append(len(reply).to_bytes(2) + reply)
        if not self._processing:
            self._flush()

    def _flush(self) -> None:
        """Write all unsent replies at once."""
        unsent, self._unsent = self._unsent, []
        if unsent and self._transport is not None:
            self._transport.write(b"".join(unsent))
            sampler = self._context.responder.answerer.sampler
            if sampler is not None and sampler.wants_one():
                sampler.take([message[2:] for message in unsent])

    async def _drained(self) -> None:
        """Let other tasks run, and wait until the write buffer has room."""
        await asyncio.sleep(0)
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def pause_writing(self) -> None:
        """Start the time limit for a client that does not read."""
        self._writable = asyncio.get_running_loop().create_future()
        if self._write_timer is None:
            self._write_timer = self._abort_later()

    def resume_writing(self) -> None:
        """Continue, because the client reads again."""
        if self._write_timer is not None and self._transport is not None:
            self._write_timer.cancel()
            is_closing = self._transport.is_closing()
            self._write_timer = self._abort_later() if is_closing else None
        self._wake_writers()
        self._process()

    def _wake_writers(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None
