"""A ClusterIP for a second DNS: inside the Service range, free, near the first's."""

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import chain, islice
from typing import TypeAlias

from minidns.kubernetes.documents import Documents, Json, Refused
from minidns.second_dns.kinds import SERVICE, SERVICE_CIDR, ref_of
from minidns.second_dns.refusal import Refusal

Network: TypeAlias = IPv4Network | IPv6Network

STEP = 10
"""From kube-dns's address to ours, if that is free: 10.96.0.10 to 10.96.0.20."""
LOOKED_AT = 4096
"""Addresses tried before giving up."""
BAND = 16, 256
"""The start of a range is given only to who asks for an address: at least so many,
at most so many, a 16th of it (Kubernetes, "Service ClusterIP allocation")."""
_RANGE = re.compile(r"range of valid IPs is ([0-9a-fA-F:.]+/\d+)")
_OUTSIDE = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Addresses for documentation, which no cluster has."""


def taken(services: Iterable[Json]) -> dict[str, str]:
    """Return who has which ClusterIP."""
    return {
        address: str(ref_of(service))
        for service in services
        for address in _addresses(service["spec"])
    }


def _addresses(spec: Json) -> list[str]:
    one = spec.get("clusterIP")
    given = spec.get("clusterIPs") or ([one] if one else [])
    return [address for address in given if address != "None"]


def check(address: str, used: Mapping[str, str], ranges: Iterable[Network]) -> str:
    """Return an address that somebody asks for, as the API server writes it.

    Raises:
        Refusal: it is no address, outside the ranges, or taken.

    """
    try:
        asked = ip_address(address)
    except ValueError:
        raise Refusal(f"--cluster-ip {address}: not an IP address") from None
    known = list(ranges)
    if known and not any(asked in each for each in known):
        said = ", ".join(map(str, known))
        raise Refusal(f"--cluster-ip {address}: outside the Service range ({said})")
    if owner := used.get(str(asked)):
        raise Refusal(f"--cluster-ip {address}: taken by {owner}")
    return str(asked)


def free(first: str, used: Mapping[str, str], ranges: Iterable[Network]) -> str:
    """Return a free address near ``first``, kube-dns's own.

    Raises:
        Refusal: none is, as far as one looks.

    """
    inside = [each for each in ranges if ip_address(first) in each]
    for address in islice(_near(first, inside), LOOKED_AT):
        if address not in used:
            return address
    raise Refusal(f"no free ClusterIP near {first}: say one with --cluster-ip")


def _near(first: str, inside: list[Network]) -> Iterator[str]:
    """Yield addresses after ``first``, the preferred one first.

    Not from behind the band for fixed addresses, if ``first`` is in it: of those the
    API server gives out any to anybody.
    """
    start = ip_address(first)
    if inside:
        last = int(inside[0][0]) + band(inside[0]) - 1
        if last < int(start):
            last = int(inside[0][-1]) - 1
    else:  # no range is known: as far as the smallest there is usually goes
        last = int(start) + BAND[0] * 2
    numbers = chain([int(start) + STEP], range(int(start) + 1, last + 1))
    for number in numbers:
        if number <= last:
            yield str(type(start)(number))


def band(network: Network) -> int:
    """Return how many addresses at the start of a range are for who asks for one.

    >>> band(ip_network("10.96.0.0/12")), band(ip_network("10.0.0.0/24"))
    (256, 16)
    """
    least, most = BAND
    return int(min(max(least, network.num_addresses // 16), most))


async def ranges(api: Documents, namespace: str, near: str) -> list[Network]:
    """Return the Service ranges of the cluster; none if nobody tells.

    Newer clusters have them as objects; else a Service is offered, as a dry run, with
    an address that cannot be good, for the sake of the refusal.
    """
    try:
        cidrs = await api.listed(SERVICE_CIDR.path(), lambda obj: obj["spec"]["cidrs"])
    except Refused:  # an older cluster, or not ours to see
        cidrs = []
    if cidrs:
        return [ip_network(cidr) for found in cidrs for cidr in found]
    offer = {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "metadata": {"generateName": "minidns-range-", "namespace": namespace},
        "spec": {
            "clusterIP": _OUTSIDE[ip_address(near).version],
            "ports": [{"port": 53, "protocol": "UDP"}],
        },
    }
    try:
        await api.create(SERVICE.path(namespace), offer, dry_run=True)
    except Refused as refused:
        return [ip_network(cidr) for cidr in _RANGE.findall(str(refused))]
    return []
