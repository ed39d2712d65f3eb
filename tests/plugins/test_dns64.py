"""Rows of RFC 6147 5.1 and of the table in RFC 6052 2.4."""

import ipaddress

import pytest

from minidns.corefile.errors import ConfigError
from minidns.dns import zonefile
from minidns.dns.model import DnsError, Query, Rcode, Response, Reuse, RRset
from minidns.dns.rdata import type_name
from minidns.plugins import dns64
from tests.table import table
from tests.world import World, plugin, query, texts

PEER = "2001:db8::53"
REPEAT = Reuse(depends_on=("below",))


def rrsets(*lines: str) -> tuple[RRset, ...]:
    return zonefile.rrsets(map(zonefile.record, lines))


SOA = rrsets("example.org 300 SOA ns admin 1 2 3 4 5")
A = rrsets("a.example.org 60 A 192.0.2.1")
AAAA = rrsets("a.example.org 60 AAAA 2001:db8::1")
NONE = Response(authority=SOA, aa=True, reuse=REPEAT)


async def ask(
    body: str, sent: Query, aaaa: Response | DnsError, a: Response | DnsError, world: World | None = None
) -> Response:
    """Answer through *dns64*, above a server that answers by type only."""
    tested, site = plugin(world or World(), dns64.PLUGIN.set_up, "dns64", body)

    async def below(query: Query) -> Response:
        outcome = a if type_name(query.question.qtype) == "A" else aaaa
        if isinstance(outcome, DnsError):
            raise outcome
        return outcome

    site.top = handler = tested(below)
    return await handler(sent)


ADDRESSES = [
    ("2001:db8::/32", "2001:db8:c000:221::"),
    ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
    ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
    ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
    ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
    ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
    ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
]


@table(("prefix", "expected"), ADDRESSES)
def test_rfc6052_2_4(prefix: str, expected: str) -> None:
    outcome = dns64.embedded(ipaddress.IPv6Network(prefix), bytes([192, 0, 2, 33]))
    assert outcome == ipaddress.IPv6Address(expected).packed


MADE = ["a.example.org. 60 AAAA 64:ff9b::c000:201"]
ASKED = query("a.example.org", "AAAA", peer=PEER)
TRANSLATED = [
    pytest.param("dns64", ASKED, NONE, MADE, id="5.1.1-no-aaaa"),
    pytest.param("dns64 2001:db8:64::/96", ASKED, NONE, ["a.example.org. 60 AAAA 2001:db8:64::c000:201"], id="prefix"),
    pytest.param(
        "dns64 {\nprefix 2001:db8:64::/96\n}",
        ASKED,
        NONE,
        ["a.example.org. 60 AAAA 2001:db8:64::c000:201"],
        id="prefix-in-block",
    ),
    pytest.param("dns64 {\nallow_ipv4\n}", query("a.example.org", "AAAA"), NONE, MADE, id="allow-ipv4"),
    pytest.param("dns64 {\ntranslate_all\n}", ASKED, Response(answer=AAAA), MADE, id="all"),
    pytest.param(
        "dns64 64:ff9b::/96 {\nallow_ipv4\n}", query("a.example.org", "AAAA"), NONE, MADE, id="block-after-prefix"
    ),
    pytest.param("dns64", ASKED, Response(Rcode.SERVFAIL), MADE, id="5.1.2-error"),
    pytest.param("dns64", ASKED, Response(Rcode.NXDOMAIN), MADE, id="no-soa"),
]


@table(("body", "sent", "aaaa", "expected"), TRANSLATED)
async def test_translated(body: str, sent: Query, aaaa: Response, expected: list[str]) -> None:
    world = World()
    response = await ask(body, sent, aaaa, Response(answer=A, ra=True, aa=True), world)
    assert texts(response.answer) == expected
    assert (response.rcode, response.aa, response.reuse) == (0, False, None)
    assert response.rule == "dns64/translated"
    labels = {"server": "dns://:53"}
    name = "coredns_dns64_requests_translated_total"
    assert world.metrics.value(name, labels) == 1


LEFT = [
    pytest.param("dns64", ASKED, Response(answer=AAAA), id="5.1.1-has-aaaa"),
    pytest.param("dns64", ASKED, Response(Rcode.NXDOMAIN, authority=SOA, reuse=REPEAT), id="5.1.2-nxdomain"),
    pytest.param("dns64", query("a.example.org", "TXT", peer=PEER), NONE, id="type"),
    pytest.param("dns64", query("a.example.org", "AAAA", peer=PEER, qclass=3), NONE, id="class"),
]


