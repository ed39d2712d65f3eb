"""*cache*: what the edge may reuse, what is counted, and how much is kept."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import CD, RD, Opt, Query, Rcode, Response, Reuse, replace
from minidns.plugins import cache
from tests.plugins.caching import NAME, addresses, answer, caching, denial, rrset, ttls
from tests.world import World, directives, query

# Leave for the edge to repeat


async def test_a_hit_may_be_repeated_until_it_expires() -> None:
    cached = caching("cache 30", replace(answer(), reuse=Reuse(depends_on=("web",))))
    first = await cached.ask(query(NAME))
    assert first.reuse is None  # the next one is authoritative and younger
    await cached.later(7.6)
    reuse = (await cached.ask(query(NAME))).reuse
    assert reuse is not None
    assert (reuse.expires_at, reuse.ttls_true_at, reuse.depends_on) == (30, 7, ())
    (tally,) = reuse.counters
    tally(10, 0.001)
    assert cached.count("hits_total", "success") == 11
    assert cached.count("requests_total") == 12


async def test_with_keepttl_a_repeated_hit_does_not_age() -> None:
    cached = caching("cache 30 {\nkeepttl\n}")
    await cached.ask(query(NAME))
    await cached.later(7)
    reuse = (await cached.ask(query(NAME))).reuse
    assert reuse is not None
    assert (reuse.expires_at, reuse.ttls_true_at) == (30, None)


async def test_with_prefetch_every_hit_must_come_here() -> None:
    cached = caching("cache 30 {\nprefetch 2\n}")
    for _ in range(2):
        assert (await cached.ask(query(NAME))).reuse is None


async def test_what_is_not_kept_may_be_repeated_as_before() -> None:
    tallies: list[int] = []
    leave = Reuse(expires_at=99, depends_on=("web",), counters=(lambda n, s: tallies.append(n),))
    cached = caching("cache 30 {\ndisable success\n}", replace(answer(), reuse=leave))
    reuse = (await cached.ask(query(NAME))).reuse
    assert reuse is not None
    assert (reuse.expires_at, reuse.depends_on, reuse.ttls_true_at) == (99, ("web",), None)
    for tally in reuse.counters:
        tally(5, 0.001)
    assert tallies == [5]
    assert cached.count("misses_total") == cached.count("requests_total") == 6


# Bounds and metrics


async def test_metrics() -> None:
    cached = caching("cache example.org", keys="example.org a.example.net")
    await cached.ask(query(NAME))
    await cached.ask(query(NAME))
    cached.behind = denial()
    for _ in range(3):
        await cached.ask(query("no.example.org."))

    def count(name: str, kind: str = "") -> float:
        return cached.count(name, kind, zones="example.org.")

    assert count("requests_total") == 5
    assert count("misses_total") == 2
    assert (count("hits_total", "success"), count("hits_total", "denial")) == (1, 2)
    assert (count("entries", "success"), count("entries", "denial")) == (1, 1)
    assert count("evictions_total", "success") == 0
    assert count("drops_total") == count("prefetch_total") == 0
    assert count("served_stale_total") == 0


async def test_the_zones_label_is_all_zones() -> None:
    cached = caching("cache", keys="example.org example.net")
    await cached.ask(query(NAME))
    assert cached.count("misses_total", zones="example.org.,example.net.") == 1


async def test_the_server_label_is_the_listener_asked() -> None:
    cached = caching()
    await cached.ask(replace(query(NAME), server="dns://192.0.2.1:53"))
    labels = {"server": "dns://192.0.2.1:53", "zones": "."}
    assert cached.world.metrics.value("coredns_cache_misses_total", labels) == 1


async def test_capacity_is_bounded_by_number() -> None:
    cached = caching("cache {\nsuccess 1\n}")  # 1,024 is the least
    for number in range(1124):
        name = f"n{number}.example.org."
        cached.behind = answer(name=name)
        await cached.ask(query(name))
    assert cached.count("entries", "success") == 1024
    assert cached.count("evictions_total", "success") == 100


async def test_capacity_is_bounded_by_bytes() -> None:
    text = rrset(f'{NAME} 300 TXT "{"x" * 200}"')
    big = text._replace(rdata=text.rdata * 250)  # about 60 KB
    cached = caching("cache {\nsuccess 1\n}")
    for number in range(100):
        name = f"n{number}.example.org."
        cached.behind = Response(answer=(big._replace(owner=name),))
        await cached.ask(query(name, "TXT"))
    assert 20 < cached.count("entries", "success") < 40  # of 2 MB


def test_cache_may_stand_once() -> None:
    site = World().site(". {\ncache\ncache 30\n}\n")
    with pytest.raises(ConfigError, match="only be used once per Server Block"):
        cache.PLUGIN.set_up(directives(site, "cache"), site)


QUERIES: list[Callable[[str], Query]] = [
    lambda name: query(name),
    lambda name: query(name, "AAAA"),
    lambda name: query(name, opt=Opt(1232, do=True)),
    lambda name: replace(query(name), flags=RD | CD),
    lambda name: query(name, qclass=3),
]
STEPS = st.lists(
    st.tuples(
        st.floats(0, 20),
        st.sampled_from(["a.example.org.", "b.example.org."]),
        st.integers(0, len(QUERIES) - 1),
        st.sampled_from(["answer", "nxdomain", "nodata", "servfail", "refused"]),
        st.integers(0, 100),
    ),
    max_size=30,
)


@pytest.mark.slow
@given(STEPS)
async def test_an_answer_only_ages_and_is_only_ever_its_own(steps: list[tuple[float, str, int, str, int]]) -> None:
    cached = caching("cache 30")
    cached.world.clock.time = 0
    fetched: dict[tuple[str, int], tuple[float, Response]] = {}
    for seconds, name, number, what, ttl in steps:
        await cached.world.clock.advance(seconds)
        cached.behind = {
            "answer": answer(ttl, name, f"192.0.2.{number}"),
            "nxdomain": denial(ttl),
            "nodata": denial(ttl, 0),
            "servfail": Response(Rcode.SERVFAIL),
            "refused": Response(Rcode.REFUSED),
        }[what]
        sent, now = len(cached.received), cached.world.clock.time
        response = await cached.ask(QUERIES[number](name))
        if len(cached.received) > sent:
            fetched[name, number] = now, response
            continue
        at, first = fetched[name, number]  # never another question's
        assert response.rcode == first.rcode
        assert addresses(response) == addresses(first)
        assert ttls(response) == [ttl_ - int(now - at) for ttl_ in ttls(first)]
        assert all(0 < item <= 30 for item in ttls(response))
