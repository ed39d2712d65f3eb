"""*cache* - keep answers for a while.

One TTL for a whole reply, on every reply that passes; DO and CD apart; AA on what
comes from the cache. What differs between releases of CoreDNS is in
``corefile/releases.py``.
"""

import asyncio
import sys
from collections.abc import Awaitable
from math import ceil

from minidns.corefile import values
from minidns.corefile.blocks import Directive
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
from minidns.dns.rdata import SOA
from minidns.metrics.traffic import tallied
from minidns.plugins.answer_kind import (
    TRANSFERS,
    Outcome,
    answers,
    cache_outcome,
    has_soa,
)
from minidns.plugins.cache.entry import Entry, Key, Kind, Stores, key_of
from minidns.plugins.cache.metrics import Counts
from minidns.plugins.cache.options import Options, read
from minidns.plugins.cache.ttl import LONGEST, clamped, least, with_ttl
from minidns.plugins.site import Site, once
from minidns.plugins.spec import PluginSpec, Traits

_KINDS: dict[Outcome, Kind] = {
    Outcome.POSITIVE: "success",
    Outcome.DELEGATION: "success",
    Outcome.NODATA: "denial",
    Outcome.NXDOMAIN: "denial",
    Outcome.FAILURE: "denial",
}
"""Which answers are kept, and as what."""
_NEVER_STALE = frozenset((Outcome.OTHER, Outcome.TRANSFER))
"""Replies that a stale answer is better than."""
_DENIALS = frozenset((Outcome.NODATA, Outcome.NXDOMAIN))


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``cache [TTL] [ZONES...] [{ options }]``."""
    options, zones = read(once(directives), site.zones)

    def plugin(next_: Handler) -> Handler:
        return Cache(options, zones, site, next_).cache

    return plugin


class Cache:
    """Answers kept in front of one handler."""

    def __init__(
        self, options: Options, zones: tuple[Name, ...], site: Site, next_: Handler
    ) -> None:
        self._options = options
        self._zones = () if "." in zones else zones  # none: all names
        self._next = next_
        self._stores = Stores(options, cache_rules(site.release))
        self._counts = Counts(site.metrics, zones, site.view_name)
        self._site = site
        self._rules = cache_rules(site.release)
        self._now, self._wall = site.edges.now, site.edges.wall
        self._never_kept = _common(options.success.disabled, options.denial.disabled)
        success, denial = options.success, options.denial
        self._least_ttl = max(success.shortest, denial.shortest)
        self._longest = sys.maxsize if self._rules.ttl_above_hour else LONGEST
        self._most_ttl = min(success.longest, denial.longest, self._longest)

    async def cache(self, query: Query) -> Response:
        """Answer from what is kept, or keep what the next handler answers.

        No handler behind this one sees in which letters the client wrote the name: its
        answer may be the next client's.
        """
        if query.spelled:
            query = replace(query, spelled="")
        if self._zones and not values.covers(self._zones, query.question.qname):
            return await self._next(query)
        if self._never_kept and values.covers(self._never_kept, query.question.qname):
            self._counts.miss(query.server)
            return self._passed(query, await self._next(self._passed_on(query)))
        key, now = key_of(query, self._rules), self._now()
        found = self._stores.find(key, now)
        if found is None:
            self._counts.miss(query.server)
            response = await self._next(self._passed_on(query))
            return self._keep(query, key, response)
        kind, entry = found
        self._counts.hit(query.server, kind)
        if entry.left(now) < self._rules.stale_at_zero:
            return await self._expired(query, key, entry)
        if self._is_due(entry, now) and entry.begin_refresh(now):
            self._site.once("cache", self._prefetch(query, key, entry))
        return self._repeatable(query, kind, entry, now)

    def _passed(self, query: Query, response: Response) -> Response:
        """Return ``response`` with one TTL, not kept."""
        if not self._is_level(query, response):
            outcome = cache_outcome(query, response, self._wall(), self._rules)
            if outcome is Outcome.TRANSFER:
                return response
            response = _ad_if_wanted(query, self._level(response, outcome)[0])
        return self._counted(query, response)

    def _passed_on(self, query: Query) -> Query:
        """Return ``query`` as the next handler gets it: with AD, for whoever asks."""
        if self._rules.asks_for_ad and not query.flags & AD:
            return replace(query, flags=query.flags | AD)
        return query

    def _is_level(self, query: Query, response: Response) -> bool:
        """Return whether leveling would change nothing: the usual case, seen cheaply.

        One TTL on all records, within all bounds, of a kind of answer that has one.
        """
        if response.ad or response.opt is not None or query.do or query.flags & 0x7800:
            return False
        answer, authority, rcode = response.answer, response.authority, response.rcode
        if answer:
            first = answer[0]
        elif authority and authority[0].rtype == SOA:
            first = authority[0]
        else:
            return False
        ttl = first.ttl
        if not self._least_ttl <= ttl <= self._most_ttl:
            return False
        for rrsets in (answer, authority, response.additional):
            for each in rrsets:
                if each.ttl != ttl:
                    return False
        known = rcode == Rcode.NOERROR or (rcode == Rcode.NXDOMAIN and not answer)
        return known and query.question.qtype not in TRANSFERS

    def _level(self, response: Response, outcome: Outcome) -> tuple[Response, int]:
        """Return ``response`` with one TTL on all records, and that TTL."""
        ttl = self._ttl(response, outcome)
        return with_ttl(response, ttl), ttl

    def _keep(self, query: Query, key: Key, response: Response) -> Response:
        """Return ``response`` with one TTL, kept if it may be.

        Transfers pass as they are. unlike CoreDNS: which gives 5 seconds to every
        record a secondary server loads.
        """
        outcome = cache_outcome(query, response, self._wall(), self._rules)
        if outcome is Outcome.TRANSFER:
            return response
        flat, ttl = self._level(response, outcome)
        given = _ad_if_wanted(query, flat)
        stored = flat if self._rules.asks_for_ad else given
        if ttl > 0 and not flat.tc and self._kept(query, key, outcome, stored, ttl):
            # the next one comes from the cache
            return replace(given, reuse=None) if given.reuse else given
        return self._counted(query, given)

    def _counted(self, query: Query, response: Response) -> Response:
        """Return ``response`` such that its repetitions count as misses, too."""
        return tallied(response, self._counts.tally(query.server))

    def _ttl(self, response: Response, outcome: Outcome) -> int:
        if outcome is Outcome.FAILURE:
            return int(self._options.failure_s)
        denied = outcome in _DENIALS
        bounds = self._options.denial if denied else self._options.success
        return clamped(
            least(response, outcome, self._longest), bounds.shortest, bounds.longest
        )

    def _kept(
        self, query: Query, key: Key, outcome: Outcome, response: Response, ttl: int
    ) -> bool:
        kind = _KINDS.get(outcome)
        if kind is None or (outcome is Outcome.NXDOMAIN and not has_soa(response)):
            return False  # without an SOA a denial has no TTL (RFC 2308 5)
        options = self._options
        bounds = options.success if kind == "success" else options.denial
        if bounds.disabled and values.covers(bounds.disabled, query.question.qname):
            return False
        # some resolvers of old discard what is not authoritative (CoreDNS)
        kept = replace(response, aa=True, rd=None, reuse=None)
        evicted = self._stores.put(kind, key, Entry(kept, ttl, self._now()))
        self._counts.kept(query.server, kind, evicted, self._stores)
        return True

    def _is_due(self, entry: Entry, now: float) -> bool:
        """Count the hit; return whether the entry is to be asked for anew."""
        prefetch = self._options.prefetch
        if not prefetch.amount:
            return False
        hits = entry.hit(now, prefetch.gap_s)
        threshold = ceil(prefetch.percentage / 100 * entry.ttl)
        return hits >= prefetch.amount and entry.left(now) <= threshold

    def _repeatable(
        self, query: Query, kind: Kind, entry: Entry, now: float
    ) -> Response:
        """Return a fresh entry's answer, with leave to repeat it until it expires."""
        keep_ttl = self._options.keep_ttl
        ttl = entry.ttl if keep_ttl else entry.left(now)
        response = _from(entry, query, ttl, now)
        if self._options.prefetch.amount or not query.asked_before:  # every hit counts
            return response
        return replace(
            response,
            reuse=Reuse(
                expires_at=entry.stored + entry.ttl,
                ttls_true_at=None if keep_ttl else entry.stored + entry.age(now),
                counters=(self._counts.tally(query.server, kind),),
            ),
        )

    async def _expired(self, query: Query, key: Key, entry: Entry) -> Response:
        """Answer with an entry that has expired, or with what can be had instead."""
        stale = self._options.stale
        now = self._now()
        if stale.verify and (not stale.recheck_s or entry.begin_refresh(now)):
            fresh = await self._verified(query, key, entry)
            if fresh is not None:
                return fresh
        elif not stale.verify and entry.begin_refresh(now):
            self._site.once("cache", self._replace(query, key, entry))
        self._counts.served_stale(query.server)
        ttl = stale.ttl or (entry.ttl if self._options.keep_ttl else 0)
        return _from(entry, query, ttl, now)

    async def _verified(self, query: Query, key: Key, entry: Entry) -> Response | None:
        """Return a fresh answer, or None if there is none, or not soon enough."""
        refresh = self._refreshed(query, key, entry)
        if not self._options.stale.patience_s:
            return await refresh
        result: asyncio.Future[Response | None]
        result = asyncio.get_running_loop().create_future()

        async def settle(work: Awaitable[Response | None]) -> None:
            response = await work
            if not result.done():
                result.set_result(response)

        async def lose_patience() -> None:
            await self._site.edges.sleep(self._options.stale.patience_s)

        self._site.once("cache", settle(refresh))
        waiting = self._site.once("cache", settle(lose_patience()))
        try:
            return await result
        finally:
            waiting.cancel()

    async def _refreshed(self, query: Query, key: Key, entry: Entry) -> Response | None:
        """Return and keep a fresh answer that may take the place of ``entry``.

        A failure leaves it where it is (RFC 8767 4).
        """
        fresh = None
        try:
            response = await self._next(self._passed_on(query))
            fresh = self._usable(query, key, response)
        except DnsError:
            pass
        finally:
            recheck_s = self._options.stale.recheck_s
            entry.end_refresh(self._now(), recheck_s, failed=fresh is None)
        return fresh

    def _usable(self, query: Query, key: Key, response: Response) -> Response | None:
        outcome = cache_outcome(query, response, self._wall(), self._rules)
        if response.tc or outcome in _NEVER_STALE:
            return None
        if self._options.stale.prefer_positive:
            kept = self._keep(query, key, response)
            is_answer = outcome is Outcome.POSITIVE and answers(
                key.question, response.answer
            )
            return kept if is_answer else None
        if response.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
            return None
        return self._keep(query, key, response)

    async def _replace(self, query: Query, key: Key, entry: Entry) -> None:
        """Ask in the background for what has expired."""
        self._counts.prefetched(query.server)
        if await self._refreshed(_whole(query), key, entry) is not None:
            self._carry_hits(key, entry)

    async def _prefetch(self, query: Query, key: Key, entry: Entry) -> None:
        """Ask in the background for what will expire soon."""
        self._counts.prefetched(query.server)
        query = self._passed_on(_whole(query))
        try:
            self._keep(query, key, await self._next(query))
        except DnsError:
            return
        finally:
            entry.end_refresh(self._now(), 0, failed=False)
        self._carry_hits(key, entry)

    def _carry_hits(self, key: Key, entry: Entry) -> None:
        newest = self._stores.newest(key)
        if newest is not None:
            newest.hits, newest.last_hit = entry.hits, self._now()


def _common(some: tuple[Name, ...], others: tuple[Name, ...]) -> tuple[Name, ...]:
    """Return the zones that are at or below one of each."""
    return (
        *(zone for zone in some if values.covers(others, zone)),
        *(zone for zone in others if values.covers(some, zone)),
    )


def _whole(query: Query) -> Query:
    """Return ``query`` as over TCP: what is fetched ahead is not cut (CoreDNS)."""
    return replace(query, transport="tcp", max_size=65535)


def _from(entry: Entry, query: Query, ttl: int, now: float) -> Response:
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
    summary="keep answers for a while",
    syntax="cache [TTL] [ZONES...]",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.ONCE_PER_BLOCK,
    setup=setup,
    defaults=None,
)
