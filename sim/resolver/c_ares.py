"""c-ares, the resolver of Node.js's dns.resolve, curl, Envoy and gRPC.

Theory of operation: A and AAAA are two queries that share the socket to a server and
fail apart. A query goes to the server with the fewest failures in a row (``rotate``: to
a random one of those); silence, refusals, SERVFAIL, NOTIMP and REFUSED count as a
failure and lead to the next try, at most ``attempts`` times the number of servers. The
time-out is two seconds, or five times the average latency of the server if three
replies are known (at least 250 ms, at most 5 s), doubled with each round over all
servers less a random part. Once A has an answer, AAAA is not tried again. A socket that
saw a time-out takes no new queries, and an idle socket is closed; the number of queries
of one socket (udp_max_queries) is not limited by default. A truncated reply leads to
TCP, FORMERR to a query without EDNS.

Replies are cached: by the lowest TTL, NXDOMAIN by the SOA, and NODATA, whose SOA is not
looked at, for the maximum of an hour. The search goes on after NXDOMAIN and NODATA, and
after SERVFAIL or REFUSED for a name of one label.

Source: c-ares 1.34.8, src/lib/ares_process.c (ares_send_query_int, process_answer,
process_timeouts, ares_requeue_query, ares_calc_query_timeout), ares_getaddrinfo.c
(host_callback), ares_search.c (ares_search_name_list), ares_qcache.c, ares_metrics.c,
ares_cookie.c, ares_sysconfig_files.c, ares_init.c (which drops ``use-vc`` again). Not
modelled: probes of servers that have failed, and metrics by time of day.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, TypeAlias

from minidns.dns import rdata
from minidns.dns.model import RD, TC, Opt, Question, Rcode
from minidns.dns.rdata import SOA, A
from minidns.dns.reply import Reply
from minidns.stub.protocol import (
    BOTH,
    Event,
    Failure,
    Outcome,
    Resolver,
    Send,
    Status,
    Steps,
    StubQuery,
    Wait,
    decisive_status,
)
from minidns.stub.resolv_conf import literal_address

from .c_ares_conf import candidates, read
from .concurrent import together

_EDNS_SIZE = 1232
_COOKIE = 10
"""EDNS option of DNS cookies (RFC 7873)."""
_CLIENT_COOKIE = 8
"""Bytes of the client's part of a cookie."""
_MIN_TIMEOUT_S, _MAX_TIMEOUT_S = 0.25, 5.0
_MAX_CACHED_S = 3600
_RETRY_DELAY_S = 5.0
_NO_COOKIE_S = 300.0
_ERRORS = frozenset((Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED))
_STATUSES = {
    Status.ANSWERED: "",
    Status.NXDOMAIN: "ARES_ENOTFOUND",
    Status.NODATA: "ARES_ENODATA",
    Status.SERVFAIL: "ARES_ESERVFAIL",
    Status.SILENT: "ARES_ETIMEOUT",
    Status.REFUSED: "ARES_ECONNREFUSED",
}
_RCODES: dict[int, str] = {
    Rcode.FORMERR: "ARES_EFORMERR",
    Rcode.NOTIMP: "ARES_ENOTIMP",
    Rcode.REFUSED: "ARES_EREFUSED",
}


@dataclass(slots=True)
class _Server:
    """What a channel knows of a server."""

    address: str
    failures: int = 0
    """The number of failures in a row."""
    retry_at: float = 0.0
    udp: int = 0
    """Source port of the socket for new queries; 0 means none is open."""
    tcp: int = 0
    users: dict[int, int] = field(default_factory=dict)
    """The number of queries on each open socket."""
    latencies: deque[float] = field(default_factory=deque)
    cookie: bytes = b""
    no_cookie_until: float = 0.0
    """Until when no cookie is sent, because a reply had none."""

    def close_idle(self) -> None:
        """Close the sockets that no query uses, which happens after a lookup."""
        self.udp = self.udp if self.udp in self.users else 0
        self.tcp = self.tcp if self.tcp in self.users else 0

    def timeout_s(self, initial_s: float) -> float:
        """Return the seconds to wait for a reply in the first round."""
        if len(self.latencies) >= 3:
            initial_s = 5 * sum(self.latencies) / len(self.latencies)
        return min(max(initial_s, _MIN_TIMEOUT_S), _MAX_TIMEOUT_S)


class _Result(NamedTuple):
    """The end of the query of one type."""

    status: Status
    reply: Reply | None = None


_ResultSteps: TypeAlias = Generator[Wait, Event, _Result]


