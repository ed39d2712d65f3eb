"""What kube-proxy and the kernel make of a packet to a ClusterIP.

Which endpoint a new flow gets is chosen by chance among the ready ones; the packets
after the first go where the first went, because the kernel remembers the flow, not
because anybody chooses again (kube-proxy; Linux conntrack).
"""

import ipaddress
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import NamedTuple

from minidns.dns.model import Address
from minidns.kubernetes.objects import EndpointSlice, Port, Service


class Flow(NamedTuple):
    """What makes packets one conversation, as the client sees it."""

    client: Address
    server: Address
    """A ClusterIP and a port of its Service, or any other address."""
    protocol: str = "UDP"
    """UDP or TCP"""

    def __str__(self) -> str:
        return f"{_text(self.client)} -> {_text(self.server)}/{self.protocol}"


def _text(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def endpoints_of(
    service: Service, slices: Iterable[EndpointSlice], flow: Flow
) -> tuple[Address, ...]:
    """Return the endpoints a flow to ``service`` may get, sorted, each once.

    A Service port meets a slice port of the same name and protocol; its number in the
    slice is the target port. Only ready endpoints of the flow's address family count.
    An endpoint in two slices is one endpoint (EndpointSlice, duplicate endpoints).
    """
    # limit: when all endpoints are terminating, kube-proxy falls back to those that
    # still serve; the condition is not among the fields DNS reads
    port = _service_port(service, flow)
    if port is None:
        return ()
    family = _family(flow.server[0])
    endpoints = {
        (end.address, number)
        for slice_ in slices
        if slice_.service == service.key
        for number in _target_ports(slice_, port)
        for end in slice_.endpoints
        if end.ready and _family(end.address) == family
    }
    return tuple(sorted(endpoints))


def endpoint_for(
    service: Service, slices: Iterable[EndpointSlice], flow: Flow, rng: Random
) -> Address | None:
    """Return the endpoint that a new ``flow`` is sent to, each with the same chance.

    None: there is no ready one, or no such port; the node answers with ICMP "port
    unreachable" then (kube-proxy's reject rules).
    """
    endpoints = endpoints_of(service, slices, flow)
    return rng.choice(endpoints) if endpoints else None


def _service_port(service: Service, flow: Flow) -> Port | None:
    key = (flow.protocol, flow.server[1])
    ports = (p for p in service.ports if (p.protocol, p.number) == key)
    return next(ports, None)


def _target_ports(slice_: EndpointSlice, port: Port) -> Iterable[int]:
    return (
        p.number
        for p in slice_.ports
        if p.name == port.name and p.protocol == port.protocol and p.number > 0
    )


def _family(address: str) -> int:
    """Return 4 or 6; 0 for the host name of an FQDN slice, which nothing goes to."""
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


class Flows:
    """The kernel's table of UDP flows to Services; keeps each on its endpoint."""

    UNREPLIED_S = 30.0
    """Seconds without a packet after which an unanswered flow is forgotten."""
    REPLIED_S = 120.0
    """The same once there were packets both ways (nf_conntrack_udp_timeout_stream)."""

    def __init__(self) -> None:
        self._entries: dict[Flow, _Entry] = {}

    def endpoint(
        self, flow: Flow, now: float, choose: Callable[[], Address | None]
    ) -> Address | None:
        """Return where a packet of ``flow`` goes; ``choose`` decides for a new flow."""
        entry = self._entries.get(flow)
        if entry is None or entry.until <= now:
            endpoint = choose()
            if endpoint is None:
                return None
            entry = _Entry(endpoint, False, 0.0)
        self._entries[flow] = entry.seen(now)
        return entry.endpoint

    def replied(self, flow: Flow, now: float) -> None:
        """Note that a packet of ``flow`` came back."""
        if entry := self._entries.get(flow):
            self._entries[flow] = entry._replace(replied=True).seen(now)

    def clean(self, server: Address, alive: Collection[Address]) -> int:
        """Forget the flows to ``server`` whose endpoint is not among ``alive``.

        What kube-proxy does when endpoints of a UDP port go; without it, a client that
        keeps its source port keeps talking to a dead pod. Return how many there were.
        """
        stale = [
            flow
            for flow, entry in self._entries.items()
            if flow.server == server and entry.endpoint not in alive
        ]
        for flow in stale:
            del self._entries[flow]
        return len(stale)


class _Entry(NamedTuple):
    endpoint: Address
    replied: bool
    until: float

    def seen(self, now: float) -> "_Entry":
        keep_s = Flows.REPLIED_S if self.replied else Flows.UNREPLIED_S
        return self._replace(until=now + keep_s)
