"""*cache*: asking ahead of time."""

from minidns.dns.model import DnsError, Rcode
from tests.plugins.caching import NAME, Caching, addresses, answer, caching, denial, ttls
from tests.table import table
from tests.world import query, settle

TIMEOUT = DnsError("read udp: i/o timeout")
OLD, NEW = "192.0.2.1", "192.0.2.2"


async def hits(cached: Caching, count: int) -> None:
    for _ in range(count):
        await cached.ask(query(NAME))
    await settle()


async def test_a_popular_answer_is_asked_for_before_it_expires() -> None:
    cached = caching("cache 100 {\nprefetch 3\n}")
    await hits(cached, 4)  # kept, and hit three times
    assert len(cached.received) == 1
    await cached.later(50)
    await hits(cached, 1)
    assert len(cached.received) == 1  # not yet: half of its time is left
    await cached.later(40)
    cached.behind = answer(address=NEW)
    assert addresses(await cached.ask(query(NAME))) == [OLD]
    await settle()
    assert len(cached.received) == 2
    assert cached.count("prefetch_total") == 1
    fresh = await cached.ask(query(NAME))
    assert (addresses(fresh), ttls(fresh)) == ([NEW], [100])


@table(("percentage", "at", "sent"), [("10%", 89, 1), ("10%", 90, 2), ("50%", 49, 1), ("50%", 50, 2), ("90%", 10, 2)])
async def test_when_it_is_asked_for(percentage: str, at: int, sent: int) -> None:
    cached = caching(f"cache 100 {{\nprefetch 1 2m {percentage}\n}}")
    await hits(cached, 1)
    await cached.later(at)
    await hits(cached, 1)
    assert len(cached.received) == sent


async def test_a_gap_begins_the_count_anew() -> None:
    cached = caching("cache 100 {\nprefetch 3 10s\n}")
    await hits(cached, 3)
    await cached.later(91)
    await hits(cached, 2)
    assert len(cached.received) == 1
    await hits(cached, 1)
    assert len(cached.received) == 2


async def test_the_count_goes_on_with_the_new_answer() -> None:
    cached = caching("cache 100 {\nprefetch 3 2m\n}")
    await hits(cached, 4)
    await cached.later(95)
    await hits(cached, 1)
    assert len(cached.received) == 2
    await cached.later(95)
    await hits(cached, 1)
    assert len(cached.received) == 3


async def test_it_is_asked_for_over_tcp_so_that_nothing_is_cut() -> None:
    cached = caching("cache 100 {\nprefetch 1\n}")
    await hits(cached, 1)
    await cached.later(95)
    await hits(cached, 1)
    assert [(received.transport, received.max_size) for received in cached.received] == [("udp", 512), ("tcp", 65535)]


async def test_a_failed_prefetch_leaves_what_there_is() -> None:
    cached = caching("cache 100 {\nprefetch 1\n}")
    await hits(cached, 1)
    await cached.later(95)
    cached.behind = TIMEOUT
    await hits(cached, 1)
    assert addresses(await cached.ask(query(NAME))) == [OLD]


async def test_a_denial_prefetched_takes_over() -> None:
    cached = caching("cache 100 {\nprefetch 1\n}")
    await hits(cached, 1)
    await cached.later(95)
    cached.behind = denial()
    await hits(cached, 1)
    assert (await cached.ask(query(NAME))).rcode == Rcode.NXDOMAIN
    cached.behind = answer(address=NEW)
    await cached.later(95)
    await hits(cached, 1)
    assert addresses(await cached.ask(query(NAME))) == [NEW]
