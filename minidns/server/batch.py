"""Many datagrams with two system calls: recvmmsg(2) and sendmmsg(2), on Linux.

What comes is read into one block of memory and what is remembered is put into another,
a slot for each datagram. Header number n of what leaves points at the same peer address
and the same ancillary data as header n of what came: so a reply goes back to where its
query came from, and comes from the address that was asked, without either becoming a
Python object. Under load that saves half of what a remembered answer costs. Replies
that are made later have slots of their own, and leave together, too.
"""

import ctypes
import logging
import socket
import sys
from collections.abc import Callable, Container
from struct import Struct
from typing import NamedTuple, TypeAlias

from minidns.system.addresses import SockAddr, shown

log = logging.getLogger(__name__)

SLOTS = 64
"""Datagrams read with one system call."""
READ = 1024
"""Bytes read of a datagram; over 512 it is answered FORMERR whatever it holds."""
WRITE = 2048
"""Bytes of a reply that fits its slot; longer ones leave by themselves."""
_NAME, _ANCILLARY = 32, 64
"""Room for an address and for one pktinfo, in bytes."""
_NAME_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}
_PKTINFO = {socket.AF_INET: 32, socket.AF_INET6: 40}
"""Bytes of a pktinfo with its header, padded (CMSG_SPACE)."""
_CMSG = Struct("=Qii")
"""cmsghdr of cmsg(3): length with itself, level, type."""
_SOCKADDR, _SOCKADDR6 = Struct("!2xH4s"), Struct("!2xHI16s")
"""sockaddr_in and sockaddr_in6 less its scope: port, (flow,) address."""
_DONT_WAIT = 0x40

Ancillary: TypeAlias = list[tuple[int, int, bytes]] | None

Remembered: TypeAlias = Callable[[tuple[str, bytes], float], bytes | None]
"""Returns the remembered reply without its id, or None, for the channel and the bytes
of a query without its id, at a time."""


class Client(NamedTuple):
    """Where a datagram came from, and what the reply is to say of the address asked."""

    peer: SockAddr
    ancillary: Ancillary
    name: bytes = b""
    """The same two as the system has them, where a Batch told."""
    raw: bytes = b""


Ask: TypeAlias = Callable[[bytes, Client], None]
"""Told of a query that is not remembered."""


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


class _Place(NamedTuple):
    """Where the things of one datagram stand, in items of the view they are read by."""

    number: int
    came: int
    leaves: int
    size: int
    """In 32 bits: how long is what came."""
    length: int
    """In 64 bits: how long is what leaves."""
    port: int
    """In 16 bits: of the peer, as the network orders bytes."""
    interface: int
    """In 32 bits: the first of a pktinfo of IPv4."""


_PLACES = tuple(
    _Place(
        n, n * READ, n * WRITE, n * 16 + 14, n * 2 + 1, n * _NAME // 2 + 1, n * 16 + 4
    )
    for n in range(SLOTS)
)


# One call for both parts takes a third of the time of slices; by the size of both, or
# of the second part.
_READS = [Struct(f"=2s{max(2, size) - 2}s").unpack_from for size in range(READ + 1)]
_WRITES = [Struct(f"=2s{size}s").pack_into for size in range(WRITE)]


class _Slots:
    """Room for datagrams side by side, and the system's header of each."""

    def __init__(
        self, sock: socket.socket, width: int, said: int, like: "_Slots | None" = None
    ) -> None:
        """Make room for ``width`` bytes each and ``said`` bytes of ancillary data.

        Peers and ancillary data are those of the slots ``like``, if these are given.
        """
        self._family = sock.family
        self._fd = ctypes.c_int(sock.fileno())
        self.data = bytearray(SLOTS * width)
        self.names: bytearray = like.names if like else bytearray(SLOTS * _NAME)
        self.said: bytearray = like.said if like else bytearray(SLOTS * _ANCILLARY)
        self._parts, self.headers = (_Part * SLOTS)(), (_Header * SLOTS)()
        at, name, extra = map(_address, (self.data, self.names, self.said))
        for n in range(SLOTS):
            self._parts[n] = _Part(at + n * width, width)
            self.headers[n] = _Header(
                name + n * _NAME,
                _NAME_SIZES[sock.family],
                ctypes.addressof(self._parts[n]),
                1,
                extra + n * _ANCILLARY if said else None,
                said,
            )
        self._at = [
            ctypes.c_void_p(ctypes.addressof(self.headers[n])) for n in range(SLOTS)
        ]
        self.lengths = memoryview(self._parts).cast("B").cast("Q")
        """Every second one is the length of a datagram."""

    def receive(self) -> int:
        """Read what has come; return how many datagrams that were."""
        count: int = _libc.recvmmsg(self._fd, self.headers, SLOTS, _DONT_WAIT, None)
        return max(0, count)

    def send(self, first: int, end: int) -> None:
        """Send the datagrams from ``first`` to before ``end``."""
        while first < end:
            sent = _libc.sendmmsg(self._fd, self._at[first], end - first, _DONT_WAIT)
            first += max(0, sent)
            if first < end:  # unreachable, not permitted, no room: the client's loss
                log.debug("cannot reply to %s", self.peer(first)[0])
                first += 1

    def name(self, number: int) -> bytes:
        """Return the peer's address as the system has it."""
        at = number * _NAME
        return bytes(self.names[at : at + _NAME_SIZES[self._family]])

    def peer(self, number: int) -> SockAddr:
        """Return the peer's address."""
        at = number * _NAME
        if self._family == socket.AF_INET:
            port, packed = _SOCKADDR.unpack_from(self.names, at)
            return socket.inet_ntoa(packed), port
        port, flow, packed = _SOCKADDR6.unpack_from(self.names, at)
        host = socket.inet_ntop(socket.AF_INET6, packed)
        scope = int.from_bytes(self.names[at + 24 : at + 28], sys.byteorder)
        return *shown((host, port, flow, scope)), flow, scope


