"""*chaos* - report the version and the host of the server."""

import socket
from dataclasses import dataclass

from minidns import __version__
from minidns.corefile.options import argument
from minidns.dns.model import Handler, Plugin, Query, Response, RRset
from minidns.dns.rdata import TXT, txt
from minidns.dns.rules import AnswerRule
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin

AUTHORS = ("The minidns authors",)
MAX_TEXT = 255
"""Bytes of a string in a TXT record; longer ones are cut."""
_CHAOS = 3


class ChaosRule(AnswerRule):
    """The rule of *chaos*."""

    SERVER = "chaos", "the name asks for a property of the server"


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """The options of *chaos*."""

    words: tuple[str, ...] = argument(
        "[VERSION] [AUTHORS...]",
        "The text of the version, by default `minidns-` and the version, and the texts"
        " of `authors.bind`.",
        (f"minidns-{__version__}",),
        lambda words: words.args,
        example="v2 Ann Bob",
    )


def setup(options: ChaosOptions, site: Site) -> Plugin:
    """Return the plugin that answers TXT questions of class CHAOS (RFC 4892)."""
    version, *authors = options.words
    texts = {
        "version.bind.": (version,),
        "version.server.": (version,),
        "hostname.bind.": (socket.gethostname(),),
        "id.server.": (socket.gethostname(),),
        "authors.bind.": sorted(set(authors)) or AUTHORS,
    }

    async def chaos(next_: Handler, query: Query) -> Response:
        qname, qtype, qclass = query.question
        if qclass != _CHAOS or qtype != TXT or qname not in texts:
            return await next_(query)
        data = [txt(text.encode()[:MAX_TEXT]) for text in texts[qname]]
        site.edges.random.shuffle(data)  # no author is always first
        answer = RRset(query.owner, TXT, 0, tuple(data), _CHAOS)
        return Response(answer=(answer,), rule=ChaosRule.SERVER)

    return as_plugin(chaos)


PLUGIN = PluginSpec(
    name="chaos",
    summary="report the version and the host of the server",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANY_CLASS,
    setup=setup,
    defaults=ChaosOptions(),
    repeated=Repeated.FIRST_COUNTS,
)
