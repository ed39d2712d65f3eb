"""Queries to DNS servers as a client sends them, with exact latencies.

Theory of operation
-------------------

A client socket is connected, so that the kernel delivers replies of the queried server
alone and reports a refused port (ICMP) as an error. A query with a *fresh* source port
has a socket of its own, as glibc and musl send it; queries with a *fixed* port share
one socket per server and are told apart by their IDs.

Latency is the time from just before ``send`` to the moment at which the kernel received
the reply (SO_TIMESTAMPNS). The event loop may be busy with other lookups when the reply
arrives, and that delay is ours, not the server's. Where the kernel has no such time
stamps, the time of reading counts, which `Reception.is_kernel_time` tells.

A client gives up after its time-out, but the socket stays open as long again: a reply
that comes then was *late*, which is something else than a reply that was lost.
"""

import asyncio
import socket
import struct
import time
from dataclasses import dataclass
from enum import StrEnum
from secrets import randbits
from typing import Protocol

from minidns.dns.model import Address
from minidns.system.addresses import socket_address

_SO_TIMESTAMPNS = 35
"""Linux, include/uapi/asm-generic/socket.h: SO_TIMESTAMPNS_OLD; not in ``socket``."""
_TIMESTAMP = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESTAMP.size)
_MAX_REPLY = 65535
_MAX_IDS_IN_FLIGHT = 0x8000
"""Queries in flight on one socket: random IDs are found quickly below this number."""


class Kind(StrEnum):
    """How an exchange ended."""

    REPLY = "reply"
    """A reply came in time."""
    LATE = "late"
    """A reply came after the client had given up."""
    NO_REPLY = "no reply"
    REFUSED = "refused"
    """Nobody listens: ICMP port unreachable, or a refused TCP connection."""
    CLOSED = "closed"
    """The server closed the TCP connection before a whole reply."""
    UNREACHABLE = "unreachable"
    """The query cannot be sent: there is no route or no socket."""


@dataclass(frozen=True, slots=True)
class Reception:
    """The outcome of one exchange."""

    kind: Kind
    wire: bytes = b""
    """The reply; empty if there is none."""
    seconds: float = 0.0
    """From sending the query to receiving the reply, or to giving up."""
    source_port: int = 0
    ident: int = 0
    """The ID that the query was sent with."""
    is_kernel_time: bool = False
    """True if the kernel took the time at which the reply was received."""
    reason: str = ""
    """The system's words for a failure to send or connect."""


class Exchange(Protocol):
    """Sends a query and returns what becomes of it; never raises for the network."""

    async def __call__(self, to: Address, query: bytes, timeout_s: float) -> Reception:
        """Send ``query`` and wait twice ``timeout_s`` at most."""
        ...


def connected(to: Address) -> socket.socket:
    """Return a new UDP socket that receives datagrams from ``to`` only.

    Raises:
        OSError: there is no route, or no socket is left.

    """
    family, address = socket_address(*to)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


