"""Nodes: those a cluster begins with, and what is refused when one is written."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from ..api.addresses import NODE_RANGES, POD_RANGES, Addresses, nth
from ..api.objects import Json, dig
from ..api.status import Cause, wrong

CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110"}
SUBNET_SIZE = {"IPv4": 2**8, "IPv6": 2**64}
"""Addresses of each node: a /24 and a /64."""


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield what is wrong with a Node."""
    for index, cidr in enumerate(dig(obj, "spec.podCIDRs") or ()):
        try:
            ip_network(cidr)
        except ValueError as error:
            yield wrong(f"spec.podCIDRs[{index}]", cidr, str(error))


def node(name: str, place: int, families: Iterable[str]) -> Json:
    """Return the node at ``place``, which has its share of every address range."""
    cidrs = [_share(family, place) for family in families]
    ips = [nth(NODE_RANGES[family], place + 2) for family in families]
    addresses = [{"type": "InternalIP", "address": ip} for ip in ips]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {
            "addresses": [*addresses, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "nodeInfo": {"kubeletVersion": "v1.33.0"},
        },
    }


def _share(family: str, place: int) -> str:
    """Return the range of Pod addresses of the node at ``place``."""
    size = SUBNET_SIZE[family]
    whole = ip_network(POD_RANGES[family])
    prefix = whole.max_prefixlen - (size.bit_length() - 1)
    return f"{whole[place * size]}/{prefix}"
