"""*multisocket* - answer with several processes, each with sockets of its own."""

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import integer
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits

MAX_SOCKETS = 1024


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``multisocket [NUMBER]``.

    Raises:
        ConfigError: not a number, or none from 1 to 1024; named twice.

    """
    directive, *more = directives
    if len(directive.args) > 1:
        raise directive.arg_error()
    for excess in more:
        raise ConfigError.arguments(excess, excess.name)
    site.sockets = _number(directive.args[0]) if directive.args else site.edges.cpus()


def _number(text: str) -> int:
    try:
        number = integer(text)
    except ValueError as error:
        raise ConfigError(f"invalid num sockets: {error}") from None
    if number < 1:
        raise ConfigError(f"num sockets can not be zero or negative: {number}")
    if number > MAX_SOCKETS:
        problem = f"num sockets exceeds maximum ({MAX_SOCKETS}): {number}"
        raise ConfigError(problem)
    return number


PLUGIN = PluginSpec(
    name="multisocket",
    summary="answer with several processes, each with sockets of its own",
    syntax="multisocket [NUMBER]",
    traits=Traits.MAIN_PROCESS_ONLY,
    setup=setup,
    defaults=None,
)
