"""The node's network: maps an address of the cluster to a real one on loopback.

A packet to a ClusterIP goes to the endpoint that kube-proxy selects, a packet to a pod
to the loopback address of its process.
"""

import time
from collections import deque
from collections.abc import Callable
from random import Random
from typing import TypeAlias

from minidns.dns.model import Address
from minidns.kubernetes.objects import SERVICE_NAME

from ..api.kinds import named
from ..api.objects import Json, dig, key_of, labels_of
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
    endpoints_of,
    has_endpoints,
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
        """The endpoints of Service ports when their entries were last checked."""
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
            slices = self._slices(service)
            return DROPPED if has_endpoints(service, slices, flow) else REFUSED
        return Path(endpoint, self.real_of(endpoint, flow.protocol))

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
        elif not self.faults.keeps_stale:
            self._delete_stale(flow.server, self._endpoints(service, flow))
        return self.conntrack.endpoint(
            flow, self._now(), lambda: self._choose(service, flow)
        )

    def _delete_stale(self, server: Address, endpoints: tuple[Address, ...]) -> None:
        """Delete the entries of gone endpoints, once after every change."""
        if self._alive.get(server) != endpoints:
            self._alive[server] = endpoints
            self.conntrack.delete(server, endpoints)

    def _choose(self, service: Json, flow: Flow) -> Address | None:
        endpoints = self._endpoints(service, flow)
        return self._affinity.choose(service, flow, endpoints, self._now(), self._rng)

    def _endpoints(self, service: Json, flow: Flow) -> tuple[Address, ...]:
        slices = self._slices(service)
        if dig(service, "spec.internalTrafficPolicy") != "Local" and not any(
            end.get("hints") for slice_ in slices for end in slice_["endpoints"]
        ):
            return endpoints_of(service, slices, flow)
        return endpoints_of(service, slices, flow, self._node(flow.client[0]))

    def _slices(self, service: Json) -> list[Json]:
        namespace, name = key_of(service)
        return [
            slice_
            for slice_ in self._view("EndpointSlice").within(namespace)
            if labels_of(slice_).get(SERVICE_NAME) == name
        ]

    def _node(self, address: str) -> NodePlace:
        """Return the node of the pod with ``address``."""
        for pod in self._cluster.list("Pod", fields=f"status.podIP={address}"):
            name = dig(pod, "spec.nodeName") or ""
            node = self._cluster.find("Node", "", name)
            return NodePlace(name, labels_of(node).get(ZONE, "") if node else "")
        return NodePlace()

    def _service(self, address: str) -> Json | None:
        """Return the Service with the ClusterIP ``address``."""
        for service in self._view("Service").within():
            if address in (dig(service, "spec.clusterIPs") or ()):
                return service
        return None

    def _view(self, kind: str) -> View:
        """Return the objects that kube-proxy's rules are made of."""
        collection = self._cluster.store[named(kind)]
        visible = self._now() - self.faults.lag_s
        while len(self._versions) > 1 and self._versions[1][0] <= visible:
            self._versions.popleft()
        if len(self._versions) == 1:
            return collection.now()
        try:
            return collection.at(self._versions[0][1])
        except ApiError:  # the change log does not reach back that far
            return collection.now()
