"""The node's network: maps an address of the cluster to a real one on loopback.

A packet to a ClusterIP goes to the endpoint that kube-proxy selects, a packet to a pod
to the loopback address of its process.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import NamedTuple, TypeAlias

from minidns.dns.model import Address
from minidns.kubernetes.objects import SERVICE_NAME

from ..api.kinds import named
from ..api.objects import Json, Key, dig, key_of, labels_of
from ..api.server import ClusterApi
from ..api.status import ApiError
from ..api.store import Change, View
from ..controllers.slices import ZONE
from .kube_proxy import (
    Affinity,
    Conntrack,
    Flow,
    NodePlace,
    TableFullError,
    all_endpoints,
    endpoints_of,
)
from .over_sockets import Path
from .proxy_faults import ProxyFaults

Socket: TypeAlias = tuple[Address, str]
"""An address of the cluster with UDP or TCP."""
DROPPED = Path(None, None)
REFUSED = Path(None, None, refused=True)


class DataPlane:
    """Routes flows by the objects of the cluster; implements `over_sockets.Network`."""

    def __init__(
        self,
        cluster: ClusterApi,
        rng: Random,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.real: dict[Socket, Address] = {}
        """Loopback addresses of the sockets of pods and of the external resolver."""
        self.conntrack = Conntrack()
        self.faults = ProxyFaults(self.conntrack)
        self._cluster = cluster
        self._rng = rng
        self._now = now
        self._affinity = Affinity()
        self._alive: dict[Address, tuple[Address, ...]] = {}
        """The endpoints by Service address whose conntrack entries may exist."""
        self._made = _Rules(-1, {}, {}, {})
        self._versions = deque([(float("-inf"), cluster.version)])
        """Times and versions of the changes that lagging rules may not show yet."""
        cluster.subscribe(self._on_change)

    def route(self, flow: Flow) -> Path:
        """Return the current path of a packet of ``flow``."""
        service = self._service(flow.server[0])
        if service is None:
            return Path(flow.server, self.real_of(flow.server, flow.protocol))
        try:
            endpoint = self._endpoint(service, flow)
        except TableFullError:
            return DROPPED
        if endpoint is None:
            return DROPPED if self._all_endpoints(service, flow) else REFUSED
        return Path(endpoint, self.real_of(endpoint, flow.protocol))

    def client_of(self, flow: Flow) -> Address:
        """Return the client of ``flow`` as its server sees it."""
        if self.faults.masquerades and self._service(flow.server[0]) is not None:
            for pod in self._cluster.list("Pod"):
                if dig(pod, "status.podIP") == flow.client[0]:
                    return str(dig(pod, "status.hostIP")), flow.client[1]
        return flow.client

    def service_of(self, address: str) -> Key | None:
        """Return the key of the Service with a ClusterIP, or None."""
        service = self._service(address)
        return None if service is None else key_of(service)

    def candidates(self, flow: Flow) -> tuple[Address, ...]:
        """Return the endpoints that a new flow to a Service could get."""
        service = self._service(flow.server[0])
        return () if service is None else self._endpoints(service, flow)

    def real_of(self, endpoint: Address, protocol: str) -> Address | None:
        """Return the loopback address of a socket of the cluster, or None."""
        return self.real.get((endpoint, protocol))

    def race(self, flow: Flow, first: Path) -> Path:
        """Return the path of a packet sent together with the first of its flow."""
        service = self._service(flow.server[0])
        if service is None or first.endpoint is None or flow.protocol != "UDP":
            return first
        rate = self.faults.race_rate
        if not rate or self._rng.random() >= rate:  # without a race nothing is drawn
            return first
        return first if self._choose(service, flow) == first.endpoint else DROPPED

    def replied(self, flow: Flow) -> None:
        """Record a reply packet of ``flow``."""
        self.conntrack.replied(flow, self._now())

    def _on_change(self, change: Change) -> None:
        if change.kind.name in ("Service", "EndpointSlice"):
            self._versions.append((self._now(), change.version))

    def _endpoint(self, service: Json, flow: Flow) -> Address | None:
        if flow.protocol == "TCP":  # a route is that of a connection's first packet
            self.conntrack.forget(flow)
        elif self.faults.keeps_stale:
            self._alive.clear()
        else:
            self._delete_stale(service, flow)
        return self.conntrack.endpoint(
            flow, self._now(), lambda: self._choose(service, flow)
        )

    def _delete_stale(self, service: Json, flow: Flow) -> None:
        """Delete the entries of endpoints that are gone since the last packet."""
        alive = self._all_endpoints(service, flow)
        if self._alive.get(flow.server) != alive:
            self._alive[flow.server] = alive
            self.conntrack.delete(flow.server, alive)

    def _all_endpoints(self, service: Json, flow: Flow) -> tuple[Address, ...]:
        known, key = self._rules().known, (flow.server, flow.protocol, "all")
        if key not in known:
            known[key] = all_endpoints(service, self._slices(service), flow)
        return known[key]

    def _choose(self, service: Json, flow: Flow) -> Address | None:
        endpoints = self._endpoints(service, flow)
        return self._affinity.choose(service, flow, endpoints, self._now(), self._rng)

    def _endpoints(self, service: Json, flow: Flow) -> tuple[Address, ...]:
        known, key = self._rules().known, (flow.server, flow.protocol, "usable")
        if key in known:
            return known[key]
        slices = self._slices(service)
        if dig(service, "spec.internalTrafficPolicy") == "Local" or any(
            end.get("hints") for slice_ in slices for end in slice_["endpoints"]
        ):  # they depend on the client's node
            return endpoints_of(service, slices, flow, self._node(flow.client[0]))
        known[key] = endpoints_of(service, slices, flow)
        return known[key]

    def _slices(self, service: Json) -> list[Json]:
        return self._rules().slices.get(key_of(service), [])

    def _node(self, address: str) -> NodePlace:
        """Return the node of the pod with ``address``."""
        for pod in self._cluster.list("Pod", fields=f"status.podIP={address}"):
            name = dig(pod, "spec.nodeName") or ""
            node = self._cluster.find("Node", "", name)
            return NodePlace(name, labels_of(node).get(ZONE, "") if node else "")
        return NodePlace()

    def _service(self, address: str) -> Json | None:
        """Return the Service with the ClusterIP ``address``."""
        return self._rules().services.get(address)

    def _rules(self) -> "_Rules":
        """Return the rules that kube-proxy has made of the objects."""
        if len(self._versions) == 1 and self._made.version == self._cluster.version:
            return self._made  # nothing has changed since
        visible = self._now() - self.faults.lag_s
        while len(self._versions) > 1 and self._versions[1][0] <= visible:
            self._versions.popleft()
        lags = len(self._versions) > 1
        version = self._versions[0][1] if lags else self._cluster.version
        if self._made.version != version:
            services, slices = (
                self._view(kind, version if lags else None).within()
                for kind in ("Service", "EndpointSlice")
            )
            self._made = _rules_of(version, services, slices)
        return self._made

    def _view(self, kind: str, version: int | None) -> View:
        """Return the objects at a version, or the current ones."""
        collection = self._cluster.store[named(kind)]
        try:
            return collection.now() if version is None else collection.at(version)
        except ApiError:  # the change log does not reach back that far
            return collection.now()


class _Rules(NamedTuple):
    """What kube-proxy knows at a version of the objects."""

    version: int
    services: dict[str, Json]
    """Services by ClusterIP."""
    slices: dict[Key, list[Json]]
    """EndpointSlices by the key of their Service."""
    known: dict[tuple[Address, str, str], tuple[Address, ...]]
    """The endpoints that were looked up: by ClusterIP and port, protocol, and which."""


def _rules_of(version: int, services: Iterable[Json], slices: Iterable[Json]) -> _Rules:
    rules = _Rules(version, {}, {}, {})
    for service in services:
        for address in dig(service, "spec.clusterIPs") or ():
            if address != "None":
                rules.services[address] = service
    for slice_ in slices:
        key = key_of(slice_)[0], labels_of(slice_).get(SERVICE_NAME, "")
        rules.slices.setdefault(key, []).append(slice_)
    return rules
