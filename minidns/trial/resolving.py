"""Lookups of a trial by the step machines of stub resolvers, whatever carries them.

The simulated cluster carries the queries in memory or over simulated links, a prober in
a pod over its sockets. What is sent, and what counts as its result, is decided here.
"""

from random import Random
from typing import NamedTuple

from minidns.dns.model import TC, Rcode
from minidns.stub.glibc import Glibc
from minidns.stub.protocol import Lookup, Resolver, Status
from minidns.stub.protocol import Outcome as StubOutcome
from minidns.stub.single import Settings, Single
from minidns.trial.arms import Manner
from minidns.trial.lookup import TIMEOUT_S, Outcome

_OUTCOMES = {
    Status.SILENT: Outcome.SILENT,
    Status.REFUSED: Outcome.UNREACHABLE,
}


def lookup(
    name: str,
    types: tuple[int, ...],
    manner: Manner,
    server: str,
    rng: Random,
    search: str = "",
) -> Lookup:
    """Return a lookup at ``server`` without retransmission.

    ``search`` are the search domains of a program, for `Manner.LIBC`.
    """
    resolver = _resolver(manner, server, rng, search)
    return Lookup(resolver, resolver.look_up(name, types))


def _resolver(manner: Manner, server: str, rng: Random, search: str) -> Resolver:
    if manner is Manner.PLAIN:
        return Single(Settings((server,), TIMEOUT_S, attempts=1), rng)
    lines = [
        f"nameserver {server}",
        *([f"search {search}"] if search else []),
        f"options ndots:1 timeout:{TIMEOUT_S:.0f} attempts:1",
    ]
    return Glibc("\n".join((*lines, "")), rng)


class Ending(NamedTuple):
    """How a lookup ended, in the terms of a trial."""

    outcome: Outcome
    rcode: int
    addresses: frozenset[str]


def ending(outcome: StubOutcome) -> Ending:
    """Return how a lookup ended; its rcode is that of the first positive reply."""
    replies = outcome.replies
    answered = next((reply for reply in replies if reply.answer), None)
    decisive = answered or next(iter(replies), None)
    is_truncated = any(reply.flags & TC for reply in replies)
    return Ending(
        Outcome.TRUNCATED
        if is_truncated
        else _OUTCOMES.get(outcome.status, Outcome.REPLIED),
        decisive.rcode if decisive else Rcode.NOERROR,
        frozenset(outcome.addresses),
    )
