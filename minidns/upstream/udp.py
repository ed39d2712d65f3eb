"""Exchanges with upstreams over UDP, each on a socket of its own.

The sockets are connected: the kernel chooses a random port for each (RFC 5452 9.2),
drops datagrams from other addresses and ports, and reports a refusal at once.
(asyncio-dgram wakes nobody when the upstream refuses, and its queue is unbounded.)

Where the system has epoll, the loop watches one file descriptor for all sockets, and
one timer serves all deadlines. A reader and a timer for each exchange would cost more
than the exchange itself.
"""

import asyncio
import select
import socket
from typing import Any, Generic, TypeVar

from msgspec import Struct

from minidns.system.addresses import shown, socket_address
from minidns.upstream.acceptance import Doubtful
from minidns.upstream.stream import MAX_REJECTED
from minidns.upstream.upstream import GRACE_S, Accept, Upstream, joined, reason

T = TypeVar("T")

_MAX_REPLY = 65535
# a plain number: both flags with one system call, where Linux has it
_NONBLOCK = int(getattr(socket, "SOCK_NONBLOCK", 0))
_SOCKET_TYPE = int(socket.SOCK_DGRAM) | _NONBLOCK
_REPLIES_AT_ONCE = 64
"""Replies read per wake-up; more would delay clients whose answers are ready."""
_TICK_S = 0.02
"""Maximum seconds between the deadline of an exchange and its end."""


class Flooded(ConnectionError):
    """So many replies to other queries that somebody seems to forge replies."""


class UdpExchange(Struct, Generic[T], eq=False):
    """One query to an upstream, its socket, and its result."""

    to: Upstream
    sock: socket.SocketType
    deadline: float
    """A time of the loop."""
    accept: Accept[T]
    """Returns the content of a reply; None for a reply to another query."""
    result: "asyncio.Future[T]"
    doubtful: Doubtful[T] | None = None
    """The first doubtful reply: it counts if no better one comes."""
    rejected: int = 0

    @property
    def path(self) -> str:
        """Both ends of the socket, for messages."""
        return f"udp {joined(*shown(self.sock.getsockname()))}->{self.to}"

    def send(self, wire: bytes) -> None:
        """Send the query.

        Raises:
            OSError: it cannot be sent.

        """
        try:
            self.sock.send(wire)
        except OSError as exc:
            text = f"write {self.path}: write: {reason(exc)}"
            raise ConnectionError(text) from None

    def on_readable(self) -> None:
        """Read a datagram; set the result if it is the reply, or a failure."""
        try:
            wire = self.sock.recv(_MAX_REPLY)
        except BlockingIOError:
            return  # a datagram with a wrong checksum
        except OSError as exc:
            text = f"read {self.path}: read: {reason(exc)}"
            self.fail(ConnectionError(text))
            return
        try:
            reply = self.accept(wire)
        except Exception as exc:
            self.fail(exc)
            return
        if reply is None or isinstance(reply, Doubtful):
            self._reject(reply)
        elif not self.result.done():
            self.result.set_result(reply)

    def _reject(self, reply: Doubtful[T] | None) -> None:
        self.rejected += 1
        if self.rejected == MAX_REJECTED:
            self.fail(Flooded(f"read {self.path}: only replies to other queries"))
        elif reply is not None and self.doubtful is None:
            self.doubtful = reply
            # wait only a little longer for a better one
            soon = asyncio.get_running_loop().time() + GRACE_S
            self.deadline = min(self.deadline, soon)

    def on_deadline(self) -> None:
        """Set the result to the outcome of a doubtful reply, or to a timeout."""
        try:
            if self.doubtful is None:
                raise TimeoutError(f"read {self.path}: i/o timeout")
            reply = self.doubtful.settled()
        except Exception as exc:
            self.fail(exc)
        else:
            if not self.result.done():
                self.result.set_result(reply)

    def fail(self, error: Exception) -> None:
        """End the exchange with ``error``, unless it has ended."""
        if not self.result.done():
            self.result.set_exception(error)


class UdpExchanges:
    """The exchanges in flight in one event loop."""

    def __init__(self, *, epoll: bool = hasattr(select, "epoll")) -> None:
        """Prepare; without ``epoll`` the loop watches every socket."""
        self._use_epoll = epoll
        self._by_fd: dict[int, UdpExchange[Any]] = {}
        self._poll: select.epoll | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._by_fd)

    async def exchange(
        self, to: Upstream, wire: bytes, deadline: float, accept: Accept[T]
    ) -> T:
        """Send the query ``wire`` and return the first accepted reply.

        ``deadline`` is a time of the loop.

        Raises:
            Flooded: too many replies were not accepted.
            TimeoutError: no reply was accepted before ``deadline``.
            DnsError: the outcome of a doubtful reply.
            OSError: no route, or the upstream refuses.

        """
        loop, sock = asyncio.get_running_loop(), connected(to)
        result: asyncio.Future[T] = loop.create_future()
        exchange = UdpExchange(to, sock, deadline, accept, result)
        fd = sock.fileno()
        try:
            exchange.send(wire)
            self._watch(exchange, fd, loop)
            return await result
        finally:
            if self._by_fd.pop(fd, None) and self._poll is None:
                loop.remove_reader(fd)
            sock.close()  # this removes it from epoll, too

    def _watch(
        self, exchange: UdpExchange[Any], fd: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        if self._use_epoll and self._poll is None:
            self._poll = select.epoll()
            loop.add_reader(self._poll.fileno(), self._on_readable)
        self._by_fd[fd] = exchange
        if self._poll is not None:
            self._poll.register(fd, select.EPOLLIN)
        else:
            loop.add_reader(fd, exchange.on_readable)
        if self._timer is None:
            self._timer = loop.call_later(_TICK_S, self._check_deadlines)

    def _on_readable(self) -> None:
        assert self._poll is not None
        for fd, _ in self._poll.poll(0, _REPLIES_AT_ONCE):
            self._by_fd[fd].on_readable()

    def _check_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for exchange in self._by_fd.values():
            if exchange.deadline <= now:
                exchange.on_deadline()
        again = loop.call_later(_TICK_S, self._check_deadlines) if self._by_fd else None
        self._timer = again

    def close(self) -> None:
        """Fail all exchanges in flight."""
        for exchange in self._by_fd.values():
            exchange.fail(ConnectionError(f"read udp {exchange.to}: closed"))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._poll is not None:
            asyncio.get_running_loop().remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None


def connected(to: Upstream) -> socket.SocketType:
    """Return a new UDP socket that receives datagrams from ``to`` only.

    Raises:
        OSError: no socket, no such source address, or no route.

    """
    sock, step = None, "socket"
    try:
        family, peer = socket_address(to.host, to.port)
        # the C type: the class socket.socket costs as much as a system call
        sock = socket.SocketType(family, _SOCKET_TYPE)
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
