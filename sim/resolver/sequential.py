"""Queries to one server after another, as glibc sends them (resolv/res_send.c)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from minidns.dns.model import AA, RA, TC, Question, Rcode
from minidns.dns.reply import Reply

from .protocol import (
    Event,
    ExchangeResult,
    ExchangeSteps,
    Mode,
    Send,
    Session,
    StubQuery,
    Transport,
    Wait,
    in_order,
    send,
)
from .resolv_conf import Conf

_SKIPPED_RCODES = frozenset((Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED))
"""Response codes after which the next server is tried."""


Ports: TypeAlias = dict[str, int]
"""The source ports of the open sockets of one lookup, by server.

An unanswered query is repeated from the same port, so conntrack sends it to the same
pod again.
"""


def query_sequentially(session: Session, asks: Sequence[StubQuery]) -> ExchangeSteps:
    """Query one server at a time; the first usable replies count.

    All queries of a name go to the same server. With ``rotate`` each name starts at the
    next server. After a truncated reply all queries use TCP.
    """
    conf = session.conf
    start = session.rotation % len(conf.servers) if "rotate" in conf.flags else 0
    session.rotation += 1
    tcp = "use-vc" in conf.flags
    refused, rejected = True, None
    ports: Ports = {}
    for _ in range(conf.attempts):
        for shift in range(len(conf.servers)):
            index = (start + shift) % len(conf.servers)
            result = yield from _query_server(session, asks, index, tcp, ports)
            if result.replies:
                return result
            refused = refused and result.refused
            rejected = result.rejected or rejected
            tcp = tcp or result.truncated
        if tcp:
            break  # one attempt per server
    return ExchangeResult(rejected=rejected, refused=refused)


def server_timeout_s(conf: Conf, index: int) -> float:
    """Return the seconds glibc waits for the server at ``index``.

    >>> [server_timeout_s(Conf(("a", "b", "c"), timeout_s=5), i) for i in range(3)]
    [5, 3, 6]
    """
    seconds = int(conf.timeout_s) << index
    if index:
        seconds //= len(conf.servers)
    return max(seconds, 1)


def _query_server(
    session: Session, asks: Sequence[StubQuery], index: int, tcp: bool, ports: Ports
) -> ExchangeSteps:
    if not tcp:
        result = yield from _query_udp(session, asks, index, ports)
        if result.truncated or result.refused:
            ports.clear()
        if not result.truncated:
            return result
    # limit: glibc uses the kernel's time-out for TCP, this model the one of UDP
    result = yield from _exchange(session, asks, index, "tcp", Mode.PARALLEL, {})
    return result._replace(truncated=not tcp)


def _query_udp(
    session: Session, asks: Sequence[StubQuery], index: int, ports: Ports
) -> ExchangeSteps:
    """Query one server over UDP, with a fallback if only one of two replies arrives.

    A firewall or a race in the kernel may drop the second of two datagrams from one
    port. After a time-out glibc therefore sends the second query only after the first
    reply, and after another time-out from another port.
    """
    while True:
        result = yield from _exchange(session, asks, index, "udp", session.mode, ports)
        if (
            result.truncated
            or result.rejected
            or not 0 < len(result.replies) < len(asks)
        ):
            return result
        if session.mode == Mode.REOPEN:
            return result
        session.mode = Mode(session.mode + 1)
        if session.mode == Mode.REOPEN:
            ports.clear()


def _exchange(
    session: Session,
    asks: Sequence[StubQuery],
    index: int,
    transport: Transport,
    mode: Mode,
    ports: Ports,
) -> ExchangeSteps:
    """Query one server once; wait for all replies or the time-out."""
    server = session.conf.servers[index]
    exchange = _ServerExchange(session, server, transport, mode, ports, list(asks))
    until = session.now + server_timeout_s(session.conf, index)
    while not exchange.over:
        event = yield Wait(exchange.sends(), until)
        if event.refused and event.source == exchange.source:
            return ExchangeResult(refused=True)
        if event.reply is not None:
            exchange.take(event)
        elif event.now >= until:
            break
    replies = in_order(exchange.replies, asks)
    return ExchangeResult(replies, exchange.rejected, truncated=exchange.truncated)


@dataclass(slots=True)
class _ServerExchange:
    """The state of one exchange with one server."""

    session: Session
    server: str
    transport: Transport
    mode: Mode
    ports: Ports
    unsent: list[StubQuery]
    source: int = 0
    open: list[StubQuery] = field(default_factory=list)
    """Queries in flight."""
    replies: dict[Question, Reply] = field(default_factory=dict)
    rejected: Reply | None = None
    truncated: bool = False
    over: bool = False

    def sends(self) -> tuple[Send, ...]:
        """Return the queries to send now: all, or one at a time."""
        if self.open and self.mode != Mode.PARALLEL:
            return ()
        now = self.unsent if self.mode == Mode.PARALLEL else self.unsent[:1]
        if now:
            self.source = self._port()
        self.unsent = self.unsent[len(now) :]
        self.open += now
        return tuple(send(a, self.server, self.source, self.transport) for a in now)

    def _port(self) -> int:
        if self.mode == Mode.REOPEN and self.replies:
            self.ports.clear()
        if self.server not in self.ports:
            self.ports[self.server] = self.session.port()
        return self.ports[self.server]

    def take(self, event: Event) -> None:
        """Handle a reply if it belongs to a query in flight."""
        reply = event.reply
        if reply is None or (event.server, event.source) != (self.server, self.source):
            return
        ask = next((a for a in self.open if a.matches_reply(reply)), None)
        if ask is None:
            return
        self.open.remove(ask)
        if _is_skipped(reply):
            self.rejected = reply
            self.over = bool(self.replies)  # the reply to the other query is used
        elif reply.flags & TC and self.transport == "udp":
            self.truncated = True
            self.replies.clear()
        else:
            self.replies[ask.question] = reply
        self.over = self.over or self.truncated or not (self.open or self.unsent)


def _is_skipped(reply: Reply) -> bool:
    """Return whether glibc skips a reply: an error or a lame delegation."""
    if reply.rcode in _SKIPPED_RCODES:
        return True
    empty = not (reply.answer or reply.additional or reply.opt)
    return reply.rcode == Rcode.NOERROR and empty and not reply.flags & (AA | RA)
