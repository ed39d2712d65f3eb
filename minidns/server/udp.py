"""A UDP listener: sends remembered replies at once, and queues the other queries.

    receive_many --remembered--> send_many
         |
         '--not remembered--> queue --> task in flight --> unsent replies --> send_many

One wake-up of the event loop reads many datagrams. Queries with remembered replies are
answered at once. The others are queued for the chain, which costs thirty times as much.
While queries with remembered replies arrive, only a few of the queue are started in an
iteration of the loop, so that the former need not wait. A query in progress is a task,
and the number of tasks is bounded (see `in_flight`).

When the queue is full, the newest query gets SERVFAIL: it costs a tenth of an answer,
and the client asks the next server at once. Queue and receive buffer are so short that
even the oldest query in them is answered before its client gives up.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from minidns.dns.wire import overload_reply
from minidns.metrics.registry import Metrics
from minidns.server.answer import Answerer, Responder
from minidns.server.datagrams import BATCH, Datagram, Sender, open_socket
from minidns.server.in_flight import InFlight
from minidns.server.remembered import Memory
from minidns.system.addresses import SockAddr, shown, socket_address
from minidns.system.limits import fair_share

_LAST_READS = 64
"""Batches read when the listener closes: more than the receive buffer holds."""
_RECEIVE_BUFFER = 512 << 10
"""Bytes requested; Linux doubles them: some 1,260 queries, 0.1 s of work."""
_READS = 8
"""Batches read per wake-up; more would delay other sockets."""
_FEW = 16
"""Queries started in an iteration of the loop while remembered replies are sent. Each
takes 0.05 ms."""
MAX_QUEUED = 2048
"""Maximum number of queued queries: 0.1 s of work, 0.5 KB each (measured)."""
MAX_IN_FLIGHT = 3072
"""limit: queries in flight; CoreDNS has none. The oldest is evicted with SERVFAIL.

