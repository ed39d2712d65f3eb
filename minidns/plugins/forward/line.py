"""One line of ``forward``: which names it takes, and whom it asks for them.

An upstream's records are let through by ``core.relay``; equal questions share one
exchange (`SingleFlight`); the network itself is the edges' exchange.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from operator import attrgetter

from minidns.corefile import values
from minidns.corefile.blocks import ConfigError
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Opt,
    Query,
    Question,
    Rcode,
    Response,
)
from minidns.dns.names import is_below
from minidns.dns.rdata import HINFO
from minidns.dns.reply import Reply
from minidns.plugins.forward.options import Options
from minidns.plugins.forward.policy import order_by
from minidns.plugins.forward.proxy import Proxy, relayed_flags, relayed_opt
from minidns.plugins.forward.targets import To
from minidns.plugins.site import Site
from minidns.upstream.acceptance import response_of, scrubbed
from minidns.upstream.single_flight import SingleFlight
from minidns.upstream.upstream import Upstream, failure

DEADLINE_S = 5.0
"""Seconds for a query in all (CoreDNS)."""
MAX_TRIES = 100
"""limit: with ``max_connect_attempts 0`` CoreDNS may spin until the deadline."""

_in_doubt = attrgetter("in_doubt")


class Line:
    """One ``forward`` line: which names it takes, and whom it asks for them."""

    def __init__(self, zone: Name, options: Options, site: Site) -> None:
        self.options = options
        self.proxies: tuple[Proxy, ...] = ()
        self._zone = zone
        self._site = site
        self._now = site.edges.now
        self._order: Callable[[], list[Proxy]] = list
        self._is_forgeable = {"udp": True, "tcp": True}
        """Whether a query by this transport may go on by UDP."""
        self._exchanges: SingleFlight[Response] = SingleFlight()
        site.on_stop(self._exchanges.close)
        self.in_flight = 0
        """Queries that wait for an upstream."""
        self._broken = site.metrics.counter(
            "coredns_forward_healthcheck_broken_total",
            "Queries that found every upstream down.",
        )
        self._rejected = site.metrics.counter(
            "coredns_forward_max_concurrent_rejects_total",
            "Queries refused because max_concurrent others were waiting.",
        )

    def use(self, upstreams: Iterable[To]) -> None:
        """Ask these from now on.

        Raises:
            ConfigError: two names for one certificate.

        """
        self.proxies = tuple(
            Proxy(self._settled(to), self.options, self._site)
            for to in upstreams
            if isinstance(to, Upstream)
        )
        rng = self._site.edges.random
        self._order = order_by(self.options.policy, self.proxies, rng)
        for client in self._is_forgeable:
            over = {proxy.transport(client) for proxy in self.proxies}
            self._is_forgeable[client] = "udp" in over

    def _settled(self, to: Upstream) -> Upstream:
        """Return ``to`` with what the line's options say about connections."""
        common = self.options.tls_servername
        if to.servername and common:
            raise ConfigError(
                f"both forward ('{common}') and proxy level ('{to.servername}') TLS"
                f" servernames are set for upstream proxy 'tls://{to}'"
            )
        return to._replace(
            servername=to.servername or common,
            tls=self.options.tls if to.transport in ("tls", "https") else None,
            doh_method=self.options.doh_method,
            source=self.options.source_address,
            keep=self.options.keep,
            owner="forward",
        )

    def covers(self, name: Name) -> bool:
        """Return whether ``name`` is this line's to forward."""
        if not is_below(name, self._zone):
            return False
        return name == self._zone or not values.covers(self.options.excepted, name)

    def before(self, next_: Handler, *, is_line: bool) -> Handler:
        """Return the handler of this line; ``is_line`` when ``next_`` is one, too."""

        def forward(query: Query) -> Awaitable[Response]:
            if not self.covers(query.question.qname):
                return next_(query)
            return forward_or_next(query) if is_line else self._answer(query)

        async def forward_or_next(query: Query) -> Response:
            given = await self._answer(query)
            return await next_(query) if self._passes_on(given) else given

        return forward

    def _passes_on(self, response: Response) -> bool:
        """Return whether the next line is to be asked instead."""
        if response.rcode in self.options.next_rcodes:
            return True
        empty = response.rcode == Rcode.NOERROR and not response.answer
        return self.options.next_on_nodata and empty

    @property
    def is_full(self) -> bool:
        """Whether no more queries may wait (``max_concurrent``)."""
        return 0 < self.options.max_concurrent <= self.in_flight

    async def _answer(self, query: Query) -> Response:
        """Ask, or wait for the same question that is being asked already."""
        if self.is_full:
            self._rejected.inc()
            most = self.options.max_concurrent
            text = f"concurrent queries exceeded maximum {most}"
            raise DnsError(text, Rcode.REFUSED)
        question = query.question
        ask = partial(self._ask, query, self._now() + DEADLINE_S)
        # what a client can vary at will must not make more chances to forge a reply
        queue = question if self._is_forgeable[query.transport] else None
        key: tuple[object, ...] = _key_of(query)
        if question.qtype == HINFO:
            # a probe of *loop* is counted each time it comes round; waiting for itself
            # it would never be, here or in another server of the ring
            key, queue = (*key, object()), None
        self.in_flight += 1
        try:
            return await self._exchanges.run(key, queue, ask)
        except DnsError as exc:
            raise DnsError(exc.text, exc.rcode) from None
        except ConnectionError as exc:
            raise DnsError(str(exc)) from None
        finally:
            self.in_flight -= 1

    async def _ask(self, query: Query, deadline: float) -> Response:
        """Ask one upstream after the other until one replies.

        Raises:
            DnsError: none did.

        """
        last = ""
        failed = refused = 0
        for proxy in self._candidates():
            if self._now() >= deadline:
                break
            try:
                reply = await proxy.ask(query, deadline)
            except OSError as exc:
                last = failure(exc)
                proxy.doubt()
                failed += 1
                if failed == self._most_tries:
                    break
                continue
            refused += reply.rcode in self.options.failover
            if reply.rcode in self.options.failover and refused < len(self.proxies):
                continue
            return _response(query, reply, proxy)
        raise DnsError(last or "no healthy proxies")

    @property
    def _most_tries(self) -> int:
        most = self.options.max_connect_attempts
        if most is None:
            return 2 * len(self.proxies)
        return most or MAX_TRIES

    def _candidates(self) -> Iterator[Proxy]:
        """Yield upstreams to try, over and over, those that are down left out.

        unlike CoreDNS: one that failed and is being checked comes last, so that a dead
        upstream costs one slow query, not all until it counts as down.
        """
        ordered = self._order()
        while up := [proxy for proxy in ordered if not proxy.is_down]:
            yield from sorted(up, key=_in_doubt)
        self._broken.inc()
        if not self.options.failfast:
            # checking itself may be what is broken (CoreDNS)
            yield self._site.edges.random.choice(self.proxies)


def _key_of(query: Query) -> tuple[Question, int, Opt | None, str]:
    """Return what must be equal for two queries to be one to an upstream."""
    return query.question, relayed_flags(query), relayed_opt(query), query.transport


def _response(query: Query, reply: Reply, proxy: Proxy) -> Response:
    """Return what the client gets of ``reply``.

    Raises:
        DnsError: it answers another question only; nothing to give, or to keep.

    """
    own = scrubbed(query.question, reply)
    if reply.answer and not own.answer and reply.rcode == Rcode.NOERROR:
        raise DnsError(f"{proxy.upstream} gave records of other names only")
    return response_of(own, query.opt, "forward/reply", proxy.sources)
