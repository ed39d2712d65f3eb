"""Records one lookup: packets, routes, plugins, faults and objects, as they occur.

A `Recording` is set in the context of the task that looks a name up. Every task that
carries one of its packets inherits that context, so other lookups at the same time are
not recorded. No step is made from anything but such an event.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from minidns.dns.model import Address
from minidns.dns.rdata import type_name
from minidns.dns.resolv_conf import nameservers, search
from minidns.server.explain import as_json, details_of
from minidns.stub.protocol import Failure, Lookup, Outcome, Status, Step
from minidns.walk import visits
from minidns.walk.steps import Client, Facts, Kind
from minidns.walk.steps import Step as WalkStep
from minidns.walk.visits import Visit
from minidns.walk.wording import asked, expansion, options

from ..node.faults import Fault
from ..node.kube_proxy import Flow
from ..node.over_sockets import Path
from ..node.replica import Replica
from ..scenario.server_pods import COREDNS
from ..scenario.stage import OUTSIDE, Stage

APPLICATION, RESOLVER, PROXY = "application", "stub resolver", "kube-proxy"
NETWORK, SERVER, EXTERNAL = "network", "DNS server", "external resolver"

ACTIVE: ContextVar["Recording | None"] = ContextVar("active", default=None)
_LANE: ContextVar[int] = ContextVar("lane", default=0)


@dataclass(slots=True)
class _Event:
    """A step, or the visit of a plugin, whose step is known at its end."""

    at: float
    lane: int
    what: WalkStep | Visit


@dataclass(slots=True)
class Recording:
    """The events of one lookup."""

    stage: Stage
    client: Client
    name: str
    start: float
    events: list[_Event] = field(default_factory=list)
    _inside: dict[int, int] = field(default_factory=lambda: {0: 0})
    """The lane that each lane is inside of."""
    _flows: set[Flow] = field(default_factory=set)
    """The flows to Services so far."""
    _open: dict[int, tuple[Flow, float]] = field(default_factory=dict)
    """Flow and time of the resolver's queries without a reply, by lane."""

    def steps(self) -> tuple[WalkStep, ...]:
        """Return the steps so far."""
        return tuple(map(self._step, self.events))

    def _step(self, event: "_Event") -> WalkStep:
        if isinstance(event.what, WalkStep):
            return event.what
        return self._decided(event, event.what)

    def _decided(self, event: _Event, visit: Visit) -> WalkStep:
        return WalkStep(
            Kind.PLUGIN,
            event.at - self.start,
            f"plugin {visit.plugin}",
            visits.decision(visit),
            event.lane,
            self._inside[event.lane],
            visits.facts_of(visit),
        )

    def _add(
        self, kind: Kind, who: str, says: str, facts: Facts, wire: bytes = b""
    ) -> None:
        now, lane = self.stage.now(), _LANE.get()
        inside = self._inside[lane]
        step = WalkStep(kind, now - self.start, who, says, lane, inside, facts, wire)
        self.events.append(_Event(now, lane, step))

    # -- the program and its resolver

    def call(self, types: Sequence[int]) -> None:
        """Record the call of the program, and what its resolver reads."""
        wanted = " and ".join(map(type_name, types))
        facts = {"name": self.name, "types": [type_name(rtype) for rtype in types]}
        says = f"looks up {self.name!r}: {wanted}"
        self._add(Kind.CALL, APPLICATION, says, {"pod": self.client.pod, **facts})
        text = self.client.resolv_conf
        facts_ = {
            "nameservers": list(nameservers(text)),
            "search": [domain.removesuffix(".") for domain in search(text)],
            "options": options(text),
            "resolver": self.client.resolver,
        }
        says = "reads /etc/resolv.conf, which the kubelet wrote"
        self._add(Kind.CONFIG, RESOLVER, says, facts_)

    def timed_out(self) -> None:
        """Record that the resolver has waited until its deadline."""
        lanes = list(self._open)
        since = max((at for _, at in self._open.values()), default=self.start)
        waited = self.stage.now() - since
        says = f"has waited {waited:g} s for a reply in vain"
        if not lanes:
            says = f"has waited {waited:g} s"
        facts = {"waited_s": round(waited, 6), "lanes": lanes}
        self._add(Kind.TIMEOUT, RESOLVER, says, facts)

    def failed(self, server: str, source: int, failure: Failure) -> None:
        """Record that the resolver learns of a failure of a socket."""
        says = f"learns that its packet to {server} failed: {failure.value}"
        facts = {"server": server, "port": source, "failure": failure.value}
        self._add(Kind.REFUSED, RESOLVER, says, facts)

    def result(self, outcome: Outcome) -> None:
        """Record the result that the program has."""
        found = ", ".join(outcome.addresses) or "an answer"
        says = f"has the result: {found}"
        if not outcome.literal and len(self._inside) == 1:
            says += ", which its resolver had kept"
        if outcome.status is not Status.ANSWERED:
            says = f"has the error {outcome.error}"
        facts = {
            "status": outcome.status.value,
            "name": outcome.name,
            "addresses": list(outcome.addresses),
            "error": outcome.error,
        }
        self._add(Kind.RESULT, APPLICATION, says, facts)

    # -- packets

    def message(self, what: str, flow: Flow, wire: bytes, path: Path) -> None:
        """Record what happens to a packet; see `Packets.observe`."""
        match what:
            case "query":
                self._query(flow, wire, path)
            case "received":
                self._received(flow, wire, path)
            case "answered":
                self._answered(flow, wire, path)
            case "reply" if wire:
                self._reply(flow, wire)

    def _query(self, flow: Flow, wire: bytes, path: Path) -> None:
        inside, lane = _LANE.get(), len(self._inside)
        self._inside[lane] = inside
        _LANE.set(lane)
        who = RESOLVER
        if inside:
            who = SERVER
        else:
            self._open[lane] = flow, self.stage.now()
        name, rtype = asked(wire)
        how = "" if inside else f" ({expansion(self.name, name)})"
        tcp = " over TCP" if flow.protocol == "TCP" else ""
        says = f"asks {flow.server[0]}{tcp} for {name} {rtype}{how}"
        facts = {
            "name": name,
            "type": rtype,
            "server": flow.server[0],
            "transport": flow.protocol.lower(),
            "flow": str(flow),
            "expansion": how.strip(" ()"),
            **self._place(flow.client[0], "from"),
        }
        self._add(Kind.QUERY, who, says, facts, wire)
        self._route(flow, path)

    def _route(self, flow: Flow, path: Path) -> None:
        """Record the choice of kube-proxy, if the packet goes to a Service."""
        plane = self.stage.plane
        service = plane.service_of(flow.server[0])
        if service is None:
            return
        facts: dict[str, object] = {
            "service": "/".join(service),
            "cluster_ip": flow.server[0],
            "candidates": [host for host, _ in plane.candidates(flow)],
        }
        if path.refused:
            says = f"rejects it: Service {'/'.join(service)} has no ready endpoint"
            self._add(Kind.ROUTE, PROXY, says, facts)
            return
        if path.endpoint is None:
            says = "drops it: no endpoint on this node, or no room in conntrack"
            self._add(Kind.ROUTE, PROXY, says, facts)
            return
        entry = plane.conntrack.entry(flow)
        now = self.stage.now()
        is_new = entry is not None and entry.created == now and flow not in self._flows
        self._flows.add(flow)
        host, port = path.endpoint
        facts |= {"endpoint": f"{host}:{port}", **self._place(host, "to")}
        if entry is not None:
            facts["conntrack"] = {
                "original": str(flow),
                "reply": str(Flow(path.endpoint, flow.client, flow.protocol)),
                "new": is_new,
                "age_s": round(now - entry.created, 3),
                "timeout_s": round(entry.until - now, 3),
                "replied": entry.is_replied,
            }
        number = len(plane.candidates(flow))
        says = f"chooses {host}, one of {number} ready endpoints of {service[1]}"
        if not is_new:
            says = f"keeps {host}: the flow has a conntrack entry"
        self._add(Kind.ROUTE, PROXY, says, facts)

    def _received(self, flow: Flow, wire: bytes, path: Path) -> None:
        at = path.endpoint
        assert at is not None
        if at == OUTSIDE:
            facts = self._place(at[0], "to")
            self._add(Kind.RECEIVE, EXTERNAL, "receives the query", facts)
            return
        visits.RECORD.set(self._visit)
        replica = self._replica(at)
        facts = self._place(at[0], "to")
        software = ""
        if replica is not None:
            service = facts.get("dns_service", "")
            software = "minidns" if service != COREDNS else f"CoreDNS {replica.release}"
            facts = {**facts, "software": software}
        says = f"receives the query in pod {facts.get('to', at[0])}"
        says += f" on {facts['node']}" if facts.get("node") else ""
        self._add(Kind.RECEIVE, SERVER, says, facts)

    def _visit(self, visit: Visit) -> None:
        now = self.stage.now()
        self.events.append(_Event(now, _LANE.get(), visit))

    def _answered(self, flow: Flow, wire: bytes, path: Path) -> None:
        at, lane = path.endpoint, _LANE.get()
        assert at is not None
        if at == OUTSIDE:
            self._add(Kind.ANSWER, EXTERNAL, "sends its reply", {}, wire)
            return
        own = (event.what for event in self.events if event.lane == lane)
        visits_ = (what for what in own if isinstance(what, Visit))
        first = next((visit for visit in visits_ if visit.parent is None), None)
        replica = self._replica(at)
        if first is not None and first.response is not None and replica is not None:
            self._reason(first, replica)
        self._add(Kind.ANSWER, SERVER, "sends its reply", {}, wire)

    def _reason(self, first: Visit, replica: Replica) -> None:
        """Record what `minidns why` knows about the answer, at this moment."""
        assert first.response is not None
        if replica.instance is None:
            return
        answer = as_json(first.query, first.response)
        details = details_of(replica.instance, first.query, first.response)
        cluster = details.get("kubernetes")
        says = str(answer["rule"] or "no rule")
        if isinstance(cluster, dict):
            says = str(cluster["because"])
        facts = {"rule": answer["rule"], "sources": answer["sources"], **details}
        self._add(Kind.REASON, SERVER, says, facts)

    def _reply(self, flow: Flow, wire: bytes) -> None:
        lane = _LANE.get()
        self._open.pop(lane, None)
        who = SERVER if self._inside[lane] else RESOLVER
        self._add(Kind.REPLY, who, "receives the reply", {"flow": str(flow)}, wire)

    # -- faults and places

    def fault(self, fault: Fault) -> None:
        """Record that a fault affects the packet or the server."""
        self._add(Kind.FAULT, NETWORK, f"fault: {fault.text}", {"fault": fault.text})

    def _replica(self, at: Address) -> Replica | None:
        replicas = self.stage.servers.replicas.values()
        return next((r for r in replicas if r.address == at[0]), None)

    def _place(self, address: str, word: str) -> dict[str, object]:
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


class RecordedLookup(Lookup):
    """A lookup that records time-outs and failures as its resolver learns of them."""

    __slots__ = ()

    def on_timeout(self, now: float) -> Step:
        """Handle the time-out of the last Wait."""
        if (recording := ACTIVE.get()) is not None:
            recording.timed_out()
        return Lookup.on_timeout(self, now)

    def on_failure(
        self, now: float, server: str, source: int, failure: Failure
    ) -> Step:
        """Handle the failure of the socket with port ``source``."""
        if (recording := ACTIVE.get()) is not None:
            recording.failed(server, source, failure)
        return Lookup.on_failure(self, now, server, source, failure)


def attach(stage: Stage) -> None:
    """Let the stage report its packets and faults to the active recording."""

    def message(what: str, flow: Flow, wire: bytes, path: Path) -> None:
        stage.trace.message(what, flow, wire, path)
        if (recording := ACTIVE.get()) is not None:
            recording.message(what, flow, wire, path)

    def hit(fault: Fault) -> None:
        if (recording := ACTIVE.get()) is not None:
            recording.fault(fault)

    stage.packets.observe = message
    stage.packets.faults.on_hit = hit
