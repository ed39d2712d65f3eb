"""How glibc exchanges queries with servers: one server after another.

Theory of operation: the queries for one name (A and AAAA, or one) go to the same
server. Over UDP both leave one connected socket at once; if only one reply comes,
glibc sends them again one after the other, and after another time-out from two sockets.
It stays in that mode for the rest of the process. SERVFAIL, NOTIMP, REFUSED and lame
replies lead to the next server, unless the reply to the other query is usable. After a
truncated reply everything goes over TCP, where any rcode is final, and where glibc has
no time-out of its own. Sockets stay open between the attempts for one name, so a
repeated query leaves the same port.

Source: glibc 2.36 and 2.42, resolv/res_send.c (__res_context_send, nameserver_offset,
send_dg, send_vc, reopen) and resolv/res_queriesmatch.c.
"""

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias

from minidns.dns.model import AA, RA, TC, Rcode
from minidns.dns.reply import Reply

from .protocol import Event, Failure, Resolver, Send, Status, StubQuery, Wait
from .resolv_conf import Conf, GlibcRelease

TCP_TIMEOUT_S = 127.0
"""When Linux gives a TCP connection up (tcp_syn_retries 6).

The model ends any wait on TCP then; glibc waits forever for the reply of a server that
has accepted the connection.
"""
_ERRORS = frozenset((Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED))


class Errno(Enum):
    """The error numbers of glibc that decide how a search goes on."""

    NONE = 0
    REFUSED = 111
    TIMED_OUT = 110


class Sent(NamedTuple):
    """The result of an exchange: replies in the order of arrival, or none."""

    replies: tuple[Reply, ...] = ()
    cause: Status = Status.SILENT
    """Without replies: why there are none."""
    rejected: Reply | None = None
    """The last error reply that led to the next server."""


SentSteps: TypeAlias = Generator[Wait, Event, Sent]
_Steps: TypeAlias = Generator[Wait, Event, tuple[Reply, ...]]


@dataclass(slots=True)
class Sender:
    """The part of glibc's resolver state that sending depends on."""

    resolver: Resolver
    conf: Conf
    release: GlibcRelease
    single: bool = False
    """Whether the second query is sent after the reply to the first."""
    reopen: bool = False
    """Whether each query has a socket of its own."""
    offset: int | None = None
    """The number of exchanges, for ``rotate``; the first is random."""
    errno: Errno = Errno.NONE
    last_rcode: int | None = None
    """The rcode in glibc's first reply buffer, whichever packet put it there."""
    _sockets: dict[str, int] = field(default_factory=dict)
    """Source ports of the open UDP sockets, by server."""
    _unread: dict[int, deque[Event]] = field(default_factory=dict)
    """Events of the open UDP sockets, by source port.

    A late reply stays in its socket until glibc asks that server again.
    """
    _heard: bool = False
    """Whether anything but a refusal came of UDP (gotsomewhere)."""
    _tcp: bool = False
    _rejected: Reply | None = None

    def exchange(self, queries: Sequence[StubQuery]) -> SentSteps:
        """Query the servers until one gives usable replies."""
        self.close()
        self._heard, self._rejected = False, None
        self._tcp = "use-vc" in self.conf.flags
        self.last_rcode = None
        start = self._next_offset()
        count = len(self.conf.servers)
        for _ in range(self.conf.attempts):
            for shift in range(count):
                index = (start + shift) % count
                replies = yield from self._ask(queries, index)
                if replies:
                    self.errno = Errno.NONE
                    return Sent(replies)
            if self._tcp:
                break  # at most one attempt per server
        if not self._tcp:
            self.errno = Errno.TIMED_OUT if self._heard else Errno.REFUSED
        return Sent((), self._cause(), self._rejected)

    def _next_offset(self) -> int:
        if "rotate" not in self.conf.flags or len(self.conf.servers) < 2:
            return 0
        if self.offset is None:
            random = self.release.random_rotation
            self.offset = self.resolver.rng.getrandbits(31) if random else 1
        self.offset += 1
        return self.offset - 1

    def _cause(self) -> Status:
        if self._rejected is not None:
            failed = self._rejected.rcode != Rcode.SERVFAIL
            return Status.FAILED if failed else Status.SERVFAIL
        causes = {Errno.REFUSED: Status.REFUSED, Errno.TIMED_OUT: Status.SILENT}
        return causes.get(self.errno, Status.CLOSED)

    def _ask(self, queries: Sequence[StubQuery], index: int) -> _Steps:
        """Ask one server once; no replies mean that the next server is asked."""
        if not self._tcp:
            replies = yield from self._ask_udp(queries, index)
            if not self._tcp:
                return replies
        return (yield from self._ask_tcp(queries, self.conf.servers[index]))

    def _seconds(self, index: int) -> int:
        """Return the seconds to wait for the server at ``index``."""
        seconds = self.conf.timeout_s << index
        if index:
            # C divides towards zero; what is below 1 is 1 in any case
            seconds //= len(self.conf.servers)
        return max(seconds, 1)

    def _ask_udp(self, queries: Sequence[StubQuery], index: int) -> _Steps:
        server, heard = self.conf.servers[index], self._heard
        self.reopen = self.reopen or "single-request-reopen" in self.conf.flags
        self.single = self.single or self.reopen or "single-request" in self.conf.flags
        first: Reply | None = None
        while True:
            attempt = _Attempt(self, server, list(queries), first)
            finish = self.resolver.now + self._seconds(index)
            while not (attempt.over or attempt.timed_out):
                event = yield from self._next_event(attempt.sends(), server, finish)
                if event is not None:
                    attempt.take(event)
                elif self.resolver.now >= finish:
                    attempt.timed_out = True
            if not attempt.timed_out:
                return attempt.result()
            first = attempt.first
            if first is None or not attempt.received:
                self._heard = True
                return ()
            if self.reopen:
                return (first,)
            self._heard = heard
            if self.single:
                self.reopen = True
                self.close()
            self.single = True

    def _next_event(
        self, sends: tuple[Send, ...], server: str, until: float
    ) -> Generator[Wait, Event, Event | None]:
        """Send, then return the next event of the socket to ``server``, if any."""
        unread = self._unread[self.socket(server)]
        if sends or not unread:
            event = yield Wait(sends, self.resolver.now if unread else until)
            if event.source in self._unread and (event.reply or event.failure):
                self._unread[event.source].append(event)
        return unread.popleft() if unread else None

    def _ask_tcp(self, queries: Sequence[StubQuery], server: str) -> _Steps:
        for last in (False, True):  # a reset connection is opened once more
            source = self.resolver.port()
            sends = tuple(query.to(server, source, "tcp") for query in queries)
            waiting = {query.id: query for query in queries}
            replies: list[Reply] = []
            until = self.resolver.now + TCP_TIMEOUT_S
            while True:
                event = yield Wait(sends, until)
                sends = ()
                if event.reply is not None and event.source == source:
                    if not replies:
                        self.last_rcode = event.reply.rcode
                    if waiting.pop(event.reply.id, None):
                        replies.append(event.reply)
                    if not waiting:
                        return tuple(replies)
                elif event.failure and event.source == source:
                    break
                elif self.resolver.now >= until:
                    self.errno = Errno.TIMED_OUT
                    return ()
            if event.failure is not Failure.RESET or last:
                refused = event.failure is Failure.REFUSED
                self.errno = Errno.REFUSED if refused else Errno.NONE
                return ()
        return ()

    def socket(self, server: str) -> int:
        """Return the port of the UDP socket to ``server``; open it if needed."""
        if server not in self._sockets:
            port = self.resolver.port()
            self._sockets[server], self._unread[port] = port, deque()
        return self._sockets[server]

    def close(self) -> None:
        """Close all UDP sockets; what was not read is lost."""
        self._sockets.clear()
        self._unread.clear()

    def note(self, *, rejected: Reply | None = None, truncated: bool = False) -> None:
        """Remember that a reply came, was rejected, or was truncated."""
        self._heard = True
        self._rejected = rejected or self._rejected
        if truncated:
            self._tcp = True
            self.close()


