"""musl's getaddrinfo: all servers at once.

Theory of operation: a name with at least ``ndots`` dots is tried as given only, a name
with fewer with each search domain and then as given. Every query goes to every server
from one unconnected socket, again after ``timeout / attempts``; the first NOERROR or
NXDOMAIN for each query counts, whichever server sent it. SERVFAIL is answered by an
immediate retransmission (twice per query and interval), other rcodes and ICMP are
ignored. The search ends after anything but NXDOMAIN, and NXDOMAIN for A or AAAA alone
is NXDOMAIN. Replies are matched by ID and address alone.

Up to 1.2.3 there is no TCP: what a truncated reply contains is used. From 1.2.4 on a
truncated query goes over TCP to the server that truncated, within the same time limit,
and any failure there ends the exchange. Up to 1.2.3 a search domain ``.`` makes a
malformed query, which servers answer with FORMERR, so that the lookup times out.

Source: musl 1.2.3, 1.2.4 and 1.2.5, src/network/lookup_name.c (name_from_dns_search,
name_from_dns, dns_parse_callback), src/network/res_msend.c (__res_msend_rc),
src/network/res_mkquery.c. The file /etc/hosts is not read.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from minidns.dns.model import TC, Question, Rcode, replace
from minidns.dns.reply import Reply

from .protocol import (
    BOTH,
    Event,
    Outcome,
    Resolver,
    Send,
    Status,
    Steps,
    StubQuery,
    Wait,
    literal_outcome,
)
from .resolv_conf import Conf, literal_address, read_musl

_BUFFER = 4800
"""Bytes of the reply buffer from 1.2.4 on; a longer datagram counts as truncated."""

_RepliesSteps: TypeAlias = Generator[Wait, Event, "dict[int, Reply]"]
_OutcomeSteps: TypeAlias = Generator[Wait, Event, Outcome]


class Musl(Resolver):
    """The resolver of a program that is linked with musl; it keeps no state."""

    def __init__(self, resolv_conf: str, rng: Random, *, tcp: bool = True) -> None:
        """``tcp`` tells musl 1.2.4 and later from earlier releases."""
        super().__init__(resolv_conf, rng)
        self._tcp = tcp

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of getaddrinfo; it reads the file each time."""
        no_data = "EAI_NODATA" if self._tcp else "EAI_NONAME"
        if (literal := literal_address(name)) is not None:
            return literal_outcome(name, literal, types, no_data)
        conf = read_musl(self.resolv_conf)
        bare = name.removesuffix(".")
        if not bare or bare.endswith(".") or len(name) > 254:
            return Outcome(Status.FAILED, name, error="EAI_NONAME")
        if not conf.attempts:
            return Outcome(Status.FAILED, name, error="SIGFPE (attempts is 0)")
        if name.count(".") < conf.ndots and not name.endswith("."):
            for domain in conf.search:
                if len(domain) >= 255 - len(name):
                    continue
                outcome = yield from self._query(f"{name}.{domain}", types, conf)
                if outcome.status is not Status.NXDOMAIN:
                    return outcome
        return (yield from self._query(name, types, conf))

    def _query(self, name: str, types: tuple[int, ...], conf: Conf) -> _OutcomeSteps:
        """Query one name; the search goes on after NXDOMAIN alone."""
        absolute = name.lower().removesuffix(".") + "."
        try:
            queries = self._encode(name, types)
        except ValueError:
            status = Status.NXDOMAIN if self._tcp else Status.FAILED
            return Outcome(status, absolute, error="EAI_NONAME")
        exchange = _Exchange(self, conf, queries, self._tcp)
        found = yield from exchange.run()
        for query in queries:
            reply = found.get(query.id)
            if reply is None:
                return _silence(absolute, exchange.rejected)
            if reply.rcode == Rcode.NXDOMAIN:
                replies = tuple(found.values())
                return Outcome(Status.NXDOMAIN, absolute, replies, "EAI_NONAME")
        return self._answer(absolute, types, [found[query.id] for query in queries])

    def _answer(
        self, name: str, types: tuple[int, ...], replies: list[Reply]
    ) -> Outcome:
        if self._tcp:
            # addresses count only in the reply to their own query
            pairs = zip(replies, types, strict=True)
            replies = [_only(reply, kind) for reply, kind in pairs]
        kinds = {rrset.rtype for reply in replies for rrset in reply.answer}
        if kinds & set(types):
            return Outcome(Status.ANSWERED, name, tuple(replies))
        error = "EAI_NODATA" if self._tcp else "EAI_NONAME"
        return Outcome(Status.NODATA, name, tuple(replies), error)

    def _encode(self, name: str, types: tuple[int, ...]) -> list[StubQuery]:
        if not name.endswith(".."):
            return self.queries(name, types)
        if self._tcp:
            raise ValueError(name)
        # a dot stays where the root label belongs, and a byte follows the class
        return [
            StubQuery(
                Question(name, query.question.qtype),
                query.id,
                query.wire[:-5] + b"." + query.wire[-4:] + bytes(1),
            )
            for query in self.queries(name[:-1], types)
        ]


