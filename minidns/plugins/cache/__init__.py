"""*cache* - cache answers.

Every reply that passes gets one TTL for all its records. A cache hit has AA set.
What differs between releases of CoreDNS is in ``corefile/releases.py``.

A hit on an entry that will expire soon may start a prefetch. An entry that has expired
may still be used (``serve_stale``): either at once, with a refresh in the background,
or after a refresh has failed (``verify``). One refresh of an entry runs at a time.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from math import ceil

from minidns.corefile import values
from minidns.corefile.releases import cache_rules
from minidns.dns.model import (
    AD,
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    Reuse,
    Source,
    replace,
)
from minidns.metrics.registry import Metrics
from minidns.metrics.traffic import with_counter
from minidns.plugins.answer_kind import (
    Outcome,
    answers,
    cache_outcome,
    has_soa,
)
from minidns.plugins.cache import options as table
from minidns.plugins.cache.metrics import CacheMetrics
from minidns.plugins.cache.options import LONGEST_TTL, CacheOptions
from minidns.plugins.cache.store import (
    Entry,
    Key,
    Kind,
    Stores,
    clamp_ttl,
    key_of,
    ttl_of,
    with_ttl,
)
from minidns.plugins.chain import reused_per_name
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits

_KINDS: dict[Outcome, Kind] = {
    Outcome.POSITIVE: "success",
    Outcome.DELEGATION: "success",
    Outcome.NODATA: "denial",
    Outcome.NXDOMAIN: "denial",
    Outcome.FAILURE: "denial",
}
"""The kind that an answer is stored as; others are not stored."""
_NOT_USABLE = frozenset((Outcome.OTHER, Outcome.TRANSFER))
"""Replies that never take the place of a stale answer."""
_DENIALS = frozenset((Outcome.NODATA, Outcome.NXDOMAIN))


def setup(options: CacheOptions, site: Site) -> Plugin:
    """Return the plugin that answers from a cache."""
    table.check(options, site.block.named("cache")[0])

    def plugin(next_: Handler) -> Handler:
        # names of other zones are answered without the cache
        disabled = {*options.success.disabled, *options.denial.disabled}
        zones = {*options.zones, *disabled} - {"."}
        return Cache(options, site, reused_per_name(next_, zones)).cache

    return plugin


class Cache:
    """Stores the answers of one handler, and answers from them."""

    def __init__(self, options: CacheOptions, site: Site, next_: Handler) -> None:
        zones = options.zones
        self._options = options
        self._zones = () if "." in zones else zones  # empty for all names
        self._next = next_
        self._stores = Stores(options, cache_rules(site.release))
        self._metrics = CacheMetrics(site.metrics, zones, site.view_name)
        self._site = site
        self._rules = cache_rules(site.release)
        self._now, self._wall = site.edges.now, site.edges.wall
        self._never_stored = _common_zones(
            options.success.disabled, options.denial.disabled
        )
        self._longest = sys.maxsize if self._rules.ttl_above_hour else LONGEST_TTL
        update = partial(self._metrics.show_sizes, self._stores)
        site.metrics.before_scrape.append(update)
        site.on_stop(partial(_remove, site.metrics, update))

    async def cache(self, query: Query) -> Response:
        """Answer ``query`` from the cache, or store the answer of the next handler.

        Where answers are stored, the next handler does not see in which case the client
        wrote the name, because its answer may be given to the next client.
        """
        if self._zones and not values.covers(self._zones, query.question.qname):
            return await self._next(query)
        if self._never_stored and values.covers(
            self._never_stored, query.question.qname
        ):
            self._metrics.miss(query.server)
            return self._with_miss(query, await self._next(self._upstream_query(query)))
        if query.spelled:
            query = replace(query, spelled="")
        key, now = key_of(query, self._rules), self._now()
        hit = self._stores.find(key, now)
        if hit is None:
            self._metrics.miss(query.server)
            response = await self._next(self._upstream_query(query))
            return self._store(query, key, response)
        kind, entry = hit
        self._metrics.hit(query.server, kind)
        if entry.left(now) < self._rules.stale_at_zero:
            return await self._stale_answer(query, key, entry)
        if self._is_due(entry, now) and entry.begin_refresh(now):
            self._site.once("cache", self._prefetch(query, key, entry))
        return self._fresh_answer(query, kind, entry, now)

    def _with_miss(self, query: Query, response: Response) -> Response:
        """Return ``response`` with one TTL; it is not stored."""
        outcome = cache_outcome(query, response, self._wall(), self._rules)
        if outcome is Outcome.TRANSFER:
            return response
        flat = with_ttl(response, self._ttl(response, outcome))
        return self._count_misses(query, _ad_if_wanted(query, flat))

    def _upstream_query(self, query: Query) -> Query:
        """Return ``query`` as the next handler gets it: with AD for every client."""
        if self._rules.asks_for_ad and not query.flags & AD:
            return replace(query, flags=query.flags | AD)
        return query

    def _store(self, query: Query, key: Key, response: Response) -> Response:
        """Return ``response`` with one TTL; store it if it may be stored.

        Transfers pass unchanged. unlike CoreDNS: it gives all records of a transfer a
        TTL of 5 seconds.
        """
        outcome = cache_outcome(query, response, self._wall(), self._rules)
        if outcome is Outcome.TRANSFER:
            return response
        ttl = self._ttl(response, outcome)
        flat = with_ttl(response, ttl)
        answer = _ad_if_wanted(query, flat)
        if response.client_specific:
            return replace(answer, reuse=None)
        stored = flat if self._rules.asks_for_ad else answer
        if (
            ttl > 0
            and not flat.tc
            and self._is_stored(query, key, outcome, stored, ttl)
        ):
            # the next query is a hit
            return replace(answer, reuse=None) if answer.reuse else answer
        return self._count_misses(query, answer)

    def _count_misses(self, query: Query, response: Response) -> Response:
        """Return ``response``; each reuse of it counts as a miss."""
        return with_counter(response, self._metrics.tally(query.server))

    def _ttl(self, response: Response, outcome: Outcome) -> int:
        if outcome is Outcome.FAILURE:
            return int(self._options.failure_s)
        denied = outcome in _DENIALS
        bounds = self._options.denial if denied else self._options.success
        ttl = ttl_of(response, outcome, self._longest)
        return clamp_ttl(ttl, bounds.shortest, bounds.longest)

    def _is_stored(
        self, query: Query, key: Key, outcome: Outcome, response: Response, ttl: int
    ) -> bool:
        """Store ``response`` if it may be stored; return whether it was."""
        kind = _KINDS.get(outcome)
        if kind is None or (outcome is Outcome.NXDOMAIN and not has_soa(response)):
            return False  # without an SOA a denial has no TTL (RFC 2308 5)
        options = self._options
        bounds = options.success if kind == "success" else options.denial
        if bounds.disabled and values.covers(bounds.disabled, query.question.qname):
            return False
        # some old resolvers discard answers without AA (CoreDNS)
        stored = replace(response, aa=True, rd=None, reuse=None)
        evicted = self._stores.put(kind, key, Entry(stored, ttl, self._now()))
        if evicted:
            self._metrics.evicted(query.server, kind, evicted)
        return True

    def _is_due(self, entry: Entry, now: float) -> bool:
        """Count the hit; return whether the entry is due for a prefetch."""
        prefetch = self._options.prefetch
        if not prefetch.amount:
            return False
        hits = entry.hit(now, prefetch.gap_s)
        threshold = ceil(prefetch.percentage / 100 * entry.ttl)
        return hits >= prefetch.amount and entry.left(now) <= threshold

    def _fresh_answer(
        self, query: Query, kind: Kind, entry: Entry, now: float
    ) -> Response:
        """Return the answer of an entry that has not expired; it may be reused."""
        keep_ttl = self._options.keep_ttl
        ttl = entry.ttl if keep_ttl else entry.left(now)
        response = _entry_response(entry, query, ttl, now)
        if (
            self._options.prefetch.amount or not query.asked_before
        ):  # every hit must be counted
            return response
        return replace(
            response,
            reuse=Reuse(
                expires_at=entry.stored + entry.ttl,
                ttls_true_at=None if keep_ttl else entry.stored + entry.age(now),
                counters=(self._metrics.tally(query.server, kind),),
            ),
        )

    async def _stale_answer(self, query: Query, key: Key, entry: Entry) -> Response:
        """Answer with an expired entry, or with a refreshed one."""
        stale = self._options.stale
        now = self._now()
        if stale.verify and (not stale.recheck_s or entry.begin_refresh(now)):
            fresh = await self._verified_answer(query, key, entry)
            if fresh is not None:
                return fresh
        elif not stale.verify and entry.begin_refresh(now):
            self._site.once("cache", self._refresh(query, key, entry))
        self._metrics.served_stale(query.server)
        ttl = stale.ttl or (entry.ttl if self._options.keep_ttl else 0)
        return _entry_response(entry, query, ttl, now)

    async def _verified_answer(
        self, query: Query, key: Key, entry: Entry
    ) -> Response | None:
        """Return a refreshed answer, None if there is none within the time limit."""
        refresh = self._refreshed_answer(query, key, entry)
        if not self._options.stale.patience_s:
            return await refresh
        result: asyncio.Future[Response | None]
        result = asyncio.get_running_loop().create_future()

        async def settle(work: Awaitable[Response | None]) -> None:
            response = await work
            if not result.done():
                result.set_result(response)

        async def time_out() -> None:
            await self._site.edges.sleep(self._options.stale.patience_s)

        self._site.once("cache", settle(refresh))
        waiting = self._site.once("cache", settle(time_out()))
        try:
            return await result
        finally:
            waiting.cancel()

    async def _refreshed_answer(
        self, query: Query, key: Key, entry: Entry
    ) -> Response | None:
        """Return and store a new answer that may take the place of ``entry``.

        None after a failure, which leaves the entry in place (RFC 8767 4).
        """
        fresh = None
        try:
            response = await self._next(self._upstream_query(query))
            fresh = self._stored_refresh(query, key, response)
        except DnsError:
            pass
        finally:
            recheck_s = self._options.stale.recheck_s
            entry.end_refresh(self._now(), recheck_s, failed=fresh is None)
        return fresh

    def _stored_refresh(
        self, query: Query, key: Key, response: Response
    ) -> Response | None:
        outcome = cache_outcome(query, response, self._wall(), self._rules)
        if response.tc or outcome in _NOT_USABLE:
            return None
        if self._options.stale.prefer_positive:
            stored = self._store(query, key, response)
            is_answer = outcome is Outcome.POSITIVE and answers(
                key.question, response.answer
            )
            return stored if is_answer else None
        if response.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
            return None
        return self._store(query, key, response)

    async def _refresh(self, query: Query, key: Key, entry: Entry) -> None:
        """Look up an expired entry again, in the background."""
        self._metrics.prefetched(query.server)
        if await self._refreshed_answer(_as_tcp(query), key, entry) is not None:
            self._carry_hits(key, entry)

    async def _prefetch(self, query: Query, key: Key, entry: Entry) -> None:
        """Look up an entry that will expire soon again, in the background."""
        self._metrics.prefetched(query.server)
        query = self._upstream_query(_as_tcp(query))
        try:
            self._store(query, key, await self._next(query))
        except DnsError:
            return
        finally:
            entry.end_refresh(self._now(), 0, failed=False)
        self._carry_hits(key, entry)

    def _carry_hits(self, key: Key, entry: Entry) -> None:
        newest = self._stores.newest(key)
        if newest is not None:
            newest.hits, newest.last_hit = entry.hits, self._now()


async def _remove(metrics: Metrics, update: Callable[[], None]) -> None:
    metrics.before_scrape.remove(update)


def _common_zones(some: tuple[Name, ...], others: tuple[Name, ...]) -> tuple[Name, ...]:
    """Return the zones that both ``some`` and ``others`` cover."""
    return (
        *(zone for zone in some if values.covers(others, zone)),
        *(zone for zone in others if values.covers(some, zone)),
    )


def _as_tcp(query: Query) -> Query:
    """Return ``query`` as if it came over TCP: its reply is not cut (CoreDNS)."""
    return replace(query, transport="tcp", max_size=65535)


def _entry_response(entry: Entry, query: Query, ttl: int, now: float) -> Response:
    """Return the entry's answer to ``query``."""
    response = with_ttl(entry.response, ttl)
    source = Source("cache", f"{entry.age(now)}s")
    response = replace(response, sources=(source, *response.sources))
    return _ad_if_wanted(query, response)


def _ad_if_wanted(query: Query, response: Response) -> Response:
    """Return ``response`` with AD for clients that understand it (RFC 6840 5.7)."""
    if response.ad and not (query.do or query.flags & AD):
        return replace(response, ad=False)
    return response


PLUGIN = PluginSpec(
    name="cache",
    summary="cache answers",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS,
    setup=setup,
    defaults=CacheOptions(),
    repeated=Repeated.REFUSED,
    unknown=table.unknown,
)
