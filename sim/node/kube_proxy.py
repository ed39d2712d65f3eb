"""kube-proxy and the kernel's connection tracking: the endpoint of a packet.

Theory of operation: kube-proxy in its iptables and nftables modes selects a random
endpoint for the first packet of a flow; the kernel's conntrack table keeps later
packets of the flow on that endpoint until the entry times out. kube-proxy deletes the
entries of UDP flows whose endpoint has gone. Sources: kubernetes pkg/proxy/topology.go
(CategorizeEndpoints), pkg/proxy/conntrack; Linux net/netfilter/nf_conntrack_core.c and
nf_conntrack_proto_udp.c.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple

from minidns.dns.model import Address

from ..api.objects import Json, dig

AFFINITY_S = 10800
"""Default of sessionAffinityConfig.clientIP.timeoutSeconds."""


class Flow(NamedTuple):
    """The packets between a client's socket and a server."""

    client: Address
    server: Address
    """A ClusterIP and a port of its Service, or any other address."""
    protocol: str = "UDP"
    """UDP or TCP"""

    def __str__(self) -> str:
        return _flow_text(self)


@lru_cache(maxsize=1024)
def _flow_text(flow: Flow) -> str:
    return f"{_text(flow.client)} -> {_text(flow.server)}/{flow.protocol}"


