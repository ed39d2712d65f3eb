"""One query to one server after another, as tools send it: no search list.

Theory of operation: each transmission has a socket of its own and the same time limit.
A truncated reply is followed by the query over TCP to the same server. SERVFAIL, NOTIMP
and REFUSED lead to the next server; if all servers give them, the last one counts.

Source: BIND 9.18 bin/dig/dighost.c (recv_done, try_next_server, send_udp).
"""

from collections.abc import Generator
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from minidns.dns.model import CLASS_IN, RD, TC, Opt, Rcode
from minidns.dns.reply import Reply

from .protocol import (
    BOTH,
    Event,
    Failure,
    Outcome,
    Resolver,
    Send,
    Status,
    Steps,
    StubQuery,
    Transport,
    Wait,
    decisive_status,
)

_ERRORS = frozenset((Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED))
_ReplySteps: TypeAlias = Generator[Wait, Event, "Reply | None"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a query is sent."""

    servers: tuple[str, ...]
    timeout_s: float = 5
    attempts: int = 2
    transport: Transport = "udp"
    edns_size: int = 0
    """The UDP payload size in an OPT record; 0 means no OPT."""
    flags: int = RD
    """The flags of the header."""
    dnssec: bool = False
    """Whether the OPT record asks for DNSSEC records."""
    qclass: int = CLASS_IN
    keeps_truncated: bool = False
    """Whether a truncated reply counts as it is."""


class Single(Resolver):
    """A resolver that asks for a name as given, each type after the other."""

    def __init__(self, settings: Settings, rng: Random) -> None:
        """Ask the servers of ``settings``."""
        super().__init__("", rng)
        self.settings = settings

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of one query per type; raises ValueError for no name."""
        settings = self.settings
        size = settings.edns_size
        opt = Opt(size, do=settings.dnssec) if size else None
        queries = self.queries(name, types, settings.flags, opt, settings.qclass)
        absolute = queries[0].question.qname
        replies: list[Reply] = []
        for query in queries:
            exchange = _Exchange(self, query)
            reply = yield from exchange.run()
            if reply is None:
                status = Status.REFUSED if exchange.refused else Status.SILENT
                return Outcome(status, absolute, tuple(replies), status.value)
            replies.append(reply)
        status = decisive_status(replies)
        error = "" if status is Status.ANSWERED else status.value
        return Outcome(status, absolute, tuple(replies), error)


@dataclass(slots=True)
class _Exchange:
    """The transmissions of one query."""

    single: Single
    query: StubQuery
    refused: bool = True
    """Whether nothing but refusals came."""

    def run(self) -> _ReplySteps:
        """Return the reply that counts, None without any."""
        settings, rejected = self.single.settings, None
        for _ in range(settings.attempts):
            for server in settings.servers:
                reply = yield from self._ask(server, settings.transport)
                if self._is_cut(reply):
                    reply = yield from self._ask(server, "tcp")
                if reply and reply.rcode not in _ERRORS:
                    return reply
                rejected = reply or rejected
            if rejected:
                break  # only silence and refusals are worth another round
        return rejected

    def _is_cut(self, reply: Reply | None) -> bool:
        """Return whether the query has to be repeated over TCP."""
        settings = self.single.settings
        is_cut = reply is not None and bool(reply.flags & TC)
        return is_cut and settings.transport == "udp" and not settings.keeps_truncated

    def _ask(self, server: str, transport: Transport) -> _ReplySteps:
        source = self.single.port()
        until = self.single.now + self.single.settings.timeout_s
        sends: tuple[Send, ...] = (self.query.to(server, source, transport),)
        while True:
            event = yield Wait(sends, until)
            sends = ()
            mine = event.source == source
            if mine and event.failure:
                self.refused = self.refused and event.failure is Failure.REFUSED
                return None
            if mine and event.reply and self.query.matches(event.reply):
                return event.reply
            if self.single.now >= until:
                self.refused = False
                return None
