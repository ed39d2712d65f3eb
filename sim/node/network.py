"""The node's network: from an address of the cluster to a real one on loopback.

Nothing of 10.0.0.0/8 exists on this machine. A packet to a ClusterIP goes to the
endpoint that kube-proxy chooses; a packet to a pod goes to the loopback address that
stands for it, if the pod is a real process.
"""

import time
from collections.abc import Callable
from random import Random
from typing import TypeAlias

from minidns.dns.model import Address
from minidns.kubernetes import objects
from minidns.kubernetes.objects import EndpointSlice, Service

from ..api.objects import Json, dig
from ..api.server import ClusterApi
from .kube_proxy import Flow, Flows, endpoint_for, endpoints_of
from .over_sockets import Path

Socket: TypeAlias = tuple[Address, str]
"""An address of the cluster with UDP or TCP."""


class DataPlane:
    """Routes flows by the objects as they are; implements `over_sockets.Network`."""

    # limit: kube-proxy learns of changes a little later than they happen; here the
    # rules are those of the objects at the moment a packet is sent

    def __init__(
        self,
        cluster: ClusterApi,
        rng: Random,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.real: dict[Socket, Address] = {}
        """Where on loopback the sockets of pods and of the world outside are."""
        self._cluster = cluster
        self._rng = rng
        self._now = now
        self._flows = Flows()

    def route(self, flow: Flow) -> Path:
        """Return where a packet of ``flow`` goes now."""
        service = self._service(flow.server[0])
        if service is None:
            return Path(flow.server, self.real.get((flow.server, flow.protocol)))
        endpoint = self._endpoint(service, flow)
        if endpoint is None:
            return Path(None, None, refused=True)
        return Path(endpoint, self.real.get((endpoint, flow.protocol)))

    def replied(self, flow: Flow) -> None:
        """Note that a packet of ``flow`` came back."""
        self._flows.replied(flow, self._now())

    def _endpoint(self, service: Service, flow: Flow) -> Address | None:
        slices = self._slices(service)
        if flow.protocol != "UDP":
            return endpoint_for(service, slices, flow, self._rng)
        self._flows.clean(flow.server, endpoints_of(service, slices, flow))
        return self._flows.endpoint(
            flow, self._now(), lambda: endpoint_for(service, slices, flow, self._rng)
        )

    def _service(self, address: str) -> Service | None:
        """Return the Service that has the ClusterIP ``address``."""
        for obj in self._cluster.list("Service"):
            if address in (dig(obj, "spec.clusterIPs") or ()):
                return objects.service(objects.from_dict(obj))
        return None

    def _slices(self, service: Service) -> list[EndpointSlice]:
        namespace, name = service.key
        label = f"{objects.SERVICE_NAME}={name}"
        slices: list[Json] = self._cluster.list("EndpointSlice", namespace, label)
        return [objects.endpoint_slice(objects.from_dict(obj)) for obj in slices]
