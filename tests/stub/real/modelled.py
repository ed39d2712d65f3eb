"""A machine of minidns.stub in one case, in virtual time."""

import heapq
from dataclasses import dataclass, field
from itertools import count

from minidns.stub.protocol import Done, Failure, Lookup, Resolver, Send, Step, Wait

from .cases import Case, question_of, replies
from .record import Packet, Record, make_record


@dataclass(order=True)
class _Arrival:
    at: float
    order: int
    send: Send = field(compare=False)
    message: bytes = field(compare=False, default=b"")
    failure: Failure | None = field(compare=False, default=None)


@dataclass
class _World:
    """The servers of a case, and the packets under way to the client."""

    case: Case
    now: float = 0.0
    packets: list[Packet] = field(default_factory=list)
    _arrivals: list[_Arrival] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _seen: dict[object, int] = field(default_factory=dict)
    _closed: set[int] = field(default_factory=set)

    def send(self, send: Send) -> None:
        deaf = self.case.deaf_udp if send.transport == "udp" else self.case.deaf_tcp
        if send.server in deaf:
            self._arrive(0, send, failure=Failure.REFUSED)
            return
        self.packets.append(Packet(self.now, send.server, send.transport, send.source, send.wire))
        question = question_of(send.wire)
        key = send.server, send.transport, question
        nth = self._seen[key] = self._seen.get(key, -1) + 1
        action = self.case.action(send.server, send.transport, question, nth)
        if action.kind == "close":
            self._arrive(action.delay_s, send, failure=Failure.CLOSED)
        for message in replies(action.kind, send.wire, send.transport):
            self._arrive(action.delay_s, send, message)

    def _arrive(self, delay_s: float, send: Send, message: bytes = b"", failure: Failure | None = None) -> None:
        at, order = self.now + delay_s, next(self._order)
        heapq.heappush(self._arrivals, _Arrival(at, order, send, message, failure))

    def step(self, lookup: Lookup, until: float) -> Step:
        """Let time pass until the next arrival or ``until``."""
        while self._arrivals and self._arrivals[0].at <= until:
            arrival = heapq.heappop(self._arrivals)
            self.now = max(self.now, arrival.at)
            send = arrival.send
            if send.transport == "tcp" and send.source in self._closed:
                continue
            if arrival.failure is not None:
                self._closed.add(send.source)
                return lookup.on_failure(self.now, send.server, send.source, arrival.failure)
            return lookup.on_reply(self.now, send.server, send.source, arrival.message)
        self.now = max(self.now, until)
        return lookup.on_timeout(self.now)


def play(case: Case, resolver: Resolver) -> Record:
    """Return what ``resolver`` does in ``case``."""
    world = _World(case)
    lookup = Lookup(resolver, resolver.look_up(case.name, case.types))
    step = lookup.start(0.0)
    while isinstance(step, Wait):
        for send in step.sends:
            world.send(send)
        step = world.step(lookup, step.until)
    assert isinstance(step, Done)
    outcome = step.outcome
    result = outcome.error.split(" ")[0] or " ".join(sorted(set(outcome.addresses)))
    return make_record(world.packets, case.servers, result, world.now)
