"""Receives and sends many UDP datagrams at a time.

A *sender* is the source address of a datagram with its destination address; a reply
must come from that address (RFC 2181 4.1). Its content is private to this module. Two
classes have the same methods: `BatchSocket` reads or writes up to 64 datagrams with one
system call (recvmmsg(2), sendmmsg(2) of Linux); `PlainSocket` is for systems without.

`BatchSocket` has a block of memory with a *slot* for each received datagram, a block
for datagrams to send, and arrays of C structures that point into them:

    slot:  peer address (32 bytes) | ancillary data (0, 32 or 40) | message

Peer address and ancillary data together are the sender, so that one call of
`struct.unpack_from` or `pack_into` copies a whole datagram.
"""

import ctypes
import logging
import socket
import sys
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any, Protocol, TypeAlias

from minidns.system.addresses import SockAddr, shown

log = logging.getLogger(__name__)

BATCH = 64
"""Datagrams received at a time."""
READ = 1024
"""Bytes read of a datagram; one of more than 512 is answered FORMERR in any case."""
WRITE = 2048
"""Maximum bytes of a reply in a slot; a longer one is sent separately."""
SILENT_PORTS = frozenset((0, 7, 13, 17, 19, 37))
"""echo, daytime, quotd, chargen, time, and port 0: a reply could start a loop."""

Sender: TypeAlias = Any
"""Source and destination address of a datagram; opaque."""
Datagram: TypeAlias = tuple[Sender, bytes, bytes]
"""A sender, the two bytes of the message's ID, and the rest of the message."""
Ancillary: TypeAlias = Sequence[tuple[int, int, bytes]]

_NAME = 32
"""Bytes of the peer address in a slot."""
_NAME_SIZES = {socket.AF_INET: 16, socket.AF_INET6: 28}
_PKTINFO_SIZES = {socket.AF_INET: 32, socket.AF_INET6: 40}
"""Bytes of a pktinfo with its header, padded (CMSG_SPACE)."""
_CMSG = Struct("=Qii")
"""cmsghdr of cmsg(3): length with itself, level, type."""
_SOCKADDR, _SOCKADDR6 = Struct("!2xH4s"), Struct("!2xHI16s")
"""sockaddr_in, and sockaddr_in6 without its scope: port, (flow,) address."""
_PKTINFO = Struct("=I4s4s")
IP_PKTINFO = 8  # Linux; not in Python's socket module before 3.12
_DONT_WAIT = 0x40


class DatagramSocket(Protocol):
    """A bound, non-blocking UDP socket."""

    def receive_many(self) -> Sequence[Datagram]:
        """Return up to ``BATCH`` datagrams that have arrived, in order.

        Those from ``SILENT_PORTS`` and from the socket's own address are dropped.
        """
        ...

    def send_many(self, datagrams: Iterable[Datagram]) -> None:
        """Send replies to their senders; one that cannot be sent is dropped."""
        ...

    def peer(self, sender: Sender) -> SockAddr:
        """Return the address of ``sender``, a link-local host with its scope."""
        ...


def open_socket(sock: socket.socket, *, batches: bool = True) -> DatagramSocket:
    """Return ``sock``, a bound UDP socket, prepared; with ``batches`` if possible."""
    sock.setblocking(False)
    wildcard = sock.getsockname()[0] in ("0.0.0.0", "::")
    if wildcard and sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    elif wildcard:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    if batches and has_batches():
        return BatchSocket(sock, wildcard=wildcard)
    return PlainSocket(sock)


def _is_own(peer: SockAddr, destination: str) -> bool:
    """Return whether a datagram from the socket's own port came from the socket itself.

    The destination of a datagram has no scope.
    """
    return bool(peer[0].partition("%")[0] == destination.partition("%")[0])