A forwarded query takes 6 to 14 KB (measured) and a socket to its upstream, so that all
of them take at most 48 MB; the usual memory limit of a pod is 170 MB.
"""
_DNS_PORT, _KPASSWD_PORT = 53, 464
_SAME_ERROR_S = 2.0
"""Seconds in which a server gets the same error reply only once (BIND)."""

_SO_MEMINFO, _DROPS = 55, struct.Struct("=32xI")  # Linux: sock_diag.h SK_MEMINFO_DROPS


class UdpListener:
    """A bound UDP socket, whose queries are answered until it is closed."""

    def __init__(
        self,
        sock: socket.socket,
        answerer: Answerer,
        memory: Memory,
        metrics: Metrics,
        now: Callable[[], float],
        max_in_flight: int | None = None,
        *,
        batches: bool = True,
    ) -> None:
        """Prepare; without ``batches`` as on a system without recvmmsg(2)."""
        self._sock = sock
        self._answerer = answerer
        self.memory = memory
        self._responder = Responder(
            answerer, memory, "udp", shown(sock.getsockname()), now
        )
        self._now = now
        self._last_error: tuple[str, bytes] = ("", b"")
        """Host and ID of the last error reply to another server."""
        self._last_error_at = 0.0
        self._metrics = metrics
        self._dropped = metrics.counter(
            "minidns_dropped_queries_total",
            "Queries dropped because too many were waiting.",
            ("proto",),
        )
        self._overflowed = metrics.counter(
            "minidns_overflowed_datagrams_total",
            "Datagrams the kernel dropped because they came faster than we read.",
        )
        self._overflow = _drops(sock)  # the socket may have been used before
        metrics.before_scrape.append(self._count_overflow)
        self._queue: deque[tuple[bytes, Sender]] = deque()
        self._at_a_time = _FEW
        self._draining = False
        """True if ``_drain_queue`` is running or scheduled."""
        self._unsent: list[Datagram] = []
        limit = max_in_flight or fair_share(MAX_IN_FLIGHT)
        self.in_flight = InFlight(limit, self._count_dropped)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._socket = open_socket(sock, batches=batches)

    def start(self) -> None:
        """Begin to read queries."""
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._read)

    def stop_reading(self) -> None:
        """Start the queries that have arrived, then stop reading."""
        if asyncio.get_running_loop().remove_reader(self._sock.fileno()):
            # the kernel has accepted these queries: their clients would get no error
            for _ in range(_LAST_READS):
                self._read()
                while self._queue:
                    self._drain_queue()

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop reading, give queries in flight ``grace_s`` seconds, then close."""
        if self._sock.fileno() < 0:
            return
        self.stop_reading()
        await self.in_flight.close(grace_s)
        self._flush()
        self._count_overflow()
        self._metrics.before_scrape.remove(self._count_overflow)
        self._sock.close()

    def _count_dropped(self) -> None:
        self._dropped.inc(("udp",))
        if self._answerer.shed is not None:
            self._answerer.shed()

    def _count_overflow(self) -> None:
        total = _drops(self._sock)
        self._overflowed.inc((), (total - self._overflow) & 0xFFFFFFFF)
        self._overflow = total

    # -- queries

    def _read(self) -> None:
        """Answer queries with remembered replies, and queue the others."""
        get, channel, now = self.memory.get, self._responder.channel, self._now()
        datagrams = replies = None
        for _ in range(_READS):
            datagrams, replies = self._socket.receive_many(), []
            for sender, ident, question in datagrams:
                tail = get((channel, question), now)
                if tail is not None:
                    replies.append((sender, ident, tail))
                else:
                    self._enqueue(ident + question, sender)
            self._send_many(replies)
            full = len(self._queue) >= MAX_QUEUED
            # go on only if more has arrived and is answered at once, because other
            # sockets wait meanwhile
            if len(datagrams) < BATCH or not replies or full:
                break
        if datagrams:
            self._at_a_time = _FEW if replies else BATCH
        if self._queue and not self._draining:
            self._drain_queue()

    def _enqueue(self, wire: bytes, sender: Sender) -> None:
        """Queue a query for the chain; when the queue is full, answer SERVFAIL."""
        if len(self._queue) < MAX_QUEUED:
            self._queue.append((wire, sender))
            return
        self._count_dropped()
        if self._answerer.shed is None and (reply := overload_reply(wire)):
            self._send(sender, reply)

    def _drain_queue(self) -> None:
        """Start the first queries of the queue; schedule the rest."""
        queue, loop = self._queue, asyncio.get_running_loop()
        try:
            for _ in range(min(self._at_a_time, len(queue))):
                self._answer(*queue.popleft())
        finally:
            # also after an exception, or nothing would start the rest of the queue
            self._draining = bool(queue)
            if queue:
                loop.call_soon(self._drain_queue)

    def _answer(self, wire: bytes, sender: Sender) -> None:
        """Answer a query that had no remembered reply when it arrived."""
        responder = self._responder
        peer = self._socket.peer(sender)
        decoded = responder.decode(wire, peer[:2])
        if isinstance(decoded, tuple):
            query, miss = decoded
            send = partial(self._send, sender)
            self.in_flight.start(partial(responder.reply, query, miss, send))
        elif decoded is not None and not self._would_loop(wire, peer):
            self._send(sender, decoded)

    def _would_loop(self, wire: bytes, peer: SockAddr) -> bool:
        """Return whether an error reply may start a loop between servers (BIND).

        A client at the port of a server gets the same error only once.
        """
        if peer[1] != _DNS_PORT:
            return bool(peer[1] == _KPASSWD_PORT)
        now, error = self._now(), (peer[0], wire[:2])
        if error == self._last_error and now - self._last_error_at < _SAME_ERROR_S:
            return True
        self._last_error, self._last_error_at = error, now
        return False

    # -- replies

    def _send(self, sender: Sender, reply: bytes) -> None:
        """Send ``reply`` together with others of this iteration of the loop."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append((sender, reply[:2], reply[2:]))

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and self._sock.fileno() >= 0:
            self._send_many(unsent)

    def _send_many(self, replies: Sequence[Datagram]) -> None:
        self._socket.send_many(replies)
        sampler = self._answerer.sampler
        if sampler is not None and replies and sampler.wants_one():
            sampler.take([ident + tail for _, ident, tail in replies])


def _drops(sock: socket.socket) -> int:
    """Return the number of datagrams that the kernel dropped; 0 if it is unknown.

    The alternative, SO_RXQ_OVFL, would cost time with every datagram.
    """
    try:
        info = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _DROPS.size)
        (total,) = _DROPS.unpack(info)
    except (OSError, struct.error):
        return 0  # not Linux
    return int(total)


def bound(
    kind: int, host: str, port: int, *, reuse_port: bool = False
) -> socket.socket:
    """Return a socket of ``kind`` bound to ``host``, of one address family only.

    Raises:
        OSError: the address is in use or not local, or the port needs privileges.

    """
    family, address = socket_address(host, port)
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
