"""*cache*: what is kept, for how long, and what comes out."""

import dns.rdata
import pytest

from minidns.dns.model import AD, CD, RD, DnsError, Opt, Query, Rcode, Response, Reuse, Source, replace
from tests.plugins.caching import NAME, Caching, addresses, answer, caching, denial, rrset, ttls
from tests.table import table
from tests.world import query, texts

# One TTL for a whole reply, on every reply

MIXED = Response(
    answer=(rrset(f"{NAME} 300 CNAME a.example.org."), rrset("a.example.org. 60 A 192.0.2.1")),
    authority=(rrset("example.org. 90 NS ns.example.org."),),
    additional=(rrset("ns.example.org. 40 A 192.0.2.2"),),
)  # fmt: skip
SHOWN = {
    "capped": ("cache 30", answer(3600), 30),
    "capped-at-an-hour": ("cache", answer(86400), 3600),
    "more-than-an-hour": ("cache 7200", answer(86400), 7200),
    "between": ("cache 30", answer(17), 17),
    "floor": ("cache 30", answer(1), 5),
    "ttl-0": ("cache 30", answer(0), 5),
    "own-floor": ("cache {\nsuccess 9984 3600 20\n}", answer(1), 20),
    "no-floor": ("cache {\nsuccess 9984 3600 0\n}", answer(1), 1),
    "floor-above-cap": ("cache 3", answer(60), 3),
    "least-of-all-sections": ("cache", MIXED, 40),
    "denial": ("cache", denial(600), 600),
    "denial-by-the-soas-own-ttl": ("cache", denial(17), 17),
    "denial-capped-at-half-an-hour": ("cache", denial(86400), 1800),
    "denial-capped": ("cache 30", denial(600), 30),
    "denial-floor": ("cache", denial(2), 5),
    "nodata": ("cache", denial(17, Rcode.NOERROR), 17),
    "delegation": ("cache", Response(authority=(rrset("org. 900 NS ns.org."),)), 5),
    "servfail": ("cache", denial(900, Rcode.SERVFAIL), 5),
    "servfail-own": ("cache {\nservfail 1m\n}", denial(900, Rcode.SERVFAIL), 60),
    "refused": ("cache", denial(900, Rcode.REFUSED), 5),
    "truncated": ("cache 30", replace(answer(900), tc=True), 30),
    "for-one-client": ("cache 30", replace(MIXED, client_specific=True), 30),
    "disabled-success": ("cache 30 {\ndisable success example.org\n}", answer(600), 30),
    "disabled-denial": ("cache 30 {\ndisable denial\n}", denial(2), 5),
}  # fmt: skip


@table(("line", "behind", "ttl"), SHOWN.values(), ids=SHOWN)
async def test_the_first_reply_has_one_ttl_already(line: str, behind: Response, ttl: int) -> None:
    cached = caching(line, replace(behind, opt=Opt(1232)))
    response = await cached.ask(query(NAME))
    assert set(ttls(response)) == {ttl}
    assert len(ttls(response)) == len(ttls(behind))
    assert response.opt is None
    assert (response.aa, response.rcode) == (behind.aa, behind.rcode)


# What is kept

KEPT = {
    "answer": (answer(), True),
    "nothing-at-all": (Response(), True),
    "alias-only": (Response(answer=(rrset(f"{NAME} 60 CNAME nowhere.org."),)), False),
    "alias-only-with-soa": (
        replace(denial(rcode=Rcode.NOERROR), answer=(rrset(f"{NAME} 60 CNAME nowhere.org."),)),
        True,
    ),
    "nxdomain-behind-an-alias": (replace(denial(), answer=(rrset(f"{NAME} 60 CNAME nowhere.org."),)), False),
    "another-type": (Response(answer=(rrset(f"{NAME} 60 TXT text"),)), False),
    "nxdomain": (denial(), True),
    "nodata": (denial(rcode=Rcode.NOERROR), True),
    "delegation": (Response(authority=(rrset("org. 900 NS ns.org."),)), True),
    "servfail": (Response(Rcode.SERVFAIL), True),
    "notimp": (Response(Rcode.NOTIMP), True),
    "nxdomain-without-soa": (Response(Rcode.NXDOMAIN), False),
    "refused": (Response(Rcode.REFUSED), False),
    "formerr": (Response(Rcode.FORMERR), False),
    "yxdomain": (replace(answer(), rcode=Rcode.YXDOMAIN), False),
    "truncated": (replace(answer(), tc=True), False),
    "timeout": (DnsError("read udp: i/o timeout"), False),
    "max_concurrent": (DnsError("too many", Rcode.REFUSED), False),
}


async def ask_twice(cached: Caching, first: Query, second: Query | None = None) -> int:
    """Return how often what is behind was asked."""
    for item in (first, second or first):
        try:
            await cached.ask(item)
        except DnsError:
            assert isinstance(cached.behind, DnsError)
    return len(cached.received)


@table(("behind", "is_kept"), KEPT.values(), ids=KEPT)
async def test_what_is_kept(behind: Response | DnsError, *, is_kept: bool) -> None:
    cached = caching("cache", behind)
    assert await ask_twice(cached, query(NAME)) == (1 if is_kept else 2)


