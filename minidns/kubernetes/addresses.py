"""Converts addresses as Kubernetes writes them to record data, labels and names.

Addresses are compared as text throughout, as CoreDNS does: another spelling of an IPv6
address is another address.
"""

import ipaddress
from socket import AF_INET, AF_INET6, inet_pton

from minidns.dns.model import Name, Rdata
from minidns.dns.rdata import AAAA, A
from minidns.kubernetes.objects import Endpoint

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
    found = ipaddress.IPv6Address(int(digits, 16))
    return str(found if strict else found.ipv4_mapped or found)
