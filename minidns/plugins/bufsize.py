"""*bufsize* - limit the size of UDP replies."""

from dataclasses import dataclass

from minidns.corefile.blocks import Directive
from minidns.corefile.values import integer
from minidns.dns.model import Handler, Plugin, Query, Response, replace
from minidns.plugins.options import setting
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits, Words

DEFAULT = 1232  # fits IPv6's minimum MTU (DNS flag day 2020)
MIN, MAX = 512, 4096


@dataclass(frozen=True, slots=True)
class BufsizeOptions:
    """The options of *bufsize*."""

    size: int = DEFAULT
    """Bytes of a UDP reply at most."""


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``bufsize [SIZE]``.

    Raises:
        ConfigError: not a number from 512 to 4096.

    """
    size = PLUGIN.read_arguments(directives[0], site, PLUGIN.defaults).size

    def plugin(next_: Handler) -> Handler:
        async def bufsize(query: Query) -> Response:
            if query.opt is None or query.opt.size <= size:
                return await next_(query)
            bounded = replace(
                query,
                opt=query.opt._replace(size=size),
                max_size=query.max_size if query.transport == "tcp" else size,
            )
            response = await next_(bounded)
            return replace(response, max_size=min(response.max_size, size))

        return bufsize

    return plugin


def _read_size(words: Words) -> int:
    try:
        size = integer(words.first)
    except ValueError:
        raise words.where.arg_error() from None
    if not MIN <= size <= MAX:
        raise words.where.arg_error()
    return size


PLUGIN = PluginSpec(
    name="bufsize",
    summary="limit the size of UDP replies",
    syntax="bufsize [SIZE]",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=BufsizeOptions(),
    arguments=setting(
        "",
        "[SIZE]",
        "size",
        _read_size,
        f"The bytes of a UDP reply at most, {MIN} to {MAX}.",
        example="700",
        least=0,
        prefix="plugin/bufsize: ",  # printed twice (CoreDNS)
    ),
)
