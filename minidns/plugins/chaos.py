"""*chaos* - report the version and the host of the server."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from minidns import __version__
from minidns.corefile.blocks import Directive
from minidns.dns.model import Handler, Plugin, Query, Response, RRset
from minidns.dns.rdata import TXT, txt
from minidns.plugins.site import Site
from minidns.plugins.spec import Option, PluginSpec, Traits, Words

AUTHORS = ("The minidns authors",)
MAX_TEXT = 255
"""Bytes of a string in a TXT record; longer ones are cut."""
_CHAOS = 3


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """The options of *chaos*."""

    version: str = f"minidns-{__version__}"
    authors: tuple[str, ...] = ()
    """The names for ``authors.bind``; empty for the usual text."""


def _apply_arguments(options: ChaosOptions, words: Words) -> ChaosOptions:
    if not words.args:
        return options
    version, *authors = words.args
    return ChaosOptions(version, tuple(authors))


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``chaos [VERSION] [AUTHORS...]``.

    Raises:
        ConfigError: an option.

    """
    options = PLUGIN.read_one(directives[0], site)
    version, authors = options.version, options.authors
    texts = {
        "version.bind.": (version,),
        "version.server.": (version,),
        "hostname.bind.": (socket.gethostname(),),
        "id.server.": (socket.gethostname(),),
        "authors.bind.": sorted(set(authors)) or AUTHORS,
    }
    return _chaos_plugin(texts, site.edges.random)


def _chaos_plugin(texts: Mapping[str, Sequence[str]], random: Random) -> Plugin:
    def plugin(next_: Handler) -> Handler:
        async def chaos(query: Query) -> Response:
            qname, qtype, qclass = query.question
            if qclass != _CHAOS or qtype != TXT or qname not in texts:
                return await next_(query)
            data = [txt(text.encode()[:MAX_TEXT]) for text in texts[qname]]
            random.shuffle(data)  # no author is always first
            answer = RRset(query.owner, TXT, 0, tuple(data), _CHAOS)
            return Response(answer=(answer,), rule="chaos")

        return chaos

    return plugin


PLUGIN = PluginSpec(
    name="chaos",
    summary="report the version and the host of the server",
    syntax="chaos [VERSION] [AUTHORS...]",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANY_CLASS,
    setup=setup,
    defaults=ChaosOptions(),
    arguments=Option(
        name="",
        arguments="[VERSION] [AUTHORS...]",
        meaning="The version, and the names of the authors.",
        example="v2 Ann Bob",
        field="version",
        apply=_apply_arguments,
    ),
)
