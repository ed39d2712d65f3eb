"""*any* - answer ANY queries with a minimal response."""

from minidns.corefile.blocks import Directive
from minidns.dns.model import Handler, Plugin, Query, Response, Reuse, RRset
from minidns.dns.rdata import ANY, HINFO, txt
from minidns.plugins.options import no_arguments
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

TTL = 8482
_DATA = txt("ANY obsoleted", "See RFC 8482")


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``any``.

    Raises:
        ConfigError: an argument or an option.

    """
    PLUGIN.read_one(directives[0], site)

    def plugin(next_: Handler) -> Handler:
        async def any(query: Query) -> Response:
            if query.question.qtype != ANY:
                return await next_(query)
            answer = RRset(query.owner, HINFO, TTL, (_DATA,))
            return Response(answer=(answer,), rule="any", reuse=Reuse())

        return any

    return plugin


PLUGIN = PluginSpec(
    name="any",
    summary="answer ANY queries with a minimal response",
    syntax="any",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS,
    setup=setup,
    defaults=None,
    arguments=no_arguments(names_first=True),
)
