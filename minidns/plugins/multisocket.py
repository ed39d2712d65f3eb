"""*multisocket* - answer with several processes, each with sockets of its own."""

from dataclasses import dataclass

from minidns.corefile.options import Words, argument
from minidns.corefile.values import integer
from minidns.plugins.site import Site
from minidns.plugins.spec import Block, PluginSpec, Repeated, Traits

MAX_SOCKETS = 1024


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


@dataclass(frozen=True, slots=True)
class MultisocketOptions:
    """The options of *multisocket*."""

    sockets: int | None = argument(
        "[NUMBER]",
        "The number of processes, including the main process, at most 1024; by default"
        " the number of usable processors. 1 is the same as no directive.",
        None,
        _read_number,
        example="4",
    )


def setup(options: MultisocketOptions, site: Site) -> None:
    """Set how many processes listen at each address of the server block."""
    site.listen.sockets = options.sockets or site.edges.cpus()


PLUGIN = PluginSpec(
    name="multisocket",
    summary="answer with several processes, each with sockets of its own",
    traits=Traits.MAIN_PROCESS_ONLY,
    setup=setup,
    defaults=MultisocketOptions(),
    repeated=Repeated.MISPLACED,
    block=Block.REFUSED,
)
