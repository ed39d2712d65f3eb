"""*any* - answer ANY queries with a minimal response."""

from minidns.corefile.options import no_arguments
from minidns.dns.model import Handler, Plugin, Query, Response, Reuse, RRset
from minidns.dns.rdata import ANY, HINFO, txt
from minidns.dns.rules import AnswerRule
from minidns.plugins.site import Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits, as_plugin

TTL = 8482
_DATA = txt("ANY obsoleted", "See RFC 8482")


class AnyRule(AnswerRule):
    """The rule of *any*."""

    MINIMAL = "any", "questions for all types get one small record (RFC 8482)"


def setup(options: None, site: Site) -> Plugin:
    """Return the plugin that answers ANY with one HINFO record (RFC 8482 4.2)."""

    async def any(next_: Handler, query: Query) -> Response:
        if query.question.qtype != ANY:
            return await next_(query)
        answer = RRset(query.owner, HINFO, TTL, (_DATA,))
        return Response(answer=(answer,), rule=AnyRule.MINIMAL, reuse=Reuse())

    return as_plugin(any)


PLUGIN = PluginSpec(
    name="any",
    summary="answer ANY queries with a minimal response",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS,
    setup=setup,
    options=(no_arguments(names_first=True),),
    repeated=Repeated.FIRST_COUNTS,
    block=Block.REFUSED,
)
