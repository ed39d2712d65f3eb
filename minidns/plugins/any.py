"""*any* - answer ANY questions with as little as can be."""

from minidns.corefile.blocks import Directive
from minidns.dns.model import Handler, Plugin, Query, Response, Reuse, RRset
from minidns.dns.rdata import ANY, HINFO, txt
from minidns.plugins.site import Site, without_arguments
from minidns.plugins.spec import PluginSpec, Traits

TTL = 8482
_DATA = txt("ANY obsoleted", "See RFC 8482")


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``any``.

    Raises:
        ConfigError: an argument or an option.

    """
    directive = directives[0]
    without_arguments(directive)
    for line in directive.block:
        raise line.error(f"unknown property '{line.name}'")

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
    summary="answer ANY questions with as little as can be",
    syntax="any",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS,
    setup=setup,
    defaults=None,
)
