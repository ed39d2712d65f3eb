"""Networks in CIDR form, and whether an address is in one of many."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


def cidr(text: str) -> Network:
    """Return the network that ``text`` says; host bits do not matter.

    >>> cidr("192.0.2.7/24")
    IPv4Network('192.0.2.0/24')

    Raises:
        ValueError: no address, or not followed by a slash and a length.

    """
    _, slash, length = text.partition("/")
    if not (slash and length.isascii() and length.isdigit()):
        raise ValueError(f"invalid CIDR address: {text}")
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"invalid CIDR address: {text}") from None


class Networks:
    """Any number of networks; asking costs by how many lengths they have."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for each in networks:
            key = each.version, each.max_prefixlen - each.prefixlen
            prefix = int(each.network_address) >> key[1]
            self._prefixes.setdefault(key, set()).add(prefix)

    def __contains__(self, address: str) -> bool:
        """Return whether ``address``, perhaps with a scope, is in any of them."""
        found = ip_address(address.partition("%")[0])
        number = int(found)
        return any(
            version == found.version and number >> shift in prefixes
            for (version, shift), prefixes in self._prefixes.items()
        )
