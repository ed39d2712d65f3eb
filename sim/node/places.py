"""The names of addresses: which pods, nodes and Services the faults of links name."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..api.objects import Json, dig, key_of, labels_of
from ..api.server import ClusterApi
from . import kube_system
from .fault_words import Names
from .faults import (
    API,
    DNS,
    GENERAL_NAMES,
    OUTSIDE,
    PODS,
    SERVICES,
    Fault,
    Place,
    crosses,
)
from .runtime import is_process

API_SERVER = Place(frozenset((API,)))


@dataclass(slots=True)
class Places:
    """Maps addresses to places and names to addresses, by the objects of a cluster."""

    cluster: ClusterApi
    _version: int = -1
    _places: dict[str, Place] = field(default_factory=dict)
    _services: frozenset[str] = frozenset()
    _behind: dict[tuple[str, str], Place] = field(default_factory=dict)
    """The places of endpoints by address and ClusterIP."""

    def of(self, address: str) -> Place:
        """Return the place of an address, also of an unknown one."""
        return self._all().get(address) or Place(frozenset((address,)))

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of the places with a name, sorted."""
        places = self._all().items()
        return sorted(address for address, place in places if name in place.names)

    def names(self) -> Names:
        """Return all names of link ends and servers."""
        places = self._all().values()
        nodes = {place.node for place in places} - {""}
        ends = {*GENERAL_NAMES, *nodes, *self.services()}
        pods = [place.names for place in places if DNS in place.names]
        outside = [place.names for place in places if OUTSIDE in place.names]
        return Names(
            ends.union(*(place.names for place in places)),
            set[str]().union(*pods, *outside),
            set[str]().union(*pods),
        )

    def check_link(self, fault: Fault) -> None:
        """Check that DNS messages or watches can cross the link of a fault.

        Raises:
            ValueError: none can.

        """
        first, last = fault.ends
        ends = [(first, last), (last, first)][: 1 + fault.both_ways]
        if first and not any(
            crosses(*way, *link) for way in self._ways() for link in ends
        ):
            raise ValueError(f"no message crosses a link from {first} to {last}")

    def _ways(self) -> Iterator[tuple[Place, Place]]:
        """Yield the places between which messages can go, in both directions."""
        places = self._all().values()
        addresses = self.services() | {SERVICES}
        for server in places:
            if server.names.isdisjoint((DNS, OUTSIDE)):
                continue
            behind = server._replace(names=server.names | addresses)
            for client in places:
                if OUTSIDE not in client.names:
                    yield client, behind
                    yield behind, client
            if DNS in server.names:
                yield server, API_SERVER
                yield API_SERVER, server

    def services(self) -> frozenset[str]:
        """Return the ClusterIPs of all Services."""
        self._all()
        return self._services

    def behind(self, address: str, service: str) -> Place:
        """Return the place of an endpoint whose packets go to ``service``.

        ``service`` may be any address; a ClusterIP is a name of the place then.
        """
        if service == address or service not in self.services():
            return self.of(address)
        if (place := self._behind.get((address, service))) is None:
            place = self.of(address)
            place = place._replace(names=place.names | {service, SERVICES})
            self._behind[address, service] = place
        return place

    def _all(self) -> dict[str, Place]:
        if self._version != self.cluster.version:
            self._version = self.cluster.version
            self._behind.clear()
            outside = kube_system.OUTSIDE_DNS
            self._places = {outside: Place(frozenset((OUTSIDE, outside)))}
            self._services = frozenset(
                address
                for service in self.cluster.list("Service")
                for address in dig(service, "spec.clusterIPs") or ()
                if address != "None"
            )
            for pod in self.cluster.list("Pod"):
                address = str(dig(pod, "status.podIP") or "")
                if address:
                    self._places[address] = _place(pod, address)
        return self._places


def _place(pod: Json, address: str) -> Place:
    namespace, name = key_of(pod)
    names = {f"{namespace}/{name}", address}
    if namespace == "default":
        names.add(name)
    if is_process(pod):
        # the Service selects the pod by this label
        names |= {DNS, labels_of(pod).get("k8s-app", DNS)}
    else:
        names.add(PODS)
    return Place(frozenset(names), dig(pod, "spec.nodeName") or "")
