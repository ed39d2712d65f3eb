"""The protocol between the steps of a stub resolver and the code with the sockets.

A step function is a generator that yields a Wait (the queries to send and a deadline)
and receives the Event that ended it. It has no clock: the Event carries the time.
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
    """A query to send."""

    server: str
    """Address of the server in resolv.conf."""
    source: int
    """Source port: queries with the same port use the same socket."""
    transport: Transport
    question: Question
    wire: bytes


class Wait(NamedTuple):
    """Send the queries, then wait for an event until ``until``."""

    sends: tuple[Send, ...]
    until: float


class Event(NamedTuple):
    """The end of a wait: a reply, a refusal (ICMP, TCP reset) or a time-out."""

    now: float
    server: str = ""
    source: int = 0
    reply: Reply | None = None
    refused: bool = False


class StubQuery(NamedTuple):
    """One query of a lookup, with the same ID in all retransmissions."""

    question: Question
    id: int
    wire: bytes

    def matches_reply(self, reply: Reply) -> bool:
        """Return whether ``reply`` belongs to this query."""
        return reply.id == self.id and reply.question == self.question


class ExchangeResult(NamedTuple):
    """The result of an exchange with the servers for one name."""

    replies: tuple[Reply, ...] = ()
    """The usable replies in the order of the queries; some may be missing."""
    rejected: Reply | None = None
    """The last error reply after which the next server was tried."""
    refused: bool = False
    """Whether all servers refused."""
    truncated: bool = False


ExchangeSteps: TypeAlias = Generator[Wait, Event, ExchangeResult]


class Mode(IntEnum):
    """The ways in which glibc sends the two queries for one name."""

    PARALLEL = 0
    """Both at once from one port."""
    SINGLE = 1
    """The second after the reply to the first, from the same port."""
    REOPEN = 2
    """The second after the reply to the first, from another port."""


@dataclass(slots=True)
class Session:
    """State of one process: configuration, time, IDs and ports."""

    conf: Conf
    rng: Random
    now: float = 0.0
    rotation: int = 0
    """Number of looked up names, for the option ``rotate``."""
    mode: Mode = Mode.PARALLEL
    """The current mode of A and AAAA; glibc never returns to an earlier mode."""

    def __post_init__(self) -> None:
        """Set the initial mode from the options."""
        for mode, option in (
            (Mode.SINGLE, "single-request"),
            (Mode.REOPEN, "single-request-reopen"),
        ):
            if option in self.conf.flags:
                self.mode = mode

    def port(self) -> int:
        """Return a random source port."""
        return self.rng.randint(32768, 60999)  # Linux's ip_local_port_range

    def asks(self, name: str, types: Iterable[int]) -> tuple[StubQuery, ...]:
        """Return the queries for ``name``; raises ValueError if it is not a name."""
        opt = Opt(_EDNS_SIZE) if "edns0" in self.conf.flags else None
        asks = []
        for qtype in types:
            question = Question(names.absolute(name), qtype)
            ident = self.rng.randrange(0x10000)
            query = wire.encode_query(question, ident, RD, opt, name)
            asks.append(StubQuery(question, ident, query))
        return tuple(asks)


Strategy: TypeAlias = Callable[[Session, Sequence[StubQuery]], ExchangeSteps]


def send(ask: StubQuery, server: str, source: int, transport: Transport) -> Send:
    """Return a query addressed to ``server``."""
    return Send(server, source, transport, ask.question, ask.wire)


def in_order(
    replies: dict[Question, Reply], asks: Sequence[StubQuery]
) -> tuple[Reply, ...]:
    """Return the replies in the order of the queries."""
    return tuple(replies[a.question] for a in asks if a.question in replies)
