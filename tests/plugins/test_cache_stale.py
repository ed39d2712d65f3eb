"""*cache*: the use of what has expired."""

import asyncio

import pytest

from minidns.dns.model import DnsError, Rcode, Response
from tests.plugins.caching import NAME, Caching, addresses, answer, caching, denial, rrset, ttls
from tests.table import table
from tests.world import query, settle

TIMEOUT = DnsError("read udp: i/o timeout")
OLD, NEW = "192.0.2.1", "192.0.2.2"


async def hits(cached: Caching, count: int) -> None:
    for _ in range(count):
        await cached.ask(query(NAME))
    await settle()


async def expired(option: str, behind: Response | DnsError, by_s: float = 10) -> Caching:
    """Keep an answer for 100 s and let it expire; then ``behind`` is to be had."""
    cached = caching(f"cache 100 {{\n{option}\n}}")
    await cached.ask(query(NAME))
    await cached.later(100 + by_s)
    cached.behind = behind
    return cached


async def test_without_it_an_expired_answer_is_none() -> None:
    cached = await expired("", TIMEOUT, 0)
    with pytest.raises(DnsError, match="i/o timeout"):
        await cached.ask(query(NAME))


async def test_immediate_gives_the_old_and_asks_for_the_new() -> None:
    cached = await expired("serve_stale", answer(address=NEW))
    stale = await cached.ask(query(NAME))
    assert (addresses(stale), ttls(stale), stale.aa) == ([OLD], [0], True)
    assert stale.reuse is None
    assert stale.sources[0].name == "110s"
    await settle()
    assert cached.count("served_stale_total") == cached.count("prefetch_total") == 1
    assert cached.count("hits_total", "success") == 1
    fresh = await cached.ask(query(NAME))
    assert (addresses(fresh), ttls(fresh)) == ([NEW], [100])


@table(
    ("behind", "rcode"),
    [(TIMEOUT, 0), (Response(Rcode.SERVFAIL), 0), (Response(Rcode.REFUSED), 0), (denial(), 3)],
    ids=["timeout", "servfail", "refused", "nxdomain"],
)
async def test_immediate_keeps_the_old_when_the_new_is_a_failure(behind: Response | DnsError, rcode: int) -> None:
    cached = await expired("serve_stale", behind)
    await hits(cached, 2)
    assert (await cached.ask(query(NAME))).rcode == rcode


@table(("by_s", "served"), [(0, True), (3599, True), (3600, False)])
async def test_for_an_hour_by_default(by_s: float, *, served: bool) -> None:
    cached = await expired("serve_stale", TIMEOUT, by_s)
    if served:
        assert addresses(await cached.ask(query(NAME))) == [OLD]
    else:
        with pytest.raises(DnsError):
            await cached.ask(query(NAME))


async def test_denials_are_served_stale_too() -> None:
    cached = caching("cache 100 {\nserve_stale\n}", denial())
    await cached.ask(query(NAME))
    await cached.later(110)
    cached.behind = answer(address=NEW)
    assert (await cached.ask(query(NAME))).rcode == Rcode.NXDOMAIN
    await settle()
    assert addresses(await cached.ask(query(NAME))) == [NEW]


async def test_one_refresh_at_a_time() -> None:
    cached = await expired("serve_stale", answer(address=NEW))
    cached.delay_s = 1
    for _ in range(5):
        assert addresses(await cached.ask(query(NAME))) == [OLD]
        await settle()
    assert len(cached.received) == 2
    await cached.later(1)
    assert addresses(await cached.ask(query(NAME))) == [NEW]


async def test_response_ttl_and_recheck() -> None:
    cached = await expired("serve_stale 1h immediate 30s 60s", TIMEOUT)
    for _ in range(3):
        assert ttls(await cached.ask(query(NAME))) == [30]
        await settle()
    assert len(cached.received) == 2
    await cached.later(59)
    await hits(cached, 1)
    assert len(cached.received) == 2
    await cached.later(1)
    await hits(cached, 1)
    assert len(cached.received) == 3


async def test_keepttl_shows_the_old_ttl() -> None:
    cached = await expired("serve_stale\nkeepttl", TIMEOUT)
    assert ttls(await cached.ask(query(NAME))) == [100]


