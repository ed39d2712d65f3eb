"""*forward* - forward queries to upstreams.

Each line of the directive has a zone and upstreams, and is a handler of its own; with
``next`` a query may pass from one line to the next. Equal queries in flight share one
exchange with an upstream (`SingleFlight`). Records of other names than the question's
are removed from replies (`minidns.upstream.acceptance`).
"""

from collections.abc import (
    Awaitable,
    Callable,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from itertools import count
from operator import attrgetter
from random import Random
from typing import TypeVar

from minidns.corefile import values
from minidns.corefile.directives import Directive
from minidns.corefile.errors import ConfigError
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    replace,
)
from minidns.dns.names import is_below
from minidns.dns.rdata import HINFO
from minidns.dns.reply import Reply
from minidns.plugins.forward import options as table
from minidns.plugins.forward.options import ForwardOptions
from minidns.plugins.forward.proxy import Proxy, RelayedQuery
from minidns.plugins.forward.targets import (
    Host,
    Target,
    addresses,
    distinct,
    read_targets,
    resolvers,
)
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits
from minidns.upstream.acceptance import response_of, scrubbed
from minidns.upstream.single_flight import SingleFlight
from minidns.upstream.upstream import Upstream, failure

DEADLINE_S = 5.0
"""Seconds for a query in all (CoreDNS)."""
MAX_TRIES = 100
"""limit: with ``max_connect_attempts 0`` CoreDNS may retry until the deadline."""

P = TypeVar("P")
_in_doubt = attrgetter("in_doubt")


class ForwardLine:
    """One ``forward`` line: its names and its upstreams."""

    def __init__(self, options: ForwardOptions, site: Site) -> None:
        self.options = options
        self.proxies: tuple[Proxy, ...] = ()
        self._zone = options.zone
        self._site = site
        self._now = site.edges.now
        self._order: Callable[[], Sequence[Proxy]] = tuple
        self._is_forgeable = {"udp": True, "tcp": True}
        """Maps the client's transport to whether its queries may use UDP upstream."""
        self._exchanges: SingleFlight[Response] = SingleFlight(self._now)
        site.on_stop(self._exchanges.close)
        self.in_flight = 0
        """Number of queries that wait for an upstream."""
        self._broken = site.metrics.counter(
            "coredns_forward_healthcheck_broken_total",
            "Queries that found every upstream down.",
        )
        self._rejected = site.metrics.counter(
            "coredns_forward_max_concurrent_rejects_total",
            "Queries refused because max_concurrent others were waiting.",
        )

    def use(self, upstreams: Iterable[Target]) -> None:
        """Send queries to ``upstreams`` from now on.

        Raises:
            ConfigError: two server names for one upstream.

        """
        self.proxies = tuple(
            Proxy(self._with_options(to), self.options, self._site)
            for to in upstreams
            if isinstance(to, Upstream)
        )
        rng = self._site.edges.random
        self._order = order_by(self.options.policy, self.proxies, rng)
        for client in self._is_forgeable:
            over = {proxy.transport(client) for proxy in self.proxies}
            self._is_forgeable[client] = "udp" in over

    def _with_options(self, to: Upstream) -> Upstream:
        """Return ``to`` with the connection options of the line."""
        common = self.options.tls_servername
        if to.servername and common:
            raise ConfigError(
                f"both forward ('{common}') and proxy level ('{to.servername}') TLS"
                f" servernames are set for upstream proxy 'tls://{to}'"
            )
        return replace(
            to,
            servername=to.servername or common,
            tls=self.options.tls if to.transport in ("tls", "https") else None,
            doh_method=self.options.doh_method,
            source=self.options.source_address,
            keep=self.options.keep,
            owner="forward",
        )

    def covers(self, name: Name) -> bool:
        """Return whether the line forwards ``name``."""
        if not is_below(name, self._zone):
            return False
        return name == self._zone or not values.covers(self.options.excepted, name)

    def before(self, next_: Handler, *, is_line: bool) -> Handler:
        """Return the handler of this line; ``is_line`` if ``next_`` is one, too."""

        def forward(query: Query) -> Awaitable[Response]:
            if not self.covers(query.question.qname):
                return next_(query)
            return forward_or_next(query) if is_line else self._answer(query)

        async def forward_or_next(query: Query) -> Response:
            response = await self._answer(query)
            return await next_(query) if self._passes_on(response) else response

        return forward

    def _passes_on(self, response: Response) -> bool:
        """Return whether the next line answers instead."""
        if response.rcode in self.options.next_rcodes:
            return True
        empty = response.rcode == Rcode.NOERROR and not response.answer
        return self.options.next_on_nodata and empty

    @property
    def is_full(self) -> bool:
        """Return whether ``max_concurrent`` queries are in flight."""
        return 0 < self.options.max_concurrent <= self.in_flight

    async def _answer(self, query: Query) -> Response:
        """Answer by an exchange, or join one for an equal query in flight."""
        if self.is_full:
            self._rejected.inc()
            most = self.options.max_concurrent
            text = f"concurrent queries exceeded maximum {most}"
            raise DnsError(text, Rcode.REFUSED)
        question, relayed = query.question, RelayedQuery.of(query)
        ask = partial(self._ask, relayed, self._now() + DEADLINE_S)
        # parts that a client can vary must not give more chances to forge a reply
        queue = question if self._is_forgeable[query.transport] else None
        key: Hashable = relayed
        if question.qtype == HINFO:
            # a probe that finds forwarding loops comes back as the same query; if it
            # joined itself, it would never be counted
            key, queue = object(), None
        self.in_flight += 1
        try:
            return await self._exchanges.run(key, queue, query.peer[0], ask)
        except DnsError as exc:
            raise DnsError(exc.text, exc.rcode) from None
        except ConnectionError as exc:
            raise DnsError(str(exc)) from None
        finally:
            self.in_flight -= 1

    async def _ask(self, query: RelayedQuery, deadline: float) -> Response:
        """Try one upstream after the other until one replies.

        Raises:
            DnsError: none replied.

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
        """Yield the upstreams to try, in rounds, without those that are down.

        unlike CoreDNS: an upstream that failed and is being checked comes last, so that
        a dead one costs one slow query, not all until it is down.
        """
        ordered = self._order()
        while up := [proxy for proxy in ordered if not proxy.is_down]:
            yield from sorted(up, key=_in_doubt) if len(up) > 1 else up
        self._broken.inc()
        if not self.options.failfast:
            # the checks themselves may be broken (CoreDNS)
            yield self._site.edges.random.choice(self.proxies)


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Return the plugin for ``forward FROM TO...``, any number of lines."""
    lines = [_line(directive, site) for directive in directives]
    site.offers.explainers["forward"] = partial(_explanation, lines)
    site.metadata.labels["forward/upstream"] = _upstream_label

    def plugin(next_: Handler) -> Handler:
        handler = next_
        for line in reversed(lines):
            handler = line.before(handler, is_line=handler is not next_)
        return handler

    return plugin


