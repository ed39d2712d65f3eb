"""Faults of the network and of servers, each with a probability and a seed.

Theory of operation: a packet from a pod crosses links: pod to node, node to node if the
other pod is elsewhere, node to pod. The names of both ends select the faults of a link;
``pods>outside`` also selects packets by their source and destination, over all links in
between. Every fault draws from its own random generator, so that one fault does not
change the course of another. A lost TCP packet is retransmitted after a time-out that
doubles (RFC 6298 2.1, 5.5), so that loss delays TCP and a partition ends it. A
partition with a rate draws once per flow, as a broken one of several equal paths does.

The words of faults are in `fault_words`; what faults do to replies is in
`server_faults`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from random import Random
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.model import Question, Rcode

HOP_S = 0.0005
"""Seconds from any address to any other without faults."""
REORDER_S = 0.001
"""Seconds by which a reordered packet is held back: later ones overtake it."""
TCP_TIMEOUT_S = 1.0
TCP_RETRIES = 6
"""Retransmissions of a TCP packet (Linux net.ipv4.tcp_syn_retries)."""
OUTSIDE = "outside"
NODE = "node"
PODS = "pods"
DNS = "dns"
API = "api"
SERVICES = "services"
GENERAL_NAMES = (OUTSIDE, NODE, PODS, DNS, API, SERVICES)
MAX_SIZE = 1 << 16


class Place(NamedTuple):
    """An address of the cluster or outside of it, with the names of its link ends."""

    names: frozenset[str]
    """For a pod its name, its Service and ``pods`` or ``dns``; or ``outside``."""
    node: str = ""
    """The node of a pod; empty outside of the cluster."""


class Packet(NamedTuple):
    """A DNS message in one direction."""

    source: Place
    destination: Place
    protocol: str
    """udp or tcp"""
    size: int
    """Bytes of the DNS message."""
    flow: object = ""
    """A faulty one of several paths affects flows by the text of this value."""
    second: bool = False
    """Whether another packet left the same socket at the same moment before it."""


def _links(
    source: Place, destination: Place
) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Yield the names of both ends of every link, and of the whole path."""
    stops = [source.names]
    nodes = dict.fromkeys(place.node for place in (source, destination) if place.node)
    stops += [frozenset((NODE, node)) for node in nodes]
    stops.append(destination.names)
    yield source.names, destination.names
    if len(stops) > 2:
        yield from pairwise(stops)


@lru_cache(maxsize=4096)
def crosses(source: Place, destination: Place, first: str, last: str) -> bool:
    """Return whether a packet crosses a link from ``first`` to ``last``."""
    return any(first in a and last in b for a, b in _links(source, destination))


class Served(NamedTuple):
    """A query that a server has answered, before the reply leaves it."""

    names: frozenset[str]
    """The names of the server."""
    question: Question
    protocol: str
    """udp or tcp"""
    size: int = 0
    """Bytes of the reply; 0 if there is none."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; ``text`` are its words."""

    text: str
    effect: str
    ends: tuple[str, str] = ("", "")
    """The names of both ends of a link; empty for a fault of a server."""
    both_ways: bool = False
    host: str = ""
    """The Service, pod or address of a server; empty for a fault of a link."""
    rate: Fraction = Fraction(1)
    delay_s: float = 0.0
    jitter_s: float = 0.0
    rcode: int = Rcode.SERVFAIL
    """The rcode of the effect ``answer``."""
    to: str = ""
    """The server that answers instead, for the effect ``intercept``."""
    cache_s: float = 0.0
    """Seconds for which an interceptor repeats its replies."""
    protocol: str = ""
    """udp or tcp; an empty text stands for both."""
    least: int = 0
    most: int = MAX_SIZE
    """Sizes of the messages that are affected, in bytes."""
    second: bool = False
    """Whether only the second of two packets from one socket is affected."""
    zone: str = ""
    """The affected name with the names below it; an empty text stands for all."""
    qtype: int = 0
    """The type of the affected questions; 0 stands for all."""
    seed: int | None = None

    def affects(self, packet: Packet) -> bool:
        """Return whether ``packet`` crosses the link and meets the conditions."""
        if not self._affects_message(packet.protocol, packet.size):
            return False
        if self.second and not packet.second:
            return False
        source, destination = packet.source, packet.destination
        first, last = self.ends
        return crosses(source, destination, first, last) or (
            self.both_ways and crosses(source, destination, last, first)
        )

    def affects_reply(self, served: Served) -> bool:
        """Return whether the fault of a server affects a query."""
        if self.host not in served.names:
            return False
        if self.zone and not names.is_below(served.question.qname, self.zone):
            return False
        if self.qtype not in (0, served.question.qtype):
            return False
        return self._affects_message(served.protocol, served.size)

    def _affects_message(self, protocol: str, size: int) -> bool:
        return self.protocol in ("", protocol) and self.least <= size <= self.most


class Treatment(NamedTuple):
    """The faults of a server that affect one query."""

    delay_s: float = 0.0
    hits: tuple[Fault, ...] = ()
    """The other faults, in the order of their activation."""