@table(
    ("behind", "shown"),
    [
        (answer(address=NEW), [NEW]),
        (TIMEOUT, [OLD]),
        (Response(Rcode.SERVFAIL), [OLD]),
        (Response(Rcode.REFUSED), [OLD]),
        (denial(), []),
    ],
    ids=["answer", "timeout", "servfail", "refused", "nxdomain"],
)
async def test_verify_asks_first(behind: Response | DnsError, shown: list[str]) -> None:
    cached = await expired("serve_stale 1h verify", behind)
    response = await cached.ask(query(NAME))
    assert addresses(response) == shown
    stale = shown == [OLD]
    assert cached.count("served_stale_total") == stale
    assert set(ttls(response)) == ({0} if stale else {100})
    assert response.aa == stale  # what was just fetched is the upstream's


async def test_verify_keeps_what_it_finds() -> None:
    cached = await expired("serve_stale 1h verify", answer(address=NEW))
    await hits(cached, 3)
    assert len(cached.received) == 2


async def test_a_verified_answer_ends_a_denial() -> None:
    cached = caching("cache 100 {\nserve_stale 1h verify\n}", denial())
    await cached.ask(query(NAME))
    await cached.later(110)
    cached.behind = answer(address=NEW)
    await hits(cached, 3)
    assert len(cached.received) == 2


def asking(cached: Caching) -> asyncio.Task[Response]:
    async def ask() -> Response:
        return await cached.ask(query(NAME))

    return asyncio.get_running_loop().create_task(ask())


async def test_verify_loses_patience_and_learns_later() -> None:
    cached = await expired("serve_stale 1h verify 100ms 30s", answer(address=NEW))
    cached.delay_s = 2
    task = asking(cached)
    await cached.later(0.09)
    assert not task.done()
    await cached.later(0.01)
    assert (addresses(task.result()), ttls(task.result())) == ([OLD], [30])
    await cached.later(2)
    assert addresses(await cached.ask(query(NAME))) == [NEW]
    assert len(cached.received) == 2


async def test_verify_within_its_patience() -> None:
    cached = await expired("serve_stale 1h verify 100ms", answer(address=NEW))
    cached.delay_s = 0.05
    task = asking(cached)
    await cached.later(0.05)
    assert addresses(task.result()) == [NEW]
    await cached.later(1)


async def test_verify_rechecks_after_a_while() -> None:
    cached = await expired("serve_stale 1h verify 0 30s 60s", TIMEOUT)
    for _ in range(3):
        assert addresses(await cached.ask(query(NAME))) == [OLD]
    assert len(cached.received) == 2
    await cached.later(60)
    cached.behind = answer(address=NEW)
    assert addresses(await cached.ask(query(NAME))) == [NEW]


async def test_a_failure_does_not_hide_an_answer_that_is_good() -> None:
    cached = caching("cache 100 {\nprefetch 1\n}")
    await hits(cached, 1)
    await cached.later(95)
    cached.behind = Response(Rcode.SERVFAIL)
    await hits(cached, 1)
    assert len(cached.received) == 2
    assert addresses(await cached.ask(query(NAME))) == [OLD]


# serve_stale_policy prefer_positive

POLICY = "serve_stale 1h {}\nserve_stale_policy prefer_positive"
DANGLING = Response(answer=(rrset(f"{NAME} 60 CNAME nowhere.example.org."),))


@table("mode", ["immediate", "verify"])
@table(
    "behind",
    [denial(), denial(rcode=0), Response(Rcode.SERVFAIL), DANGLING, Response(), TIMEOUT],
    ids=["nxdomain", "nodata", "servfail", "dangling-alias", "nothing", "timeout"],
)
async def test_prefer_positive_goes_by_the_last_good_answer(mode: str, behind: Response | DnsError) -> None:
    cached = await expired(POLICY.format(mode), behind)
    for _ in range(3):
        assert addresses(await cached.ask(query(NAME))) == [OLD]
        await settle()
        await cached.later(10)
    cached.behind = answer(address=NEW)
    await hits(cached, 1)
    assert addresses(await cached.ask(query(NAME))) == [NEW]


async def test_prefer_positive_for_no_longer_than_stale_answers_are_used() -> None:
    cached = await expired(POLICY.format("immediate"), denial(), 3599)
    assert addresses(await cached.ask(query(NAME))) == [OLD]
    await settle()
    await cached.later(1)
    assert (await cached.ask(query(NAME))).rcode == Rcode.NXDOMAIN


async def test_prefer_positive_asks_normally_where_nothing_good_was() -> None:
    cached = caching(f"cache 100 {{\n{POLICY.format('immediate')}\n}}", denial())
    await hits(cached, 2)
    assert len(cached.received) == 1
