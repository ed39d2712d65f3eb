"""Many datagrams with two system calls: recvmmsg(2) and sendmmsg(2), on Linux.

What comes is read into one block of memory and what leaves is put into another, a slot
for each datagram. Header number n of what leaves points at the same peer address and
the same ancillary data as header n of what came: so a reply goes back to where its
query came from, and comes from the address that was asked, without either becoming a
Python object. Under load that saves half of what a remembered answer costs.
"""

import ctypes
import logging
import socket
import sys
from collections.abc import Callable, Container
from struct import Struct
from typing import Any, NamedTuple, TypeAlias

log = logging.getLogger(__name__)

SLOTS = 64
"""Datagrams read per wake-up: more would keep other sockets waiting."""
READ = 1024
"""Bytes read of a datagram; over 512 it is answered FORMERR whatever it holds."""
WRITE = 2048
"""Bytes of a reply that fits its slot; longer ones leave by themselves."""
_PATIENCE = 8
"""Questions asked of the chain until what is ready leaves: they take their time."""
_NAME, _ANCILLARY = 32, 64
"""Room for an address and for one pktinfo, in bytes."""
_PKTINFO = {socket.AF_INET: 32, socket.AF_INET6: 40}
"""Bytes of a pktinfo with its header, padded (CMSG_SPACE)."""
_CMSG = Struct("=Qii")
"""cmsghdr of cmsg(3): length with itself, level, type."""
_SOCKADDR, _SOCKADDR6 = Struct("!2xH4s"), Struct("!2xHI16s")
"""sockaddr_in and sockaddr_in6 less its scope: port, (flow,) address."""
_DONT_WAIT = 0x40

SockAddr: TypeAlias = tuple[Any, ...]
"""Host and port, and for IPv6 flow and scope, as the socket gives them."""
Ancillary: TypeAlias = list[tuple[int, int, bytes]] | None

Remembered: TypeAlias = Callable[[bytes, float], bytes | None]
"""From a query less its id, and the time, to the reply less its id."""
Ask: TypeAlias = Callable[[bytes, SockAddr, Ancillary], None]
"""Told of a query that is not remembered; may reply by ``Batch.reply``."""


class _Part(ctypes.Structure):
    """A struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """A struct mmsghdr, with the struct msghdr in it."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("parts", ctypes.c_void_p),
        ("part_count", ctypes.c_size_t),
        ("ancillary", ctypes.c_void_p),
        ("ancillary_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("_", ctypes.c_int),
        ("size", ctypes.c_uint32),
    )


# PyDLL: the calls never wait, so there is no need to let go of the interpreter's lock
_libc = ctypes.PyDLL(None)


def is_known() -> bool:
    """Return whether this system has both calls, and structures as they are here."""
    return (
        sys.platform == "linux"
        and sys.byteorder == "little"
        and ctypes.sizeof(_Header) == 64
        and hasattr(_libc, "recvmmsg")
        and hasattr(_libc, "sendmmsg")
    )


class _Slot(NamedTuple):
    """Where the things of one datagram stand, in items of the view they are read by."""

    number: int
    start: int
    """Of what came."""
    out: int
    """Of what leaves."""
    size: int
    """In 32 bits: how long is what came."""
    out_size: int
    """In 64 bits."""
    port: int
    """In 16 bits: of the peer, as the network orders bytes."""
    interface: int
    """In 32 bits: the first of a pktinfo of IPv4."""


_SLOTS = tuple(
    _Slot(
        n, n * READ, n * WRITE, n * 16 + 14, n * 2 + 1, n * _NAME // 2 + 1, n * 16 + 4
    )
    for n in range(SLOTS)
)


# One call for both parts takes a third of the time of slices; by the size of both, or
# of the second part.
_READS = [Struct(f"=2s{max(2, size) - 2}s").unpack_from for size in range(READ + 1)]
_WRITES = [Struct(f"=2s{size}s").pack_into for size in range(WRITE)]


