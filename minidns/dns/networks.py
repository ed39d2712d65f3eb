"""IP addresses, networks in CIDR form, and sets of networks."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


def is_address(text: str) -> bool:
    """Return whether ``text`` is an IP address; an IPv6 one may have a scope."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def cidr(text: str) -> Network:
    """Return the network in ``text``; host bits are ignored.

    >>> cidr("192.0.2.7/24")
    IPv4Network('192.0.2.0/24')

    Raises:
        ValueError: not an address with a slash and a length.

    """
    _, slash, length = text.partition("/")
    if not (slash and length.isascii() and length.isdigit()):
        raise ValueError(f"invalid CIDR address: {text}")
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"invalid CIDR address: {text}") from None


class Networks:
    """A set of networks; a lookup costs one step per distinct prefix length."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            key = network.version, network.max_prefixlen - network.prefixlen
            prefix = int(network.network_address) >> key[1]
            self._prefixes.setdefault(key, set()).add(prefix)

    def __contains__(self, address: str) -> bool:
        """Return whether ``address``, with or without a scope, is in a network."""
        parsed = ip_address(address.partition("%")[0])
        number = int(parsed)
        return any(
            version == parsed.version and number >> shift in prefixes
            for (version, shift), prefixes in self._prefixes.items()
        )
