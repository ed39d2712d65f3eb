import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import AA, CD, RA, RD, Query, Response, Reuse, replace
from minidns.dns.wire import encode_response
from minidns.plugins import header
from tests.table import table
from tests.world import World, chain, plugin, query


async def through(body: str, sent: Query, inner: Response) -> tuple[Query, Response]:
    """Return the query as it is below *header*, and the response above it."""
    received: list[Query] = []

    async def last(below: Query) -> Response:
        received.append(below)
        return inner

    tested, _ = plugin(World(), header.PLUGIN.set_up, "header", f"header {{\n{body}\n}}")
    response = await chain(tested, last=last)(sent)
    return received[0], response


QUERIES = {
    "set-aa": ("query set aa", RD, RD | AA),
    "set-ra": ("query set ra", RD, RD | RA),
    "clear-rd": ("query clear rd", RD | CD, CD),
    "set-several": ("query set aa ra", 0, AA | RA),
    "any-case": ("QUERY Set AA", 0, AA),
    "several-lines": ("query clear rd\nquery set ra", RD, RA),
    "the-last-counts": ("query set rd\nquery clear rd", RD, 0),
    "nothing-to-do": ("query set rd", RD, RD),
}


@table(("body", "flags", "below"), QUERIES.values(), ids=QUERIES)
async def test_queries(body: str, flags: int, below: int) -> None:
    sent = replace(query("a"), flags=flags)
    seen, response = await through(body, sent, Response())
    assert seen.flags == below
    reply = int.from_bytes(encode_response(sent, response)[2:4])
    assert reply & RD == below & RD, "replies copy RD from what was asked below"


RESPONSES = {
    # id: rules, flags of the response, flags of the reply
    "set-ra": ("response set ra", Response(), RD | RA),
    "clear-ra": ("response clear ra", Response(ra=True), RD),
    "set-aa": ("response set aa", Response(), RD | AA),
    "clear-rd": ("response clear rd", Response(), 0),
    "several": ("response set aa ra\nresponse clear rd", Response(), AA | RA),
    "after-the-query": ("query clear rd\nresponse set rd", Response(), RD),
}


@table(("body", "inner", "flags"), RESPONSES.values(), ids=RESPONSES)
async def test_responses(body: str, inner: Response, flags: int) -> None:
    sent = query("a")
    _, response = await through(body, sent, inner)
    reply = int.from_bytes(encode_response(sent, response)[2:4])
    assert reply & (RD | RA | AA) == flags


async def test_repetitions_stay_possible() -> None:
    inner = Response(reuse=Reuse())
    _, response = await through("response set ra", query("a"), inner)
    assert response.reuse == Reuse()


def test_the_first_occurrence_with_rules_counts() -> None:
    tested, _ = plugin(
        World(),
        header.PLUGIN.set_up,
        "header",
        "header {\n}\nheader {\nresponse set aa\n}\nheader {\nresponse set foo\n}",
    )
    assert tested is not None


RULE = "setting up rule: "
REFUSED = {
    "selector": ("foo set aa", "invalid selector=foo should be query or response"),
    "action-missing": ("query", "no flag action provided"),
    "action": ("query foo aa", "unknown flag action=foo, should be set or clear"),
    "flags-missing": ("response set", "invalid length for flags, at least one should be provided"),
    "flag": ("query set TC", "unknown/unsupported flag=tc"),
}


@table(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), header.PLUGIN.set_up, "header", f"header {{\n{body}\n}}")
    assert str(caught.value) == RULE + message


@pytest.mark.parametrize("body", ["header", "header {\n}"])
def test_without_any_rule(body: str) -> None:
    with pytest.raises(ConfigError, match="Wrong argument count"):
        plugin(World(), header.PLUGIN.set_up, "header", body)