async def test_a_chain_is_asked_for_again_until_it_is_resolved() -> None:
    """An upstream's passing fault lasts no longer here (CoreDNS 1.14.7)."""
    link = rrset(f"{NAME} 300 CNAME end.example.org.")
    end = rrset("end.example.org. 300 A 192.0.2.1")
    cached = caching("cache 30", Response(answer=(link,), ra=True))
    assert addresses(await cached.ask(query(NAME))) == []
    cached.behind = Response(answer=(link, end), ra=True)
    assert addresses(await cached.ask(query(NAME))) == ["192.0.2.1"]
    cached.behind = DnsError("i/o timeout")
    assert addresses(await cached.ask(query(NAME))) == ["192.0.2.1"]


async def test_a_chain_without_an_end_counts_as_a_denial() -> None:
    """An answer with an SOA is stored with the denials, and has their limits (CoreDNS)."""
    link = rrset(f"{NAME} 300 CNAME nowhere.org.")
    nodata = replace(denial(rcode=Rcode.NOERROR), answer=(link,))
    cached = caching("cache {\ndenial 1024 20\n}", nodata)
    assert set(ttls(await cached.ask(query(NAME)))) == {20}
    assert cached.count("entries", "denial") == 1
    assert cached.count("entries", "success") == 0


async def test_an_error_comes_through_as_it_is() -> None:
    cached = caching("cache", DnsError("read udp: i/o timeout"))
    with pytest.raises(DnsError, match="i/o timeout"):
        await cached.ask(query(NAME))
    assert cached.count("misses_total") == 1


@pytest.mark.parametrize("qtype", ["AXFR", "IXFR"])
async def test_transfers_pass_as_they_are(qtype: str) -> None:
    behind = replace(answer(86400), more=(answer(5),))
    cached = caching("cache", behind)
    assert await cached.ask(query(NAME, qtype)) is behind
    assert await ask_twice(cached, query(NAME, qtype)) == 3


async def test_servfail_0_keeps_none() -> None:
    cached = caching("cache {\nservfail 0\n}", Response(Rcode.SERVFAIL))
    assert await ask_twice(cached, query(NAME)) == 2


DISABLED = {
    "success": ("disable success", answer(), 2),
    "denial-only": ("disable denial", answer(), 1),
    "denial": ("disable denial", denial(), 2),
    "success-only": ("disable success", denial(), 1),
    "zone": ("disable success example.org", answer(), 2),
    "another-zone": ("disable success example.net", answer(), 1),
    "label-boundary": ("disable success ample.org", answer(), 1),
    "servfail-is-a-denial": ("disable denial", Response(Rcode.SERVFAIL), 2),
}


@table(("option", "behind", "sent"), DISABLED.values(), ids=DISABLED)
async def test_disable(option: str, behind: Response, sent: int) -> None:
    cached = caching(f"cache {{\n{option}\n}}", behind)
    assert await ask_twice(cached, query(NAME)) == sent


PASSED_ON = {
    "stored": ("cache", ""),
    "only-denials-stored": ("cache {\ndisable success\n}", ""),
    "never-stored": ("cache {\ndisable success example.org\ndisable denial example.org\n}", "WWW.Example.Org."),
    "outside-the-zones": ("cache 30 example.net", "WWW.Example.Org."),
}


@table(("line", "spelled"), PASSED_ON.values(), ids=PASSED_ON)
async def test_letters_are_passed_on_where_nothing_is_stored(line: str, spelled: str) -> None:
    cached = caching(line)
    await cached.ask(query("WWW.Example.Org."))
    assert cached.received[0].spelled == spelled


async def test_names_outside_the_zones_bypass_it() -> None:
    behind = replace(answer(86400), opt=Opt(1232))
    cached = caching("cache 30 example.net", behind)
    assert await cached.ask(query(NAME)) is behind
    assert cached.count("requests_total", zones="example.net.") == 0


SUBNET = b"\0\1\x18\0\xc0\0\2"
APART = {
    "name": (query(NAME), query("a.example.org."), 2),
    "type": (query(NAME), query(NAME, "AAAA"), 2),
    "class": (query(NAME), query(NAME, qclass=3), 2),
    "do": (query(NAME), query(NAME, opt=Opt(1232, do=True)), 2),
    "cd": (query(NAME), replace(query(NAME), flags=RD | CD), 2),
    "letters": (query(NAME), query("WWW.Example.Org."), 1),
    "edns": (query(NAME), query(NAME, opt=Opt(4096)), 1),
    "ad": (query(NAME), replace(query(NAME), flags=RD | AD), 1),
    "rd": (query(NAME), replace(query(NAME), flags=0), 2),
    "subnet": (query(NAME), query(NAME, opt=Opt(1232, options=((8, SUBNET),))), 2),
    "cookie": (query(NAME), query(NAME, opt=Opt(1232, options=((10, b"1" * 8),))), 1),
    "transport": (query(NAME), query(NAME, transport="tcp"), 1),
    "client": (query(NAME), query(NAME, peer="192.0.2.99"), 1),
}


