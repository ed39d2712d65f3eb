"""busybox's own nslookup, which uses no C library to resolve (since 1.29).

Theory of operation: all queries go to one server at once from one socket: A for each
name, then AAAA for each name. A name without a dot is queried with each search domain
and never as given; a name with a dot is queried as given, whatever ``ndots`` says
(before 1.30 there is no search list at all). Queries are sent again after half of five
seconds. The next server is asked only if the first has sent no reply at all. Truncation
is ignored. If one of the names is none, such as with a search domain ``.``, the queries
before it go to each server and no reply is waited for.

Source: busybox 1.29.0, 1.30.0 and 1.36.1, networking/nslookup.c (send_queries,
add_query_with_search, parse_resolvconf), linked with musl, whose res_mkquery sets the
AD bit. Up to 1.28 nslookup calls getaddrinfo of the C library.
"""

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from minidns.dns.model import AD, RD, Rcode
from minidns.dns.reply import Reply
from minidns.stub.protocol import (
    BOTH,
    Event,
    Outcome,
    Resolver,
    Send,
    Status,
    Steps,
    StubQuery,
    Wait,
    decisive_status,
)

_TIMEOUT_S = 5.0
_RETRIES = 2
_RepliesSteps: TypeAlias = Generator[Wait, Event, list[Reply]]


class BusyboxNslookup(Resolver):
    """One run of ``nslookup``."""

    def __init__(self, resolv_conf: str, rng: Random, *, search: bool = True) -> None:
        """``search`` tells 1.30 and later from 1.29."""
        super().__init__(resolv_conf, rng)
        self._search = search

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of ``nslookup NAME``."""
        servers, domains = _read(self.resolv_conf)
        if not self._search or "." in name or not domains:
            names = [name]
        else:
            names = [f"{name}.{domain}" for domain in domains]
        pairs = [(candidate, kind) for kind in types for candidate in names]
        queries: list[StubQuery] = []
        with suppress(ValueError):
            for candidate, kind in pairs:
                queries += self.queries(candidate, (kind,), RD | AD)
        for server in servers:
            if len(queries) < len(pairs):  # what is no name cannot be written
                yield from self._write(queries, server)
                continue
            replies = yield from _Exchange(self, queries, server).run()
            if replies:
                return _outcome(queries, replies)
        error = "connection timed out; no servers could be reached"
        return Outcome(Status.SILENT, name, error=error)

    def _write(
        self, queries: list[StubQuery], server: str
    ) -> Generator[Wait, Event, None]:
        """Send queries and wait for no reply."""
        source = self.port()
        sends = tuple(query.to(server, source) for query in queries)
        if sends:
            yield Wait(sends, self.now)


def _outcome(queries: list[StubQuery], replies: list[Reply]) -> Outcome:
    """Return what the user sees: nslookup prints every reply."""
    answered = [r for r in replies if not r.rcode and r.answer and r.question]
    status = decisive_status(replies)
    if answered and answered[0].question:
        return Outcome(status, answered[0].question.qname, tuple(answered))
    name = queries[-1].question.qname
    return Outcome(status, name, tuple(replies), f"can't find {name}: {status.value}")


def _read(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return servers and search domains; ``search`` counts more than ``domain``."""
    servers, search, domain = [], None, None
    for line in text.splitlines():
        keyword, *rest = line.split(maxsplit=1)[:2] or [""]
        match keyword, rest:
            case "nameserver", [server]:
                servers.append(server.strip())
            case "search", [domains]:
                search = domains
            case "domain", [domains]:
                domain = domains
    text = search or domain or ""
    domains_ = () if text.strip() == "." else tuple(text.split())
    return tuple(servers) or ("127.0.0.1",), domains_


@dataclass(slots=True)
class _Exchange:
    """The queries to one server."""

    nslookup: BusyboxNslookup
    queries: list[StubQuery]
    server: str
    _replies: dict[int, Reply] = field(default_factory=dict)
    """By the position of the query."""
    _retries: int = 0

    def run(self) -> _RepliesSteps:
        source, start = self.nslookup.port(), self.nslookup.now
        for attempt in range(1, _RETRIES + 1):
            until = start + _TIMEOUT_S * attempt / _RETRIES
            sends = [
                query.to(self.server, source)
                for position, query in enumerate(self.queries)
                if position not in self._replies
            ]
            self._retries = 2 * len(self.queries)
            while not self._over() and (sends or self.nslookup.now < until):
                event = yield Wait(tuple(sends), until)
                mine = event.source == source and event.reply is not None
                sends = self._take(event.reply, source) if mine else []
        return list(self._replies.values())

    def _over(self) -> bool:
        return len(self._replies) == len(self.queries)

    def _take(self, reply: Reply | None, source: int) -> list[Send]:
        assert reply is not None
        position = next(
            (at for at, query in enumerate(self.queries) if query.id == reply.id), None
        )
        if position is None or position in self._replies:
            return []
        if reply.rcode == Rcode.SERVFAIL and self._retries:
            self._retries -= 1
            return [self.queries[position].to(self.server, source)]
        self._replies[position] = reply
        return []