@dataclass(slots=True)
class Faults:
    """The active faults of a network, and what they do to packets and servers."""

    seed: int | str = 1
    active: dict[str, Fault] = field(default_factory=dict)
    """Faults by their words."""
    hits: dict[str, int] = field(default_factory=dict)
    """Number of packets or queries that each active fault has affected."""
    on_hit: Callable[[Fault], None] = lambda fault: None
    """Called when a fault affects a packet or a query."""
    _random: dict[str, Random] = field(default_factory=dict)
    _rates: dict[str, float] = field(default_factory=dict)

    def add(self, fault: Fault) -> None:
        """Activate a fault; the same words again restart it."""
        self.active[fault.text] = fault
        self.hits[fault.text] = 0
        self._random[fault.text] = Random(self._seed_of(fault))
        self._rates[fault.text] = float(fault.rate)

    def _seed_of(self, fault: Fault) -> str:
        seed = self.seed if fault.seed is None else fault.seed
        return f"{seed} {fault.text}"

    def clear(self, text: str = "") -> None:
        """Remove the fault with the words ``text``, or all faults.

        Raises:
            ValueError: there is no such fault.

        """
        if text and text not in self.active:
            active = "; ".join(self.active) or "none"
            raise ValueError(f"{text} is not an active fault (active: {active})")
        for name in [text] if text else list(self.active):
            del self.active[name], self.hits[name]
            del self._random[name], self._rates[name]

    def delays_s(self, packet: Packet) -> tuple[float, ...]:
        """Return the seconds until each delivery of a packet: none if it is lost."""
        faults = [f for f in self.active.values() if f.ends[0] and f.affects(packet)]
        if not faults:
            return (HOP_S,)
        delay_s = HOP_S
        for fault in _of(faults, "delay"):
            delay_s += self._delay_s(fault)
        for fault in _of(faults, "reorder"):
            delay_s += REORDER_S * self._strikes(fault)
        if any([self._parts(fault, packet) for fault in _of(faults, "partition")]):
            return ()
        losses = list(_of(faults, "lose"))
        tries = TCP_RETRIES if packet.protocol == "tcp" else 0
        for attempt in range(tries + 1):
            # every fault draws, whatever the others did: no short-circuit
            if not any([self._strikes(fault) for fault in losses]):
                break
            if attempt == tries:
                return ()
            delay_s += TCP_TIMEOUT_S * 2**attempt
        copies = sum(self._strikes(fault) for fault in _of(faults, "duplicate"))
        return (delay_s,) * (1 + copies * (packet.protocol == "udp"))

    def interceptor(self, packet: Packet) -> Fault | None:
        """Return the fault that answers a query on its way, or None."""
        for fault in _of(self.active.values(), "intercept"):
            if fault.affects(packet) and self._strikes(fault):
                return fault
        return None

    def at_server(self, served: Served) -> Treatment:
        """Return what befalls the reply to ``served``."""
        faults = [f for f in self.active.values() if f.affects_reply(served)]
        delay_s = sum(self._delay_s(fault) for fault in _of(faults, "delay"))
        others = (f for f in faults if f.effect not in ("delay", "unready", "miss"))
        return Treatment(delay_s, tuple(filter(self._strikes, others)))

    def concerns_server(self, names_of_server: frozenset[str]) -> bool:
        """Return whether any fault names a server."""
        return any(fault.host in names_of_server for fault in self.active.values())

    def is_unready(self, names_of_server: frozenset[str]) -> bool:
        """Return whether a server never passes its readiness probe."""
        unready = _of(self.active.values(), "unready")
        return any(fault.host in names_of_server for fault in unready)

    def misses_event(self, names_of_server: frozenset[str]) -> bool:
        """Draw whether a server ignores the next event of a watch."""
        misses = _of(self.active.values(), "miss")
        return any([self._strikes(f) for f in misses if f.host in names_of_server])

    def _parts(self, fault: Fault, packet: Packet) -> bool:
        """Return whether a partition affects the flow of a packet, and count it."""
        draw = Random(f"{self._seed_of(fault)} {packet.flow}").random()
        return self._count(fault, strikes=draw < self._rates[fault.text])

    def _strikes(self, fault: Fault) -> bool:
        """Draw whether a fault affects this packet or query, and count it."""
        draw = self._random[fault.text].random()
        return self._count(fault, strikes=draw < self._rates[fault.text])

    def _count(self, fault: Fault, *, strikes: bool) -> bool:
        self.hits[fault.text] += strikes
        if strikes:
            self.on_hit(fault)
        return strikes

    def _delay_s(self, fault: Fault) -> float:
        jitter_s = self._random[fault.text].uniform(-fault.jitter_s, fault.jitter_s)
        delay_s = max(fault.delay_s + jitter_s, 0.0)
        return delay_s if self._strikes(fault) else 0.0


def _of(faults: Iterable[Fault], effect: str) -> Iterator[Fault]:
    return (fault for fault in faults if fault.effect == effect)


Locate = Callable[[str, str], Place]
"""Maps an IP address, and the address that packets to it are sent to, to its place."""
