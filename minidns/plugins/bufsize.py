"""*bufsize* - bound the size of UDP replies, whatever clients offer."""

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import integer
from minidns.dns.model import Handler, Plugin, Query, Response, replace
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

DEFAULT = 1232  # fits IPv6's minimum MTU (DNS flag day 2020)
MIN, MAX = 512, 4096


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Accept ``bufsize [SIZE]``.

    Raises:
        ConfigError: not a number from 512 to 4096.

    """
    size = _size(directives[0])

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


def _size(directive: Directive) -> int:
    if not directive.args:
        return DEFAULT
    try:
        size = integer(directive.args[0])
    except ValueError:
        raise _refused(directive) from None
    if len(directive.args) > 1 or not MIN <= size <= MAX:
        raise _refused(directive)
    return size


def _refused(directive: Directive) -> ConfigError:
    # the plugin's name stands twice before this one (CoreDNS)
    return directive.arg_error().prefixed("plugin/bufsize: ")


PLUGIN = PluginSpec(
    name="bufsize",
    summary="bound the size of UDP replies, whatever clients offer",
    syntax="bufsize [SIZE]",
    traits=Traits.HANDLES_QUERIES,
    setup=setup,
    defaults=None,
)
