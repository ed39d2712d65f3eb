"""Stub resolvers as state machines: the names that a lookup queries, in order.

Theory of operation: the client applies the search list, never the server. glibc, musl
and BIND's tools differ in a Policy: the exchange with the servers, the outcomes after
which the search continues, and the treatment of names with enough dots. A caller with
sockets and a clock drives a Lookup by ``start``, then ``on_reply``, ``on_refused`` or
``on_timeout`` until Done. Sources: glibc resolv/res_query.c, musl
src/network/lookup_name.c.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from minidns.dns.model import FormatError, Rcode
from minidns.dns.rdata import AAAA, A, address
from minidns.dns.reply import Reply, decode_reply

from . import resolv_conf
from .parallel import query_in_parallel
from .protocol import Event, ExchangeResult, Session, Strategy, Wait
from .resolv_conf import Conf, Reading
from .sequential import query_sequentially

BOTH = (A, AAAA)
"""The types that getaddrinfo queries for AF_UNSPEC, in this order."""


class Status(Enum):
    """The outcome of a lookup; the values are errors of getaddrinfo."""

    ANSWERED = ""
    NXDOMAIN = "EAI_NONAME"
    NODATA = "EAI_NODATA"
    SERVFAIL = "EAI_AGAIN (SERVFAIL)"
    SILENT = "EAI_AGAIN (no reply)"
    REFUSED = "EAI_AGAIN (connection refused)"
    FAILED = "EAI_FAIL"


@dataclass(frozen=True, slots=True)
class Policy:
    """The differences between stub resolvers."""

    name: str
    reading: Reading
    way: Strategy
    continue_on: frozenset[Status]
    """Outcomes after which the search continues with the next name."""
    searches_dotted_names: bool = True
    """Whether the search list applies to a name with ``ndots`` dots."""
    always_tries_name: bool = False
    """Whether the name as given is tried after an error in the search list."""
    root_in_search: bool = True
    """Whether ``.`` in the search list stands for the name as given."""


GLIBC = Policy(
    "glibc",
    resolv_conf.GLIBC,
    query_sequentially,
    frozenset((Status.NXDOMAIN, Status.NODATA, Status.SERVFAIL)),
    always_tries_name=True,
)
MUSL = Policy(
    "musl",
    resolv_conf.MUSL,
    query_in_parallel,
    frozenset((Status.NXDOMAIN,)),
    searches_dotted_names=False,
    root_in_search=False,
)
TOOLS = Policy(
    "bind-tools", resolv_conf.GLIBC, query_sequentially, frozenset((Status.NXDOMAIN,))
)
"""BIND's nslookup and dig."""
POLICIES = {policy.name: policy for policy in (GLIBC, MUSL, TOOLS)}


class Outcome(NamedTuple):
    """The outcome of a lookup for one name."""

    status: Status
    name: str
    """The absolute name that was answered or queried last."""
    replies: tuple[Reply, ...] = ()
    """The replies for this name, or the error reply if there is no other."""

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
    """The end of a lookup."""

    outcome: Outcome


Step: TypeAlias = Wait | Done


class Lookup:
    """One call of getaddrinfo or one lookup of a tool."""

    def __init__(
        self,
        session: Session,
        policy: Policy,
        name: str,
        types: tuple[int, ...] = BOTH,
    ) -> None:
        self._session = session
        self._steps = _search(session, policy, name, types)
        self._wait_for_version = 0.0

    def start(self, now: float) -> Step:
        """Return the first step."""
        self._session.now = now
        return self._step(None)

    def on_reply(self, now: float, server: str, source: int, wire: bytes) -> Step:
        """Handle a datagram to port ``source``; malformed messages are ignored."""
        try:
            reply = decode_reply(wire)
        except FormatError:
            return Wait((), self._wait_for_version)
        return self._step(Event(now, server, source, reply))

    def on_refused(self, now: float, server: str, source: int) -> Step:
        """Handle a refusal (ICMP port unreachable, TCP reset)."""
        return self._step(Event(now, server, source, refused=True))

    def on_timeout(self, now: float) -> Step:
        """Handle the time-out of the last Wait."""
        return self._step(Event(now))

    def _step(self, event: Event | None) -> Step:
        if event is not None:
            self._session.now = event.now
        try:
            wait = next(self._steps) if event is None else self._steps.send(event)
        except StopIteration as done:
            return Done(done.value)
        self._wait_for_version = wait.until
        return wait


