"""One client's stream of queries: a length before each message (RFC 1035 4.2.2).

Pipelined queries are answered as their answers are ready (RFC 7766 6.2.1.1). What a
client can cost is bounded: the bytes it may send before a message is whole, queries in
work, bytes it does not read, and seconds for each. An idle connection is one object
and one timer; no task waits for it.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from minidns.dns.model import Address, Dropped, Query, Rcode, Response
from minidns.dns.wire import encode_response
from minidns.server.answer import Answerer
from minidns.server.clients import Clients
from minidns.server.in_flight import Waiting
from minidns.server.remembered import Memory, Miss, channel
from minidns.system.limits import StreamLimits
from minidns.upstream.errand import Errand

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 128
MAX_FRAME = 16 << 10
"""Bytes of a message that are looked at; what comes behind is read and thrown away.

limit: CoreDNS looks at 64 KB; a question and its OPT, padded, are below 1 KB.
"""
_WRITE_BUFFER = 64 << 10
SCRATCH = 2048
"""Bytes read at a time: some 50 queries, so that no client holds up the others."""


class Service:
    """What the connections of a listener share."""

    def __init__(
        self,
        answerer: Answerer,
        memory: Memory,
        now: Callable[[], float],
        clients: Clients,
        waiting: Waiting,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answerer = answerer
        self.memory = memory
        self.now = now
        self.clients = clients
        self.waiting = waiting
        self.tls = tls
        self.scratch = memoryview(bytearray(SCRATCH))
        """Where everybody's bytes arrive; they are taken out before the next come."""


