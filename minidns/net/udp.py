"""UDP: drain the socket, repeat what is remembered, answer the rest.

One wake-up of the loop reads many datagrams; a remembered answer leaves at once. For
the others the chain's coroutine is stepped by hand: most end in their first step; those
that wait (for an upstream) become tasks, bounded in number.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from minidns.core.metrics import Metrics
from minidns.core.model import Dropped, Query
from minidns.core.wire import encode_response
from minidns.net.answer import Answerer, carry_on
from minidns.net.memory import Memory

log = logging.getLogger(__name__)

_DRAIN = 64
"""Datagrams read per wake-up: more would keep other sockets waiting."""
_READ = 1024
"""Bytes read of a datagram; over 512 it is answered FORMERR whatever it holds."""
_RECEIVE_BUFFER = 4 << 20
MAX_IN_FLIGHT = 4096
"""Queries that may wait at a time; the excess is dropped (glibc asks again in 5 s)."""
_SILENT_PORTS = frozenset((0, 7, 13, 17, 19))
"""echo, daytime, quotd, chargen, and no port at all: a reply would start a loop."""

IP_PKTINFO = 8  # Linux; not in Python's socket module before 3.12
_PKTINFO = struct.Struct("=I4s4s")

SockAddr: TypeAlias = tuple[Any, ...]
"""Host and port, and for IPv6 flow and scope, as the socket gives them."""
Ancillary: TypeAlias = list[tuple[int, int, bytes]] | None


class Datagrams:
    """One bound UDP socket, answered until it is closed."""

    def __init__(
        self,
        sock: socket.socket,
        answerer: Answerer,
        memory: Memory,
        metrics: Metrics,
        now: Callable[[], float],
        max_in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._sock = sock
        self._answerer = answerer
        self.memory = memory
        self._now = now
        self._max = max_in_flight
        self._local = sock.getsockname()[:2]
        self._tasks: set[asyncio.Task[None]] = set()
        self._dropped = metrics.counter(
            "minidns_dropped_queries_total",
            "Queries dropped because too many were waiting.",
            ("proto",),
        )
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._read = self._drain
        if _is_wildcard(sock):
            _ask_for_destination(sock)
            self._read = self._drain_with_destination

    def start(self) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._read)

    def stop_reading(self) -> None:
        """Read no more queries; those that wait are still answered."""
        asyncio.get_running_loop().remove_reader(self._sock.fileno())

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop reading, give waiting queries ``grace_s`` seconds, close the socket."""
        if self._sock.fileno() < 0:
            return
        self.stop_reading()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sock.close()

    def _drain(self) -> None:
        receive, send = self._sock.recvfrom, self._sock.sendto
        get, now = self.memory.get, self._now()
        for _ in range(_DRAIN):
            try:
                wire, peer = receive(_READ)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier reply: next datagram
                continue
            tail = get(wire[2:], now)
            if tail is None:
                self._ask(wire, peer, None)
            elif peer[1] not in _SILENT_PORTS:
                try:
                    send(wire[:2] + tail, peer)
                except OSError as exc:
                    log.debug("cannot reply to %s: %s", peer[0], exc)

    def _drain_with_destination(self) -> None:
        """Do the same where the host has several addresses.

        The reply must come from the address that was asked (RFC 2181 4.1), which a
        socket bound to all addresses does not know of itself.
        """
        now = self._now()
        for _ in range(_DRAIN):
            try:
                wire, extra, _, peer = self._sock.recvmsg(_READ, 128)
            except BlockingIOError:
                return
            except OSError:
                continue
            ancillary = [_source(*each) for each in extra]
            tail = self.memory.get(wire[2:], now)
            if tail is None:
                self._ask(wire, peer, ancillary)
            else:
                self._send(wire[:2] + tail, peer, ancillary)

    def _send(self, reply: bytes, peer: SockAddr, ancillary: Ancillary) -> None:
        if peer[1] in _SILENT_PORTS:
            return
        try:
            if ancillary:
                self._sock.sendmsg((reply,), ancillary, 0, peer)
            else:
                self._sock.sendto(reply, peer)
        except OSError as exc:  # unreachable, too long, buffer full: the client's loss
            log.debug("cannot reply to %s: %s", peer[0], exc)

    def _ask(self, wire: bytes, peer: SockAddr, ancillary: Ancillary) -> None:
        """Answer a query that is not remembered."""
        if peer[1] in _SILENT_PORTS:
            return
        query = self._answerer.decode(
            wire, "udp", peer[:2], self._local, repeats=self.memory.expects(wire[2:])
        )
        if query is None:
            return
        if isinstance(query, bytes):
            self._send(query, peer, ancillary)
            return
        work = self._reply(query, peer, ancillary)
        try:
            waiting = work.send(None)
        except StopIteration:
            return
        if len(self._tasks) >= self._max:
            work.close()
            self._dropped.inc(("udp",))
            return
        task = asyncio.get_running_loop().create_task(carry_on(work, waiting))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reply(self, query: Query, peer: SockAddr, ancillary: Ancillary) -> None:
        age = self.memory.age
        try:
            response = await self._answerer.respond(query)
        except Dropped:
            return
        reply = encode_response(query, response)
        self._send(reply, peer, ancillary)
        # a change that came while the chain waited may have made the answer stale
        if query.repeats and response.repeat is not None and age == self.memory.age:
            self.memory.put(query.wire[2:], query, response, reply)


def _is_wildcard(sock: socket.socket) -> bool:
    return sock.getsockname()[0] in ("0.0.0.0", "::")


def _ask_for_destination(sock: socket.socket) -> None:
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _source(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """Turn where a datagram was sent to into where its reply is to come from."""
    if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
        _, _, destination = _PKTINFO.unpack_from(data)
        # interface 0: the route decides; only the source address is set
        return level, kind, _PKTINFO.pack(0, destination, bytes(4))
    return level, kind, data


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a UDP socket bound to the IP address ``host``.

    Raises:
        OSError: the address is in use or not ours, or the port needs rights.

    """
    return bound(socket.SOCK_DGRAM, host, port, reuse_port=reuse_port)


def bound(
    kind: int, host: str, port: int, *, reuse_port: bool = False
) -> socket.socket:
    """Return a socket of ``kind`` bound to ``host``, of one family only."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