def _text(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class NodePlace(NamedTuple):
    """The node of a client and its zone; empty if unknown."""

    name: str = ""
    zone: str = ""


NOWHERE = NodePlace()


class Endpoint(NamedTuple):
    """An endpoint of a Service port, as kube-proxy sees it."""

    address: Address
    is_ready: bool
    is_serving: bool
    is_terminating: bool
    node: str
    node_hints: frozenset[str]
    zone_hints: frozenset[str]


def endpoints_of(
    service: Json, slices: Iterable[Json], flow: Flow, node: NodePlace = NOWHERE
) -> tuple[Address, ...]:
    """Return the endpoints for a new ``flow`` from ``node``, sorted.

    Ready endpoints are used; if there are none, those that are terminating and still
    serve. With internalTrafficPolicy Local only those of the client's node count,
    otherwise the topology hints for that node or its zone apply, if every endpoint has
    them (topology.go). An endpoint in two slices is one endpoint.
    """
    found = {end.address: end for end in _endpoints(service, slices, flow)}.values()
    if dig(service, "spec.internalTrafficPolicy") == "Local":
        local = [end for end in found if end.node and end.node == node.name]
        return _addresses(_usable(local))
    if any(end.is_ready for end in found):
        return _addresses(_preferred(_usable(found), node))
    return _addresses(_usable(found))


def all_endpoints(
    service: Json, slices: Iterable[Json], flow: Flow
) -> tuple[Address, ...]:
    """Return the usable endpoints of all nodes, sorted.

    Without one kube-proxy rejects packets; if only the client's node has none, with
    internalTrafficPolicy Local, it drops them (pkg/proxy/iptables/proxier.go).
    """
    return _addresses(_usable(list(_endpoints(service, slices, flow))))


def _addresses(endpoints: Iterable[Endpoint]) -> tuple[Address, ...]:
    return tuple(sorted(end.address for end in endpoints))


def _usable(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Return the ready endpoints, else the terminating ones that serve."""
    ready = [end for end in endpoints if end.is_ready]
    return ready or [end for end in endpoints if end.is_serving and end.is_terminating]


def _preferred(ready: list[Endpoint], node: NodePlace) -> list[Endpoint]:
    """Return the endpoints with a hint for the node or its zone, else all."""
    if all(end.node_hints for end in ready):
        near = [end for end in ready if node.name in end.node_hints]
        if near:
            return near
    if node.zone and all(end.zone_hints for end in ready):
        return [end for end in ready if node.zone in end.zone_hints] or ready
    return ready


def _endpoints(service: Json, slices: Iterable[Json], flow: Flow) -> Iterator[Endpoint]:
    """Yield the endpoints of the flow's Service port and address family.

    A Service port matches the slice port of the same name and protocol, whose number is
    the target port.
    """
    wanted = (flow.protocol, flow.server[1])
    ports = dig(service, "spec.ports") or ()
    names = [p.get("name", "") for p in ports if (p["protocol"], p["port"]) == wanted]
    family = "IPv6" if ":" in flow.server[0] else "IPv4"
    for slice_ in slices:
        if slice_.get("addressType") != family:
            continue
        for port in slice_.get("ports") or ():
            key = port.get("name", ""), port.get("protocol", "TCP")
            if port.get("port") and key in [(name, flow.protocol) for name in names]:
                for end in slice_.get("endpoints") or ():
                    yield from _of_entry(end, port["port"])


def _of_entry(entry: Json, port: int) -> Iterator[Endpoint]:
    """Yield the endpoints of an entry; kube-proxy uses its first address only."""
    conditions: dict[str, Any] = entry.get("conditions") or {}
    ready = conditions.get("ready") is not False  # absent means true (API reference)
    serving, hints = conditions.get("serving"), entry.get("hints") or {}
    for address in (entry.get("addresses") or ())[:1]:
        yield Endpoint(
            (address, port),
            ready,
            ready if serving is None else bool(serving),
            bool(conditions.get("terminating")),
            entry.get("nodeName", ""),
            frozenset(hint["name"] for hint in hints.get("forNodes") or ()),
            frozenset(hint["name"] for hint in hints.get("forZones") or ()),
        )


class Affinity:
    """The session affinity of clients to endpoints (sessionAffinity ClientIP)."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, Address, str], tuple[Address, float]] = {}

    def choose(
        self,
        service: Json,
        flow: Flow,
        endpoints: Collection[Address],
        now: float,
        rng: Random,
    ) -> Address | None:
        """Return the endpoint of a new flow, or None without endpoints.

        A client keeps its endpoint if its last new flow is not older than the time-out
        of the Service and the endpoint is still usable.
        """
        if not endpoints:
            return None
        if dig(service, "spec.sessionAffinity") != "ClientIP":
            return rng.choice(sorted(endpoints))
        path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        key = flow.client[0], flow.server, flow.protocol
        last, at = self._last.get(key, (None, 0.0))
        expired = now - at >= (dig(service, path) or AFFINITY_S)
        if last is None or last not in endpoints or expired:
            last = rng.choice(sorted(endpoints))
        self._last[key] = last, now
        return last


@dataclass(slots=True)
class Conntrack:
    """The kernel's table of flows to Services.

    A TCP connection of the simulation carries its queries and is closed, so its entry
    has the time-out of a half-open or closed connection, and can be dropped early.
    """

    UNREPLIED_S = 30.0
    """Time-out of an entry (nf_conntrack_udp_timeout)."""
    STREAM_S = 120.0
    """Time-out of a stream (nf_conntrack_udp_timeout_stream)."""
    TCP_S = 120.0
    """Time-out of a TCP connection that opens or has been closed (syn_sent, time_wait
    of nf_conntrack_proto_tcp.c)."""
    STREAM_AFTER_S = 2.0
    """Age from which a flow with packets in both directions is a stream."""

    max_entries: int = 1 << 18
    """Size of the table (nf_conntrack_max)."""
    dropped: int = 0
    """Packets that were dropped because the table was full."""
    _entries: dict[Flow, "Entry"] = field(default_factory=dict)

    def endpoint(
        self, flow: Flow, now: float, choose: Callable[[], Address | None]
    ) -> Address | None:
        """Return the endpoint of a packet; ``choose`` selects that of a new flow.

        Raises:
            TableFullError: there is no entry, and no room for one.

        """
        entry = self._entries.get(flow)
        if entry is None or entry.until <= now:
            endpoint = choose()
            if endpoint is None:
                return None
            self._make_room(flow, now)
            entry = Entry(endpoint, now, flow.protocol)
        self._entries[flow] = entry.seen(now)
        return entry.endpoint

    def entry(self, flow: Flow) -> "Entry | None":
        """Return the entry of a flow, or None."""
        return self._entries.get(flow)

    def replied(self, flow: Flow, now: float) -> None:
        """Record a reply packet of ``flow``."""
        if entry := self._entries.get(flow):
            self._entries[flow] = entry.seen(now, replied=True)

    def forget(self, flow: Flow) -> None:
        """Delete the entry of a flow: a new connection has the same ports."""
        self._entries.pop(flow, None)

    def delete(self, server: Address, alive: Collection[Address]) -> int:
        """Delete UDP flows to ``server`` whose endpoint is not ``alive``; count them.

        kube-proxy does so when an endpoint of a UDP port goes. Without it a client that
        keeps its source port keeps sending to a dead pod.
        """
        stale = [
            flow
            for flow, entry in self._entries.items()
            if (flow.server, flow.protocol) == (server, "UDP")
            and entry.endpoint not in alive
        ]
        for flow in stale:
            del self._entries[flow]
        return len(stale)

    def _make_room(self, new: Flow, now: float) -> None:
        """Delete ``new``, then expired entries, then one that is not a stream.

        The kernel drops such an entry early, and the packet if there is none
        (early_drop in nf_conntrack_core.c).
        """
        self._entries.pop(new, None)
        if len(self._entries) < self.max_entries:
            return
        entries = self._entries.items()
        self._entries = {flow: entry for flow, entry in entries if entry.until > now}
        if len(self._entries) < self.max_entries:
            return
        early = (f for f, entry in self._entries.items() if not entry.is_stream)
        flow = next(early, None)
        if flow is None:
            self.dropped += 1
            raise TableFullError
        del self._entries[flow]


class TableFullError(Exception):
    """The conntrack table is full: the kernel drops the packet."""


class Entry(NamedTuple):
    """An entry of the table, which keeps a flow on its endpoint."""

    endpoint: Address
    created: float
    """Seconds on the clock of the node."""
    protocol: str = "UDP"
    is_replied: bool = False
    is_stream: bool = False
    """Whether packets in both directions were seen 2 s after its creation."""
    until: float = 0.0
    """The end of the entry, unless another packet extends it."""

    def seen(self, now: float, *, replied: bool = False) -> "Entry":
        """Return the entry after one more packet, which may be a reply."""
        endpoint, created, protocol, is_replied, is_stream, _ = self
        is_replied = is_replied or replied
        if protocol == "TCP":
            keep_s = Conntrack.TCP_S
        else:
            old = now - created > Conntrack.STREAM_AFTER_S
            is_stream = is_stream or (is_replied and old)
            keep_s = Conntrack.STREAM_S if is_stream else Conntrack.UNREPLIED_S
        until = now + keep_s
        return Entry(endpoint, created, protocol, is_replied, is_stream, until)