class Connection(asyncio.BufferedProtocol):
    """A client that is connected, from its being accepted on."""

    def __init__(self, service: Service, peer: Address, local: Address) -> None:
        self.host = peer[0]
        self._service = service
        self._peer = peer
        self._local = local
        self._channel = channel("tcp", ipv6=":" in peer[0])
        self._opening: asyncio.Task[object] | None = None
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._buffer = bytearray()
        self._skip = 0
        """Bytes to come that nobody will look at."""
        self._out: list[bytes] = []
        self._work: set[Errand] = set()
        self._begun = 0
        """Messages that came, to whatever end."""
        self._taking = self._ended = self._stopped = False
        self._room: asyncio.Future[None] | None = None

    @property
    def _limits(self) -> StreamLimits:
        return self._service.answerer.limits

    # -- its life

    def open(self, sock: socket.socket, opening: Coroutine[Any, Any, object]) -> None:
        """Become a connection by ``opening``, which makes a transport of ``sock``."""
        self._opening = asyncio.get_running_loop().create_task(opening)
        self._opening.add_done_callback(partial(self._opened, sock))

    def _opened(self, sock: socket.socket, opening: asyncio.Task[object]) -> None:
        self._opening = None
        if opening.cancelled() or opening.exception() is not None:
            self._service.clients.left(self)  # hung up on, or no TLS after all
            sock.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first query."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._limits.read_s
        self._timer = loop.call_at(self._deadline, self._look_at_clock)

    def _look_at_clock(self) -> None:
        """Hang up on a client that is too slow, or silent for too long."""
        loop = asyncio.get_running_loop()
        when = loop.time() + self._limits.idle_s if self._work else self._deadline
        if when > loop.time():
            self._timer = loop.call_at(when, self._look_at_clock)
        else:
            self._timer = None
            self.stop()

    def _hasten(self) -> None:
        """Look at the clock sooner, if the deadline is earlier than it was."""
        if self._timer is not None and self._deadline < self._timer.when():
            self._timer.cancel()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._deadline, self._look_at_clock)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client, and whatever is still in work for it."""
        for timer in (self._timer, self._stalled):
            if timer is not None:
                timer.cancel()
        self._stopped = True
        self._transport = None
        self._wake()
        for errand in self._work:
            errand.cancel()
        self._service.clients.left(self)

    def give_up(self) -> None:
        """End it now; what is in work is answered SERVFAIL."""
        self.stop()
        for errand in self._work:
            errand.cancel()

    def stop(self) -> None:
        """Read no further query; end when those in work are answered."""
        self._stopped = True
        if self._transport is not None:
            self._transport.pause_reading()
            self._end_if_done()
        elif self._opening is not None:
            self._opening.cancel()

    def hang_up(self) -> None:
        """End it at once."""
        self._service.clients.left(self)
        self._stopped = True
        if self._transport is not None:
            self._transport.abort()
        elif self._opening is not None:
            self._opening.cancel()

    def _end_if_done(self) -> None:
        if self._work or self._transport is None or self._transport.is_closing():
            return
        self._transport.close()
        # what is not read would keep a closed connection open for ever
        if self._stalled is None:
            self._stalled = self._in(self._limits.write_s)

    def _in(self, seconds: float) -> asyncio.TimerHandle:
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        return loop.call_later(seconds, self._transport.abort)

    # -- what it asks

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes are to go."""
        return self._service.scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come."""
        if self._stopped:
            return
        if not self._buffer and not self._skip:
            self._deadline = asyncio.get_running_loop().time() + self._limits.read_s
        skipped = min(self._skip, nbytes)
        self._skip -= skipped
        self._buffer += self._service.scratch[skipped:nbytes]
        self._take()
        self._hasten()

    def eof_received(self) -> bool:
        """Answer what was asked before the end, then end."""
        self._ended = True
        self._take()
        return self._service.tls is None  # TLS has no half-closed connections

    def _take(self) -> None:
        """Begin with the queries that have come, as many as may be in work."""
        buffer = self._buffer
        at = 0
        self._taking = True
        while not self._is_full and len(buffer) - at >= 2:
            size = buffer[at] << 8 | buffer[at + 1]
            end = at + 2 + min(size, MAX_FRAME)
            if len(buffer) < end:
                break
            self._begin(bytes(buffer[at + 2 : end]))
            at = end + size - min(size, MAX_FRAME)
            self._begun += 1
            if self._begun == self._limits.max_queries:
                self._stopped = True
        self._taking = False
        if at:
            self._skip += max(0, at - len(buffer))
            del buffer[:at]
            now, limits = asyncio.get_running_loop().time(), self._limits
            is_partial = buffer or self._skip
            self._deadline = now + (limits.read_s if is_partial else limits.idle_s)
            if not self._work:
                self._service.clients.rests(self)
        self._flush()
        self._pace()

    @property
    def _is_full(self) -> bool:
        """Whether no further query is to be begun with just now."""
        return (
            self._stopped or len(self._work) >= MAX_IN_FLIGHT or self._room is not None
        )

    def _pace(self) -> None:
        """Read, or let the client wait; end when there is nothing more to do."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._stopped or (self._ended and self._room is None):
            self._transport.pause_reading()
            self._end_if_done()
        elif self._is_full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _begin(self, wire: bytes) -> None:
        service = self._service
        key = self._channel, wire[2:]
        if (tail := service.memory.get(key, service.now())) is not None:
            self._say(wire[:2] + tail)
            return
        miss = service.memory.miss(key)
        query = service.answerer.decode(wire, "tcp", self._peer, self._local, miss)
        if not isinstance(query, Query):
            if query is not None:
                self._say(query)
            return
        work = self._reply(query, miss)
        try:
            waiting = work.send(None)
        except StopIteration:
            return
        self._work.add(service.waiting.add(work, waiting, self._done))
        service.clients.works(self)

    def _done(self, errand: Errand, failure: Exception | None) -> None:
        self._work.discard(errand)
        if failure is not None:
            log.error("no reply to %s could be made", self.host, exc_info=failure)
            self.hang_up()
        if not self._work:
            self._deadline = asyncio.get_running_loop().time() + self._limits.idle_s
            self._service.clients.rests(self)
        self._take()
        self._hasten()

    # -- what it is told

    async def _reply(self, query: Query, miss: Miss) -> None:
        try:
            response = await self._service.answerer.respond(query)
        except Dropped:
            return
        except (asyncio.CancelledError, GeneratorExit):  # it had to make room
            self._say(encode_response(query, Response(Rcode.SERVFAIL)))
            raise
        reply = self._service.answerer.encode(query, response)
        self._say(reply)
        self._service.memory.put(miss, query, response, reply)
        for message in response.more:
            await asyncio.sleep(0)  # a transfer is long: others have their turn
            if self._room is not None:
                await asyncio.shield(self._room)
            self._say(self._service.answerer.encode(query, message))

    def _say(self, reply: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._out.append(len(reply).to_bytes(2) + reply)
        if not self._taking:
            self._flush()

    def _flush(self) -> None:
        """Send what is to be said, in one piece."""
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    def pause_writing(self) -> None:
        """Wait for the client to read, but not for long."""
        self._room = asyncio.get_running_loop().create_future()
        if self._stalled is None:
            self._stalled = self._in(self._limits.write_s)

    def resume_writing(self) -> None:
        """Go on: the client reads after all."""
        if self._stalled is not None and self._transport is not None:
            self._stalled.cancel()
            is_closing = self._transport.is_closing()
            self._stalled = self._in(self._limits.write_s) if is_closing else None
        self._wake()
        self._take()

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
