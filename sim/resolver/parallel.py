"""Asking all servers at the same time, as musl does.

Facts from musl src/network/res_msend.c.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from minidns.dns.model import TC, Question, Rcode
from minidns.dns.reply import Reply

from .protocol import Ask, Asking, Event, Got, Send, Session, Wait, in_order, send


def all_at_once(session: Session, asks: Sequence[Ask]) -> Asking:
    """Ask all servers together, as musl does; the first NOERROR or NXDOMAIN counts.

    The whole takes ``timeout`` seconds at most; the questions are repeated
    ``attempts`` times in it. A refusal is not seen: the socket is not connected.
    """
    conf = session.conf
    crowd = _Crowd(session, session.port(), list(asks))
    end = session.now + conf.timeout_s
    while not crowd.over and session.now < end:
        until = min(session.now + conf.timeout_s / max(conf.attempts, 1), end)
        crowd.retries = 2 * len(asks)
        sends = [s for ask in crowd.open for s in crowd.to_all(ask)]
        while not crowd.over and (sends or session.now < until):
            event = yield Wait(tuple(sends), until)
            sends = crowd.take(event)
    replies = in_order(crowd.replies, asks)
    if asks[0].question not in crowd.replies and not any(r.answer for r in replies):
        return Got(rejected=crowd.rejected)  # the first reply decides, if none answers
    return Got(replies, crowd.rejected)


@dataclass(slots=True)
class _Crowd:
    """All servers being asked at once."""

    session: Session
    source: int
    open: list[Ask]
    """Not yet answered by anybody."""
    by_tcp: dict[int, Ask] = field(default_factory=dict)
    """Answered by a truncated reply and asked again over TCP, by source port."""
    replies: dict[Question, Reply] = field(default_factory=dict)
    rejected: Reply | None = None
    retries: int = 0
    """How many more times a SERVFAIL is answered by asking again at once."""

    @property
    def over(self) -> bool:
        """Whether every question has its answer."""
        return not self.open and not self.by_tcp

    def to_all(self, ask: Ask) -> list[Send]:
        """Return the datagrams with ``ask``, one to each server."""
        servers = self.session.conf.servers
        return [send(ask, server, self.source, "udp") for server in servers]

    def take(self, event: Event) -> list[Send]:
        """Take what happened; return what is to be sent because of it."""
        if event.source in self.by_tcp and (event.reply or event.refused):
            ask = self.by_tcp.pop(event.source)
            if event.reply and ask.is_answered_by(event.reply):
                self.replies[ask.question] = event.reply
            return []
        reply = event.reply
        if reply is None or event.source != self.source:
            return []
        ask_ = next((a for a in self.open if a.is_answered_by(reply)), None)
        return self._take_datagram(ask_, reply, event.server) if ask_ else []

    def _take_datagram(self, ask: Ask, reply: Reply, server: str) -> list[Send]:
        if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
            if reply.rcode != Rcode.SERVFAIL:
                return []  # as if it had not come
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
        self.by_tcp[port] = ask  # musl 1.2.4 and later; before, the part was used
        return [send(ask, server, port, "tcp")]