@table(("body", "sent", "below"), LEFT)
async def test_left_alone(body: str, sent: Query, below: Response) -> None:
    assert await ask(body, sent, below, Response(answer=A)) is below


@pytest.mark.parametrize("peer", ["192.0.2.53", "::ffff:192.0.2.53"])
async def test_over_ipv4_nothing_is_translated(peer: str) -> None:
    sent = query("a.example.org", "AAAA", peer=peer)
    response = await ask("dns64", sent, NONE, Response(answer=A))
    assert (response.answer, response.authority) == ((), SOA)


async def test_scope_of_a_link_local_client() -> None:
    sent = query("a.example.org", "AAAA", peer="fe80::1%eth0")
    response = await ask("dns64", sent, NONE, Response(answer=A))
    assert texts(response.answer) == MADE


async def test_not_answered_below_stays_so() -> None:
    with pytest.raises(DnsError, match="unreachable"):
        await ask("dns64", ASKED, DnsError("unreachable"), Response(answer=A))


RESULTS = [
    pytest.param(Response(authority=SOA), Rcode.NOERROR, id="5.1.6-no-a-either"),
    pytest.param(Response(Rcode.SERVFAIL), Rcode.SERVFAIL, id="5.1.6-error"),
    pytest.param(DnsError("x", Rcode.REFUSED), Rcode.REFUSED, id="5.1.6-not-answered"),
]


@table(("a", "rcode"), RESULTS)
async def test_nothing_to_translate(a: Response | DnsError, rcode: int) -> None:
    response = await ask("dns64", ASKED, NONE, a)
    assert (response.rcode, response.answer) == (rcode, ())


TTLS = [
    pytest.param(SOA, 900, 300, id="5.1.7-ttl-of-the-soa"),
    pytest.param(SOA, 60, 60, id="5.1.7-ttl-of-the-a"),
    pytest.param((), 900, 600, id="5.1.7-600-without-soa"),
]


@table(("authority", "ttl", "expected"), TTLS)
async def test_ttl(authority: tuple[RRset, ...], ttl: int, expected: int) -> None:
    a = Response(answer=rrsets(f"a.example.org {ttl} A 192.0.2.1"))
    response = await ask("dns64", ASKED, Response(authority=authority), a)
    assert response.answer[0].ttl == expected


async def test_everything_else_of_the_a_answer_is_kept() -> None:
    alias = rrsets("a.example.org 60 CNAME b.example.org")
    sets = rrsets("b.example.org 60 A 192.0.2.1", "b.example.org 60 A 192.0.2.2")
    ns = rrsets("example.org 60 NS ns")
    more = rrsets("ns 60 A 192.0.2.53")
    a = Response(0, (*alias, *sets), ns, more, tc=True)
    response = await ask("dns64", ASKED, NONE, a)
    assert texts(response.answer) == [
        "a.example.org. 60 CNAME b.example.org.",
        "b.example.org. 60 AAAA 64:ff9b::c000:201",
        "b.example.org. 60 AAAA 64:ff9b::c000:202",
    ]
    assert (response.authority, response.additional, response.tc) == (ns, more, True)


LINE = "Corefile:{} - Error during parsing: "
ERRORS = [
    ("dns64 64:ff9b::/96 x", LINE.format(2) + "Wrong argument count or unexpected line ending after 'x'"),
    ("dns64 x", "invalid CIDR address: x"),
    ("dns64 64:ff9b::", "invalid CIDR address: 64:ff9b::"),
    ("dns64 64:ff9b::/200", "invalid CIDR address: 64:ff9b::/200"),
    ("dns64 10.0.0.0/8", LINE.format(2) + 'invalid netmask 32 IPv6 address: "10.0.0.0/8"'),
    ("dns64 64:ff9b::/97", LINE.format(2) + 'invalid prefix length "64:ff9b::/97"'),
    ("dns64 64::/24", LINE.format(2) + 'invalid prefix length "64::/24"'),
    ("dns64 {\nprefix 64::/104\n}", LINE.format(3) + 'invalid prefix length "64::/104"'),
    ("dns64 {\nprefix\n}", LINE.format(3) + "Wrong argument count or unexpected line ending after 'prefix'"),
    ("dns64 {\nprefix 64::/96 x\n}", LINE.format(3) + "unknown property 'x'"),
    ("dns64 {\ntranslate_all x\n}", LINE.format(3) + "unknown property 'x'"),
    ("dns64 {\nfoo\n}", LINE.format(3) + "unknown property 'foo'"),
]


@table(("body", "message"), ERRORS)
def test_error(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        plugin(World(), dns64.PLUGIN.set_up, "dns64", body)
    assert str(error.value) == message
