"""Rules of *cache* that not all releases of CoreDNS have (``-as``).

Each rule is checked in every release, against the release that brought it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from minidns.corefile.releases import RELEASES, Release, parse
from minidns.dns.model import AD, CD, RD, DnsError, Rcode, Response, replace
from tests.plugins.caching import NAME, answer, caching, denial, rrset, ttls
from tests.table import table
from tests.world import query

ALIAS = rrset(f"{NAME} 60 CNAME nowhere.example.org.")


async def asks(release: Release, behind: Response, line: str = "cache") -> int:
    """Return how often the next handler is asked for two queries."""
    cached = caching(line, behind, release=release)
    for _ in range(2):
        await cached.ask(query(NAME))
    return len(cached.received)


async def cd_is_told_apart(release: Release) -> bool:
    cached = caching(release=release)
    for flags in (RD, RD | CD):
        await cached.ask(replace(query(NAME), flags=flags))
    return len(cached.received) == 2


async def class_is_told_apart(release: Release) -> bool:
    cached = caching(release=release)
    for qclass in (1, 3):
        await cached.ask(query(NAME, qclass=qclass))
    return len(cached.received) == 2


async def ttl_may_exceed_an_hour(release: Release) -> bool:
    cached = caching("cache 7200", answer(86400), release=release)
    return ttls(await cached.ask(query(NAME))) == [7200]


async def servfail_hides_no_answer(release: Release) -> bool:
    """Two queries are in flight; the first gets an answer, the second a failure."""
    cached = caching("cache {\nservfail 60s\n}", release=release)
    cached.delay_s = 1
    for _ in range(2):
        cached.site.once("query", _ignored(cached.ask(query(NAME))))
        await cached.later(0.5)
    await cached.later(0.2)
    cached.behind = Response(Rcode.SERVFAIL)
    await cached.later(1)
    response = await cached.ask(query(NAME))
    assert len(cached.received) == 2
    return response.rcode == Rcode.NOERROR


async def _ignored(work: Awaitable[Response]) -> None:
    await work


async def nxdomain_of_an_alias_is_not_kept(release: Release) -> bool:
    behind = replace(denial(), answer=(ALIAS,))
    return await asks(release, behind) == 2


async def nxdomain_without_soa_has_the_ttl_of_a_denial(release: Release) -> bool:
    line = "cache {\nsuccess 9984 3600 20\ndenial 9984 1800 40\n}"
    behind = Response(Rcode.NXDOMAIN, additional=(rrset("x.org. 1 A 192.0.2.1"),))
    assert await asks(release, behind, line) == 2
    cached = caching(line, behind, release=release)
    return ttls(await cached.ask(query(NAME))) == [40]


async def dangling_alias_is_not_kept(release: Release) -> bool:
    return await asks(release, Response(answer=(ALIAS,))) == 2


async def dangling_alias_with_soa_is_a_denial(release: Release) -> bool:
    behind = replace(denial(rcode=Rcode.NOERROR), answer=(ALIAS,))
    cached = caching("cache", behind, release=release)
    await cached.ask(query(NAME))
    return cached.count("entries", "denial") == 1


async def ad_is_kept_for_others(release: Release) -> bool:
    cached = caching("cache", replace(answer(), ad=True), release=release)
    assert not (await cached.ask(query(NAME))).ad
    return (await cached.ask(replace(query(NAME), flags=RD | AD))).ad


async def ad_is_set_in_what_is_passed_on(release: Release) -> bool:
    cached = caching(release=release)
    await cached.ask(query(NAME))
    return bool(cached.received[0].flags & AD)


async def entry_is_stale_at_zero(release: Release) -> bool:
    cached = caching("cache 30 {\nserve_stale\n}", release=release)
    await cached.ask(query(NAME))
    await cached.later(30)
    await cached.ask(query(NAME))
    return cached.count("served_stale_total") == 1


@dataclass(frozen=True)
class Rule:
    since: str
    holds: Callable[[Release], Awaitable[bool]]


RULES = [
    Rule("1.11.3", cd_is_told_apart),
    Rule("1.14.4", ttl_may_exceed_an_hour),
    Rule("1.14.4", servfail_hides_no_answer),
    Rule("1.14.5", nxdomain_of_an_alias_is_not_kept),
    Rule("1.14.5", nxdomain_without_soa_has_the_ttl_of_a_denial),
    Rule("1.14.7", class_is_told_apart),
    Rule("1.14.7", dangling_alias_is_not_kept),
    Rule("1.14.7", dangling_alias_with_soa_is_a_denial),
    Rule("1.14.7", ad_is_kept_for_others),
    Rule("1.14.7", ad_is_set_in_what_is_passed_on),
    Rule("1.14.7", entry_is_stale_at_zero),
]


@table("release", RELEASES, ids=str)
@table("rule", RULES, ids=lambda rule: rule.holds.__name__)
async def test_rule_holds_since_its_release(rule: Rule, release: Release) -> None:
    assert await rule.holds(release) == (release >= parse(rule.since))


async def test_error_is_never_stored() -> None:
    for release in RELEASES:
        cached = caching("cache", DnsError("unreachable"), release=release)
        for _ in range(2):
            with pytest.raises(DnsError):
                await cached.ask(query(NAME))
        assert len(cached.received) == 2
