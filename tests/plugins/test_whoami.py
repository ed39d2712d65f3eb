import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Query, replace
from minidns.plugins import whoami
from tests.table import table
from tests.world import World, chain, plugin, query, texts


async def never(_: Query) -> object:
    raise AssertionError("nothing comes after whoami")


ANSWERS = {
    "udp-ipv4": (query("example.org"), ["_udp.example.org. 0 SRV 0 0 40000 .", "example.org. 0 A 192.0.2.53"]),
    "tcp-ipv6": (
        query("example.org", "MX", transport="tcp", peer="2001:db8::5"),
        ["_tcp.example.org. 0 SRV 0 0 40000 .", "example.org. 0 AAAA 2001:db8::5"],
    ),
    "scope": (
        query("example.org", peer="fe80::1%eth0"),
        ["_udp.example.org. 0 SRV 0 0 40000 .", "example.org. 0 AAAA fe80::1"],
    ),
    "root": (query("."), [". 0 A 192.0.2.53", "_udp. 0 SRV 0 0 40000 ."]),
    "letters-as-asked": (query("Example.ORG"), ["Example.ORG. 0 A 192.0.2.53", "_udp.Example.ORG. 0 SRV 0 0 40000 ."]),
}


@table(("sent", "lines"), ANSWERS.values(), ids=ANSWERS)
async def test_answers(sent: Query, lines: list[str]) -> None:
    tested, _ = plugin(World(), whoami.PLUGIN.set_up, "whoami", "whoami")
    response = await chain(tested, last=never)(sent)  # type: ignore[arg-type]  # never returns
    assert texts(response.additional) == lines
    assert (response.answer, response.authority) == ((), ())
    assert response.aa
    assert response.reuse is None, "the next client has another address"


async def test_class_is_the_one_asked() -> None:
    tested, _ = plugin(World(), whoami.PLUGIN.set_up, "whoami", "whoami")
    sent = query("example.org")
    sent = replace(sent, question=sent.question._replace(qclass=3))
    response = await chain(tested, last=never)(sent)  # type: ignore[arg-type]  # never returns
    assert [rrset.rclass for rrset in response.additional] == [3, 3]


@pytest.mark.parametrize(("line", "word"), [("whoami x y", "x"), ('whoami ""', "")])
def test_refused(line: str, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), whoami.PLUGIN.set_up, "whoami", line)
    assert str(caught.value) == (
        f"Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '{word}'"
    )
