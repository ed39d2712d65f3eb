"""*bind* - listen at some addresses instead of all."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import quote
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``bind ADDRESS|INTERFACE... { except ... }``, any number of times.

    Raises:
        ConfigError: neither an address nor an interface, or nothing is left.

    """
    interfaces = site.edges.interfaces()
    site.bound = tuple(
        address for each in directives for address in _bound(each, interfaces)
    )
    if not site.bound:
        # unlike CoreDNS: it starts, and serves nothing
        raise ConfigError("no address is left to listen at")


def _bound(directive: Directive, interfaces: Mapping[str, Sequence[str]]) -> list[str]:
    if not directive.args:
        raise ConfigError("at least one address or interface name is expected")
    excepted: tuple[str, ...] = ()
    for line in directive.block:
        if line.name != "except":
            raise ConfigError(f"invalid option {quote(line.name)}")
        if not line.args:
            raise ConfigError(
                "at least one address or interface must be given to except subdirective"
            )
        excepted = line.args
    left_out = set(_addresses(excepted, interfaces))
    return [
        each for each in _addresses(directive.args, interfaces) if each not in left_out
    ]


def _addresses(
    words: Sequence[str], interfaces: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    for word in words:
        if word in interfaces:
            yield from interfaces[word]
        elif _is_address(word):
            yield word
        else:
            quoted = quote(word)
            raise ConfigError(f"not a valid IP address or interface name: {quoted}")


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return "%" not in word  # as Go: a scope comes with its interface only


PLUGIN = PluginSpec(
    name="bind",
    summary="listen at some addresses instead of all",
    syntax="bind ADDRESS|INTERFACE...",
    traits=Traits.NONE,
    setup=setup,
    defaults=None,
)
