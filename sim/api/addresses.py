"""Addresses given out: to Services from one range, to Pods from their node's."""

from collections.abc import Iterable, Mapping
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from .objects import Json, Key, dig, key_of
from .status import failure
from .store import Change

SERVICE_RANGES = {"IPv4": "10.96.0.0/16", "IPv6": "fd00:10:96::/112"}
POD_RANGES = {"IPv4": "10.244.0.0/16", "IPv6": "fd00:10:244::/56"}
NODE_RANGES = {"IPv4": "172.18.0.0/16", "IPv6": "fc00:f853:ccd:e793::/64"}
STATIC_BAND = 256
"""Addresses at the start of a Service range that are given only to who asks for one
(Kubernetes "Service ClusterIP allocation": min(max(16, size/16), 256))."""


def family_of(address: str) -> str:
    """Return IPv4 or IPv6; empty for what is no address.

    >>> [family_of(a) for a in ("192.0.2.1", "2001:db8::1", "None")]
    ['IPv4', 'IPv6', '']
    """
    try:
        return f"IPv{ip_address(address).version}"
    except ValueError:
        return ""


@cache
def _network(cidr: str) -> IPv4Network | IPv6Network:
    """Return a range, read once."""
    return ip_network(cidr)


def nth(cidr: str, offset: int) -> str:
    """Return the address ``offset`` places into a range.

    >>> nth("10.96.0.0/16", 10)
    '10.96.0.10'
    """
    return str(_network(cidr)[offset])


class Pool:
    """Free addresses of a range, in order, beginning at some place in it."""

    def __init__(self, cidr: str, start: int, taken: Mapping[str, Key]) -> None:
        self.network = ip_network(cidr)
        self._next = start
        self._offer = ""
        self._taken = taken

    def free(self) -> str:
        """Return the next free address, which stays free until it is used.

        Raises:
            ApiError: there is none left (500).

        """
        for _ in range(self.network.num_addresses):
            self._offer = str(self.network[self._next % self.network.num_addresses])
            if self._offer not in self._taken:
                return self._offer
            self._step()
        raise failure(500, f"Internal error occurred: range {self.network} is full")

    def pass_by(self, address: str) -> None:
        """Offer another address next if this one was taken.

        So an address that is given back is the last to be given out again, as clients
        may remember whose it was.
        """
        if address == self._offer:
            self._step()

    def _step(self) -> None:
        """Go on to the next address; after the last comes the first."""
        self._next = (self._next + 1) % self.network.num_addresses or 1

    def __contains__(self, address: str) -> bool:
        return ip_address(address) in self.network


class Addresses:
    """Which addresses are in use, as far as objects say so."""

    def __init__(self, families: Iterable[str]) -> None:
        self.families = tuple(families)
        self.services: dict[str, Key] = {}
        """Cluster IPs in use, with the Service that has each."""
        self.pods: dict[str, Key] = {}
        """Pod IPs in use, with the Pod that has each."""
        self.service_pools = {
            family: Pool(SERVICE_RANGES[family], STATIC_BAND, self.services)
            for family in self.families
        }
        self._pod_pools: dict[str, Pool] = {}

    def pod_pool(self, pod_cidr: str) -> Pool:
        """Return the addresses for Pods of the node that has ``pod_cidr``.

        A node that runs out goes on into its neighbors' ranges: more Pods than fit a
        node are none of this simulation's business.
        """
        if pod_cidr not in self._pod_pools:
            network = ip_network(pod_cidr)
            whole = ip_network(POD_RANGES[f"IPv{network.version}"])
            start = int(network[0]) - int(whole[0]) + 2
            if network[0] not in whole:  # a node from elsewhere
                whole, start = network, 2
            self._pod_pools[pod_cidr] = Pool(str(whole), start, self.pods)
        return self._pod_pools[pod_cidr]

    def see(self, change: Change) -> None:
        """Take note of the addresses that an object has got or given back."""
        if change.kind.name not in _IN_USE:
            return
        used = _IN_USE[change.kind.name]
        taken = self.services if change.kind.name == "Service" else self.pods
        owner = key_of(change.obj)
        for address in used(change.previous) if change.previous else ():
            if taken.get(address) == owner:
                del taken[address]
        if change.type != "DELETED":
            for address in used(change.obj):
                taken.setdefault(address, owner)
                for pool in (*self.service_pools.values(), *self._pod_pools.values()):
                    pool.pass_by(address)


def _cluster_ips(service: Json) -> list[str]:
    """Return the addresses of a Service."""
    return [a for a in dig(service, "spec.clusterIPs") or () if a and a != "None"]


def _pod_ips(pod: Json) -> list[str]:
    """Return the addresses of a Pod that are its own, not its node's."""
    if dig(pod, "spec.hostNetwork"):
        return []
    return [entry.get("ip", "") for entry in dig(pod, "status.podIPs") or ()]


_IN_USE = {"Service": _cluster_ips, "Pod": _pod_ips}