class Batch:
    """The slots of one bound UDP socket."""

    def __init__(self, sock: socket.socket, *, wildcard: bool) -> None:
        """Prepare; a ``wildcard`` socket tells with each datagram the address asked."""
        self._family = sock.family
        self._fd = ctypes.c_int(sock.fileno())
        self._came, self._leaves = bytearray(SLOTS * READ), bytearray(SLOTS * WRITE)
        self._names = bytearray(SLOTS * _NAME)
        self._ancillary = bytearray(SLOTS * _ANCILLARY)
        room = wildcard * _ANCILLARY
        self._headers, self._rooms = self._point(self._came, READ, room)
        self._fresh = bytes(self._headers)
        pktinfo = wildcard * _PKTINFO[sock.family]
        self._out, self._parts = self._point(self._leaves, 0, pktinfo)
        self._at = [
            ctypes.c_void_p(ctypes.addressof(self._out[n])) for n in range(SLOTS)
        ]
        self._sizes = memoryview(self._headers).cast("B").cast("I")
        self._out_sizes = memoryview(self._parts).cast("B").cast("Q")
        v4 = sock.family == socket.AF_INET
        interfaces = self._ancillary if v4 else bytearray(len(self._ancillary))
        self._interfaces = memoryview(interfaces).cast("I")
        self._ports = memoryview(self._names).cast("H")
        self._last: tuple[bytearray, Ancillary] = (bytearray(), None)
        self._slot: _Slot | None = None
        """Of the query that is being asked of the chain."""

    def _point(
        self, data: bytearray, size: int, ancillary: int
    ) -> "tuple[ctypes.Array[_Header], ctypes.Array[_Part]]":
        """Return headers that point at the slots of ``data``, and its parts."""
        headers, parts = (_Header * SLOTS)(), (_Part * SLOTS)()
        at, name, extra = map(_address, (data, self._names, self._ancillary))
        name_size = 16 if self._family == socket.AF_INET else 28
        for n in range(SLOTS):
            parts[n] = _Part(at + n * len(data) // SLOTS, size)
            headers[n] = _Header(
                name + n * _NAME,
                name_size,
                ctypes.addressof(parts[n]),
                1,
                extra + n * _ANCILLARY if ancillary else None,
                ancillary,
            )
        return headers, parts

    def drain(
        self, get: Remembered, ask: Ask, now: float, tag: bytes, odd: Container[int]
    ) -> None:
        """Answer what has come, at most ``SLOTS`` queries.

        ``get`` is given ``tag`` after each question. Who asks from a port that is
        ``odd`` (in the network's order of bytes) gets no remembered reply: ``ask`` is
        to decide.
        """
        ctypes.memmove(self._headers, self._fresh, len(self._fresh))
        count = _libc.recvmmsg(self._fd, self._headers, SLOTS, _DONT_WAIT, None)
        came, ports, out = self._came, self._ports, self._leaves
        sizes, out_sizes, interfaces = self._sizes, self._out_sizes, self._interfaces
        first = asked = 0
        for slot in _SLOTS[: max(0, count)]:
            number, start, at, size, out_size, port, interface = slot
            ident, question = _READS[sizes[size]](came, start)
            interfaces[interface] = 0  # the route decides; only the source is set
            tail = get(question + tag if tag else question, now)
            if tail is not None and ports[port] not in odd:
                length = len(tail)
                if length < WRITE - 1:
                    _WRITES[length](out, at, ident, tail)
                    out_sizes[out_size] = length + 2
                    continue
            out_sizes[out_size] = 0
            self._slot = slot
            try:
                ask(ident + question, self._sender(number), self._said(number))
            finally:
                self._slot = None
            asked += 1
            answered = out_sizes[out_size] > 0
            if asked == _PATIENCE or not answered:
                self._send(first, number + answered)
                first, asked = number + 1, 0
        self._send(first, count)

    def reply(self, reply: bytes) -> bool:
        """Reply to the query that ``ask`` was told of, if that has not returned yet.

        Return whether that is so, and the reply fits.
        """
        slot, size = self._slot, len(reply)
        if slot is None or size > WRITE:
            return False
        self._leaves[slot.out : slot.out + size] = reply
        self._out_sizes[slot.out_size] = size
        return True

    def _send(self, first: int, end: int) -> None:
        """Send the slots from ``first`` to before ``end``."""
        while first < end:
            sent = _libc.sendmmsg(self._fd, self._at[first], end - first, _DONT_WAIT)
            first += max(0, sent)
            if first < end:  # unreachable, not permitted, no room: the client's loss
                log.debug("cannot reply to %s", self._sender(first)[0])
                first += 1

    def _sender(self, number: int) -> SockAddr:
        """Return who sent a datagram."""
        at = number * _NAME
        if self._family == socket.AF_INET:
            port, packed = _SOCKADDR.unpack_from(self._names, at)
            return socket.inet_ntoa(packed), port
        port, flow, packed = _SOCKADDR6.unpack_from(self._names, at)
        host = socket.inet_ntop(socket.AF_INET6, packed)
        scope = int.from_bytes(self._names[at + 24 : at + 28], sys.byteorder)
        if scope:
            host = f"{host}%{socket.if_indextoname(scope)}"
        return host, port, flow, scope

    def _said(self, number: int) -> Ancillary:
        """Return what the reply to a datagram is to say of the address asked."""
        at = number * _ANCILLARY
        size = self._sizes[number * 16 + 10]  # of the header, its ancillary_size
        raw = self._ancillary[at : at + size]
        if raw != self._last[0]:  # most come to one address
            length, level, kind = _CMSG.unpack_from(raw)
            self._last = raw, [(level, kind, bytes(raw[_CMSG.size : length]))]
        return self._last[1] if raw else None


def _address(data: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(data))
