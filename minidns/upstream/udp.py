"""Queries by UDP on their way to upstreams, each on a socket of its own.

The kernel draws the port of each at random (RFC 5452 9.2), lets nothing through from
another address or port, and tells of a refusal at once. That is why they are plain,
connected sockets: asyncio-dgram wakes nobody for a refusal, and its queue has no bound.

All of them are heard through one file descriptor of the loop, where the system has
epoll, and one timer looks after all deadlines: what the loop does for each reader and
each timer costs more than the exchange itself.
"""

import asyncio
import select
import socket
from typing import Any, Generic, TypeVar

from minidns.system.addresses import shown, socket_address
from minidns.upstream.acceptance import Doubtful
from minidns.upstream.stream import MAX_REJECTED
from minidns.upstream.upstream import GRACE_S, Accept, Upstream, joined, reason

T = TypeVar("T")

_LONGEST = 65535
# plain numbers, and both with one system call, where Linux has it
_NONBLOCK = int(getattr(socket, "SOCK_NONBLOCK", 0))
_DATAGRAMS = int(socket.SOCK_DGRAM) | _NONBLOCK
_AT_ONCE = 64
"""Replies read per wake-up: more would keep clients waiting whose answers are there."""
_TICK_S = 0.02
"""How much later than its deadline an exchange may end."""


class Flooded(ConnectionError):
    """So many wrong replies over UDP that somebody seems to be guessing."""


class _Query(Generic[T]):
    """One query, until it is answered or given up."""

    __slots__ = (
        "accept",
        "deadline",
        "doubtful",
        "fd",
        "found",
        "is_over",
        "rejected",
        "sock",
        "to",
        "wire",
    )

    sock: socket.SocketType

    def __init__(
        self,
        to: Upstream,
        wire: bytes,
        deadline: float,
        accept: Accept[T],
    ) -> None:
        self.to = to
        self.wire = wire
        self.deadline = deadline
        """A time of the loop."""
        self.accept = accept
        """Returns the content of a reply; None for a reply to another query."""
        self.found: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.doubtful: Doubtful[T] | None = None
        """The first doubtful reply: it counts if no better one comes."""
        self.rejected = 0
        self.is_over = False
        self.fd = -1
        """The socket's, while it is open."""

    @property
    def path(self) -> str:
        """From where to where it goes, for people."""
        return f"udp {joined(*shown(self.sock.getsockname()))}->{self.to}"

    def send(self) -> None:
        """Send it from a socket of its own.

        Raises:
            OSError: no way there.

        """
        self.sock = connected(self.to)
        self.fd = self.sock.fileno()
        try:
            self.sock.send(self.wire)
        except OSError as exc:
            text = f"write {self.path}: write: {reason(exc)}"
            raise ConnectionError(text) from None

    def hear(self) -> bytes:
        """Read a datagram.

        Raises:
            BlockingIOError: there is none.
            OSError: the upstream refuses.

        """
        try:
            return self.sock.recv(_LONGEST)
        except BlockingIOError:
            raise
        except OSError as exc:
            text = f"read {self.path}: read: {reason(exc)}"
            raise ConnectionError(text) from None


