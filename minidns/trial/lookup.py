"""Lookups of a trial: what is looked up, what came back, and whether that is a failure.

`Prober` is the port between a trial and the network: the simulated cluster and the
probers in real pods implement it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from minidns.dns.model import Rcode
from minidns.dns.rdata import AAAA, A
from minidns.trial.arms import Client, Manner, NameKind, Target

LATE_S = 1.0
"""Seconds after which a program has noticed that it waits."""
TIMEOUT_S = 5.0
"""Seconds for which a prober waits for replies: the time-out of C libraries."""


class Expected(NamedTuple):
    """The right outcomes of a lookup."""

    answers: tuple[frozenset[str], ...] = ()
    """The possible sets of addresses; empty if any answer with addresses is right."""
    rcode: int = Rcode.NOERROR
    may_be_empty: bool = False
    """Whether an answer without addresses is right as well."""

    @classmethod
    def addresses(cls, *answers: Iterable[str]) -> "Expected":
        """Return the expectation of one of several sets of addresses."""
        return cls(tuple(map(frozenset, answers)))


class Subject(NamedTuple):
    """What every arm looks up in one tick."""

    name: str
    """An absolute name, or for LIBC one as in a program."""
    kind: NameKind
    manner: Manner = Manner.PLAIN
    types: tuple[int, ...] = (A,)
    expected: Expected = Expected()
    objects: str = ""
    """The objects that the name depends on, as they are: with resourceVersions."""


def as_libc(subject: Subject, name: str) -> Subject:
    """Return ``subject`` as a C library looks ``name`` up for a program."""
    return subject._replace(name=name, manner=Manner.LIBC, types=(A, AAAA))


class Outcome(StrEnum):
    """How a lookup ended."""

    REPLIED = "replied"
    """Every query has a reply; rcode and addresses are those of the decisive ones."""
    SILENT = "no reply"
    """At least one query had no reply within the time-out."""
    UNREACHABLE = "unreachable"
    """ICMP port unreachable, or a TCP connection was refused."""
    TRUNCATED = "truncated"
    """The reply had TC set, and TCP did not give the whole answer."""
    MISMATCHED = "mismatched"
    """A reply was for another name or could not be read."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came back to one lookup."""

    sent_at: float
    """Time of the first query, in the seconds of the trial's event loop."""
    latency_s: float
    outcome: Outcome
    rcode: int = Rcode.NOERROR
    addresses: frozenset[str] = frozenset()
    replica: str = ""
    """The pod that was asked, as far as the prober knows, also without a reply."""
    transport: str = "udp"
    source_port: int = 0
    ident: int = 0
    """ID of the first query."""
    late_s: float = 0.0
    """Seconds of the latency in which the client was late itself."""


class Prober(Protocol):
    """Makes lookups from client pods."""

    async def look_up(self, client: Client, target: Target, subject: Subject) -> Result:
        """Make one lookup, without retransmission, and wait for it up to TIMEOUT_S.

        The prober sends at once. It raises nothing that depends on the network: a
        failure is a result.
        """
        ...


class Subjects(Protocol):
    """Chooses what is looked up; changes objects for names of the kind CHANGED."""

    async def next(self) -> Subject:
        """Return the subject of the next tick, when its expectation is true."""
        ...


class FailureKind(StrEnum):
    """How a lookup failed."""

    NO_REPLY = "no reply in time"
    LATE = "late"
    SERVFAIL = "SERVFAIL"
    REFUSED = "REFUSED"
    NXDOMAIN = "NXDOMAIN for a name that exists"
    RCODE = "another wrong rcode"
    MISSING = "missing address"
    EXTRA = "extra or outdated address"
    WRONG_NAME = "answer for another name"
    TRUNCATED = "truncated without TCP"
    UNREACHABLE = "unreachable"


_BY_OUTCOME = {
    Outcome.SILENT: FailureKind.NO_REPLY,
    Outcome.UNREACHABLE: FailureKind.UNREACHABLE,
    Outcome.TRUNCATED: FailureKind.TRUNCATED,
    Outcome.MISMATCHED: FailureKind.WRONG_NAME,
}
_BY_RCODE = {
    int(Rcode.SERVFAIL): FailureKind.SERVFAIL,
    int(Rcode.REFUSED): FailureKind.REFUSED,
    int(Rcode.NXDOMAIN): FailureKind.NXDOMAIN,
}


def failure_of(result: Result, expected: Expected) -> FailureKind | None:
    """Return how a lookup failed, or None if it gave a right answer in time."""
    if result.outcome in _BY_OUTCOME:
        return _BY_OUTCOME[result.outcome]
    if result.latency_s >= TIMEOUT_S:  # a query before the one that was answered
        return FailureKind.NO_REPLY
    if result.rcode != expected.rcode:
        return _BY_RCODE.get(result.rcode, FailureKind.RCODE)
    if result.rcode == Rcode.NOERROR and result.addresses not in expected.answers:
        if not (result.addresses or expected.may_be_empty):
            return FailureKind.MISSING
        if expected.answers:
            is_part = any(result.addresses < answer for answer in expected.answers)
            return FailureKind.MISSING if is_part else FailureKind.EXTRA
    return FailureKind.LATE if result.latency_s >= LATE_S else None


def is_doubtful(result: Result, expected: Expected) -> bool:
    """Return whether a lookup may have failed only because its client was late.

    A machine without processor time reads replies late, and then blames the network.
    """
    waited = failure_of(result, expected) in (FailureKind.LATE, FailureKind.NO_REPLY)
    return waited and result.latency_s - result.late_s < LATE_S
