"""*bufsize* - limit the size of UDP replies."""

from dataclasses import dataclass

from minidns.corefile.options import Words, argument
from minidns.corefile.values import integer
from minidns.dns.model import Handler, Plugin, Query, Response, replace
from minidns.plugins.site import Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits, as_plugin

DEFAULT = 1232  # fits IPv6's minimum MTU (DNS flag day 2020)
MIN, MAX = 512, 4096


def _read_size(words: Words) -> int:
    try:
        size = integer(words.first)
    except ValueError:
        raise words.where.arg_error() from None
    if not MIN <= size <= MAX:
        raise words.where.arg_error()
    return size


@dataclass(frozen=True, slots=True)
class BufsizeOptions:
    """The options of *bufsize*."""

    size: int = argument(
        "[SIZE]",
        f"The most bytes of a UDP reply, {MIN} to {MAX}; {DEFAULT} fits into the MTU of"
        " nearly every link.",
        DEFAULT,
        _read_size,
        example="700",
        prefix="plugin/bufsize: ",  # printed twice (CoreDNS)
    )


def setup(options: BufsizeOptions, site: Site) -> Plugin:
    """Return the plugin that lowers the size that clients advertise."""
    size = options.size

    async def bufsize(next_: Handler, query: Query) -> Response:
        if query.opt is None or query.opt.size <= size:
            return await next_(query)
        bounded = replace(
            query,
            opt=query.opt._replace(size=size),
            max_size=query.max_size if query.transport == "tcp" else size,
        )
        response = await next_(bounded)
        return replace(response, max_size=min(response.max_size, size))

    return as_plugin(bufsize)


PLUGIN = PluginSpec(
    name="bufsize",
    summary="limit the size of UDP replies",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=BufsizeOptions(),
    repeated=Repeated.FIRST_COUNTS,
    block=Block.IGNORED,
)
