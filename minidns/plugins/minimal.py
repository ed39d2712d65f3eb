"""*minimal* - remove records that the query does not need from answers."""

from minidns.corefile.options import no_arguments
from minidns.dns.model import Handler, Plugin, Query, Response, replace
from minidns.plugins.answer_kind import Outcome, outcome_of
from minidns.plugins.site import Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits, as_plugin


def setup(options: None, site: Site) -> Plugin:
    """Return the plugin that empties the authority and additional sections."""
    wall = site.edges.wall

    async def minimal(next_: Handler, query: Query) -> Response:
        response = await next_(query)
        if not (response.authority or response.additional or response.opt):
            return response
        # a denial needs its SOA, a delegation its name servers
        if outcome_of(query, response, wall()) is not Outcome.POSITIVE:
            return response
        # without an upstream's OPT: then the client's options are echoed (CoreDNS)
        return replace(response, authority=(), additional=(), opt=None)

    return as_plugin(minimal)


PLUGIN = PluginSpec(
    name="minimal",
    summary="remove records that the query does not need from answers",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    options=(no_arguments(names_first=True),),
    repeated=Repeated.FIRST_COUNTS,
    block=Block.REFUSED,
)