def _line(directive: Directive, site: Site) -> ForwardLine:
    options: ForwardOptions = PLUGIN.read_one(directive, site)
    table.check(options, directive)
    line = ForwardLine(options, site)
    targets = read_targets(options.to, site.edges.files)
    if any(isinstance(target, Host) for target in targets):
        site.on_start(partial(_look_up, line, targets, site))
    else:
        line.use(targets)
    return line


async def _look_up(line: ForwardLine, targets: Iterable[Target], site: Site) -> None:
    """Look up the addresses of host names, once, before the server answers."""
    upstreams: list[Target] = []
    servers = resolvers(line.options.resolvers, site.edges.files)
    for target in targets:
        if isinstance(target, Upstream):
            upstreams.append(target)
        else:
            _, port, transport, servername = target
            upstreams += [
                Upstream(address, port, transport, servername)
                for address in await addresses(target, servers, site.edges.exchange)
            ]
    line.use(distinct(upstreams))


def _upstream_label(query: Query, response: Response | None) -> str:
    """Return the upstream that answered, for *metadata*."""
    sources = response.sources if response is not None else ()
    return next((source.name for source in sources if source.kind == "upstream"), "")


def _explanation(
    lines: list[ForwardLine], query: Query, response: Response
) -> Mapping[str, object]:
    """Return the state of the upstreams that answered, or failed to answer."""
    kinds = {source.kind for source in response.sources}
    if response.rule and "upstream" not in kinds:
        return {}
    line = next((line for line in lines if line.covers(query.question.qname)), None)
    proxies = line.proxies if line else ()
    return {
        "upstreams": [
            {
                "to": str(proxy.upstream),
                "down": proxy.is_down,
                "failed_checks": proxy.failed_checks,
            }
            for proxy in proxies
        ],
        "text": [_state(proxy) for proxy in proxies],
    }


def _state(proxy: Proxy) -> str:
    """Return the state of an upstream in a line for people."""
    count = proxy.failed_checks
    failed = f", {count} failed health check{'s' * (count > 1)}" if count else ""
    return f"upstream {proxy.upstream}: {'down' if proxy.is_down else 'up'}{failed}"


def order_by(
    policy: str, upstreams: Sequence[P], rng: Random
) -> Callable[[], Sequence[P]]:
    """Return a function that returns ``upstreams`` in the order for the next query."""
    if policy == "sequential" or len(upstreams) == 1:
        return lambda: upstreams
    if policy == "round_robin":
        turns = count(1)  # the second one is first, as in CoreDNS
        return lambda: _starting_with(next(turns) % len(upstreams), upstreams)
    return lambda: rng.sample(upstreams, len(upstreams))


def _starting_with(first: int, upstreams: Sequence[P]) -> list[P]:
    return [upstreams[first], *upstreams[:first], *upstreams[first + 1 :]]


def _response(query: RelayedQuery, reply: Reply, proxy: Proxy) -> Response:
    """Return the response to ``query`` from ``reply``.

    Raises:
        DnsError: all its records are for other names.

    """
    own = scrubbed(query.question, reply)
    if reply.answer and not own.answer and reply.rcode == Rcode.NOERROR:
        raise DnsError(f"{proxy.upstream} gave records of other names only")
    return response_of(own, query.opt, "forward/reply", proxy.sources)


PLUGIN = PluginSpec(
    name="forward",
    summary="forward queries to upstreams",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANY_CLASS,
    setup=setup,
    defaults=ForwardOptions(),
)
