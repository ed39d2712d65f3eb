"""The protocol between the steps of a stub resolver and the code that drives it.

Theory of operation: a resolver's lookup is a generator. It yields a `Wait` (queries to
send now, and a deadline) and receives the `Event` that ended the wait: a reply, a
failure of a socket, or the time-out. Its result is an `Outcome`. It does no I/O and
reads no clock: an event carries the time, and all chance comes from one generator of
random numbers. So one and the same machine runs in virtual time, over real sockets and
in tests. A `Lookup` wraps a generator for drivers: ``start``, then ``on_reply``,
``on_failure`` or ``on_timeout`` until `Done`.

A socket is known by its source port, which the machine draws: queries with equal port,
server and transport leave the same socket, and a machine ignores events of a socket
that it has closed.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from minidns.dns import names
from minidns.dns.model import CLASS_IN, RD, FormatError, Opt, Question
from minidns.dns.rdata import AAAA, CNAME, A, address, to_text
from minidns.dns.reply import Reply, decode_reply
from minidns.dns.wire import encode_query

Transport: TypeAlias = Literal["udp", "tcp"]

BOTH = (A, AAAA)
"""The types that getaddrinfo queries for AF_UNSPEC."""


class Send(NamedTuple):
    """A query to send."""

    server: str
    """Address of the server."""
    source: int
    """Source port: queries with the same port use the same socket."""
    transport: Transport
    question: Question
    wire: bytes


class Wait(NamedTuple):
    """Send the queries, then wait for an event until ``until``."""

    sends: tuple[Send, ...]
    until: float


class Failure(Enum):
    """The failures of a socket that a program sees."""

    REFUSED = "refused"
    """ICMP port unreachable, or a reset in answer to a SYN."""
    CLOSED = "closed"
    """The server closed the TCP connection."""
    RESET = "reset"
    """The server reset the TCP connection."""


class Event(NamedTuple):
    """The end of a wait: a reply, a failure, or (with neither) the time-out."""

    now: float
    server: str = ""
    source: int = 0
    reply: Reply | None = None
    failure: Failure | None = None
    size: int = 0
    """Bytes of the reply."""


class StubQuery(NamedTuple):
    """A query with its ID, which is the same in all retransmissions."""

    question: Question
    id: int
    wire: bytes

    def matches(self, reply: Reply) -> bool:
        """Return whether ``reply`` has the ID and the question of this query."""
        return reply.id == self.id and reply.question == self.question

    def to(self, server: str, source: int, transport: Transport = "udp") -> Send:
        """Return this query addressed to ``server``."""
        return Send(server, source, transport, self.question, self.wire)


class Status(Enum):
    """The result of a lookup, by its cause."""

    ANSWERED = "answered"
    NXDOMAIN = "NXDOMAIN"
    NODATA = "NODATA"
    SERVFAIL = "SERVFAIL"
    SILENT = "no reply"
    REFUSED = "connection refused"
    CLOSED = "connection closed"
    FAILED = "failed"
    """Another response code, or a name that cannot be queried."""


class Outcome(NamedTuple):
    """The outcome of a lookup."""

    status: Status
    name: str
    """The absolute name that was answered or queried last."""
    replies: tuple[Reply, ...] = ()
    """The replies for this name, or the error reply if there is no other."""
    error: str = ""
    """The error as the program sees it, such as EAI_AGAIN; empty if answered."""
    literal: str = ""
    """The address, if the name was one and nothing was sent."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses in the answers, in order."""
        if self.literal:
            return (self.literal,)
        return tuple(
            address(data)
            for reply in self.replies
            for rrset in reply.answer
            if rrset.rtype in BOTH
            for data in rrset.rdata
        )

    @property
    def canonical(self) -> str:
        """The name at the end of the aliases in the first reply."""
        name = self.name
        for reply in self.replies[:1]:
            for rrset in reply.answer:
                if rrset.rtype == CNAME and rrset.owner.lower() == name.lower():
                    name = to_text(CNAME, rrset.rdata[0])
        return name


Steps: TypeAlias = Generator[Wait, Event, Outcome]


