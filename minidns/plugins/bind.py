"""*bind* - listen on some addresses instead of all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from minidns.corefile.blocks import ConfigError, Directive
from minidns.corefile.values import quote
from minidns.plugins.site import Site
from minidns.plugins.spec import Option, PluginSpec, Traits, Words


def setup(directives: tuple[Directive, ...], site: Site) -> None:
    """Accept ``bind ADDRESS|INTERFACE... { except ... }``, any number of times.

    Raises:
        ConfigError: neither an address nor an interface, or nothing is left.

    """
    interfaces = site.edges.interfaces()
    options = [PLUGIN.read_one(directive, site) for directive in directives]
    site.listen.addresses = tuple(
        address
        for directive_options in options
        for address in _listen_addresses(directive_options, interfaces)
    )
    if not site.listen.addresses:
        # unlike CoreDNS: it starts, and serves nothing
        raise ConfigError("no address is left to listen at")


@dataclass(frozen=True, slots=True)
class BindOptions:
    """The options of a *bind* directive: addresses, and names of interfaces."""

    listen: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()


def _listen_addresses(
    options: BindOptions, interfaces: Mapping[str, Sequence[str]]
) -> list[str]:
    excepted = set(_addresses(options.excepted, interfaces))
    addresses = _addresses(options.listen, interfaces)
    return [address for address in addresses if address not in excepted]


def _read_listen(words: Words) -> tuple[str, ...]:
    if not words.args:
        raise ValueError("at least one address or interface name is expected")
    return words.args


def _set_excepted(options: BindOptions, words: Words) -> BindOptions:
    if not words.args:
        raise ValueError(
            "at least one address or interface must be given to except subdirective"
        )
    return replace(options, excepted=words.args)


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
    summary="listen on some addresses instead of all",
    syntax="bind ADDRESS|INTERFACE...",
    traits=Traits.NONE,
    setup=setup,
    defaults=BindOptions(),
    arguments=Option(
        name="",
        arguments="ADDRESS|INTERFACE...",
        meaning="The addresses, and interfaces with all their addresses, to listen at.",
        example="127.0.0.1",
        field="listen",
        apply=lambda options, words: replace(options, listen=_read_listen(words)),
    ),
    options=(
        Option(
            name="except",
            arguments="ADDRESS|INTERFACE...",
            meaning="The addresses and interfaces to leave out.",
            example="except 127.0.0.2",
            field="excepted",
            apply=_set_excepted,
        ),
    ),
    unknown=lambda line: ConfigError(f"invalid option {quote(line.name)}"),
)
