"""*bind* - listen on some addresses instead of all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Read, Words, argument, option
from minidns.corefile.values import quote
from minidns.dns.networks import is_address
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits


def _some_words(missing: str) -> Read[tuple[str, ...]]:
    """Return a reader of all words; ``missing`` is the error if there are none."""

    def read(words: Words) -> tuple[str, ...]:
        if not words.args:
            raise ValueError(missing)
        return words.args

    return read


@dataclass(frozen=True, slots=True)
class BindOptions:
    """The options of a *bind* directive: addresses, and names of interfaces."""

    listen: tuple[str, ...] = argument(
        "ADDRESS|INTERFACE...",
        "The addresses to listen at. An interface stands for all addresses that it has"
        " when the Corefile is loaded.",
        (),
        _some_words("at least one address or interface name is expected"),
        example="127.0.0.1",
        always=True,
        least=0,
    )
    excepted: tuple[str, ...] = option(
        "except ADDRESS|INTERFACE...",
        "Addresses of this line to leave out.",
        (),
        _some_words(
            "at least one address or interface must be given to except subdirective"
        ),
        example="127.0.0.2",
        least=0,
    )


def setup(directives: tuple[BindOptions, ...], site: Site) -> None:
    """Set the addresses of the server block's listeners: those of all directives.

    Raises:
        ConfigError: neither an address nor an interface, or nothing is left.

    """
    interfaces = site.edges.interfaces()
    site.listen.addresses = tuple(
        address
        for options in directives
        for address in _listen_addresses(options, interfaces)
    )
    if not site.listen.addresses:
        # unlike CoreDNS: it starts, and serves nothing
        raise ConfigError("no address is left to listen at")


def _listen_addresses(
    options: BindOptions, interfaces: Mapping[str, Sequence[str]]
) -> list[str]:
    excepted = set(_addresses(options.excepted, interfaces))
    addresses = _addresses(options.listen, interfaces)
    return [address for address in addresses if address not in excepted]


def _addresses(
    words: Sequence[str], interfaces: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    for word in words:
        if word in interfaces:
            yield from interfaces[word]
        elif is_address(word) and "%" not in word:  # as Go: not with a scope
            yield word
        else:
            quoted = quote(word)
            raise ConfigError(f"not a valid IP address or interface name: {quoted}")


PLUGIN = PluginSpec(
    name="bind",
    summary="listen on some addresses instead of all",
    traits=Traits.NONE,
    setup=setup,
    defaults=BindOptions(),
    repeated=Repeated.SEPARATE,
    unknown=lambda line: ConfigError(f"invalid option {quote(line.name)}"),
)