class Resolver(ABC):
    """The resolver of one process: configuration, and the state between lookups."""

    def __init__(self, resolv_conf: str, rng: Random) -> None:
        """Set the text of /etc/resolv.conf and the source of all chance."""
        self.resolv_conf = resolv_conf
        """The text of the file now; each resolver has its own times of reading it."""
        self.rng = rng
        self.now = 0.0
        """Time of the present event in seconds, set by `Lookup`."""

    @abstractmethod
    def look_up(self, name: str, types: tuple[int, ...] = BOTH) -> Steps:
        """Return the steps of one lookup of ``name``."""

    def run_steps(self, other: "Resolver", steps: Steps) -> Steps:
        """Run ``steps`` of another resolver as part of a lookup of this one.

        The other one gets the time of each event of this one.
        """
        event: Event | None = None
        while True:
            other.now = self.now
            try:
                wait = next(steps) if event is None else steps.send(event)
            except StopIteration as done:
                outcome: Outcome = done.value
                return outcome
            event = yield wait

    def port(self) -> int:
        """Return a random source port from Linux's ip_local_port_range."""
        return self.rng.randint(32768, 60999)

    def queries(
        self,
        name: str,
        types: tuple[int, ...],
        flags: int = RD,
        opt: Opt | None = None,
        qclass: int = CLASS_IN,
    ) -> list[StubQuery]:
        """Return a query per type, with different random IDs.

        Raises:
            ValueError: ``name`` is not a domain name.

        """
        spelled = name if name.endswith(".") else f"{name}."
        absolute = names.absolute(spelled)
        idents = self.rng.sample(range(0x10000), len(types))
        questions = [Question(absolute, kind, qclass) for kind in types]
        return [
            StubQuery(
                question, ident, encode_query(question, ident, flags, opt, spelled)
            )
            for question, ident in zip(questions, idents, strict=True)
        ]


class Done(NamedTuple):
    """The end of a lookup."""

    outcome: Outcome


Step: TypeAlias = Wait | Done


@dataclass(slots=True)
class Lookup:
    """One lookup of ``resolver``, driven by events."""

    resolver: Resolver
    steps: Steps
    until: float = 0.0
    """The deadline of the present wait."""

    def start(self, now: float) -> Step:
        """Return the first step."""
        self.resolver.now = now
        return self._step(None)

    def on_reply(self, now: float, server: str, source: int, wire: bytes) -> Step:
        """Handle a message to port ``source``; malformed ones are ignored."""
        try:
            reply = decode_reply(wire, strict=False)
        except FormatError:
            return Wait((), self.until)
        return self._step(Event(now, server, source, reply, size=len(wire)))

    def on_failure(
        self, now: float, server: str, source: int, failure: Failure
    ) -> Step:
        """Handle the failure of the socket with port ``source``."""
        return self._step(Event(now, server, source, failure=failure))

    def on_timeout(self, now: float) -> Step:
        """Handle the time-out of the last Wait."""
        return self._step(Event(now))

    def _step(self, event: Event | None) -> Step:
        if event is not None:
            self.resolver.now = event.now
        try:
            wait = next(self.steps) if event is None else self.steps.send(event)
        except StopIteration as done:
            return Done(done.value)
        self.until = wait.until
        return wait


def literal_outcome(
    name: str, literal: str, types: tuple[int, ...], error: str
) -> Outcome:
    """Return the outcome for a name that is an address; ``error`` if not wanted."""
    if (AAAA if ":" in literal else A) in types:
        return Outcome(Status.ANSWERED, name, literal=literal)
    return Outcome(Status.NODATA, name, error=error)


def decisive_status(replies: Iterable[Reply]) -> Status:
    """Return the status of replies: answered, else by the first rcode but NOERROR."""
    replies = tuple(replies)
    if any(not reply.rcode and reply.answer for reply in replies):
        return Status.ANSWERED
    rcode = next((reply.rcode for reply in replies if reply.rcode), 0)
    known = {0: Status.NODATA, 2: Status.SERVFAIL, 3: Status.NXDOMAIN}
    return known.get(rcode, Status.FAILED)
