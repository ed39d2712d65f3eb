"""*multisocket* - answer with several processes, each with sockets of its own."""

from dataclasses import dataclass

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import integer
from minidns.plugins.options import setting
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits, Words

MAX_SOCKETS = 1024


@dataclass(frozen=True, slots=True)
class MultisocketOptions:
    """The options of *multisocket*."""

    sockets: int | None = None
    """Sockets of each address; None for as many as there are processors."""


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``multisocket [NUMBER]``.

    Raises:
        ConfigError: not a number, or none from 1 to 1024; named twice.

    """
    first, *more = directives
    options = PLUGIN.read_arguments(first, site, PLUGIN.defaults)
    for excess in more:
        raise ConfigError.arguments(excess, excess.name)
    site.listen.sockets = options.sockets or site.edges.cpus()


def _read_number(words: Words) -> int:
    try:
        number = integer(words.first)
    except ValueError as error:
        raise ValueError(f"invalid num sockets: {error}") from None
    if number < 1:
        raise ValueError(f"num sockets can not be zero or negative: {number}")
    if number > MAX_SOCKETS:
        raise ValueError(f"num sockets exceeds maximum ({MAX_SOCKETS}): {number}")
    return number


PLUGIN = PluginSpec(
    name="multisocket",
    summary="answer with several processes, each with sockets of its own",
    syntax="multisocket [NUMBER]",
    traits=Traits.MAIN_PROCESS_ONLY,
    setup=setup,
    defaults=MultisocketOptions(),
    arguments=setting(
        "",
        "[NUMBER]",
        "sockets",
        _read_number,
        "The number of sockets and processes; one for each processor without any.",
        example="4",
        least=0,
    ),
)
