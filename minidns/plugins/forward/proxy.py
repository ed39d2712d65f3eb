"""One upstream of a ``forward`` line: its exchanges and its health checks."""

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import Self

from msgspec import Struct

from minidns.dns.model import RD, TC, Opt, Query, Question, Source, replace
from minidns.dns.rdata import NS, rcode_label
from minidns.dns.reply import Reply
from minidns.dns.wire import encode_query
from minidns.metrics.registry import TIME_BUCKETS
from minidns.plugins.forward.options import ForwardOptions
from minidns.plugins.site import Site
from minidns.upstream.acceptance import (
    REFUSES_EDNS,
    RELAYED_FLAGS,
    SentQuery,
    without_hop_by_hop,
)
from minidns.upstream.upstream import Upstream

CHECK_S = 1.0
"""Seconds an upstream has to answer a health check (CoreDNS)."""
_SMALLEST = 512
"""Bytes a reply over UDP may always have (RFC 1035 2.3.4)."""

_SHORTEST_PAUSE_S = 0.01  # an interval of 0 must not become a busy loop


class Health:
    """The checks of one upstream (CoreDNS pkg/up)."""

    def __init__(
        self,
        every_s: float,
        sleep: Callable[[float], Awaitable[None]],
        start: Callable[[str, Callable[[], Coroutine[object, object, None]]], object],
    ) -> None:
        """``start`` runs a task."""
        self._pause_s = max(every_s, _SHORTEST_PAUSE_S)
        self._sleep = sleep
        self._start = start
        self.fails = 0
        """Number of checks that failed since the last success."""
        self.in_doubt = False
        """True after a failed exchange, until a check succeeds."""

    def doubt(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Start checks, which go on until one succeeds.

        ``check`` returns whether the upstream replied. It is not stored: its owner has
        this value, and a cycle of the two would outlive a reload.
        """
        if not self.in_doubt:
            self.in_doubt = True
            self._start("health checks", partial(self._check_until_success, check))

    async def _check_until_success(self, check: Callable[[], Awaitable[bool]]) -> None:
        self.in_doubt = True  # also when the task is restarted after an exception
        try:
            while not await check():
                self.fails += 1
                await self._sleep(self._pause_s)
            self.fails = 0
        finally:
            self.in_doubt = False


class RelayedQuery(Struct, frozen=True):
    """The parts of a client's query that go upstream: equal ones share an exchange."""

    question: Question
    flags: int
    opt: Opt | None
    """The client's OPT without hop-by-hop options.

    unlike CoreDNS: a client's cookie is for its own server and no other (RFC 7873).
    """
    transport: str

    @classmethod
    def of(cls, query: Query) -> Self:
        """Return these parts of ``query``."""
        opt = query.opt and without_hop_by_hop(query.opt)
        return cls(query.question, query.flags & RELAYED_FLAGS, opt, query.transport)


class Proxy:
    """An upstream with the options of its line."""

    def __init__(self, upstream: Upstream, options: ForwardOptions, site: Site) -> None:
        self.upstream = upstream
        self.sources = (Source("upstream", str(upstream)),)
        """The sources of its answers, for ``minidns why``."""
        self._over = {
            transport: replace(upstream, transport=transport)
            for transport in ("udp", "tcp", "tls", "https")
        }
        self._cells: dict[str, list[float]] = {}
        self._options = options
        self._exchange, self._now = site.edges.exchange, site.edges.now
        self._idents = _unguessable(site.edges.entropy)
        self._health = Health(options.check_every_s, site.edges.sleep, site.task)
        self._seconds = site.metrics.histogram(
            "coredns_proxy_request_duration_seconds",
            "Seconds an upstream took to reply.",
            ("proxy_name", "to", "rcode"),
            TIME_BUCKETS,
        )
        self._failed_checks = site.metrics.counter(
            "coredns_proxy_healthcheck_failures_total",
            "Health checks that an upstream did not answer.",
            ("proxy_name", "to"),
        )

    @property
    def is_down(self) -> bool:
        """True if more than ``max_fails`` checks in a row failed."""
        return 0 < self._options.max_fails < self._health.fails

    @property
    def in_doubt(self) -> bool:
        """True if an exchange failed and no check has succeeded since."""
        return self._health.in_doubt

    @property
    def failed_checks(self) -> int:
        """Number of checks in a row that failed."""
        return self._health.fails

    def doubt(self) -> None:
        """Start health checks, which go on until one succeeds."""
        if self._options.max_fails:
            self._health.doubt(self._check)

    def transport(self, client: str) -> str:
        """Return the transport of exchanges: by default that of the ``client``."""
        if self.upstream.transport in ("tls", "https"):
            return self.upstream.transport
        if self._options.force_tcp:
            return "tcp"
        return "udp" if self._options.prefer_udp else client

    def ask(self, query: RelayedQuery, deadline: float) -> Awaitable[Reply]:
        """Return the upstream's reply to ``query``.

        Raises:
            OSError: it did not reply.

        """
        transport = self.transport(query.transport)
        if transport == "udp" and self._options.prefer_udp:
            return self._preferring_udp(query, deadline)
        return self._with_edns(query, transport, deadline)

    async def _preferring_udp(self, query: RelayedQuery, deadline: float) -> Reply:
        """Ask over UDP, and over TCP if the reply is truncated."""
        reply = await self._with_edns(query, "udp", deadline)
        if not reply.flags & TC:
            return reply
        try:
            return await self._with_edns(query, "tcp", deadline)
        except OSError:
            if query.transport == "tcp":
                raise
            return reply  # a truncated reply is better than none

    async def _with_edns(
        self, query: RelayedQuery, transport: str, deadline: float
    ) -> Reply:
        """Ask with the client's OPT; once more without if the upstream refuses EDNS.

        The refusal is not remembered: it may have been of this query alone, and then
        the next client would get a reply without the records that it requested.
        """
        started = self._now()
        opt = query.opt
        reply = await self._exchange_once(query, transport, opt, deadline - started)
        self._observe(reply.rcode, started)
        if opt is None or reply.opt is not None or reply.rcode not in REFUSES_EDNS:
            return reply
        started = self._now()
        plain = await self._exchange_once(query, transport, None, deadline - started)
        self._observe(plain.rcode, started)
        return plain

    def _exchange_once(
        self, query: RelayedQuery, transport: str, opt: Opt | None, left_s: float
    ) -> Awaitable[Reply]:
        if left_s <= 0:
            raise TimeoutError("i/o timeout")
        question, ident = query.question, next(self._idents)
        # in lower case: clients share exchanges and cached replies, and upstreams may
        # repeat the case of a question in any name of a reply
        wire = encode_query(question, ident, query.flags, opt)
        limit = _largest(opt) if transport == "udp" else 65535
        return self._exchange(
            self._over[transport],
            wire,
            min(self._options.read_timeout_s, left_s),
            SentQuery(question, wire, limit, transport != "udp").accept,
        )

    def _observe(self, rcode: int, started: float) -> None:
        """Count a reply to a query sent at ``started``."""
        label = rcode_label(rcode)
        cells = self._cells.get(label) or self._cells_of(label)
        seconds = self._now() - started
        cells[bisect_left(TIME_BUCKETS, seconds)] += 1
        cells[-1] += seconds

    def _cells_of(self, label: str) -> list[float]:
        labels = ("forward", str(self.upstream), label)
        cells = self._cells[label] = self._seconds.cells(labels)
        return cells

    async def _check(self) -> bool:
        """Return whether the upstream gives any DNS reply, of any rcode."""
        ident = next(self._idents)
        question = Question(self._options.check_name, NS)
        wire = encode_query(question, ident, RD if self._options.check_rd else 0)
        to = replace(self.upstream, owner="")
        if self._options.force_tcp and to.transport == "udp":
            to = replace(to, transport="tcp")
        try:
            return await self._exchange(
                to, wire, CHECK_S, lambda reply: _answers(reply, ident) or None
            )
        except OSError:
            self._failed_checks.inc(("forward", str(to)))
            return False


def _unguessable(entropy: Callable[[int], bytes]) -> Iterator[int]:
    """Yield random ids (CVE-2019-19794), 256 for one system call."""
    while True:
        yield from memoryview(entropy(512)).cast("H")


def _largest(opt: Opt | None) -> int:
    """Return the size limit of a UDP reply to a query with ``opt``, in bytes."""
    return max(_SMALLEST, opt.size) if opt else _SMALLEST


def _answers(reply: bytes, ident: int) -> bool:
    return (
        len(reply) >= 12
        and int.from_bytes(reply[:2]) == ident
        and bool(reply[2] & 0x80)
    )