@dataclass(slots=True)
class _Attempt:
    """One transmission of the queries to one server over UDP."""

    sender: Sender
    server: str
    queries: list[StubQuery]
    first: Reply | None = None
    """The reply in the first buffer, also of the attempt before; None if rejected."""
    second: Reply | None = None
    received: set[int] = field(default_factory=set)
    """IDs of the queries with a reply, usable or not."""
    over: bool = False
    timed_out: bool = False
    _written: int = 0
    _writing: bool = True

    def sends(self) -> tuple[Send, ...]:
        """Return the queries to send now: all, or one at a time."""
        if not self._writing:
            return ()
        self._writing = False
        if self._written == 0 and not self.sender.single:
            now = self.queries
        else:
            now = [self.queries[-1] if self._written else self.queries[0]]
        self._written += len(now)
        source = self.sender.socket(self.server)
        return tuple(query.to(self.server, source) for query in now)

    def result(self) -> tuple[Reply, ...]:
        """Return the usable replies in the order of arrival."""
        return tuple(reply for reply in (self.first, self.second) if reply)

    def take(self, event: Event) -> None:
        """Handle an event of this attempt's socket."""
        if event.failure is not None:
            self._fail()
        elif event.reply is not None:
            self._take_reply(event.reply)

    def _take_reply(self, reply: Reply) -> None:
        if not self.received:
            self.sender.last_rcode = reply.rcode
        self.sender.note()
        query = next((q for q in self.queries if self._answers(reply, q)), None)
        if query is None:
            return
        if reply.rcode in _ERRORS or _is_lame(reply):
            self._reject(reply, query)
        elif reply.flags & TC:
            self.sender.note(truncated=True)
            self._drop_replies()
        else:
            self._keep(reply, query)

    def _answers(self, reply: Reply, query: StubQuery) -> bool:
        if query.id in self.received:
            return False
        bare = (
            self.sender.release.short_errors
            and reply.question is None
            and reply.rcode in _ERRORS
        )
        return query.matches(reply) or (bare and reply.id == query.id)

    def _reject(self, reply: Reply, query: StubQuery) -> None:
        """Handle an error reply: the other reply counts, if there is one."""
        self.sender.note(rejected=reply)
        alone = len(self.queries) == 1
        if "strict-error" in self.sender.conf.flags:
            self._fail()
        elif self.received:
            self.over = True
        elif alone or (self.sender.release.short_errors and self.sender.single):
            self._fail()
        else:
            # without the fix the second query of single-request is then never sent
            self.first = None
            self.received.add(query.id)

    def _keep(self, reply: Reply, query: StubQuery) -> None:
        if self.received:
            self.second = reply
        else:
            self.first = reply
        self.received.add(query.id)
        if len(self.received) == len(self.queries):
            self.over = True
        elif self.sender.single:
            self._writing = True
            if self.sender.reopen:
                self.sender.close()

    def _fail(self) -> None:
        self.sender.close()
        self._drop_replies()

    def _drop_replies(self) -> None:
        self.first = self.second = None
        self.over = True


def _is_lame(reply: Reply) -> bool:
    empty = not (reply.answer or reply.additional or reply.opt)
    return reply.rcode == Rcode.NOERROR and empty and not reply.flags & (AA | RA)