class Outbound:
    """The queries under way in one loop."""

    def __init__(self, *, together: bool = hasattr(select, "epoll")) -> None:
        """Prepare; without ``together`` as where the system has no epoll."""
        self._together = together
        self._leaving: list[_Query[Any]] = []
        self._open: dict[int, _Query[Any]] = {}
        self._poll: select.epoll | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    async def ask(
        self,
        to: Upstream,
        wire: bytes,
        deadline: float,
        accept: Accept[T],
    ) -> T:
        """Return the first accepted reply; may be awaited outside a task.

        ``deadline`` is a time of the loop.

        Raises:
            Flooded: too many replies were not accepted.
            TimeoutError: none was, until ``deadline``.
            DnsError: the outcome of a doubtful reply.
            OSError: no way there, or the upstream refuses.

        """
        query = _Query(to, wire, deadline, accept)
        if not self._leaving:
            asyncio.get_running_loop().call_soon(self._send_all)
        self._leaving.append(query)
        try:
            return await query.found
        finally:
            self._give_up(query)

    def _give_up(self, query: _Query[Any]) -> None:
        """Close its socket, which ends its being polled, too."""
        query.is_over = True
        fd, query.fd = query.fd, -1
        if fd >= 0:
            if self._open.pop(fd, None) and self._poll is None:
                asyncio.get_running_loop().remove_reader(fd)
            query.sock.close()

    def close(self) -> None:
        """Give up what is under way, and hear no more."""
        for query in (*self._leaving, *self._open.values()):
            self._fail(query, ConnectionError(f"read udp {query.to}: closed"))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._poll is not None:
            asyncio.get_running_loop().remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None

    def _send_all(self) -> None:
        """Send what was asked in this turn of the loop, one right after the other.

        System calls in a row are cheaper than each in the midst of a query's way.
        """
        leaving, self._leaving = self._leaving, []
        loop = asyncio.get_running_loop()
        for query in leaving:
            if query.is_over:
                continue  # given up already
            try:
                query.send()
                self._expect(loop, query)
            except Exception as exc:
                self._fail(query, exc)

    def _expect(self, loop: asyncio.AbstractEventLoop, query: _Query[Any]) -> None:
        if self._together and self._poll is None:
            self._poll = select.epoll()
            loop.add_reader(self._poll.fileno(), self._hear_all)
        self._open[query.fd] = query
        if self._poll is not None:
            self._poll.register(query.fd, select.EPOLLIN)
        else:
            loop.add_reader(query.fd, self._hear, query)
        if self._timer is None:
            self._timer = loop.call_later(_TICK_S, self._expire)

    def _hear_all(self) -> None:
        assert self._poll is not None
        for fd, _ in self._poll.poll(0, _AT_ONCE):
            if query := self._open.get(fd):  # else what was heard before ended it
                self._hear(query)

    def _hear(self, query: _Query[Any]) -> None:
        try:
            found = query.accept(query.hear())
            if found is None or isinstance(found, Doubtful):
                self._doubt(query, found)
                query.rejected += 1
                if query.rejected == MAX_REJECTED:
                    text = f"read {query.path}: only replies to other queries"
                    raise Flooded(text)
        except BlockingIOError:
            return  # its checksum was wrong
        except Exception as exc:
            self._fail(query, exc)
            return
        if found is not None and not isinstance(found, Doubtful):
            self._land(query, found)

    def _doubt(self, query: _Query[Any], found: Doubtful[Any] | None) -> None:
        """Wait only a little longer after the first doubtful reply."""
        if found is not None and query.doubtful is None:
            query.doubtful = found
            soon = asyncio.get_running_loop().time() + GRACE_S
            query.deadline = min(query.deadline, soon)

    def _land(self, query: _Query[Any], found: object) -> None:
        self._give_up(query)
        if not query.found.done():
            query.found.set_result(found)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for query in [each for each in self._open.values() if each.deadline <= now]:
            self._end(query)
        again = loop.call_later(_TICK_S, self._expire) if self._open else None
        self._timer = again

    def _end(self, query: _Query[Any]) -> None:
        """End a query whose time is over."""
        try:
            if query.doubtful is None:
                raise TimeoutError(f"read {query.path}: i/o timeout")
            found = query.doubtful.settled()
        except Exception as exc:
            self._fail(query, exc)
        else:
            self._land(query, found)

    def _fail(self, query: _Query[Any], error: Exception) -> None:
        if not query.is_over:
            self._give_up(query)
            if not query.found.done():
                query.found.set_exception(error)


def connected(to: Upstream) -> socket.SocketType:
    """Return a new UDP socket that hears ``to`` alone.

    Raises:
        OSError: no socket, no such source address, or no way there.

    """
    sock, step = None, "socket"
    try:
        family, peer = socket_address(to.host, to.port)
        # the system's own type: the class around it costs as much as a system call
        sock = socket.SocketType(family, _DATAGRAMS)
        if not _NONBLOCK:
            sock.setblocking(False)
        if to.source:
            step = "bind"
            sock.bind(socket_address(to.source, 0)[1])
        step = "connect"
        sock.connect(peer)
    except OSError as exc:
        if sock is not None:
            sock.close()
        text = f"dial udp {to}: {step}: {reason(exc)}"
        raise ConnectionError(text) from None
    return sock
