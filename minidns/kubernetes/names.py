"""Names of a cluster, and the addresses in them, as labels and as record data.

Names are parsed relative to their zone, from right to left (CoreDNS *kubernetes*, DNS
spec 2): ``svc`` or ``pod``, namespace, Service or pod address, and then an endpoint, or
a port and a protocol. There are no wildcards, and no label is refused for its
characters: what is not a name in Kubernetes simply matches nothing.

Addresses are compared as text throughout, as CoreDNS does: another spelling of an IPv6
address is another address.
"""

import ipaddress
from collections.abc import Sequence
from socket import AF_INET, AF_INET6, inet_pton

from msgspec import Struct

from minidns.dns.model import Name, Rdata
from minidns.dns.rdata import AAAA, A
from minidns.kubernetes.objects import Endpoint


class ParsedName(Struct, frozen=True):
    """The meaning of the labels below ``svc`` or ``pod``; a part may be empty."""

    tree: str
    """svc or pod."""
    namespace: str
    service: str = ""
    """Name of the Service; below ``pod`` the label of an address."""
    endpoint: str = ""
    cluster: str = ""
    """Cluster id before a ServiceImport (multicluster)."""
    port: str = ""
    protocol: str = ""
    directive: str = ""
    """pin or prefer, or the label in that place, which is an error (zonal)."""
    zone: str = ""
    """Topology zone (zonal)."""


def parse(
    labels: Sequence[str],
    *,
    multicluster: bool = False,
    zonal: bool = False,
    strict: bool = False,
) -> ParsedName | None:
    """Return the meaning of the ``labels`` left of a zone; None if there are too many.

    There are at least two labels, the last of which is ``svc`` or ``pod``. ``zonal`` is
    not for multicluster zones. With ``strict``, port and protocol need their
    underscores (DNS spec 2.3.2).

    >>> parse(["_http", "_tcp", "web", "prod", "svc"]).port
    'http'
    """
    count = len(labels)
    tree, namespace = labels[-1], labels[-2]
    if count == 3:
        return ParsedName(tree, namespace, labels[0])
    if count == 2:
        return ParsedName(tree, namespace)
    service = labels[-3]
    if count == 4:
        return ParsedName(tree, namespace, service, labels[0])
    if zonal and count > 5 and labels[-4] == "_zone" and tree == "svc":
        directive, zone = labels[-5], ".".join(labels[:-5])
        return ParsedName(tree, namespace, service, directive=directive, zone=zone)
    if count > 5:
        return None
    left, right = labels[0], labels[1]
    if multicluster and not left.startswith("_") and not right.startswith("_"):
        return ParsedName(tree, namespace, service, endpoint=left, cluster=right)
    port, protocol = left.removeprefix("_"), right.removeprefix("_")
    if strict and not (port and protocol and left[0] == right[0] == "_"):
        return None
    return ParsedName(tree, namespace, service, port=port, protocol=protocol)


_MAPPED = bytes(10) + b"\xff\xff"
"""The prefix of IPv4-mapped IPv6 addresses (RFC 4291 2.5.5.2)."""
_MAX_POD_NAME = 63

IN_ADDR, IP6 = ".in-addr.arpa.", ".ip6.arpa."


def record_of(host: str) -> tuple[int, Rdata] | None:
    """Return type and data of the address record for ``host``; None for a name.

    An IPv4 address written as IPv6 gives an A record (CoreDNS).
    """
    try:
        if ":" not in host:
            return A, inet_pton(AF_INET, host)
        packed = inet_pton(AF_INET6, host)
    except (OSError, ValueError):
        return None
    return (A, packed[12:]) if packed[:12] == _MAPPED else (AAAA, packed)


def dashed(address: str) -> str:
    """Return the label that stands for ``address`` where an endpoint has no hostname.

    >>> dashed("10.244.1.10"), dashed("fd00:1::")
    ('10-244-1-10', 'fd00-1--0')
    """
    if "." in address:
        return address.replace(".", "-")
    label = address.replace(":", "-")
    # a host name must not end in a dash (RFC 952)
    return label + "0" if label.endswith("-") else label


def endpoint_name(endpoint: Endpoint, pod_names: bool) -> str:
    """Return the label of ``endpoint`` below its Service (DNS spec 2.4.1)."""
    if endpoint.hostname:
        return endpoint.hostname
    if pod_names and 0 < len(endpoint.target) <= _MAX_POD_NAME:
        return endpoint.target
    return dashed(endpoint.address)


def pod_address(label: str) -> str:
    """Return the text of the address that a pod's label may stand for.

    >>> pod_address("10-0-0-1"), pod_address("fd00--1")
    ('10.0.0.1', 'fd00::1')
    """
    if label.count("-") == 3 and "--" not in label:
        return label.replace("-", ".")
    return label.replace("-", ":")


def is_reverse(name: Name) -> bool:
    """Return whether ``name`` is strictly below one of the two reverse trees."""
    return name.endswith((IN_ADDR, IP6))


def reversed_address(name: Name, *, strict: bool = False) -> str:
    """Return the address whose PTR stands at ``name``, in canonical text, else nothing.

    CoreDNS reads ip6.arpa names of 32 to 35 labels, and IPv4 addresses inside IPv6;
    with ``strict`` only what RFC 3596 2.5 defines is read.

    >>> reversed_address("10.0.96.10.in-addr.arpa.")
    '10.96.0.10'
    """
    if name.endswith(IN_ADDR):
        octets = name.removesuffix(IN_ADDR).split(".")
        address = ".".join(reversed(octets))
        return address if len(octets) == 4 and record_of(address) else ""
    nibbles = name.removesuffix(IP6).split(".")
    if not name.endswith(IP6) or not 32 <= len(nibbles) <= (32 if strict else 35):
        return ""
    digits = "".join(reversed(nibbles[-32:]))
    if len(digits) != 32 or set(digits) - set("0123456789abcdef"):
        return ""
    ipv6 = ipaddress.IPv6Address(int(digits, 16))
    return str(ipv6 if strict else ipv6.ipv4_mapped or ipv6)