class PlainSocket:
    """A socket whose datagrams are received and sent one by one."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._host, self._port = shown(sock.getsockname())
        self._last: tuple[Ancillary, Ancillary] = ((), ())
        """The last ancillary data as received and as sent; most are equal."""

    def receive_many(self) -> Sequence[Datagram]:
        """See `DatagramSocket`."""
        datagrams: list[Datagram] = []
        for _ in range(BATCH):
            try:
                wire, ancillary, _, peer = self._sock.recvmsg(READ, 128)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error for an earlier reply: next datagram
                continue
            if ancillary != self._last[0]:
                self._last = ancillary, [_reply_source(*item) for item in ancillary]
            if not self._is_unwelcome(peer):
                datagrams.append(((peer, self._last[1]), wire[:2], wire[2:]))
        return datagrams

    def _is_unwelcome(self, peer: SockAddr) -> bool:
        if peer[1] in SILENT_PORTS:
            return True
        if peer[1] != self._port:
            return False
        destination = _destination(self._last[1]) if self._last[1] else self._host
        return _is_own(peer, destination)

    def send_many(self, datagrams: Iterable[Datagram]) -> None:
        """See `DatagramSocket`."""
        for (peer, ancillary), ident, rest in datagrams:
            _send_one(self._sock, (ident, rest), ancillary, peer)

    def peer(self, sender: Sender) -> SockAddr:
        """See `DatagramSocket`."""
        peer: SockAddr = sender[0]
        return (*shown(peer), *peer[2:])


def _send_one(
    sock: socket.socket, parts: Sequence[bytes], ancillary: Ancillary, peer: SockAddr
) -> None:
    try:
        sock.sendmsg(parts, ancillary, 0, peer)
    except OSError as exc:  # unreachable, too long, buffer full: the reply is lost
        log.debug("cannot reply to %s: %s", peer[0], exc)


def _reply_source(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """Return the ancillary data that set the source address of a reply."""
    if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
        _, _, destination = _PKTINFO.unpack_from(data)
        # interface 0: the route decides; only the source address is set
        return level, kind, _PKTINFO.pack(0, destination, bytes(4))
    return level, kind, data


def _destination(ancillary: Ancillary) -> str:
    """Return the address that a datagram was sent to, or an empty string."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            return socket.inet_ntoa(data[4:8])
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return socket.inet_ntop(socket.AF_INET6, data[:16])
    return ""


class _IoVector(ctypes.Structure):
    """A struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """A struct mmsghdr, with the struct msghdr in it."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("ancillary", ctypes.c_void_p),
        ("ancillary_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("_", ctypes.c_int),
        ("size", ctypes.c_uint32),
    )


# PyDLL: the calls never block, so the interpreter's lock need not be released
_libc = ctypes.PyDLL(None)


def has_batches() -> bool:
    """Return whether this system has both calls and the structures defined here."""
    return (
        sys.platform == "linux"
        and sys.byteorder == "little"
        and ctypes.sizeof(_Header) == 64
        and hasattr(_libc, "recvmmsg")
        and hasattr(_libc, "sendmmsg")
    )


class _Slots:
    """Memory for ``BATCH`` datagrams of up to ``width`` bytes, and their C headers."""

    def __init__(self, sock: socket.socket, width: int, ancillary: int) -> None:
        self._fd = ctypes.c_int(sock.fileno())
        self.size = _NAME + ancillary + width
        self.data = bytearray(BATCH * self.size + 4)
        """All slots, and four spare bytes."""
        self._vectors, self.headers = (_IoVector * BATCH)(), (_Header * BATCH)()
        # the address stays valid: a bytearray with an exported buffer cannot be resized
        at = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        for n in range(BATCH):
            start = at + n * self.size
            self._vectors[n] = _IoVector(start + _NAME + ancillary, width)
            self.headers[n] = _Header(
                start,
                _NAME_SIZES[sock.family],
                ctypes.addressof(self._vectors[n]),
                1,
                start + _NAME if ancillary else None,
                ancillary,
            )
        self._first = [
            ctypes.c_void_p(ctypes.addressof(self.headers[n])) for n in range(BATCH)
        ]
        self.lengths = memoryview(self._vectors).cast("B").cast("Q")
        """Every second item is the length of a datagram to send."""

    def receive(self) -> int:
        """Read the datagrams that have arrived; return their number."""
        count: int = _libc.recvmmsg(self._fd, self.headers, BATCH, _DONT_WAIT, None)
        return max(0, count)

    def send(self, count: int) -> None:
        """Send the first ``count`` datagrams."""
        first = 0
        while first < count:
            sent = _libc.sendmmsg(
                self._fd, self._first[first], count - first, _DONT_WAIT
            )
            # the call ends at the first datagram that cannot be sent, which is skipped
            first += max(0, sent)
            if first < count:  # unreachable, not permitted, buffer full
                log.debug("cannot send reply number %d of a batch", first)
                first += 1


