"""Stub resolvers as step machines: which names a look-up asks for, and in what order.

The search list is the client's doing, never the server's. glibc, musl and BIND's tools
differ in a small Policy: how servers are asked, which outcome ends the search, whether
a name with enough dots is searched for at all. Whoever has sockets and a clock drives a
Lookup: ``start``, then ``on_reply``, ``on_refused`` or ``on_timeout`` until Done.
Facts from glibc resolv/res_query.c and musl src/network/lookup_name.c.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from minidns.dns.model import FormatError, Rcode
from minidns.dns.rdata import AAAA, A, address
from minidns.dns.reply import Reply, decode_reply

from . import resolv_conf
from .parallel import all_at_once
from .protocol import Event, Got, Session, Wait, Way
from .resolv_conf import Conf, Reading
from .sequential import in_turn

BOTH = (A, AAAA)
"""What getaddrinfo asks for, in this order, when any family will do."""


class Status(Enum):
    """How asking for one name ended; the values are getaddrinfo's errors."""

    ANSWERED = ""
    NXDOMAIN = "EAI_NONAME"
    NODATA = "EAI_NODATA"
    SERVFAIL = "EAI_AGAIN (SERVFAIL)"
    SILENT = "EAI_AGAIN (no reply)"
    REFUSED = "EAI_AGAIN (connection refused)"
    FAILED = "EAI_FAIL"


@dataclass(frozen=True, slots=True)
class Policy:
    """What one resolver does its own way."""

    name: str
    reading: Reading
    way: Way
    goes_on: frozenset[Status]
    """Outcomes after which the next name is tried."""
    searches_dotted: bool = True
    """Whether the search list is tried for a name that has ``ndots`` dots."""
    tries_name_anyway: bool = False
    """Whether the name as given is still tried when a search domain went wrong."""
    root_in_search: bool = True
    """Whether ``.`` in the search list means the name as given."""


GLIBC = Policy(
    "glibc",
    resolv_conf.GLIBC,
    in_turn,
    frozenset((Status.NXDOMAIN, Status.NODATA, Status.SERVFAIL)),
    tries_name_anyway=True,
)
MUSL = Policy(
    "musl",
    resolv_conf.MUSL,
    all_at_once,
    frozenset((Status.NXDOMAIN,)),
    searches_dotted=False,
    root_in_search=False,
)
TOOLS = Policy("bind-tools", resolv_conf.GLIBC, in_turn, frozenset((Status.NXDOMAIN,)))
"""nslookup, and dig +search."""
POLICIES = {policy.name: policy for policy in (GLIBC, MUSL, TOOLS)}


class Outcome(NamedTuple):
    """What a look-up came to."""

    status: Status
    name: str
    """The name that was answered, or the last one asked for; absolute."""
    replies: tuple[Reply, ...] = ()
    """The replies for it, by question; a rejected one where there is no better."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses in the answers, in order."""
        return tuple(
            address(data)
            for reply in self.replies
            for rrset in reply.answer
            if rrset.rtype in BOTH
            for data in rrset.rdata
        )


class Done(NamedTuple):
    """Nothing more is to be sent."""

    outcome: Outcome


Step: TypeAlias = Wait | Done


class Lookup:
    """One call of getaddrinfo, or one look-up of a tool."""

    def __init__(
        self,
        session: Session,
        policy: Policy,
        name: str,
        types: tuple[int, ...] = BOTH,
    ) -> None:
        self._session = session
        self._steps = _search(session, policy, name, types)
        self._until = 0.0

    def start(self, now: float) -> Step:
        """Return the first step."""
        self._session.now = now
        return self._step(None)

    def on_reply(self, now: float, server: str, source: int, wire: bytes) -> Step:
        """Take a message that came to port ``source``; garbage changes nothing."""
        try:
            reply = decode_reply(wire)
        except FormatError:
            return Wait((), self._until)
        return self._step(Event(now, server, source, reply))

    def on_refused(self, now: float, server: str, source: int) -> Step:
        """Take it that nobody listens there (ICMP port unreachable, TCP reset)."""
        return self._step(Event(now, server, source, refused=True))

    def on_timeout(self, now: float) -> Step:
        """Take it that the time of the last Wait is up."""
        return self._step(Event(now))

    def _step(self, event: Event | None) -> Step:
        if event is not None:
            self._session.now = event.now
        try:
            wait = next(self._steps) if event is None else self._steps.send(event)
        except StopIteration as done:
            return Done(done.value)
        self._until = wait.until
        return wait


