"""Records the events of one lookup as steps, as they occur.

A `Recorder` is set in the context of the task that looks a name up. Every task that
belongs to the lookup inherits that context, so other lookups at the same time are not
recorded. No step is made from anything but an event.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from minidns.dns.rdata import type_name
from minidns.dns.resolv_conf import nameservers, search
from minidns.server.explain import as_json, details_of
from minidns.server.instance import Instance
from minidns.stub.protocol import Event as LookupEvent
from minidns.stub.protocol import Failure, Lookup, Outcome, Status, Wait
from minidns.stub.protocol import Step as LookupStep
from minidns.walk import visits
from minidns.walk.steps import Client, Facts, Kind, Step
from minidns.walk.visits import Visit
from minidns.walk.wording import asked, expansion, options

APPLICATION, RESOLVER, PROXY = "application", "stub resolver", "kube-proxy"
NETWORK, SERVER = "network", "DNS server"

LANE: ContextVar[int] = ContextVar("lane", default=0)
"""The lane of the packet that the present task carries."""


@dataclass(frozen=True, slots=True)
class Event:
    """A step, or the visit of a plugin, whose step is known at its end."""

    at: float
    lane: int
    what: Step | Visit


@dataclass(slots=True)
class Recorder:
    """The events of one lookup."""

    client: Client
    name: str
    now: Callable[[], float]
    """Returns seconds on the clock of the lookup."""
    start: float
    events: list[Event] = field(default_factory=list)
    inside: dict[int, int] = field(default_factory=lambda: {0: 0})
    """The lane that each lane is inside of."""
    round: int = 0
    """Number of times that the resolver has sent queries, several at once or one."""
    open: dict[int, float] = field(default_factory=dict)
    """Time of the resolver's queries without a reply, by lane."""

    def steps(self) -> tuple[Step, ...]:
        """Return the steps so far."""
        return tuple(map(self._step, self.events))

    def _step(self, event: Event) -> Step:
        visit = event.what
        if isinstance(visit, Step):
            return visit
        return Step(
            Kind.PLUGIN,
            event.at - self.start,
            f"plugin {visit.plugin}",
            visits.decision(visit),
            event.lane,
            self.inside[event.lane],
            visits.facts_of(visit),
        )

    def add(
        self, kind: Kind, who: str, says: str, facts: Facts, wire: bytes = b""
    ) -> None:
        """Record a step of the present lane."""
        now, lane = self.now(), LANE.get()
        inside = self.inside[lane]
        step = Step(kind, now - self.start, who, says, lane, inside, facts, wire)
        self.events.append(Event(now, lane, step))

    # -- the program and its resolver

    def call(self, types: Sequence[int]) -> None:
        """Record the call of the program, and what its resolver reads."""
        names = list(map(type_name, types))
        facts = {"pod": self.client.pod, "name": self.name, "types": names}
        says = f"looks up {self.name!r}: {' and '.join(names)}"
        self.add(Kind.CALL, APPLICATION, says, facts)
        text = self.client.resolv_conf
        facts = {
            "nameservers": list(nameservers(text)),
            "search": [domain.removesuffix(".") for domain in search(text)],
            "options": options(text),
            "resolver": self.client.resolver,
        }
        says = "reads /etc/resolv.conf, which the kubelet wrote"
        if (replaced := self.client.replaced) is not None:
            present, before = facts["nameservers"], ", ".join(replaced)
            says = (
                "reads the pod's /etc/resolv.conf with "
                f"nameserver {', '.join(present)} in place of {before or 'its own'}"
            )
        self.add(Kind.CONFIG, RESOLVER, says, facts)

    def query(
        self, wire: bytes, server: str, transport: str, flow: str, place: Facts
    ) -> None:
        """Record a query as it leaves its sender, in a new lane of the present task."""
        inside, lane = LANE.get(), len(self.inside)
        self.inside[lane] = inside
        LANE.set(lane)
        if not inside:
            self.open[lane] = self.now()
        name, rtype = asked(wire)
        how = "" if inside else expansion(self.name, name)
        tcp = " over TCP" if transport == "tcp" else ""
        says = f"asks {server}{tcp} for {name} {rtype}{f' ({how})' if how else ''}"
        facts = {
            "name": name,
            "type": rtype,
            "server": server,
            "transport": transport,
            "flow": flow,
            "expansion": how,
            "round": self.round,
            **place,
        }
        self.add(Kind.QUERY, SERVER if inside else RESOLVER, says, facts, wire)

    def reply(self, wire: bytes, flow: str) -> None:
        """Record that a reply reaches the sender of the query."""
        lane = LANE.get()
        self.open.pop(lane, None)
        who = SERVER if self.inside[lane] else RESOLVER
        self.add(Kind.REPLY, who, "receives the reply", {"flow": flow}, wire)

    def timed_out(self) -> None:
        """Record that the resolver has waited until its deadline."""
        lanes = list(self.open)
        waited = self.now() - max(self.open.values(), default=self.start)
        says = f"has waited {waited:.3g} s"
        says += " for a reply in vain" if lanes else ""
        facts = {"waited_s": round(waited, 6), "lanes": lanes}
        self.add(Kind.TIMEOUT, RESOLVER, says, facts)

    def failed(self, server: str, source: int, failure: Failure) -> None:
        """Record that the resolver learns of a failure of a socket."""
        says = f"learns that its packet to {server} failed: {failure.value}"
        facts = {"server": server, "port": source, "failure": failure.value}
        self.add(Kind.REFUSED, RESOLVER, says, facts)

    def result(self, outcome: Outcome) -> None:
        """Record the result that the program has."""
        found = ", ".join(outcome.addresses) or "an answer"
        says = f"has the result: {found}"
        if not outcome.literal and len(self.inside) == 1:
            says += ", which its resolver had kept"
        if outcome.status is not Status.ANSWERED:
            says = f"has the error {outcome.error}"
        facts = {
            "status": outcome.status.value,
            "name": outcome.name,
            "addresses": list(outcome.addresses),
            "error": outcome.error,
        }
        self.add(Kind.RESULT, APPLICATION, says, facts)

    # -- the DNS server

    def visit(self, visit: Visit) -> None:
        """Record the beginning of a visit; see `visits.RECORD`."""
        self.events.append(Event(self.now(), LANE.get(), visit))

    def reason(self, instance: Instance) -> None:
        """Record what `minidns why` knows about the answer, at this moment."""
        lane = LANE.get()
        own = (event.what for event in self.events if event.lane == lane)
        first = next(
            (v for v in own if isinstance(v, Visit) and v.parent is None), None
        )
        if first is None or first.response is None:
            return
        answer = as_json(first.query, first.response)
        details = details_of(instance, first.query, first.response)
        cluster = details.get("kubernetes")
        says = str(answer["rule"] or "no rule")
        if isinstance(cluster, dict):
            says = str(cluster["because"])
        facts = {"rule": answer["rule"], "sources": answer["sources"], **details}
        self.add(Kind.REASON, SERVER, says, facts)


ACTIVE: ContextVar[Recorder | None] = ContextVar("active", default=None)


class RecordedLookup(Lookup):
    """A lookup that records time-outs, failures and its result, if asked to."""

    __slots__ = ()

    def _step(self, event: LookupEvent | None) -> LookupStep:
        step = Lookup._step(self, event)
        if (recorder := ACTIVE.get()) is None:
            return step
        if isinstance(step, Wait):
            recorder.round += bool(step.sends)
        else:
            recorder.result(step.outcome)
        return step

    def on_timeout(self, now: float) -> LookupStep:
        """Handle the time-out of the last Wait."""
        if (recorder := ACTIVE.get()) is not None:
            recorder.timed_out()
        return Lookup.on_timeout(self, now)

    def on_failure(
        self, now: float, server: str, source: int, failure: Failure
    ) -> LookupStep:
        """Handle the failure of the socket with port ``source``."""
        if (recorder := ACTIVE.get()) is not None:
            recorder.failed(server, source, failure)
        return Lookup.on_failure(self, now, server, source, failure)
