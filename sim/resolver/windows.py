"""The DNS client of Windows, in a container or on a machine.

Theory of operation: a name with a dot is queried as given and gets no suffix (unless
the policy AppendToMultiLabelName is set); a name without a dot is queried with each
suffix and never as given. If there is no suffix search list, the primary suffix is
devolved: its leftmost label is dropped until two are left. A container has one suffix.
The first server is asked at 0 s, the second at 1 s, the third (or the last again) at
2 s, all of them at 4 s and 8 s, and the lookup ends at 10 s. NXDOMAIN from any server
ends it at once. Successes are cached by TTL up to a day, NXDOMAIN and NODATA for 5 s.
A and AAAA are queried at the same time, without EDNS.

Source: Microsoft, "DNS client resolution timeouts" (KB 2834226), "Disable DNS
client-side caching on DNS clients", policies DNS_AppendToMultiLabelName and
DNS_Devolution; Kubernetes, "DNS resolution on Windows nodes". In a resolv.conf,
``search`` stands for the suffix search list and ``domain`` for the primary suffix.
There is no source code to read and no comparison: what these pages do not say is not
modelled. A capture of Windows Vista by Microsoft ("DNS Client Resolver Behavior") has
the first of two servers again at 2 s, and the end at 15 s.
"""

from collections.abc import Generator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, TypeAlias

from minidns.dns.model import TC, Question, Rcode
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
from minidns.stub.resolv_conf import literal_address

from .concurrent import together

_SCHEDULE_S = (0.0, 1.0, 2.0, 4.0, 8.0)
_END_S = 10.0
_MAX_CACHED_S, _MAX_NEGATIVE_S = 86400, 5
_ERRORS = {
    Status.NXDOMAIN: "WSAHOST_NOT_FOUND",
    Status.NODATA: "WSANO_DATA",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the client."""

    suffixes: int | None = None
    """The most suffixes; None means no limit."""
    append_to_multi_label: bool = False
    """The policy AppendToMultiLabelName."""


CONTAINER = Settings(suffixes=1)


class _Result(NamedTuple):
    status: Status
    reply: Reply | None = None


_ResultSteps: TypeAlias = Generator[Wait, Event, _Result]


class Windows(Resolver):
    """The DNS client service of one machine or container."""

    def __init__(
        self, resolv_conf: str, rng: Random, settings: Settings = Settings()
    ) -> None:
        """Take servers and suffixes from ``resolv_conf``."""
        super().__init__(resolv_conf, rng)
        self._settings = settings
        self._servers, self._suffixes = _read(resolv_conf, settings)
        self._cache: dict[Question, tuple[float, _Result]] = {}

    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of getaddrinfo."""
        if (literal := literal_address(name)) is not None:
            return Outcome(Status.ANSWERED, name, literal=literal)
        outcome = Outcome(Status.NXDOMAIN, name, error="WSAHOST_NOT_FOUND")
        for candidate in self._names(name):
            try:
                queries = self.queries(candidate, types)
            except ValueError:
                continue
            results = yield from together([self._query(query) for query in queries])
            outcome = _outcome(queries[0].question.qname, results)
            if outcome.status not in _ERRORS:
                return outcome
        return outcome

    def _names(self, name: str) -> list[str]:
        if name.endswith("."):
            return [name]
        searched = [f"{name}.{suffix}" for suffix in self._suffixes]
        if "." not in name:
            return searched
        return [name, *searched] if self._settings.append_to_multi_label else [name]

    def _query(self, query: StubQuery) -> _ResultSteps:
        expires, cached = self._cache.get(query.question, (0.0, None))
        if cached is not None and self.now < expires:
            return cached
        result = yield from self._transmit(query)
        if result.reply is not None:
            self._store(query.question, result)
        return result

    def _store(self, question: Question, result: _Result) -> None:
        if result.status is Status.ANSWERED and result.reply:
            ttl = min(rrset.ttl for rrset in result.reply.answer)
            self._cache[question] = self.now + min(ttl, _MAX_CACHED_S), result
        elif result.status in _ERRORS:
            self._cache[question] = self.now + _MAX_NEGATIVE_S, result

    def _transmit(self, query: StubQuery) -> _ResultSteps:
        """Send on schedule until a reply counts; other errors wait for their turn."""
        source, start = self.port(), self.now
        rejected: Reply | None = None
        ends = (*_SCHEDULE_S[1:], _END_S)
        for turn, end in enumerate(ends):
            sends = [query.to(server, source) for server in self._turn(turn)]
            while sends or self.now < start + end:
                event = yield Wait(tuple(sends), start + end)
                sends = []
                if event.reply is None or not query.matches(event.reply):
                    continue
                reply: Reply | None = event.reply
                if event.reply.flags & TC:
                    reply = yield from self._over_tcp(query, event.server, start + end)
                if reply and reply.rcode in (Rcode.NOERROR, Rcode.NXDOMAIN):
                    return _Result(decisive_status((reply,)), reply)
                rejected = reply or rejected
        status = decisive_status((rejected,)) if rejected else Status.SILENT
        return _Result(status, rejected)

    def _turn(self, turn: int) -> tuple[str, ...]:
        """Return the servers that are asked at this place of the schedule."""
        if turn >= 3:
            return self._servers
        return (self._servers[min(turn, len(self._servers) - 1)],)

    def _over_tcp(
        self, query: StubQuery, server: str, until: float
    ) -> Generator[Wait, Event, Reply | None]:
        source = self.port()
        sends: tuple[Send, ...] = (query.to(server, source, "tcp"),)
        while True:
            event = yield Wait(sends, until)
            sends = ()
            if event.source == source and (event.reply or event.failure):
                return event.reply
            if self.now >= until:
                return None


def _outcome(name: str, results: list[_Result]) -> Outcome:
    replies = tuple(result.reply for result in results if result.reply)
    statuses = [result.status for result in results]
    if Status.ANSWERED in statuses:
        return Outcome(Status.ANSWERED, name, replies)
    status = next((s for s in statuses if s is not Status.NODATA), Status.NODATA)
    return Outcome(status, name, replies, _ERRORS.get(status, "WSATRY_AGAIN"))


def _read(text: str, settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return servers and suffixes, the primary suffix devolved."""
    servers: list[str] = []
    search: list[str] = []
    primary = ""
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search", *domains]:
                search = [domain.strip(".") for domain in domains]
            case ["domain", domain, *_]:
                primary = domain.strip(".")
    suffixes = [suffix for suffix in search if suffix] or _devolved(primary)
    return tuple(servers) or ("127.0.0.1",), tuple(suffixes[: settings.suffixes])


def _devolved(suffix: str) -> list[str]:
    """Return the suffix and what is left of it, down to two labels.

    >>> _devolved("a.corp.example.org")
    ['a.corp.example.org', 'corp.example.org', 'example.org']
    """
    labels = suffix.split(".") if suffix else []
    count = max(len(labels) - 1, min(len(labels), 1))
    return [".".join(labels[start:]) for start in range(count)]
