"""*nsid* - identify the server to clients that request it."""

import socket
from dataclasses import dataclass

from minidns.corefile.options import argument
from minidns.dns.edns import NSID
from minidns.dns.model import Handler, Opt, Plugin, Query, Response, replace
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin


@dataclass(frozen=True, slots=True)
class NsidOptions:
    """The options of *nsid*."""

    identifier: str = argument(
        "[WORDS...]",
        "The text, joined by single spaces; by default the host name, which in a"
        " cluster is the name of the Pod.",
        "",
        lambda words: " ".join(words.args),
        example="server one",
    )


def setup(options: NsidOptions, site: Site) -> Plugin:
    """Return the plugin that adds the identifier to replies (RFC 5001 2.2)."""
    identifier = options.identifier or socket.gethostname()
    option = (NSID, identifier.encode())

    async def nsid(next_: Handler, query: Query) -> Response:
        response = await next_(query)
        query_opt = query.opt
        if query_opt is None or all(code != NSID for code, _ in query_opt.options):
            return response
        opt = response.opt or Opt(query_opt.size, query_opt.do)
        others = tuple(other for other in opt.options if other[0] != NSID)
        return replace(response, opt=opt._replace(options=(*others, option)))

    return as_plugin(nsid)


PLUGIN = PluginSpec(
    name="nsid",
    summary="identify the server to clients that request it",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=NsidOptions(),
    repeated=Repeated.REFUSED,
)