@table(("one", "other", "sent"), APART.values(), ids=APART)
async def test_what_makes_an_answer_another_one(one: Query, other: Query, sent: int) -> None:
    assert await ask_twice(caching(), one, other) == sent
    assert await ask_twice(caching(), other, one) == sent


SIGNED = "A 8 2 300 {} 20231001000000 1 example.org. AAAA"


@table(
    ("end", "do", "sent"),
    [("20231101000000", True, 2), ("20331101000000", True, 1), ("20231101000000", False, 1)],
    ids=["expired", "valid", "not-asked-for"],
)
async def test_expired_signatures_are_not_kept(end: str, *, do: bool, sent: int) -> None:

    data = dns.rdata.from_text("IN", "RRSIG", SIGNED.format(end)).to_wire()
    assert data
    signature = rrset(f"{NAME} 300 A 192.0.2.1")._replace(rtype=46, rdata=(data,))
    behind = replace(answer(), answer=(*answer().answer, signature))
    cached = caching("cache", behind)
    assert await ask_twice(cached, query(NAME, opt=Opt(1232, do=do))) == sent


# What comes out


async def test_ttls_count_down_in_whole_seconds() -> None:
    cached = caching("cache 30", MIXED)
    await cached.ask(query(NAME))
    for seconds, left in ((0.9, 30), (0.2, 29), (27.9, 1), (0.9, 1)):
        await cached.later(seconds)
        assert set(ttls(await cached.ask(query(NAME)))) == {left}
    await cached.later(0.2)
    assert set(ttls(await cached.ask(query(NAME)))) == {30}
    assert len(cached.received) == 2


async def test_keepttl() -> None:
    cached = caching("cache 30 {\nkeepttl\n}")
    await cached.ask(query(NAME))
    await cached.later(29)
    assert ttls(await cached.ask(query(NAME))) == [30]
    await cached.later(1)
    await cached.ask(query(NAME))
    assert len(cached.received) == 2


async def test_a_hit_is_authoritative_and_keeps_the_rest() -> None:
    behind = replace(MIXED, rcode=0, aa=False, ra=True, rd=False, rule="forward/reply")
    cached = caching("cache 300", replace(behind, sources=(Source("upstream", "a:53"),)))
    assert not (await cached.ask(query(NAME))).aa
    await cached.later(12.5)
    hit = await cached.ask(query(NAME))
    assert (hit.aa, hit.ra, hit.tc, hit.rd, hit.opt) == (True, True, False, None, None)
    assert [line.split()[2:] for line in texts(hit.answer)] == [line.split()[2:] for line in texts(MIXED.answer)]
    assert len(hit.authority) == len(hit.additional) == 1
    assert hit.rule == "forward/reply"
    assert hit.sources == (Source("cache", "12s"), Source("upstream", "a:53"))


@table(
    ("first", "second", "shown"),
    [
        (RD, RD, [False, False]),
        (RD | AD, RD, [True, False]),
        (RD | AD, RD | AD, [True, True]),
        (RD, RD | AD, [False, True]),
    ],
    ids=["nobody-asks", "the-first-asks", "both-ask", "only-the-second-asks"],
)
async def test_ad_is_for_those_who_ask(first: int, second: int, shown: list[bool]) -> None:
    cached = caching("cache", replace(answer(), ad=True))
    responses = [await cached.ask(replace(query(NAME), flags=flags)) for flags in (first, second)]
    assert [reply.ad for reply in responses] == shown


async def test_ad_is_for_those_who_ask_for_signatures() -> None:
    cached = caching("cache", replace(answer(), ad=True))
    for _ in range(2):
        assert (await cached.ask(query(NAME, opt=Opt(1232, do=True)))).ad


async def test_nobody_sees_the_letters_of_another_client() -> None:
    cached = caching()
    await cached.ask(query("wWw.eXample.org."))
    assert [received.owner for received in cached.received] == [NAME]


async def test_a_denial_goes_before_an_answer() -> None:
    cached = caching("cache {\nsuccess 9984 3600\ndenial 9984 10\n}")
    await cached.ask(query(NAME))
    await cached.later(3600)
    cached.behind = denial()
    assert (await cached.ask(query(NAME))).rcode == Rcode.NXDOMAIN
    assert (await cached.ask(query(NAME))).rcode == Rcode.NXDOMAIN
    assert cached.count("hits_total", "denial") == 1


async def test_denials_expire_by_their_own_time() -> None:
    cached = caching("cache", denial(20))
    await cached.ask(query(NAME))
    await cached.later(19)
    await cached.ask(query(NAME))
    assert len(cached.received) == 1
    await cached.later(1)
    await cached.ask(query(NAME))
    assert len(cached.received) == 2


@table(("line", "stored"), [("cache", True), ("cache {\ndisable success\n}", False)], ids=["stored", "not stored"])
async def test_no_reply_may_be_sent_again_in_place_of_one_that_is_stored(line: str, stored: bool) -> None:
    """The next query is a hit, and its TTL is that of the entry."""
    cached = caching(line, replace(answer(), reuse=Reuse(30.0, ())))
    assert ((await cached.ask(query(NAME))).reuse is None) is stored