def candidates(conf: Conf, policy: Policy, name: str) -> Iterator[str]:
    """Yield the absolute names to try for ``name``, in order.

    >>> conf = Conf(search=("prod.svc.cluster.local", "cluster.local"), ndots=2)
    >>> list(candidates(conf, GLIBC, "web.shop"))
    ['web.shop.prod.svc.cluster.local.', 'web.shop.cluster.local.', 'web.shop.']
    """
    if name.endswith("."):
        yield name
        return
    own = name + "."
    searched = list(_searched(conf, policy, own))
    few_dots = name.count(".") < conf.ndots
    if not few_dots:
        yield own
    if few_dots or policy.searches_dotted:
        yield from (each for each in searched if few_dots or each != own)
    if few_dots and own not in searched:
        yield own


def _searched(conf: Conf, policy: Policy, own: str) -> Iterator[str]:
    for domain in conf.search:
        if domain != ".":
            yield f"{own}{domain}."
        elif policy.root_in_search:
            yield own


def _search(
    session: Session, policy: Policy, name: str, types: tuple[int, ...]
) -> Generator[Wait, Event, Outcome]:
    """Ask for one candidate after another until one is answered, or it is no use."""
    outcomes: list[Outcome] = []
    names = list(candidates(session.conf, policy, name))
    as_given = name.removesuffix(".") + "."
    while names:
        candidate = names.pop(0)
        try:
            asks = session.asks(candidate, types)
        except ValueError:
            continue  # too long with this domain behind it: nobody sends that
        got = yield from policy.way(session, asks)
        replies = got.replies or ((got.rejected,) if got.rejected else ())
        outcome = Outcome(_status(got), candidate, replies)
        if outcome.status is Status.ANSWERED:
            return outcome
        outcomes.append(outcome)
        if outcome.status not in policy.goes_on:
            names = _after_trouble(policy, outcome, names, as_given)
    return _verdict(policy, outcomes, as_given)


def _after_trouble(
    policy: Policy, outcome: Outcome, names: list[str], as_given: str
) -> list[str]:
    """Return what is still tried when an outcome is no reason to go on searching."""
    if not policy.tries_name_anyway:
        return []
    if outcome.name == as_given:
        return names  # glibc searches on, whatever the name itself came to
    if outcome.status is Status.REFUSED:
        return []
    return [each for each in names if each == as_given]


def _status(got: Got) -> Status:
    if any(r.rcode == Rcode.NOERROR and r.answer for r in got.replies):
        return Status.ANSWERED
    if not got.replies:
        if got.rejected is None:
            return Status.REFUSED if got.refused else Status.SILENT
        servfail = got.rejected.rcode == Rcode.SERVFAIL
        return Status.SERVFAIL if servfail else Status.FAILED
    rcodes = [r.rcode for r in got.replies]
    decisive = next((code for code in rcodes if code != Rcode.NOERROR), Rcode.NOERROR)
    match decisive:
        case Rcode.NXDOMAIN:
            return Status.NXDOMAIN
        case Rcode.NOERROR:
            return Status.NODATA
    return Status.FAILED


def _verdict(policy: Policy, outcomes: list[Outcome], as_given: str) -> Outcome:
    """Return the outcome that is told to the program."""
    if not outcomes:
        return Outcome(Status.FAILED, as_given)
    if not policy.tries_name_anyway or outcomes[0].name == as_given:
        return outcomes[0] if policy.tries_name_anyway else outcomes[-1]
    for status in (Status.NODATA, Status.SERVFAIL):
        for outcome in outcomes:
            if outcome.status is status:
                return outcome
    return outcomes[-1]
