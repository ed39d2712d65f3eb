"""Queries to all servers in parallel, as musl sends them (src/network/res_msend.c)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from minidns.dns.model import TC, Question, Rcode
from minidns.dns.reply import Reply

from .protocol import (
    Event,
    ExchangeResult,
    ExchangeSteps,
    Send,
    Session,
    StubQuery,
    Wait,
    in_order,
    send,
)


def query_in_parallel(session: Session, asks: Sequence[StubQuery]) -> ExchangeSteps:
    """Query all servers in parallel; the first NOERROR or NXDOMAIN counts.

    The exchange takes at most ``timeout`` seconds with ``attempts`` transmissions. ICMP
    errors are not seen, because the socket is not connected.
    """
    conf = session.conf
    exchange = _ParallelExchange(session, session.port(), list(asks))
    end = session.now + conf.timeout_s
    while not exchange.over and session.now < end:
        until = min(session.now + conf.timeout_s / max(conf.attempts, 1), end)
        exchange.retries = 2 * len(asks)
        sends = [s for ask in exchange.open for s in exchange.to_all(ask)]
        while not exchange.over and (sends or session.now < until):
            event = yield Wait(tuple(sends), until)
            sends = exchange.take(event)
    replies = in_order(exchange.replies, asks)
    if asks[0].question not in exchange.replies and not any(r.answer for r in replies):
        return ExchangeResult(
            rejected=exchange.rejected
        )  # the first reply decides, if none answers
    return ExchangeResult(replies, exchange.rejected)


@dataclass(slots=True)
class _ParallelExchange:
    """The state of one exchange with all servers."""

    session: Session
    source: int
    open: list[StubQuery]
    """Queries without a reply."""
    by_tcp: dict[int, StubQuery] = field(default_factory=dict)
    """Queries repeated over TCP after truncation, by source port."""
    replies: dict[Question, Reply] = field(default_factory=dict)
    rejected: Reply | None = None
    retries: int = 0
    """Number of immediate retransmissions after SERVFAIL that are left."""

    @property
    def over(self) -> bool:
        """Whether every query has a reply."""
        return not self.open and not self.by_tcp

    def to_all(self, ask: StubQuery) -> list[Send]:
        """Return the datagrams of a query, one per server."""
        servers = self.session.conf.servers
        return [send(ask, server, self.source, "udp") for server in servers]

    def take(self, event: Event) -> list[Send]:
        """Handle an event; return the datagrams to send."""
        if event.source in self.by_tcp and (event.reply or event.refused):
            ask = self.by_tcp.pop(event.source)
            if event.reply and ask.matches_reply(event.reply):
                self.replies[ask.question] = event.reply
            return []
        reply = event.reply
        if reply is None or event.source != self.source:
            return []
        ask_ = next((a for a in self.open if a.matches_reply(reply)), None)
        return self._accept_datagram(ask_, reply, event.server) if ask_ else []

    def _accept_datagram(self, ask: StubQuery, reply: Reply, server: str) -> list[Send]:
        if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
            if reply.rcode != Rcode.SERVFAIL:
                return []  # musl ignores it
            self.rejected = reply
            if not self.retries:
                return []
            self.retries -= 1
            return [send(ask, server, self.source, "udp")]
        self.open.remove(ask)
        if not reply.flags & TC:
            self.replies[ask.question] = reply
            return []
        port = self.session.port()
        self.by_tcp[port] = ask  # musl 1.2.4 and later; earlier ones use the part
        return [send(ask, server, port, "tcp")]
