"""What is said between a stub resolver's steps and whoever has the sockets.

Step functions: generators that yield a Wait (what to send, until when to wait) and are
sent the Event that ended it. No sockets, no clock: an Event says what time it is.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from minidns.dns import names, wire
from minidns.dns.model import RD, Opt, Question
from minidns.dns.reply import Reply

from .resolv_conf import Conf

Transport: TypeAlias = Literal["udp", "tcp"]

_EDNS_SIZE = 1200
"""RESOLV_EDNS_BUFFER_SIZE of glibc."""


class Send(NamedTuple):
    """A query to put on the wire."""

    server: str
    """As in resolv.conf."""
    source: int
    """Source port: what has the same one leaves from the same socket."""
    transport: Transport
    question: Question
    wire: bytes


class Wait(NamedTuple):
    """Send these, then wait for a reply until the clock says ``until``."""

    sends: tuple[Send, ...]
    until: float


class Event(NamedTuple):
    """Why a wait ended: a reply, a refusal (ICMP, reset), or else the time is up."""

    now: float
    server: str = ""
    source: int = 0
    reply: Reply | None = None
    refused: bool = False


class Ask(NamedTuple):
    """One question of a lookup, with the id it keeps over all its repetitions."""

    question: Question
    id: int
    wire: bytes

    def is_answered_by(self, reply: Reply) -> bool:
        """Return whether ``reply`` is to this question."""
        return reply.id == self.id and reply.question == self.question


class Got(NamedTuple):
    """What asking brought."""

    replies: tuple[Reply, ...] = ()
    """The usable ones, in the order of the questions; some may be missing."""
    rejected: Reply | None = None
    """The last reply that said no more than that the server could not help."""
    refused: bool = False
    """Nothing but refusals: no server is there."""
    truncated: bool = False


Asking: TypeAlias = Generator[Wait, Event, Got]


class Mode(IntEnum):
    """How glibc sends the two questions for one name."""

    PARALLEL = 0
    """Both at once, from one port."""
    SINGLE = 1
    """The second when the first is answered."""
    REOPEN = 2
    """The same, and from a port of its own."""


@dataclass(slots=True)
class Session:
    """What the steps of one process share: configuration, time, ids and ports."""

    conf: Conf
    rng: Random
    now: float = 0.0
    rotation: int = 0
    """How many names were asked for, for ``rotate``."""
    mode: Mode = Mode.PARALLEL
    """How A and AAAA are sent now; glibc never goes back to an earlier mode."""

    def __post_init__(self) -> None:
        """Begin with the mode that the options name."""
        for mode, option in (
            (Mode.SINGLE, "single-request"),
            (Mode.REOPEN, "single-request-reopen"),
        ):
            if option in self.conf.flags:
                self.mode = mode

    def port(self) -> int:
        """Return a fresh source port."""
        return self.rng.randint(32768, 60999)  # Linux's ip_local_port_range

    def asks(self, name: str, types: Iterable[int]) -> tuple[Ask, ...]:
        """Return the questions for ``name``; ValueError when it is not a name."""
        opt = Opt(_EDNS_SIZE) if "edns0" in self.conf.flags else None
        asks = []
        for qtype in types:
            question = Question(names.absolute(name), qtype)
            ident = self.rng.randrange(0x10000)
            query = wire.encode_query(question, ident, RD, opt, name)
            asks.append(Ask(question, ident, query))
        return tuple(asks)


Way: TypeAlias = Callable[[Session, Sequence[Ask]], Asking]


def send(ask: Ask, server: str, source: int, transport: Transport) -> Send:
    """Return ``ask`` on its way to ``server``."""
    return Send(server, source, transport, ask.question, ask.wire)


def in_order(replies: dict[Question, Reply], asks: Sequence[Ask]) -> tuple[Reply, ...]:
    """Return the replies in the order their questions were asked."""
    return tuple(replies[a.question] for a in asks if a.question in replies)