def candidates(conf: Conf, policy: Policy, name: str) -> Iterator[str]:
    """Yield the absolute names to query for ``name``, in order.

    >>> conf = Conf(search=("prod.svc.cluster.local", "cluster.local"), ndots=2)
    >>> list(candidates(conf, GLIBC, "web.shop"))
    ['web.shop.prod.svc.cluster.local.', 'web.shop.cluster.local.', 'web.shop.']
    """
    if name.endswith("."):
        yield name
        return
    own = name + "."
    searched = list(_search_names(conf, policy, own))
    few_dots = name.count(".") < conf.ndots
    if not few_dots:
        yield own
    if few_dots or policy.searches_dotted_names:
        yield from (candidate for candidate in searched if few_dots or candidate != own)
    if few_dots and own not in searched:
        yield own


def _search_names(conf: Conf, policy: Policy, own: str) -> Iterator[str]:
    for domain in conf.search:
        if domain != ".":
            yield f"{own}{domain}."
        elif policy.root_in_search:
            yield own


def _search(
    session: Session, policy: Policy, name: str, types: tuple[int, ...]
) -> Generator[Wait, Event, Outcome]:
    """Query candidates until one is answered or the policy ends the search."""
    outcomes: list[Outcome] = []
    names = list(candidates(session.conf, policy, name))
    as_given = name.removesuffix(".") + "."
    while names:
        candidate = names.pop(0)
        try:
            asks = session.asks(candidate, types)
        except ValueError:
            continue  # the name is too long with this domain
        result = yield from policy.way(session, asks)
        replies = result.replies or ((result.rejected,) if result.rejected else ())
        outcome = Outcome(_status(result), candidate, replies)
        if outcome.status is Status.ANSWERED:
            return outcome
        outcomes.append(outcome)
        if outcome.status not in policy.continue_on:
            names = _remaining_after_failure(policy, outcome, names, as_given)
    return _final_outcome(policy, outcomes, as_given)


def _remaining_after_failure(
    policy: Policy, outcome: Outcome, names: list[str], as_given: str
) -> list[str]:
    """Return the names to try after an outcome that ends the search."""
    if not policy.always_tries_name:
        return []
    if outcome.name == as_given:
        return names  # glibc continues after any outcome of the name as given
    if outcome.status is Status.REFUSED:
        return []
    return [candidate for candidate in names if candidate == as_given]


def _status(result: ExchangeResult) -> Status:
    if any(r.rcode == Rcode.NOERROR and r.answer for r in result.replies):
        return Status.ANSWERED
    if not result.replies:
        if result.rejected is None:
            return Status.REFUSED if result.refused else Status.SILENT
        servfail = result.rejected.rcode == Rcode.SERVFAIL
        return Status.SERVFAIL if servfail else Status.FAILED
    rcodes = [r.rcode for r in result.replies]
    decisive = next((code for code in rcodes if code != Rcode.NOERROR), Rcode.NOERROR)
    match decisive:
        case Rcode.NXDOMAIN:
            return Status.NXDOMAIN
        case Rcode.NOERROR:
            return Status.NODATA
    return Status.FAILED


def _final_outcome(policy: Policy, outcomes: list[Outcome], as_given: str) -> Outcome:
    """Return the outcome that the program gets."""
    if not outcomes:
        return Outcome(Status.FAILED, as_given)
    if not policy.always_tries_name or outcomes[0].name == as_given:
        return outcomes[0] if policy.always_tries_name else outcomes[-1]
    for status in (Status.NODATA, Status.SERVFAIL):
        for outcome in outcomes:
            if outcome.status is status:
                return outcome
    return outcomes[-1]