class Batch:
    """The slots of one bound UDP socket."""

    def __init__(self, sock: socket.socket, *, wildcard: bool) -> None:
        """Prepare; a ``wildcard`` socket tells with each datagram the address asked."""
        pktinfo = wildcard * _PKTINFO[sock.family]
        self._came = came = _Slots(sock, READ, wildcard * _ANCILLARY)
        self._remembered = _Slots(sock, WRITE, pktinfo, came)
        self._made = _Slots(sock, WRITE, pktinfo)
        self._made_count = 0
        self._fresh = bytes(came.headers)
        self._sizes = memoryview(came.headers).cast("B").cast("I")
        v4 = sock.family == socket.AF_INET
        interfaces = came.said if v4 else bytearray(len(came.said))
        self._interfaces = memoryview(interfaces).cast("I")
        self._ports = memoryview(came.names).cast("H")
        self._last: tuple[bytes, Ancillary] = (b"", None)

    def drain(
        self, get: Remembered, ask: Ask, now: float, through: str, odd: Container[int]
    ) -> int:
        """Repeat what is remembered of what has come; return how many queries came.

        That is at most ``SLOTS``. They came ``through`` this channel (``memory``). Who
        asks from a port that is ``odd`` (in the network's order of bytes) gets no
        remembered reply: ``ask`` is to decide.
        """
        ctypes.memmove(self._came.headers, self._fresh, len(self._fresh))
        count = self._came.receive()
        came, ports, out = self._came.data, self._ports, self._remembered
        data, lengths, send = out.data, out.lengths, out.send
        sizes, interfaces = self._sizes, self._interfaces
        first = 0
        for number, start, at, size, length, port, interface in _PLACES[:count]:
            ident, question = _READS[sizes[size]](came, start)
            interfaces[interface] = 0  # the route decides; only the source is set
            tail = get((through, question), now)
            if tail is not None and ports[port] not in odd and len(tail) < WRITE - 1:
                _WRITES[len(tail)](data, at, ident, tail)
                lengths[length] = len(tail) + 2
            else:
                send(first, number)
                first = number + 1
                ask(ident + question, self._client(number))
        send(first, count)
        return count

    def reply(self, reply: bytes, client: Client) -> bool:
        """Let ``reply`` leave with the next ``flush``; return whether it fits."""
        size = len(reply)
        if size > WRITE:
            return False
        if self._made_count == SLOTS:
            self.flush()
        made, number = self._made, self._made_count
        _, _, name, raw = client
        at = number * WRITE
        made.data[at : at + size] = reply
        made.lengths[number * 2 + 1] = size
        at = number * _NAME
        made.names[at : at + len(name)] = name
        if raw:
            at = number * _ANCILLARY
            made.said[at : at + len(raw)] = raw
        self._made_count = number + 1
        return True

    def flush(self) -> None:
        """Send the replies that were made."""
        self._made.send(0, self._made_count)
        self._made_count = 0

    def _client(self, number: int) -> Client:
        """Return who sent a datagram."""
        at = number * _ANCILLARY
        size = self._sizes[number * 16 + 10]  # of the header, its ancillary_size
        raw = bytes(self._came.said[at : at + size])
        if raw != self._last[0]:  # most come to one address
            length, level, kind = _CMSG.unpack_from(raw)
            self._last = raw, [(level, kind, raw[_CMSG.size : length])]
        ancillary = self._last[1] if raw else None
        return Client(self._came.peer(number), ancillary, self._came.name(number), raw)


def _address(data: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(data))
