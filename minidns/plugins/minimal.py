"""*minimal* - remove records that the query does not need from answers."""

from minidns.corefile.blocks import Directive
from minidns.dns.model import Handler, Plugin, Query, Response, replace
from minidns.plugins.answer_kind import Outcome, outcome_of
from minidns.plugins.options import no_arguments
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``minimal``.

    Raises:
        ConfigError: an argument.

    """
    PLUGIN.read_arguments(directives[0], site, None)
    wall = site.edges.wall

    def plugin(next_: Handler) -> Handler:
        async def minimal(query: Query) -> Response:
            response = await next_(query)
            if not (response.authority or response.additional):
                return response
            # a denial needs its SOA, a delegation its name servers
            if outcome_of(query, response, wall()) is not Outcome.POSITIVE:
                return response
            return replace(response, authority=(), additional=())

        return minimal

    return plugin


PLUGIN = PluginSpec(
    name="minimal",
    summary="remove records that the query does not need from answers",
    syntax="minimal",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=None,
    arguments=no_arguments(names_first=True),
)
