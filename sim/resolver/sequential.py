"""Asking one server after another, as glibc and BIND's tools do.

Facts from glibc resolv/res_send.c.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from minidns.dns.model import AA, RA, TC, Question, Rcode
from minidns.dns.reply import Reply

from .protocol import (
    Ask,
    Asking,
    Event,
    Got,
    Mode,
    Send,
    Session,
    Transport,
    Wait,
    in_order,
    send,
)
from .resolv_conf import Conf

_REJECTED = frozenset((Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED))
"""The next server is asked after these."""


Ports: TypeAlias = dict[str, int]
"""The open sockets of one look-up: source port by server.

A question that nobody answered is repeated from the same port, so that the kernel takes
it to the same pod again.
"""


def in_turn(session: Session, asks: Sequence[Ask]) -> Asking:
    """Ask one server at a time, as glibc does; the first useful replies count.

    All questions of a name go to the same server. With ``rotate`` each name starts at
    the next server. Once a reply was truncated, everything goes over TCP.
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
            got = yield from _one_server(session, asks, index, tcp, ports)
            if got.replies:
                return got
            refused = refused and got.refused
            rejected = got.rejected or rejected
            tcp = tcp or got.truncated
        if tcp:
            break  # one attempt per server
    return Got(rejected=rejected, refused=refused)


def window_s(conf: Conf, index: int) -> float:
    """Return the seconds glibc waits for the server at ``index``.

    >>> [window_s(Conf(("a", "b", "c"), timeout_s=5), i) for i in range(3)]
    [5, 3, 6]
    """
    seconds = int(conf.timeout_s) << index
    if index:
        seconds //= len(conf.servers)
    return max(seconds, 1)


def _one_server(
    session: Session, asks: Sequence[Ask], index: int, tcp: bool, ports: Ports
) -> Asking:
    if not tcp:
        got = yield from _by_udp(session, asks, index, ports)
        if got.truncated or got.refused:
            ports.clear()
        if not got.truncated:
            return got
    # limit: glibc gives TCP the kernel's patience, not a window of its own
    got = yield from _exchange(session, asks, index, "tcp", Mode.PARALLEL, {})
    return got._replace(truncated=not tcp)


def _by_udp(session: Session, asks: Sequence[Ask], index: int, ports: Ports) -> Asking:
    """Ask by datagram; where one of two replies never comes, ask more and more shyly.

    A firewall or a race in the kernel may swallow the second of two datagrams from one
    port, so after a time-out glibc sends the second only after the first reply, and
    after another one from a port of its own.
    """
    while True:
        got = yield from _exchange(session, asks, index, "udp", session.mode, ports)
        if got.truncated or got.rejected or not 0 < len(got.replies) < len(asks):
            return got
        if session.mode == Mode.REOPEN:
            return got
        session.mode = Mode(session.mode + 1)
        if session.mode == Mode.REOPEN:
            ports.clear()


def _exchange(
    session: Session,
    asks: Sequence[Ask],
    index: int,
    transport: Transport,
    mode: Mode,
    ports: Ports,
) -> Asking:
    """Ask one server once, and wait for all replies or the end of the window."""
    server = session.conf.servers[index]
    window = _Window(session, server, transport, mode, ports, list(asks))
    until = session.now + window_s(session.conf, index)
    while not window.over:
        event = yield Wait(window.sends(), until)
        if event.refused and event.source == window.source:
            return Got(refused=True)
        if event.reply is not None:
            window.take(event)
        elif event.now >= until:
            break
    replies = in_order(window.replies, asks)
    return Got(replies, window.rejected, truncated=window.truncated)


@dataclass(slots=True)
class _Window:
    """One server being asked once."""

    session: Session
    server: str
    transport: Transport
    mode: Mode
    ports: Ports
    unsent: list[Ask]
    source: int = 0
    open: list[Ask] = field(default_factory=list)
    """Sent and not yet answered."""
    replies: dict[Question, Reply] = field(default_factory=dict)
    rejected: Reply | None = None
    truncated: bool = False
    over: bool = False

    def sends(self) -> tuple[Send, ...]:
        """Return what is to be sent now: everything, or one question at a time."""
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
        """Take a reply, if it is one to a question that is open here."""
        reply = event.reply
        if reply is None or (event.server, event.source) != (self.server, self.source):
            return
        ask = next((a for a in self.open if a.is_answered_by(reply)), None)
        if ask is None:
            return
        self.open.remove(ask)
        if _is_rejected(reply):
            self.rejected = reply
            self.over = bool(self.replies)  # the half that came is used
        elif reply.flags & TC and self.transport == "udp":
            self.truncated = True
            self.replies.clear()
        else:
            self.replies[ask.question] = reply
        self.over = self.over or self.truncated or not (self.open or self.unsent)


def _is_rejected(reply: Reply) -> bool:
    """Return whether glibc passes a reply over: an error, or a lame delegation."""
    if reply.rcode in _REJECTED:
        return True
    empty = not (reply.answer or reply.additional or reply.opt)
    return reply.rcode == Rcode.NOERROR and empty and not reply.flags & (AA | RA)
