import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Response
from minidns.plugins import any as any_plugin
from tests.table import table
from tests.world import World, always, chain, plugin, query, texts

BELOW = Response()


async def test_any_is_answered_with_one_record() -> None:
    tested, _ = plugin(World(), any_plugin.PLUGIN.set_up, "any", "any")
    response = await chain(tested, last=always(BELOW))(query("Example.ORG", "ANY"))
    (line,) = texts(response.answer)
    assert line == 'Example.ORG. 8482 HINFO "ANY obsoleted" "See RFC 8482"'
    assert not response.aa
    assert response.reuse is not None


@table("qtype", ["A", "HINFO", "TYPE65280"])
async def test_other_types_pass_on(qtype: str) -> None:
    tested, _ = plugin(World(), any_plugin.PLUGIN.set_up, "any", "any")
    assert await chain(tested, last=always(BELOW))(query("example.org", qtype)) is BELOW


REFUSED = {
    "argument": (
        "any x y",
        "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'",
    ),
    "option": ("any {\nfoo\n}", "Corefile:2 - Error during parsing: Unexpected token '{', expecting argument"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), any_plugin.PLUGIN.set_up, "any", body)
    assert str(caught.value) == message
