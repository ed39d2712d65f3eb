"""UDP: drain the socket, repeat what is remembered, answer the rest.

One wake-up of the loop reads many datagrams; a remembered answer leaves at once. The
others stand in line for the chain, which is asked a few in each turn of the loop: so
that what takes thirty times as long holds up nothing that is remembered. The chain's
coroutine is stepped by hand: most end in their first step; those that wait (for an
upstream) are carried on, bounded in number, the oldest making room.

Where there is no room in the line, the newest are refused: SERVFAIL, which costs a
tenth of an answer, and the client asks the next server at once. The line is kept so
short, as is the socket's receive buffer before it, that even its oldest query is
answered before any client gives up: in a short queue there is nothing to gain by
serving the newest first.
"""

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable

from minidns.dns.model import Dropped, Query, Rcode, Response
from minidns.dns.wire import encode_response, overload_reply
from minidns.metrics.registry import Metrics
from minidns.server import batch
from minidns.server.answer import Answerer
from minidns.server.batch import READ, SLOTS, Ancillary, Batch, Client
from minidns.server.in_flight import Waiting
from minidns.server.remembered import Memory, Miss, channel
from minidns.system.addresses import SockAddr, shown, socket_address
from minidns.system.limits import fair_share

log = logging.getLogger(__name__)

_LAST = 4096
"""Datagrams read at the end: more than the receive buffer holds."""
_RECEIVE_BUFFER = 512 << 10
"""Bytes asked for; Linux gives twice that: some 1,260 queries, 0.1 s of hard work."""
_BATCHES = 8
"""Batches read per wake-up: more would keep other sockets waiting."""
_FEW = 16
"""Queries the chain is asked in a turn of the loop while others need no chain: they
take 0.05 ms each."""
MAX_IN_LINE = 2048
"""Queries that may stand in line for the chain: 0.1 s of its work, 0.5 KB each
(measured)."""
MAX_IN_FLIGHT = 2048
"""Queries that may wait at a time.

One that is forwarded takes 5 to 10 KB (measured), so that all of them take 20 MB at
most, where a pod of CoreDNS may have 170. Each needs a socket to its upstream, too.
limit: CoreDNS has none; here the oldest is answered SERVFAIL to make room.
"""
_SILENT_PORTS = frozenset((0, 7, 13, 17, 19, 37))
"""echo, daytime, quotd, chargen, time, no port at all: a reply would start a loop."""
_DNS_PORT, _KPASSWD_PORT = 53, 464
_ONCE_S = 2.0
"""Seconds in which another server is told of the same error once (BIND)."""

IP_PKTINFO = 8  # Linux; not in Python's socket module before 3.12
_SO_MEMINFO, _DROPS = 55, struct.Struct("=32xI")  # Linux: sock_diag.h SK_MEMINFO_DROPS
_PKTINFO = struct.Struct("=I4s4s")