class _Socket:
    """A connected datagram socket, and the exchanges that wait for its replies."""

    def __init__(self, to: Address) -> None:
        """Open and connect the socket.

        Raises:
            OSError: there is no route, or no socket is left.

        """
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[tuple[bytes, int]]] = {}
        self._sock = connected(to)
        self.is_kernel_time = _ask_for_timestamps(self._sock)
        self.port: int = self._sock.getsockname()[1]
        self._loop.add_reader(self._sock, self._read)

    def close(self) -> None:
        self._loop.remove_reader(self._sock)
        self._sock.close()

    async def exchange(self, query: bytes, timeout_s: float) -> Reception:
        """Send ``query`` under an ID that is free here, and wait for its reply."""
        ident = int.from_bytes(query[:2])
        if len(self._waiting) >= _MAX_IDS_IN_FLIGHT:
            reason = "too many queries in flight from one port"
            return Reception(Kind.UNREACHABLE, source_port=self.port, reason=reason)
        while ident in self._waiting:
            ident = randbits(16)
        reply = self._waiting[ident] = self._loop.create_future()
        began, began_ns = time.perf_counter(), time.time_ns()
        try:
            self._sock.send(ident.to_bytes(2) + query[2:])
            wire, stamp_ns = await _in_time(reply, 2 * timeout_s)
        except OSError as error:
            return self._failed(error, ident, time.perf_counter() - began)
        finally:
            del self._waiting[ident]
        if not wire:
            return Reception(Kind.NO_REPLY, b"", timeout_s, self.port, ident)
        elapsed = time.perf_counter() - began
        seconds = (stamp_ns - began_ns) / 1e9
        # the clock of the time stamps can be set meanwhile, that of the loop cannot
        is_kernel_time = self.is_kernel_time and 0 <= seconds <= elapsed
        seconds = seconds if is_kernel_time else elapsed
        kind = Kind.REPLY if seconds <= timeout_s else Kind.LATE
        return Reception(kind, wire, seconds, self.port, ident, is_kernel_time)

    def _failed(self, error: OSError, ident: int, seconds: float) -> Reception:
        kind = (
            Kind.REFUSED
            if isinstance(error, ConnectionRefusedError)
            else Kind.UNREACHABLE
        )
        return Reception(kind, b"", seconds, self.port, ident, reason=_words(error))

    def _read(self) -> None:
        while True:
            try:
                wire, ancillary, _, _ = self._sock.recvmsg(_MAX_REPLY, _ANCILLARY)
            except BlockingIOError:
                return
            except OSError as error:
                # an ICMP message does not tell which query it answers
                for reply in self._waiting.values():
                    if not reply.done():
                        reply.set_exception(error)
                return
            reply_to = self._waiting.get(int.from_bytes(wire[:2]))
            if reply_to is not None and not reply_to.done() and len(wire) >= 12:
                reply_to.set_result((wire, _stamp(ancillary)))


def _ask_for_timestamps(sock: socket.socket) -> bool:
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return False
    return True


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Return the kernel's time stamp in nanoseconds since the epoch, 0 without one."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESTAMP.unpack_from(data)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)
    return 0


async def _in_time(
    reply: "asyncio.Future[tuple[bytes, int]]", limit_s: float
) -> tuple[bytes, int]:
    """Return the reply and its time stamp; no bytes if none came within the limit."""
    timer = reply.get_loop().call_later(limit_s, _give_up, reply)
    try:
        return await reply
    finally:
        timer.cancel()


def _give_up(reply: "asyncio.Future[tuple[bytes, int]]") -> None:
    if not reply.done():
        reply.set_result((b"", 0))


def _words(error: OSError) -> str:
    return (error.strerror or "the network failed").lower()


async def udp(to: Address, query: bytes, timeout_s: float) -> Reception:
    """Send a query from a fresh source port."""
    began = time.perf_counter()
    try:
        sock = _Socket(to)
    except OSError as error:
        seconds = time.perf_counter() - began
        return Reception(Kind.UNREACHABLE, b"", seconds, reason=_words(error))
    try:
        return await sock.exchange(query, timeout_s)
    finally:
        sock.close()


class FixedPorts:
    """Exchanges over UDP that keep one source port for each server."""

    def __init__(self) -> None:
        self._sockets: dict[Address, _Socket] = {}

    async def udp(self, to: Address, query: bytes, timeout_s: float) -> Reception:
        """Send a query from the source port that belongs to the server."""
        try:
            sock = self._sockets.get(to) or _Socket(to)
        except OSError as error:
            return Reception(Kind.UNREACHABLE, reason=_words(error))
        self._sockets[to] = sock
        return await sock.exchange(query, timeout_s)

    def close(self) -> None:
        """Close all sockets; exchanges that still wait get no reply."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()


async def tcp(to: Address, query: bytes, timeout_s: float) -> Reception:
    """Send a query over a TCP connection of its own (RFC 7766)."""
    began, ident = time.perf_counter(), int.from_bytes(query[:2])
    port = 0

    def ended(kind: Kind, wire: bytes = b"", reason: str = "") -> Reception:
        seconds = time.perf_counter() - began
        return Reception(kind, wire, seconds, port, ident, reason=reason)

    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(*to)
            try:
                port = writer.get_extra_info("sockname")[1]
                writer.write(len(query).to_bytes(2) + query)
                size = int.from_bytes(await reader.readexactly(2))
                return ended(Kind.REPLY, await reader.readexactly(size))
            finally:
                writer.transport.abort()
    except TimeoutError:
        return ended(Kind.NO_REPLY)
    except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
        return ended(Kind.CLOSED)
    except ConnectionRefusedError as error:
        return ended(Kind.REFUSED, reason=_words(error))
    except OSError as error:
        return ended(Kind.UNREACHABLE, reason=_words(error))
