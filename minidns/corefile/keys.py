"""Zones and keys of a Corefile: ``[scheme://]zone[:port]``, networks as reverse zones.

A network in CIDR form stands for the reverse zones that cover exactly that network.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.model import Name
from minidns.text.go_text import integer, quote

PORTS = {
    "dns": 53,
    "tls": 853,
    "quic": 853,
    "grpc": 443,
    "https": 443,
    "https3": 443,
    "unix": 0,
}
"""Transports of keys and their default ports (CoreDNS transport)."""

_MASK = re.compile(r"0*[0-9]{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a server block: a zone, at a port, over a transport."""

    transport: str
    zone: Name
    port: int

    def __str__(self) -> str:
        return f"{self.transport}://{self.zone}:{self.port}"


class Claim(NamedTuple):
    """A key at one listen address, requested by a server block."""

    key: Key
    address: str = ""
    """The listen address; empty for all addresses."""
    filtered: bool = False
    """True if a *view* decides which queries reach the block."""

    def __str__(self) -> str:
        return f"{self.key} on {self.address}" if self.address else str(self.key)


def keys(text: str, port: int = PORTS["dns"]) -> tuple[Key, ...]:
    """Return the keys that the word ``text`` before a server block stands for.

    ``port`` is the port of DNS keys without one.

    >>> [str(key) for key in keys("tls://Example.org")]
    ['tls://example.org.:853']

    Raises:
        ValueError: not a zone, or nothing after the last colon.

    """
    transport, rest = split_scheme(text)
    zones, named = split_port(rest)
    default = port if transport == "dns" else PORTS[transport]
    return tuple(
        Key(transport, zone, default if named is None else named) for zone in zones
    )


def normalized(text: str) -> tuple[Name, ...]:
    """Return the zones of a plugin's argument: no scheme, no port, networks expanded.

    An argument that is not a zone is ignored (CoreDNS plugin.NormalizeExact).

    >>> normalized("10.0.0.0/23")
    ('0.0.10.in-addr.arpa.', '1.0.10.in-addr.arpa.')
    """
    try:
        return split_port(split_scheme(text)[1])[0]
    except ValueError:
        return ()


def split_scheme(text: str) -> tuple[str, str]:
    """Return the scheme of ``[scheme://]rest``, by default dns, and the rest."""
    scheme, separator, rest = text.partition("://")
    return (scheme, rest) if separator and scheme in PORTS else ("dns", text)


def split_port(text: str) -> tuple[tuple[Name, ...], int | None]:
    """Return the zones that ``zone[:port]`` stands for, and the port if it has one.

    Raises:
        ValueError: not a zone, or nothing after the last colon.

    """
    zone, colon, last = text.rpartition(":")
    if not last:
        raise ValueError(f"expecting data after last colon: {quote(text)}")
    port = _port(last) if colon else None
    return _expanded(text if port is None else zone), port


def _port(text: str) -> int | None:
    try:
        return integer(text)
    except ValueError:
        return None


def _expanded(text: str) -> tuple[Name, ...]:
    zone = _zone(text)
    network = _network(text)
    if network is None:
        return (zone,)
    if text.startswith(":") or (text.startswith("0") and ":" in text):
        raise ValueError(f"invalid CIDR {text}")
    return tuple(reverse_zones(network))


def _zone(text: str) -> Name:
    for written in (text, names.absolute(text)):
        octets = len(written.encode("utf-8", "replace"))
        if octets > names.MAX_NAME:
            raise ValueError(f"specified zone is too long: {octets} > {names.MAX_NAME}")
    try:
        # empty text is not a name; names.absolute would make it the root
        return names.from_wire(names.to_wire(names.absolute(text) if text else text))
    except ValueError as error:
        text = f"zone is not a valid domain name: {text}"
        raise ValueError(text) from error


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network in ``text``, None unless it is an address and a mask."""
    address, _, mask = text.partition("/")
    if "%" in address or not _MASK.fullmatch(mask):
        return None
    try:
        return ipaddress.ip_network(f"{address}/{int(mask)}", strict=False)
    except ValueError:
        return None


def reverse_zones(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> Iterator[Name]:
    """Yield the reverse zones that together cover ``network``, in address order.

    Zones end at octets for IPv4 (RFC 1035 3.5) and at nibbles for IPv6 (RFC 3596 2.5);
    a mask between two such lengths yields all zones of the next longer one.
    """
    bits = 8 if network.version == 4 else 4
    cut = -(-network.prefixlen // bits) * bits
    labels_left_out = (network.max_prefixlen - cut) // bits
    for part in network.subnets(new_prefix=cut):
        pointer = part.network_address.reverse_pointer
        yield pointer.split(".", labels_left_out)[-1] + "."


def conflicts(claims: Sequence[Claim]) -> Iterator[tuple[int, str]]:
    """Yield the index of each claim that conflicts with an earlier one, and the reason.

    Two claims conflict if they have the same key and the same address, or if one of
    them is for all addresses. A filtered claim may repeat another.
    """
    taken: dict[tuple[Key, str], Claim] = {}
    any_address: dict[Key, Claim] = {}
    for index, claim in enumerate(claims):
        exists = taken.get((claim.key, claim.address))
        overlap = (
            taken.get((claim.key, "")) if claim.address else any_address.get(claim.key)
        )
        if exists and not claim.filtered:
            yield index, f"cannot serve {claim} - it is already defined"
        elif overlap and not exists:
            text = f"zone overlap listener capacity with {overlap}"
            yield index, f"cannot serve {claim} - {text}"
        elif not exists and not claim.filtered:
            taken[claim.key, claim.address] = claim
            any_address[claim.key] = claim
