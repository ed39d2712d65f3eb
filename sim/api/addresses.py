"""Allocation of IP addresses to Services (one range) and Pods (the Pod CIDR)."""

from collections.abc import Iterable, Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .objects import Json, Key, dig, key_of
from .status import failure
from .store import Change

SERVICE_RANGES = {"IPv4": "10.96.0.0/16", "IPv6": "fd00:10:96::/112"}
POD_RANGES = {"IPv4": "10.244.0.0/16", "IPv6": "fd00:10:244::/56"}
NODE_RANGES = {"IPv4": "172.18.0.0/16", "IPv6": "fc00:f853:ccd:e793::/64"}
STATIC_BAND = 256
"""Addresses at the start of a Service range that are allocated only on request
(Kubernetes "Service ClusterIP allocation": min(max(16, size/16), 256))."""


def family_of(address: str) -> str:
    """Return IPv4 or IPv6, or an empty text if ``address`` is not an IP address.

    >>> [family_of(a) for a in ("192.0.2.1", "2001:db8::1", "None")]
    ['IPv4', 'IPv6', '']
    """
    try:
        return f"IPv{ip_address(address).version}"
    except ValueError:
        return ""


def address_error(text: str) -> str:
    """Return why ``text`` is not a valid address of the API; empty if it is one.

    >>> address_error("10.0.0.1"), address_error("010.0.0.1")
    ('', 'must not have leading 0s')
    """
    try:
        address = ip_address(text)
    except ValueError:
        octets = text.split(".")
        if len(octets) == 4 and all(o.isdecimal() and int(o) < 256 for o in octets):
            return "must not have leading 0s"
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return "must not be an IPv4-mapped IPv6 address"
    return ""


@cache
def _network(cidr: str) -> IPv4Network | IPv6Network:
    """Return the parsed range."""
    return ip_network(cidr)


def nth(cidr: str, offset: int) -> str:
    """Return the address at ``offset`` in a range.

    >>> nth("10.96.0.0/16", 10)
    '10.96.0.10'
    """
    return str(_network(cidr)[offset])


class Pool:
    """Allocates the addresses of a range in order, from a start offset."""

    def __init__(self, cidr: str, start: int, taken: Mapping[str, Key]) -> None:
        self.network = ip_network(cidr)
        self._next = start
        self._offer = ""
        self._taken = taken

    def free(self) -> str:
        """Return the next free address; it stays free until an object has it.

        Raises:
            ApiError: the range is full (500).

        """
        for _ in range(self.network.num_addresses):
            self._offer = str(self.network[self._next % self.network.num_addresses])
            if self._offer not in self._taken:
                return self._offer
            self._step()
        raise failure(500, f"Internal error occurred: range {self.network} is full")

    def skip_taken(self, address: str) -> None:
        """Advance if ``address`` is the next one to be allocated.

        A released address is therefore allocated again only after all others: clients
        may have cached its owner.
        """
        if address == self._offer:
            self._step()

    def _step(self) -> None:
        """Advance to the next address; the first follows the last."""
        self._next = (self._next + 1) % self.network.num_addresses or 1

    def __contains__(self, address: str) -> bool:
        return ip_address(address) in self.network


class Addresses:
    """The addresses in use, according to the stored objects."""

    def __init__(self, families: Iterable[str]) -> None:
        self.families = tuple(families)
        self.services: dict[str, Key] = {}
        """The Service of each cluster IP in use."""
        self.pods: dict[str, Key] = {}
        """The Pod of each Pod IP in use."""
        self.service_pools = {
            family: Pool(SERVICE_RANGES[family], STATIC_BAND, self.services)
            for family in self.families
        }
        self._pod_pools: dict[str, Pool] = {}

    def pod_pool(self, pod_cidr: str) -> Pool:
        """Return the pool of the node with ``pod_cidr``.

        A full pool continues in the next node's range: this simulation does not limit
        the number of Pods of a node.
        """
        if pod_cidr not in self._pod_pools:
            network = ip_network(pod_cidr)
            whole = ip_network(POD_RANGES[f"IPv{network.version}"])
            start = int(network[0]) - int(whole[0]) + 2
            if network[0] not in whole:  # a Pod CIDR outside of the cluster's range
                whole, start = network, 2
            self._pod_pools[pod_cidr] = Pool(str(whole), start, self.pods)
        return self._pod_pools[pod_cidr]

    def observe(self, change: Change) -> None:
        """Record the addresses that a change allocates or releases."""
        if change.kind.name not in _ADDRESSES_OF:
            return
        used = _ADDRESSES_OF[change.kind.name]
        taken = self.services if change.kind.name == "Service" else self.pods
        owner = key_of(change.obj)
        for address in used(change.previous) if change.previous else ():
            if taken.get(address) == owner:
                del taken[address]
        if change.type != "DELETED":
            for address in used(change.obj):
                taken.setdefault(address, owner)
                for pool in (*self.service_pools.values(), *self._pod_pools.values()):
                    pool.skip_taken(address)


def _cluster_ips(service: Json) -> list[str]:
    """Return the addresses of a Service."""
    return [a for a in dig(service, "spec.clusterIPs") or () if a and a != "None"]


def _pod_ips(pod: Json) -> list[str]:
    """Return the Pod IPs; none with hostNetwork, where they are the node's."""
    if dig(pod, "spec.hostNetwork"):
        return []
    return [entry.get("ip", "") for entry in dig(pod, "status.podIPs") or ()]


_ADDRESSES_OF = {"Service": _cluster_ips, "Pod": _pod_ips}
