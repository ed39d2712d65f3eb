"""*shadow* - ask CoreDNS what clients asked, once they have their replies.

It is minidns's own: CoreDNS refuses a Corefile that names it. The flag ``-shadow`` adds
it to a Corefile that both share. It handles no queries: the listeners offer it replies
that have left.
"""

from dataclasses import dataclass

from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Words, argument, integer, option
from minidns.kubernetes.objects import Key
from minidns.plugins.shadow.asking import Shadow
from minidns.plugins.shadow.found import Found
from minidns.plugins.shadow.servers import Shadowed, Wanted
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits
from minidns.probe.servers import NoServer, from_address

DEFAULT = "kube-system/kube-dns"
_RATE = "the rate is from 1 to 1000 questions a second: {value}"
_KEEP = "from 1 to 1000 differences can be kept: {value}"


def _servers(words: Words) -> tuple[Wanted, ...]:
    """Return the Services and addresses in ``words``.

    Raises:
        ValueError: a word is neither.

    """
    return tuple(map(_server, words.args or (DEFAULT,)))


def _server(word: str) -> Wanted:
    namespace, slash, name = word.partition("/")
    if slash:
        return Key(namespace, name)
    try:
        return from_address(word)
    except NoServer as error:
        raise ValueError(
            f"{word}: NAMESPACE/SERVICE or an address is needed"
        ) from error


@dataclass(frozen=True, slots=True)
class ShadowOptions:
    """The options of *shadow*."""

    servers: tuple[Wanted, ...] = argument(
        "[SERVER...]",
        "The servers to ask: `NAMESPACE/SERVICE` for each ready pod behind a Service,"
        f" or an address with or without a port. The default is `{DEFAULT}`.",
        (Key(*DEFAULT.split("/")),),
        _servers,
        example="10.244.0.2 10.244.0.3:1053",
    )
    rate: int = option(
        "rate N",
        "The number of questions a second that each server is asked at most.",
        5,
        integer(1, 1000, _RATE),
        example="20",
    )
    keep: int = option(
        "keep N",
        "The number of differences that are kept for `minidns shadow`.",
        100,
        integer(1, 1000, _KEEP),
        example="500",
    )


def setup(options: ShadowOptions, site: Site) -> None:
    """Let the listeners of the block offer replies, from which questions are taken."""
    found = Found(options.keep, site.metrics)
    servers = Shadowed(options.servers, site)
    shadow = Shadow(options.rate, servers, found, site)
    site.listen.sampler = shadow
    site.offers.report_shadow = shadow.report

    async def start() -> None:
        names = [str(wanted) for wanted in options.servers if isinstance(wanted, Key)]
        if names and site.offers.cluster is None:
            raise ConfigError(
                f"plugin/shadow: {names[0]}: only a server block with the plugin"
                " kubernetes knows the pods of a Service; name addresses"
            )

    async def serving() -> None:
        shadow.begin()

    site.on_start(start)
    site.on_serving(serving)


PLUGIN = PluginSpec(
    name="shadow",
    summary="ask CoreDNS what clients asked, and keep what differs",
    traits=Traits.MAIN_PROCESS_ONLY,
    setup=setup,
    defaults=ShadowOptions(),
    repeated=Repeated.REFUSED,
)
