"""*whoami* - answer with the client's own address, port and protocol."""

from minidns.corefile.options import no_arguments
from minidns.dns.model import Handler, Plugin, Query, Response, RRset
from minidns.dns.rdata import AAAA, SRV, A, a, aaaa, srv
from minidns.dns.rules import AnswerRule
from minidns.plugins.site import Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits, as_plugin


class WhoamiRule(AnswerRule):
    """The rule of *whoami*."""

    CLIENT = "whoami", "every name has the address of the client"


def setup(options: None, site: Site) -> Plugin:
    """Return the plugin that answers every query from the query itself."""

    async def whoami(next_: Handler, query: Query) -> Response:
        return Response(
            additional=_client_records(query), aa=True, rule=WhoamiRule.CLIENT
        )

    return as_plugin(whoami)


def _client_records(query: Query) -> tuple[RRset, RRset]:
    """Return the client's address, and its protocol and port as an SRV record."""
    owner, rclass = query.owner, query.question.qclass
    host, port = query.peer
    host = host.partition("%")[0]
    rtype, data = (AAAA, aaaa(host)) if ":" in host else (A, a(host))
    below = "" if owner == "." else owner
    return (
        RRset(owner, rtype, 0, (data,), rclass),
        RRset(f"_{query.transport}.{below}", SRV, 0, (srv(0, 0, port, "."),), rclass),
    )


PLUGIN = PluginSpec(
    name="whoami",
    summary="answer with the client's own address, port and protocol",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.ANSWERS_VARY,
    setup=setup,
    options=(no_arguments(names_first=True),),
    repeated=Repeated.FIRST_COUNTS,
    block=Block.REFUSED,
)
