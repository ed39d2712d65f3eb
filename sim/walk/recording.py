"""Records a lookup of the simulated cluster: packets, routes, faults, plugins, objects.

The network of the stage tells what happens to each packet (`Packets.observe`), and
which fault strikes it.
"""

from dataclasses import dataclass, field
from typing import Any

from minidns.walk import visits
from minidns.walk.recorder import ACTIVE, NETWORK, PROXY, SERVER, Recorder
from minidns.walk.steps import Kind

from ..node.faults import Fault
from ..node.kube_proxy import Flow
from ..node.over_sockets import Path
from ..node.replica import Replica
from ..scenario.server_pods import COREDNS
from ..scenario.stage import OUTSIDE, Stage

EXTERNAL = "external resolver"


@dataclass(slots=True, kw_only=True)
class Recording(Recorder):
    """The events of one lookup of a stage."""

    stage: Stage
    _flows: set[Flow] = field(default_factory=set)
    """The flows to Services so far."""

    def message(self, what: str, flow: Flow, wire: bytes, path: Path) -> None:
        """Record what happens to a packet; see `Packets.observe`."""
        match what:
            case "query":
                place = self._place(flow.client[0], "from")
                transport = flow.protocol.lower()
                self.query(wire, flow.server[0], transport, str(flow), place)
                self._route(flow, path)
            case "received":
                self._received(path)
            case "answered":
                self._answered(wire, path)
            case "reply" if wire:
                self.reply(wire, str(flow))

    def fault(self, fault: Fault) -> None:
        """Record that a fault affects the packet or the server."""
        self.add(Kind.FAULT, NETWORK, f"fault: {fault.text}", {"fault": fault.text})

    def _route(self, flow: Flow, path: Path) -> None:
        """Record the choice of kube-proxy, if the packet goes to a Service."""
        plane = self.stage.plane
        service = plane.service_of(flow.server[0])
        if service is None:
            return
        candidates = [host for host, _ in plane.candidates(flow)]
        facts: dict[str, Any] = {
            "service": "/".join(service),
            "cluster_ip": flow.server[0],
            "candidates": candidates,
        }
        if path.endpoint is None:
            says = "drops it: no endpoint on this node, or no room in conntrack"
            if path.refused:
                says = f"rejects it: Service {'/'.join(service)} has no ready endpoint"
            self.add(Kind.ROUTE, PROXY, says, facts)
            return
        host, port = path.endpoint
        facts |= {"endpoint": f"{host}:{port}", **self._place(host, "to")}
        says = f"chooses {host}, one of {len(candidates)} ready endpoints of"
        if not self._add_conntrack(facts, flow, path):
            says = f"keeps {host}, by its conntrack entry, for"
        self.add(Kind.ROUTE, PROXY, f"{says} {service[1]}", facts)

    def _add_conntrack(self, facts: dict[str, Any], flow: Flow, path: Path) -> bool:
        """Add the conntrack entry of a flow to ``facts``; return whether it is new."""
        entry, now = self.stage.plane.conntrack.entry(flow), self.stage.now()
        if entry is None or path.endpoint is None:
            return True
        is_new = entry.created == now and flow not in self._flows
        self._flows.add(flow)
        facts["conntrack"] = {
            "original": str(flow),
            "reply": str(Flow(path.endpoint, flow.client, flow.protocol)),
            "new": is_new,
            "age_s": round(now - entry.created, 3),
            "timeout_s": round(entry.until - now, 3),
            "replied": entry.is_replied,
        }
        return is_new

    def _received(self, path: Path) -> None:
        assert path.endpoint is not None
        facts = self._place(path.endpoint[0], "to")
        if path.endpoint == OUTSIDE:
            self.add(Kind.RECEIVE, EXTERNAL, "receives the query", facts)
            return
        visits.RECORD.set(self.visit)
        replica = self._replica(path)
        if replica is not None:
            is_coredns = facts.get("dns_service") == COREDNS
            software = f"CoreDNS {replica.release}" if is_coredns else "minidns"
            facts = {**facts, "software": software}
        says = f"receives the query in pod {facts['to']}"
        says += f" on {facts['node']}" if facts.get("node") else ""
        self.add(Kind.RECEIVE, SERVER, says, facts)

    def _answered(self, wire: bytes, path: Path) -> None:
        who = EXTERNAL if path.endpoint == OUTSIDE else SERVER
        replica = self._replica(path)
        if replica is not None and replica.instance is not None:
            self.reason(replica.instance)
        self.add(Kind.ANSWER, who, "sends its reply", {}, wire)

    def _replica(self, path: Path) -> Replica | None:
        assert path.endpoint is not None
        replicas = self.stage.servers.replicas.values()
        return next((r for r in replicas if r.address == path.endpoint[0]), None)

    def _place(self, address: str, word: str) -> dict[str, Any]:
        """Return pod, node and DNS service of an address, as far as there are such."""
        for pod in self.stage.cluster.list("Pod", fields=f"status.podIP={address}"):
            meta = pod["metadata"]
            return {
                word: f"{meta['namespace']}/{meta['name']}",
                "node": pod["spec"].get("nodeName", ""),
                "dns_service": (meta.get("labels") or {}).get("k8s-app", ""),
                "address": address,
            }
        return {word: address}


def attach(stage: Stage) -> None:
    """Let the stage report its packets and faults to the active recording."""

    def message(what: str, flow: Flow, wire: bytes, path: Path) -> None:
        stage.trace.message(what, flow, wire, path)
        if isinstance(recording := ACTIVE.get(), Recording):
            recording.message(what, flow, wire, path)

    def hit(fault: Fault) -> None:
        if isinstance(recording := ACTIVE.get(), Recording):
            recording.fault(fault)

    stage.packets.observe = message
    stage.packets.faults.on_hit = hit
