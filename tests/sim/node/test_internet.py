import dns.asyncquery
import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import pytest

from minidns.dns.model import Address, RRset
from minidns.dns.zonefile import ZoneFileError
from sim.node.internet import Internet
from tests.table import table
from tests.world import query, texts


@table(
    ("name", "qtype", "rcode", "expected"),
    [
        pytest.param("google.com", "A", 0, ["google.com. 300 A 192.0.2.100"], id="address"),
        pytest.param("Google.COM", "AAAA", 0, ["google.com. 300 AAAA 2001:db8::100"], id="case"),
        pytest.param("google.com", "SRV", 0, [], id="nodata"),
        pytest.param("com", "A", 3, [], id="top-level-domains-are-not-simulated"),
        pytest.param("nope.google.com", "A", 3, [], id="nxdomain-in-a-zone"),
        pytest.param("web.default.svc.cluster.local", "A", 3, [], id="nxdomain"),
        pytest.param(
            "www.google.com",
            "A",
            0,
            ["google.com. 300 A 192.0.2.100", "www.google.com. 300 CNAME google.com."],
            id="alias-in-the-zone",
        ),
        pytest.param(
            "www.example.org",
            "A",
            0,
            ["web.example.net. 300 A 192.0.2.80", "www.example.org. 300 CNAME web.example.net."],
            id="alias-to-another-zone",
        ),
        pytest.param("loop.example.org", "A", 2, [], id="aliases-in-a-ring"),
        pytest.param(
            "many.example.org",
            "A",
            0,
            [f"many.example.org. 60 A 192.0.2.3{n}" for n in (1, 2, 3)],
            id="several-addresses",
        ),
    ],
)
async def test_answers(name: str, qtype: str, rcode: int, expected: list[str]) -> None:
    internet = Internet()
    response = await internet.answer(query(name, qtype))
    assert (response.rcode, texts(response.answer)) == (rcode, expected)
    assert (response.aa, response.ra) == (False, True)
    assert internet.questions == [name.lower() + "."]


@table(
    ("name", "apex"),
    [
        ("nope.google.com", "google.com."),
        ("web.default.svc.cluster.local", "."),
        ("google.com", "google.com."),
        ("xgoogle.com", "."),
    ],
)
async def test_negative_answers_carry_the_soa_of_their_zone(name: str, apex: str) -> None:
    response = await Internet().answer(query(name, "SRV"))
    assert [(rrset.owner, rrset.rtype) for rrset in response.authority] == [(apex, 6)]


async def test_other_zones_can_be_given() -> None:
    internet = Internet("a.example. 60 SOA ns x 1 1 1 1 1\na.example. 60 A 192.0.2.1\n")
    response = await internet.answer(query("a.example", "A"))
    assert response.answer == (RRset("a.example.", 1, 60, (b"\xc0\0\2\1",)),)


def test_text_that_is_no_zone_file() -> None:
    with pytest.raises(ZoneFileError, match="line 1"):
        Internet("a.example. 60 A 192.0.2.300\n")


async def ask(where: Address, name: str, qtype: str, tcp: bool) -> dns.message.Message:
    message = dns.message.make_query(name, qtype)
    ask = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await ask(message, where[0], port=where[1], timeout=5)


async def test_over_real_sockets_to_another_library() -> None:
    async with Internet().serving() as where:
        for tcp in (False, True):
            reply = await ask(where, "google.com", "A", tcp)
            assert reply.answer[0].to_text() == "google.com. 300 IN A 192.0.2.100"
            assert reply.flags & dns.flags.RA
            assert not reply.flags & dns.flags.AA


async def test_long_answer_is_truncated_over_udp_and_whole_over_tcp() -> None:
    async with Internet().serving() as where:
        short = await ask(where, "long.example.org", "TXT", tcp=False)
        assert short.flags & dns.flags.TC
        whole = await ask(where, "long.example.org", "TXT", tcp=True)
        assert not whole.flags & dns.flags.TC
        assert len(whole.answer[0]) == 12