class Datagrams:
    """One bound UDP socket, answered until it is closed."""

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
        """Prepare; without ``batches`` as where the system does not have them."""
        self._sock = sock
        self._answerer = answerer
        self.memory = memory
        self._channel = channel("udp", ipv6=sock.family == socket.AF_INET6)
        self._now = now
        self._local = shown(sock.getsockname())
        self._odd_ports = _SILENT_PORTS | {self._local[1]}
        self._odd_on_wire = frozenset(map(socket.htons, self._odd_ports))
        self._told: tuple[str, bytes] = ("", b"")
        self._told_at = 0.0
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
        self._overflow = _drops(sock)  # another may have had this socket before
        metrics.before_scrape.append(self._count_overflow)
        self._line: deque[tuple[bytes, Client]] = deque()
        self._kept = 0
        """What ``memory.kept`` was when the first in line came."""
        self._at_a_time = _FEW
        self._busy = False
        """Whether the loop will go on with the line, or is at it."""
        self._flushing = False
        most = max_in_flight or fair_share(MAX_IN_FLIGHT)
        self.waiting = Waiting(most, self._count_dropped)
        wildcard = _prepared(sock)
        use = batches and batch.is_known()
        self._batch = Batch(sock, wildcard=wildcard) if use else None
        self._read = self._drain_batch if use else self._drain

    def start(self) -> None:
        """Begin to answer."""
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._read)

    def stop_reading(self) -> None:
        """Answer what has come so far, and read no more."""
        if asyncio.get_running_loop().remove_reader(self._sock.fileno()):
            for _ in range(_LAST // SLOTS):
                self._read()
                while self._line:
                    self._ask_some()

    async def close(self, grace_s: float = 5.0) -> None:
        """Stop reading, give waiting queries ``grace_s`` seconds, close the socket."""
        if self._sock.fileno() < 0:
            return
        self.stop_reading()
        await self.waiting.end(grace_s)
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

    def _drain_batch(self) -> None:
        assert self._batch is not None
        drain, odd = self._batch.drain, self._odd_on_wire
        get, now = self.memory.get, self._now()
        self._look()
        line = self._line
        for _ in range(_BATCHES):
            before = len(line)
            count = drain(get, self._stand, now, self._channel, odd)
            remembered = count > len(line) - before
            if count < SLOTS or not remembered or len(line) == MAX_IN_LINE:
                break
        if count:
            self._at_a_time = _FEW if remembered else SLOTS
        self._begin()

    def _drain(self) -> None:
        """Do the same one by one.

        The reply must come from the address that was asked (RFC 2181 4.1), which a
        socket bound to all addresses does not know of itself.
        """
        self._look()
        receive, get, through = self._sock.recvmsg, self.memory.get, self._channel
        now, odd = self._now(), self._odd_ports
        came: Ancillary = None
        ancillary: Ancillary = None
        for _ in range(SLOTS):
            try:
                wire, extra, _, peer = receive(READ, 128)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error of an earlier reply: next datagram
                continue
            if extra != came:  # most come to one address
                came, ancillary = extra, [_source(*each) for each in extra]
            tail = get((through, wire[2:]), now)
            if tail is None or peer[1] in odd:
                self._stand(wire, Client(_scoped(peer), ancillary))
            else:
                self._send(wire[:2] + tail, Client(peer, ancillary))
        self._begin()

    def _look(self) -> None:
        """Note what is remembered while nobody stands in line."""
        if not self._line:
            self._kept = self.memory.kept

    def _stand(self, wire: bytes, client: Client) -> None:
        """Let a query stand in line; where there is no room, answer SERVFAIL."""
        if len(self._line) < MAX_IN_LINE:
            self._line.append((wire, client))
            return
        self._count_dropped()
        if self._answerer.shed is not None:
            return
        if (reply := overload_reply(wire)) and client.peer[1] not in self._odd_ports:
            self._send(reply, client)

    def _begin(self) -> None:
        """Ask the chain at once, unless others came before."""
        if self._line and not self._busy:
            self._ask_some()

    def _ask_some(self) -> None:
        """Ask the chain for the first in line; then let the loop look elsewhere."""
        line = self._line
        self._flushing = True  # in the end, at once
        try:
            for _ in range(min(self._at_a_time, len(line))):
                self._ask(*line.popleft())
        finally:
            self._flush()
            self._busy = bool(line)
            if line:
                asyncio.get_running_loop().call_soon(self._ask_some)

    def _ask(self, wire: bytes, client: Client) -> None:
        """Answer a query that was not remembered when it came, but may be now."""
        peer, ancillary, *_ = client
        if peer[1] in self._odd_ports and not self._is_welcome(peer, ancillary):
            return
        key = self._channel, wire[2:]
        if self.memory.kept != self._kept:
            tail = self.memory.get(key, self._now())
            if tail is not None:
                self._send(wire[:2] + tail, client)
                return
        miss = self.memory.miss(key)
        query = self._answerer.decode(wire, "udp", peer[:2], self._local, miss)
        if query is None:
            return
        if isinstance(query, bytes):
            if not self._would_loop(wire, peer):
                self._send(query, client)
            return
        work = self._reply(query, client, miss)
        try:
            waiting = work.send(None)
        except StopIteration:
            return
        self.waiting.add(work, waiting)

    def _is_welcome(self, peer: SockAddr, ancillary: Ancillary) -> bool:
        """Return whether one who asks from an odd port may have a reply."""
        if peer[1] in _SILENT_PORTS:
            return False
        here = _destination(ancillary) if ancillary else self._local[0]
        # not ourselves; the destination of a datagram has no scope
        return _unscoped(peer) != (here.partition("%")[0], self._local[1])

    def _send(self, reply: bytes, client: Client) -> None:
        """Send ``reply``, with others that are made in this turn of the loop."""
        if self._batch is not None and self._batch.reply(reply, client):
            if not self._flushing:
                self._flushing = True
                asyncio.get_running_loop().call_soon(self._flush)
            return
        try:
            if client.ancillary:
                self._sock.sendmsg((reply,), client.ancillary, 0, client.peer)
            else:
                self._sock.sendto(reply, client.peer)
        except OSError as exc:  # unreachable, too long, buffer full: the client's loss
            log.debug("cannot reply to %s: %s", client.peer[0], exc)

    def _flush(self) -> None:
        """Send the replies that were made in this turn of the loop."""
        self._flushing = False
        if self._batch is not None:
            self._batch.flush()

    def _would_loop(self, wire: bytes, peer: SockAddr) -> bool:
        """Return whether telling of an error may start a loop (BIND does the same).

        Another server, or who poses as one, is told of one error once.
        """
        if peer[1] != _DNS_PORT:
            return bool(peer[1] == _KPASSWD_PORT)
        now, told = self._now(), (peer[0], wire[:2])
        if told == self._told and now - self._told_at < _ONCE_S:
            return True
        self._told, self._told_at = told, now
        return False

    async def _reply(self, query: Query, client: Client, miss: Miss) -> None:
        try:
            response = await self._answerer.respond(query)
        except Dropped:
            return
        except (asyncio.CancelledError, GeneratorExit):  # it had to make room
            if self._answerer.shed is None:
                self._send(encode_response(query, Response(Rcode.SERVFAIL)), client)
            raise
        reply = self._answerer.encode(query, response)
        self._send(reply, client)
        self.memory.put(miss, query, response, reply)


def _scoped(peer: SockAddr) -> SockAddr:
    """Return ``peer`` with the scope of a link-local address in its host, too."""
    return (*shown(peer), *peer[2:])


def _unscoped(peer: SockAddr) -> tuple[str, int]:
    host, port, *_ = peer
    return host.partition("%")[0], port


def _destination(ancillary: Iterable[tuple[int, int, bytes]]) -> str:
    """Return the address that a datagram was sent to, or nothing."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            return socket.inet_ntoa(data[4:8])
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return socket.inet_ntop(socket.AF_INET6, data[:16])
    return ""


def _drops(sock: socket.socket) -> int:
    """Ask the kernel what it dropped: SO_RXQ_OVFL would cost with every datagram."""
    try:
        info = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _DROPS.size)
        (total,) = _DROPS.unpack(info)
    except (OSError, struct.error):
        return 0  # not Linux
    return int(total)


def _prepared(sock: socket.socket) -> bool:
    """Set ``sock`` up; return whether it is told where each datagram was sent to."""
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    wildcard = sock.getsockname()[0] in ("0.0.0.0", "::")
    if wildcard:
        _ask_for_destination(sock)
    return wildcard


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
