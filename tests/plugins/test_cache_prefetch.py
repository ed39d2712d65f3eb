"""*cache*: asking ahead of time."""

import pytest

from minidns.dns.model import DnsError, Rcode
from tests.plugins.caching import (
    NAME,
    Caching,
    addresses,
    answer,
    caching,
    denial,
    ttls,
)
from tests.world import query, settle

TIMEOUT = DnsError("read udp: i/o timeout")
OLD, NEW = "192.0.2.1", "192.0.2.2"


async def hits(kept: Caching, count: int) -> None:
    for _ in range(count):
        await kept.ask(query(NAME))
    await settle()


async def test_a_popular_answer_is_asked_for_before_it_expires() -> None:
    kept = caching("cache 100 {\nprefetch 3\n}")
    await hits(kept, 4)  # kept, and hit three times
    assert len(kept.asked) == 1
    await kept.later(50)
    await hits(kept, 1)
    assert len(kept.asked) == 1  # not yet: half of its time is left
    await kept.later(40)
    kept.behind = answer(address=NEW)
    assert addresses(await kept.ask(query(NAME))) == [OLD]
    await settle()
    assert len(kept.asked) == 2
    assert kept.count("prefetch_total") == 1
    fresh = await kept.ask(query(NAME))
    assert (addresses(fresh), ttls(fresh)) == ([NEW], [100])


@pytest.mark.parametrize(
    ("percentage", "at", "asked"),
    [("10%", 89, 1), ("10%", 90, 2), ("50%", 49, 1), ("50%", 50, 2), ("90%", 10, 2)],
)
async def test_when_it_is_asked_for(percentage: str, at: int, asked: int) -> None:
    kept = caching(f"cache 100 {{\nprefetch 1 2m {percentage}\n}}")
    await hits(kept, 1)
    await kept.later(at)
    await hits(kept, 1)
    assert len(kept.asked) == asked


async def test_a_gap_begins_the_count_anew() -> None:
    kept = caching("cache 100 {\nprefetch 3 10s\n}")
    await hits(kept, 3)
    await kept.later(91)
    await hits(kept, 2)
    assert len(kept.asked) == 1
    await hits(kept, 1)
    assert len(kept.asked) == 2


async def test_the_count_goes_on_with_the_new_answer() -> None:
    kept = caching("cache 100 {\nprefetch 3 2m\n}")
    await hits(kept, 4)
    await kept.later(95)
    await hits(kept, 1)
    assert len(kept.asked) == 2
    await kept.later(95)
    await hits(kept, 1)
    assert len(kept.asked) == 3


async def test_it_is_asked_for_over_tcp_so_that_nothing_is_cut() -> None:
    kept = caching("cache 100 {\nprefetch 1\n}")
    await hits(kept, 1)
    await kept.later(95)
    await hits(kept, 1)
    assert [(each.transport, each.max_size) for each in kept.asked] == [
        ("udp", 512),
        ("tcp", 65535),
    ]


async def test_a_failed_prefetch_leaves_what_there_is() -> None:
    kept = caching("cache 100 {\nprefetch 1\n}")
    await hits(kept, 1)
    await kept.later(95)
    kept.behind = TIMEOUT
    await hits(kept, 1)
    assert addresses(await kept.ask(query(NAME))) == [OLD]


async def test_a_denial_prefetched_takes_over() -> None:
    kept = caching("cache 100 {\nprefetch 1\n}")
    await hits(kept, 1)
    await kept.later(95)
    kept.behind = denial()
    await hits(kept, 1)
    assert (await kept.ask(query(NAME))).rcode == Rcode.NXDOMAIN
    kept.behind = answer(address=NEW)
    await kept.later(95)
    await hits(kept, 1)
    assert addresses(await kept.ask(query(NAME))) == [NEW]
