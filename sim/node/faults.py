"""Faults of the network and of servers, each with a probability and a seed.

Theory of operation: a packet from a pod crosses links: pod to node, node to node if the
other pod is elsewhere, node to pod. The names of both ends select the faults of a link;
``pods>outside`` also selects packets by their source and destination, over all links in
between. Every fault draws from its own random generator, so that one fault does not
change the course of another. A lost TCP packet is retransmitted after a time-out that
doubles (RFC 6298 2.1, 5.5), so that loss delays TCP and a partition ends it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import NamedTuple

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
GENERAL_NAMES = (OUTSIDE, NODE, PODS, DNS)
LINK_EFFECTS = ("lose", "delay", "duplicate", "reorder", "partition")
HOST_EFFECTS = ("lose", "delay", "servfail", "stop")
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)(?:±(\d+(?:\.\d+)?)(ms|s))?")
_UNITS = {"ms": 0.001, "s": 1.0}
_LINK = re.compile(r"([^<>\s]+)(<>|>)([^<>\s]+)")
_SIZE = re.compile(r"size([<>])(\d+)")
_RATE = re.compile(r"(\d+)/(\d+)|(\d+(?:\.\d+)?)%")


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

    def links(self) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
        """Yield the names of both ends of every link, and of the whole path."""
        stops = [self.source.names]
        nodes = dict.fromkeys(place.node for place in self[:2] if place.node)
        stops += [frozenset((NODE, node)) for node in nodes]
        stops.append(self.destination.names)
        yield self.source.names, self.destination.names
        if len(stops) > 2:
            yield from pairwise(stops)


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
    protocol: str = ""
    """udp or tcp; an empty text stands for both."""
    least: int = 0
    most: int = 1 << 16
    """Sizes of the messages that are affected, in bytes."""
    seed: int | None = None

    def affects(self, packet: Packet) -> bool:
        """Return whether ``packet`` crosses the link and has the protocol and size."""
        if self.protocol not in ("", packet.protocol):
            return False
        if not self.least <= packet.size <= self.most:
            return False
        first, last = self.ends
        return any(
            (first in source and last in destination)
            or (self.both_ways and last in source and first in destination)
            for source, destination in packet.links()
        )


def parse(words: Sequence[str]) -> Fault:
    """Return the fault of ``words``, such as ``lose 1/1000 link app>node udp``.

    Raises:
        ValueError: a word is unknown, missing or surplus; the message names it.

    """
    effect, *rest = words
    fault = Fault(" ".join(words), effect)
    if effect == "delay":
        fault, rest = _with_delay(fault, rest)
    if effect != "partition":
        fault, rest = _with_rate(fault, rest)
    match rest:
        case ["link", link, *rest] if effect in LINK_EFFECTS:
            fault = _with_link(fault, link)
        case ["at", host, *rest] if effect in HOST_EFFECTS:
            fault = _replace(fault, host=host)
        case ["link" | "at" as word]:
            raise ValueError(f"nothing follows {word}: not {_places(effect)}")
        case [word, *_]:
            raise ValueError(f"{word} is not {_places(effect)}")
        case _:
            raise ValueError(f"{effect} needs {_places(effect)}")
    for word in (iterator := iter(rest)):
        fault = _with_condition(fault, word, iterator)
    return fault


def _places(effect: str) -> str:
    links = ["link A>B or link A<>B"] * (effect in LINK_EFFECTS)
    return " or ".join([*links, *["at SERVER"] * (effect in HOST_EFFECTS)])


def _replace(fault: Fault, **values: object) -> Fault:
    current = {name: getattr(fault, name) for name in fault.__slots__}
    return Fault(**{**current, **values})


def _with_delay(fault: Fault, words: list[str]) -> tuple[Fault, list[str]]:
    match = _TIME.fullmatch(words[0]) if words else None
    if match is None:
        word = f"{words[0]} is not a time" if words else "delay needs a time"
        raise ValueError(f"{word} such as 20ms, 1.5s or 20ms±5ms")
    delay_s = float(match[1]) * _UNITS[match[2]]
    jitter_s = float(match[3]) * _UNITS[match[4]] if match[3] else 0.0
    return _replace(fault, delay_s=delay_s, jitter_s=jitter_s), words[1:]


def seconds(word: str) -> float:
    """Return the seconds in ``word``, such as 20ms or 1.5s.

    Raises:
        ValueError: it is not a time.

    """
    match = _TIME.fullmatch(word)
    if match is None or match[3]:
        raise ValueError(f"{word} is not a time such as 20ms or 1.5s")
    return float(match[1]) * _UNITS[match[2]]


def _with_rate(fault: Fault, words: list[str]) -> tuple[Fault, list[str]]:
    if not words or words[0] in ("link", "at"):
        return fault, words
    return _replace(fault, rate=rate(words[0])), words[1:]


def rate(word: str) -> Fraction:
    """Return the probability in ``word``, such as 1/1000 or 0.1%.

    Raises:
        ValueError: it is not a probability.

    """
    match = _RATE.fullmatch(word)
    if match and match[3]:
        value = Fraction(match[3]) / 100
    elif match and int(match[2]):
        value = Fraction(int(match[1]), int(match[2]))
    else:
        raise ValueError(f"{word} is not a rate such as 1/1000 or 0.1%")
    if value > 1:
        raise ValueError(f"{word} is more than 1/1")
    return value


def _with_link(fault: Fault, word: str) -> Fault:
    match = _LINK.fullmatch(word)
    if match is None:
        raise ValueError(f"{word} is not a link such as app>node or node<>dns")
    return _replace(fault, ends=(match[1], match[3]), both_ways=match[2] == "<>")


def _with_condition(fault: Fault, word: str, rest: Iterator[str]) -> Fault:
    size = _SIZE.fullmatch(word)
    if word in ("udp", "tcp") and not fault.protocol:
        return _replace(fault, protocol=word)
    if size and size[1] == ">" and not fault.least:
        return _replace(fault, least=int(size[2]) + 1)
    if size and size[1] == "<" and fault.most == 1 << 16:
        return _replace(fault, most=int(size[2]) - 1)
    if word == "seed" and fault.seed is None:
        number = next(rest, "")
        if not number.isdecimal():
            raise ValueError(f"{number or 'nothing'} after seed is not a number")
        return _replace(fault, seed=int(number))
    raise ValueError(f"{word} is surplus: not udp, tcp, size>N, size<N or seed N once")


@dataclass(slots=True)
class Faults:
    """The active faults of a network, and what they do to packets and servers."""

    seed: int | str = 1
    active: dict[str, Fault] = field(default_factory=dict)
    """Faults by their words."""
    hits: dict[str, int] = field(default_factory=dict)
    """Number of packets or queries that each active fault has affected."""
    _random: dict[str, Random] = field(default_factory=dict)

    def add(self, fault: Fault) -> None:
        """Activate a fault; the same words again restart it."""
        seed = self.seed if fault.seed is None else fault.seed
        self.active[fault.text] = fault
        self.hits[fault.text] = 0
        self._random[fault.text] = Random(f"{seed} {fault.text}")

    def clear(self, text: str = "") -> None:
        """Remove the fault with the words ``text``, or all faults.

        Raises:
            ValueError: there is no such fault.

        """
        if text and text not in self.active:
            active = "; ".join(self.active) or "none"
            raise ValueError(f"{text} is not an active fault (active: {active})")
        for name in [text] if text else list(self.active):
            del self.active[name], self.hits[name], self._random[name]

    def delays_s(self, packet: Packet) -> tuple[float, ...]:
        """Return the seconds until each delivery of a packet: none if it is lost."""
        faults = [f for f in self.active.values() if f.ends[0] and f.affects(packet)]
        delay_s = HOP_S
        for fault in _of(faults, "delay"):
            delay_s += self._delay_s(fault)
        for fault in _of(faults, "reorder"):
            delay_s += REORDER_S * self._strikes(fault)
        losses = [*_of(faults, "lose"), *_of(faults, "partition")]
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

    def at_server(self, names: Iterable[str]) -> "Treatment":
        """Return what the server with ``names`` does with its next query."""
        names = frozenset(names)
        faults = [f for f in self.active.values() if f.host in names]
        delay_s = sum(self._delay_s(fault) for fault in _of(faults, "delay"))
        stops = any([self._strikes(fault) for fault in _of(faults, "stop")])
        drops = any([self._strikes(fault) for fault in _of(faults, "lose")])
        fails = any([self._strikes(fault) for fault in _of(faults, "servfail")])
        return Treatment(delay_s, drops, fails, stops)

    def _strikes(self, fault: Fault) -> bool:
        """Draw whether a fault affects this packet or query, and count it."""
        strikes = self._random[fault.text].random() < fault.rate
        self.hits[fault.text] += strikes
        return strikes

    def _delay_s(self, fault: Fault) -> float:
        jitter_s = self._random[fault.text].uniform(-fault.jitter_s, fault.jitter_s)
        delay_s = max(fault.delay_s + jitter_s, 0.0)
        return delay_s if self._strikes(fault) else 0.0


class Treatment(NamedTuple):
    """The faults of a server that affect one query."""

    delay_s: float = 0.0
    drops: bool = False
    fails: bool = False
    """Whether the answer is SERVFAIL."""
    stops: bool = False
    """Whether the server stops: it answers neither this query nor later ones."""


def _of(faults: Iterable[Fault], effect: str) -> Iterator[Fault]:
    return (fault for fault in faults if fault.effect == effect)


Locate = Callable[[str], Place]
"""Maps an IP address to its place."""