class _Formats(dict[int, Struct]):
    """The structure of a slot, by the length of the message without its ID."""

    def __init__(self, sender: int) -> None:
        super().__init__()
        self._sender = sender

    def __missing__(self, size: int) -> Struct:
        self[size] = structure = Struct(f"={self._sender}s2s{size}s")
        return structure


class BatchSocket:
    """A socket whose datagrams are received and sent many at a time."""

    def __init__(self, sock: socket.socket, *, wildcard: bool) -> None:
        """Prepare; a ``wildcard`` socket is bound to all addresses of the machine."""
        self._sock = sock
        self._is_v4 = sock.family == socket.AF_INET
        self._host, port = shown(sock.getsockname())
        self._ancillary = wildcard * _PKTINFO_SIZES[sock.family]
        self._formats = _Formats(_NAME + self._ancillary)
        self._in = _Slots(sock, READ, self._ancillary)
        self._out = _Slots(sock, WRITE, self._ancillary)
        # the kernel overwrites lengths in the headers, so each call needs a fresh copy
        self._fresh = bytes(self._in.headers)
        headers = memoryview(self._in.headers).cast("B").cast("I")
        # msg_len is word 14 of the 16 words of a struct mmsghdr
        self._sizes = headers[14::16]
        self._words = memoryview(self._in.data).cast("I")
        # the interface in a pktinfo of IPv4 is cleared, so that the route decides and
        # only the source address is set; otherwise a spare word is cleared
        step, interface = self._in.size // 4, (_NAME + _CMSG.size) // 4
        clears = wildcard and self._is_v4
        self._places = [
            (n, n * self._in.size, n * step + interface if clears else BATCH * step)
            for n in range(BATCH)
        ]
        self._checked = {p.to_bytes(2) for p in (*SILENT_PORTS, port)}

    def receive_many(self) -> Sequence[Datagram]:
        """See `DatagramSocket`."""
        ctypes.memmove(self._in.headers, self._fresh, len(self._fresh))
        count = self._in.receive()
        data, sizes, words = self._in.data, self._sizes, self._words
        formats, checked = self._formats, self._checked
        datagrams: list[Datagram] = []
        for number, start, interface in self._places[:count]:
            words[interface] = 0
            size = sizes[number]
            datagram = formats[size - 2 if size > 2 else 0].unpack_from(data, start)
            # the port decides for most datagrams, and the address need not be unpacked
            if datagram[0][2:4] not in checked or not self._is_unwelcome(datagram[0]):
                datagrams.append(datagram)
        return datagrams

    def _is_unwelcome(self, sender: bytes) -> bool:
        peer = self.peer(sender)
        if peer[1] in SILENT_PORTS:
            return True
        ancillary = self._ancillary_of(sender)
        return _is_own(peer, _destination(ancillary) if ancillary else self._host)

    def send_many(self, datagrams: Iterable[Datagram]) -> None:
        """See `DatagramSocket`."""
        out, lengths, slot = self._out.data, self._out.lengths, self._out.size
        formats, count = self._formats, 0
        for sender, ident, rest in datagrams:
            size = len(rest)
            if size > WRITE - 2:
                ancillary = self._ancillary_of(sender)
                _send_one(self._sock, (ident, rest), ancillary, self.peer(sender))
                continue
            formats[size].pack_into(out, count * slot, sender, ident, rest)
            lengths[count * 2 + 1] = size + 2
            count += 1
            if count == BATCH:
                self._out.send(count)
                count = 0
        self._out.send(count)

    def peer(self, sender: Sender) -> SockAddr:
        """See `DatagramSocket`."""
        if self._is_v4:
            port, packed = _SOCKADDR.unpack_from(sender)
            return socket.inet_ntoa(packed), port
        port, flow, packed = _SOCKADDR6.unpack_from(sender)
        host = socket.inet_ntop(socket.AF_INET6, packed)
        scope = int.from_bytes(sender[24:28], sys.byteorder)
        return *shown((host, port, flow, scope)), flow, scope

    def _ancillary_of(self, sender: bytes) -> Ancillary:
        if not self._ancillary:
            return ()
        raw = sender[_NAME:]
        length, level, kind = _CMSG.unpack_from(raw)
        return [(level, kind, raw[_CMSG.size : length])]
