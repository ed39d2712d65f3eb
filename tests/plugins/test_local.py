import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Rcode, Response
from minidns.plugins import local
from tests.table import table
from tests.world import World, always, chain, plugin, query, texts

BELOW = Response()
SOA = "604800 SOA localhost. root.localhost. 1 0 0 0 604800"

ANSWERS = {
    # id: name, type, answer, authority
    "localhost-a": ("localhost", "A", ["localhost. 604800 A 127.0.0.1"], []),
    "localhost-aaaa": ("localhost", "AAAA", ["localhost. 604800 AAAA ::1"], []),
    "localhost-ns": ("localhost", "NS", ["localhost. 604800 NS localhost."], []),
    "localhost-soa": ("localhost", "SOA", [f"localhost. {SOA}"], []),
    "localhost-nodata": ("localhost", "MX", [], [f"localhost. {SOA}"]),
    "below-localhost": ("a.localhost", "A", ["a.localhost. 604800 A 127.0.0.1"], []),
    "below-localhost-nodata": ("a.localhost", "TXT", [], [f"a.localhost. {SOA}"]),
    "in-a-domain": ("localhost.example.org", "AAAA", ["localhost.example.org. 604800 AAAA ::1"], []),
    "in-a-domain-nodata": ("localhost.example.org", "MX", [], [f"localhost.example.org. {SOA}"]),
    "letters-as-asked": ("LocalHost", "A", ["LocalHost. 604800 A 127.0.0.1"], []),
    "reverse": ("1.0.0.127.in-addr.arpa", "PTR", ["1.0.0.127.in-addr.arpa. 604800 PTR localhost."], []),
    "reverse-nodata": ("1.0.0.127.in-addr.arpa", "A", [], [f"127.in-addr.arpa. {SOA}"]),
    "apex-soa": ("0.in-addr.arpa", "SOA", [f"0.in-addr.arpa. {SOA}"], []),
    "apex-ns": ("255.in-addr.arpa", "NS", ["255.in-addr.arpa. 604800 NS localhost."], []),
    "apex-has-no-address": ("127.in-addr.arpa", "A", [], [f"127.in-addr.arpa. {SOA}"]),
}


@table(("name", "qtype", "answer", "authority"), ANSWERS.values(), ids=ANSWERS)
async def test_answers(name: str, qtype: str, answer: list[str], authority: list[str]) -> None:
    tested, _ = plugin(World(), local.PLUGIN.set_up, "local", "local")
    response = await chain(tested, last=always(BELOW))(query(name, qtype))
    assert response.rcode == Rcode.NOERROR
    assert texts(response.answer) == answer
    assert texts(response.authority) == authority
    assert not response.aa


@table(
    ("name", "zone"),
    [
        ("2.0.0.127.in-addr.arpa", "127.in-addr.arpa."),
        ("x.0.in-addr.arpa", "0.in-addr.arpa."),
        ("1.255.IN-ADDR.arpa", "255.IN-ADDR.arpa."),
    ],
)
async def test_other_names_in_the_zones_do_not_exist(name: str, zone: str) -> None:
    tested, _ = plugin(World(), local.PLUGIN.set_up, "local", "local")
    response = await chain(tested, last=always(BELOW))(query(name, "PTR"))
    assert response.rcode == Rcode.NXDOMAIN
    assert texts(response.authority) == [f"{zone} {SOA}"]


PASSED = ("example.org", "xlocalhost", "localhostx.org", "a.localhost.org", "org", ".")


@table("name", PASSED)
async def test_others_pass_on(name: str) -> None:
    tested, _ = plugin(World(), local.PLUGIN.set_up, "local", "local")
    assert await chain(tested, last=always(BELOW))(query(name)) is BELOW


PREFIXES = {
    "on": ("localhost_prefix on", "localhost.example.org", True),
    "off": ("localhost_prefix off", "localhost.example.org", False),
    "off-concerns-prefixes-only": ("localhost_prefix off", "a.localhost", True),
    "last-counts": ("localhost_prefix off\nlocalhost_prefix on", "localhost.example.org", True),
}


@table(("body", "name", "is_taken"), PREFIXES.values(), ids=PREFIXES)
async def test_prefixes(body: str, name: str, is_taken: bool) -> None:
    tested, _ = plugin(World(), local.PLUGIN.set_up, "local", f"local {{\n{body}\n}}")
    response = await chain(tested, last=always(BELOW))(query(name))
    assert (response is not BELOW) is is_taken


COUNTED = {"localhost.example.org": 1, "a.localhost": 1, "localhost": 0, "a.org": 0}


@table(("name", "count"), COUNTED.items())
async def test_counter(name: str, count: int) -> None:
    world = World()
    tested, _ = plugin(world, local.PLUGIN.set_up, "local", "local")
    response = await chain(tested, last=always(BELOW))(query(name))
    counter = "coredns_local_localhost_requests_total"
    assert world.metrics.value(counter) == count
    for tally in response.reuse.counters if response.reuse else ():
        tally(9, 0.0)
    assert world.metrics.value(counter) == count * 10, "repetitions count too"


PARSING = "Error during parsing"
REFUSED = {
    "argument": ("local x", f"Corefile:2 - {PARSING}: Wrong argument count or unexpected line ending after 'x'"),
    "option": ("local {\nfoo\n}", f"Corefile:3 - {PARSING}: unknown property 'foo'"),
    "prefix-without": (
        "local {\nlocalhost_prefix\n}",
        f"Corefile:3 - {PARSING}: Wrong argument count or unexpected line ending after 'localhost_prefix'",
    ),
    "prefix-unknown": (
        "local {\nlocalhost_prefix yes\n}",
        f"Corefile:3 - {PARSING}: localhost_prefix expects 'on' or 'off', got \"yes\"",
    ),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), local.PLUGIN.set_up, "local", body)
    assert str(caught.value) == message