class CAres(Resolver):
    """One channel of c-ares."""

    def __init__(self, resolv_conf: str, rng: Random) -> None:
        """Read ``resolv_conf``, which c-ares does once."""
        super().__init__(resolv_conf, rng)
        self.conf = read(resolv_conf)
        self.servers = [_Server(address) for address in self.conf.servers]
        self.cache: dict[Question, tuple[float, Reply]] = {}
        """The time of expiry and the reply, by question."""

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of ares_getaddrinfo."""
        if (literal := literal_address(name)) is not None:
            return Outcome(Status.ANSWERED, name, literal=literal)
        outcome = yield from self._search(name, types)
        for server in self.servers:
            server.close_idle()
        return outcome

    def _search(self, name: str, types: tuple[int, ...]) -> Steps:
        nodata, outcome = False, Outcome(Status.FAILED, name, error="ARES_EBADNAME")
        for candidate in candidates(self.conf, name):
            try:
                lookup = _NameLookup(self, candidate, types)
            except ValueError:
                return outcome
            outcome = yield from lookup.run()
            nodata = nodata or outcome.status is Status.NODATA
            single = "." not in candidate.removesuffix(".")
            goes_on = outcome.status in (Status.NXDOMAIN, Status.NODATA) or (
                single and outcome.status in (Status.SERVFAIL, Status.FAILED)
            )
            if not goes_on:
                return outcome
        if nodata:
            return outcome._replace(status=Status.NODATA, error="ARES_ENODATA")
        return outcome

    def choose(self) -> _Server:
        """Return the server for the next transmission."""
        best = min(self.servers, key=lambda s: (s.failures, s.retry_at))
        if not self.conf.rotate:
            return best
        return self.rng.choice([s for s in self.servers if s.failures == best.failures])

    def failed(self, server: _Server) -> None:
        """Count a failure of ``server``."""
        server.failures += 1
        server.retry_at = self.now + _RETRY_DELAY_S


@dataclass(slots=True)
class _NameLookup:
    """The queries for one name."""

    channel: CAres
    name: str
    types: tuple[int, ...]
    queries: list[StubQuery] = field(init=False)
    answered: bool = False
    """Whether there is an IPv4 address: then nothing is tried again."""
    last: Status = Status.SILENT
    """The status of the query that ended last."""

    def __post_init__(self) -> None:
        self.queries = self.channel.queries(self.name, self.types)

    def run(self) -> Steps:
        """Run the queries at the same time; return what they give together."""
        results = yield from together([self._query(query) for query in self.queries])
        replies = tuple(result.reply for result in results if result.reply)
        name = self.queries[0].question.qname
        if decisive_status(replies) is Status.ANSWERED:
            return Outcome(Status.ANSWERED, name, replies)
        error = _STATUSES.get(self.last, "")
        if self.last is Status.FAILED:
            rcode = next((reply.rcode for reply in replies if reply.rcode), 0)
            error = _RCODES.get(rcode, "ARES_EBADRESP")
        return Outcome(self.last, name, replies, error)

    def _query(self, query: StubQuery) -> _ResultSteps:
        """Query one type until a reply counts or the tries are used up."""
        channel = self.channel
        expires, cached = channel.cache.get(query.question, (0.0, None))
        if cached is not None and channel.now < expires:
            result = _Result(decisive_status((cached,)), cached)
        else:
            result = yield from _Tries(self, query).run()
        has_address = result.status is Status.ANSWERED and query.question.qtype == A
        self.answered = self.answered or has_address
        self.last = result.status
        return result


@dataclass(slots=True)
class _Tries:
    """The transmissions of one query."""

    lookup: _NameLookup
    query: StubQuery
    tries: int = 0
    tcp: bool = False
    edns: bool = True
    status: Status = Status.SILENT
    """The cause of the last failure."""
    rejected: Reply | None = None

    def run(self) -> _ResultSteps:
        """Transmit until a reply counts or the tries are used up."""
        channel = self.lookup.channel
        most = channel.conf.tries * len(channel.servers)
        server = None
        while True:
            server = server or channel.choose()
            reply = yield from self._transmit(server)
            if reply is None:
                self.tries += 1
            elif reply.rcode == Rcode.FORMERR and self._blames_edns(reply):
                self.edns = False
                continue  # to the same server
            elif reply.flags & TC and not self.tcp:
                self.tcp = True
            elif reply.rcode in _ERRORS:
                channel.failed(server)
                self.tries += 1
                servfail = reply.rcode == Rcode.SERVFAIL
                self.status = Status.SERVFAIL if servfail else Status.FAILED
                self.rejected = reply
            else:
                self._accept(server, reply)
                return _Result(decisive_status((reply,)), reply)
            if self.tries >= most or (reply is None and self.lookup.answered):
                return _Result(self.status, self.rejected)
            server = None

    def _blames_edns(self, reply: Reply) -> bool:
        """Return whether FORMERR may be about the OPT record or its cookie."""
        return self.edns and (reply.opt is None or not self.tcp)

    def _transmit(self, server: _Server) -> Generator[Wait, Event, Reply | None]:
        """Send the query once; return its reply, None after a failure."""
        channel, start = self.lookup.channel, self.lookup.channel.now
        source = self._socket(server)
        until = start + self._timeout_s(server)
        sends: tuple[Send, ...] = (self._encode(server, source),)
        try:
            while True:
                event = yield Wait(sends, until)
                sends = ()
                if event.source == source and event.failure:
                    self._lose(server, source)
                    refused = event.failure is Failure.REFUSED
                    self.status = Status.REFUSED if refused else Status.FAILED
                    return None
                mine = event.source == source
                if mine and event.reply and self.query.matches(event.reply):
                    self._note(server, event.reply, channel.now - start)
                    return event.reply
                if channel.now >= until:
                    self._retire(server, source)
                    channel.failed(server)
                    self.status = Status.SILENT
                    return None
        finally:
            self._release(server, source)

    def _note(self, server: _Server, reply: Reply, latency_s: float) -> None:
        """Learn from a reply how fast the server is, and whether it has cookies."""
        if reply.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN):
            server.latencies.append(latency_s)
        options = dict(reply.opt.options) if reply.opt else {}
        # a cookie of the client alone is an echo by a server that has none
        has_cookies = len(options.get(_COOKIE, b"")) > _CLIENT_COOKIE
        if self.edns and not self.tcp and not has_cookies:
            server.no_cookie_until = self.lookup.channel.now + _NO_COOKIE_S

    def _socket(self, server: _Server) -> int:
        """Return the port of the socket to ``server``, opened if there is none."""
        port = server.tcp if self.tcp else server.udp
        port = port or self.lookup.channel.port()
        if self.tcp:
            server.tcp = port
        else:
            server.udp = port
        server.users[port] = server.users.get(port, 0) + 1
        return port

    def _release(self, server: _Server, port: int) -> None:
        """Count one query less on a socket."""
        server.users[port] -= 1
        if not server.users[port]:
            del server.users[port]

    def _lose(self, server: _Server, port: int) -> None:
        """Count the failure of a socket once for all its queries."""
        if port in (server.udp, server.tcp):
            self.lookup.channel.failed(server)
            self._retire(server, port)

    def _retire(self, server: _Server, port: int) -> None:
        """Let no new query use the socket."""
        server.udp = 0 if server.udp == port else server.udp
        server.tcp = 0 if server.tcp == port else server.tcp

    def _timeout_s(self, server: _Server) -> float:
        channel = self.lookup.channel
        first = server.timeout_s(channel.conf.timeout_s)
        rounds = self.tries // len(channel.servers)
        if not rounds:
            return first
        longer = first * (1 << rounds)
        return max(longer * (1 - 0.5 * channel.rng.random()), first)

    def _encode(self, server: _Server, source: int) -> Send:
        rng = self.lookup.channel.rng
        opt = None
        if self.edns:
            server.cookie = server.cookie or rng.randbytes(_CLIENT_COOKIE)
            without = self.tcp or self.lookup.channel.now < server.no_cookie_until
            options = () if without else ((_COOKIE, server.cookie),)
            opt = Opt(_EDNS_SIZE, options=options)
        kind = self.query.question.qtype
        (query,) = self.lookup.channel.queries(self.lookup.name, (kind,), RD, opt)
        message = self.query.wire[:2] + query.wire[2:]
        query = self.query._replace(wire=message)
        return query.to(server.address, source, "tcp" if self.tcp else "udp")

    def _accept(self, server: _Server, reply: Reply) -> None:
        channel = self.lookup.channel
        server.failures, server.retry_at = 0, 0.0
        ttl = min(_cache_ttl(reply), _MAX_CACHED_S)
        if reply.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN) and ttl:
            channel.cache[self.query.question] = int(channel.now) + ttl, reply


def _cache_ttl(reply: Reply) -> int:
    """Return the seconds for which a reply may be cached."""
    if reply.rcode == Rcode.NXDOMAIN:
        soas = [rrset for rrset in reply.authority if rrset.rtype == SOA]
        return min(
            (min(s.ttl, rdata.read_soa(s.rdata[0]).minimum) for s in soas), default=0
        )
    return min((r.ttl for r in reply.rrsets if r.rtype != SOA), default=_MAX_CACHED_S)
