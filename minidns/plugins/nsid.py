"""*nsid* - identify the server to clients that request it."""

import socket
from dataclasses import dataclass

from minidns.corefile.blocks import Directive
from minidns.dns.model import Handler, Opt, Plugin, Query, Response, replace
from minidns.plugins.options import setting
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

_NSID = 3
"""Code of the EDNS option (RFC 5001 2.3)."""


@dataclass(frozen=True, slots=True)
class NsidOptions:
    """The options of *nsid*."""

    identifier: str = ""
    """The text to send; empty for the name of the host."""


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``nsid [WORDS...]``; without words it is the name of the host.

    Raises:
        ConfigError: named twice.

    """
    identifier = PLUGIN.read(directives, site).identifier or socket.gethostname()
    option = (_NSID, identifier.encode())

    def plugin(next_: Handler) -> Handler:
        async def nsid(query: Query) -> Response:
            response = await next_(query)
            query_opt = query.opt
            if query_opt is None or all(code != _NSID for code, _ in query_opt.options):
                return response
            opt = response.opt or Opt(query_opt.size, query_opt.do)
            others = tuple(other for other in opt.options if other[0] != _NSID)
            return replace(response, opt=opt._replace(options=(*others, option)))

        return nsid

    return plugin


PLUGIN = PluginSpec(
    name="nsid",
    summary="identify the server to clients that request it",
    syntax="nsid [WORDS...]",
    traits=Traits.HANDLES_QUERIES | Traits.ONCE_PER_BLOCK,
    setup=setup,
    defaults=NsidOptions(),
    arguments=setting(
        "",
        "[WORDS...]",
        "identifier",
        lambda words: " ".join(words.args),
        "The identifier of this server; the name of the host without any.",
        example="server one",
        least=0,
        most=None,
    ),
)