def _only(reply: Reply, kind: int) -> Reply:
    other = set(BOTH) - {kind}
    answer = tuple(rrset for rrset in reply.answer if rrset.rtype not in other)
    return replace(reply, answer=answer)


def _silence(name: str, rejected: Reply | None) -> Outcome:
    status = Status.SERVFAIL if rejected else Status.SILENT
    replies = (rejected,) if rejected else ()
    return Outcome(status, name, replies, f"EAI_AGAIN ({status.value})")


@dataclass(slots=True)
class _Exchange:
    """One call of __res_msend_rc."""

    musl: Musl
    conf: Conf
    queries: list[StubQuery]
    tcp: bool
    rejected: Reply | None = None
    """The last SERVFAIL."""
    _source: int = 0
    _replies: dict[int, Reply] = field(default_factory=dict)
    """The accepted replies by query ID."""
    _by_tcp: dict[int, StubQuery] = field(default_factory=dict)
    """Queries repeated over TCP, by source port."""
    _retries: int = 0
    """Immediate retransmissions after SERVFAIL that are left in this interval."""
    _failed: bool = False

    def run(self) -> _RepliesSteps:
        """Exchange until every query is answered or the time is over.

        If the time-out in milliseconds is no multiple of ``attempts``, musl on an idle
        machine transmits once more in the last few milliseconds.
        """
        self._source = self.musl.port()
        start, timeout_ms = self.musl.now, self.conf.timeout_s * 1000
        attempts = self.conf.attempts if timeout_ms else 0
        for attempt in range(1, attempts + 1):
            elapsed_ms = timeout_ms // self.conf.attempts * attempt
            until = start + (timeout_ms if attempt == attempts else elapsed_ms) / 1000
            sends = self._to_all()
            self._retries = 2 * len(self.queries)
            while not self._over() and (sends or self.musl.now < until):
                event = yield Wait(tuple(sends), until)
                sends = self._take(event)
        return self._replies

    def _over(self) -> bool:
        return self._failed or len(self._replies) == len(self.queries)

    def _open(self) -> list[StubQuery]:
        """Return the queries that still wait for a datagram."""
        by_tcp = {query.id for query in self._by_tcp.values()}
        return [q for q in self.queries if q.id not in {*self._replies, *by_tcp}]

    def _to_all(self) -> list[Send]:
        return [
            query.to(server, self._source)
            for query in self._open()
            for server in self.conf.servers
        ]

    def _take(self, event: Event) -> list[Send]:
        """Handle an event; return what is sent at once."""
        if event.source in self._by_tcp:
            self._take_stream(event)
            return []
        if event.reply is None or event.source != self._source:
            return []
        query = next((q for q in self._open() if q.id == event.reply.id), None)
        return self._take_datagram(query, event) if query else []

    def _take_stream(self, event: Event) -> None:
        accepted = event.reply and event.reply.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN)
        if event.reply is None or not accepted:
            self._failed = True
            return
        query = self._by_tcp.pop(event.source)
        self._replies[query.id] = event.reply

    def _take_datagram(self, query: StubQuery, event: Event) -> list[Send]:
        reply = event.reply
        assert reply is not None
        if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
            if reply.rcode != Rcode.SERVFAIL:
                return []
            self.rejected = reply
            if not self._retries:
                return []
            self._retries -= 1
            return [query.to(event.server, self._source)]
        if self.tcp and (reply.flags & TC or event.size > _BUFFER):
            port = self.musl.port()
            self._by_tcp[port] = query
            return [query.to(event.server, port, "tcp")]
        self._replies[query.id] = reply
        return []
