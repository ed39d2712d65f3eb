import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Opt, Rcode, Response, Reuse, RRset, replace
from minidns.dns.names import to_wire
from minidns.dns.rdata import NS, SOA, A, a, soa
from minidns.plugins import minimal
from tests.table import table
from tests.world import World, always, chain, plugin, query

ADDRESS = RRset("a.example.org.", A, 30, (a("192.0.2.1"),))
SERVERS = RRset("example.org.", NS, 30, (to_wire("ns.example.org."),))
GLUE = RRset("ns.example.org.", A, 30, (a("192.0.2.2"),))
APEX = RRset("example.org.", SOA, 30, (soa("ns.", "root.", 1, 2, 3, 4, 5),))

FULL = Response(answer=(ADDRESS,), authority=(SERVERS,), additional=(GLUE,), aa=True, opt=Opt(1232), reuse=Reuse())


async def minimized(response: Response, qtype: str = "A") -> Response:
    tested, _ = plugin(World(), minimal.PLUGIN.set_up, "minimal", "minimal")
    return await chain(tested, last=always(response))(query("a.example.org", qtype))


@table("response", [FULL, replace(FULL, authority=()), replace(FULL, authority=(), additional=())])
async def test_answers_lose_what_was_not_asked_for(response: Response) -> None:
    """Also the upstream's OPT: then the server gives the client its own."""
    assert await minimized(response) == Response(answer=(ADDRESS,), aa=True, reuse=Reuse())


KEPT = {
    "answer-alone": Response(answer=(ADDRESS,)),
    "nodata": Response(authority=(APEX,), opt=Opt(1232)),
    "nxdomain": Response(Rcode.NXDOMAIN, authority=(APEX,)),
    "delegation": Response(authority=(SERVERS,), additional=(GLUE,)),
    "failure": Response(Rcode.SERVFAIL, additional=(GLUE,)),
}


@table("response", KEPT.values(), ids=KEPT)
async def test_others_are_kept(response: Response) -> None:
    assert await minimized(response) is response


async def test_transfers_are_kept() -> None:
    assert await minimized(FULL, "AXFR") is FULL


ARGS = "Wrong argument count or unexpected line ending after"
REFUSED = {
    "argument": ("minimal x", f"Corefile:2 - Error during parsing: {ARGS} 'x'"),
    "two-arguments": ("minimal x y", f"Corefile:2 - Error during parsing: {ARGS} 'x'"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plugin(World(), minimal.PLUGIN.set_up, "minimal", body)
    assert str(caught.value) == message
