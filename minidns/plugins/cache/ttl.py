"""One TTL for a whole Response, as *cache* gives it.

CoreDNS shows the least TTL of a reply on all its records, kept in bounds, so that
a reply ages as one thing.
"""

from minidns.dns.model import Response, RRset, replace
from minidns.plugins.answer_kind import Outcome, sections

SHORTEST = 5
"""Seconds a reply without a TTL of its own is good for (CoreDNS)."""
LONGEST = 3600
"""Seconds above which a TTL counts as this much unless configured (CoreDNS)."""

_OWN_TTL = frozenset(
    (Outcome.POSITIVE, Outcome.UNRESOLVED, Outcome.NXDOMAIN, Outcome.NODATA)
)


def least(response: Response, outcome: Outcome, longest: int = LONGEST) -> int:
    """Return the TTL that ``response`` as a whole has, at most ``longest`` seconds.

    The least of all its records' (an SOA's own, not its MINIMUM); kinds of reply that
    say nothing about a name, and replies without records, have the shortest.
    """
    if outcome not in _OWN_TTL:
        return SHORTEST
    ttls = [rrset.ttl for rrset in sections(response)]
    return min(longest, *ttls) if ttls else SHORTEST


def clamped(ttl: int, at_least: int, at_most: int) -> int:
    """Return ``ttl`` within its bounds; the upper one wins."""
    return min(max(ttl, at_least), at_most)


def with_ttl(response: Response, ttl: int) -> Response:
    """Return ``response`` with ``ttl`` on every record, and without an OPT."""
    answer = _with_ttl(response.answer, ttl)
    authority = _with_ttl(response.authority, ttl)
    additional = _with_ttl(response.additional, ttl)
    if (
        answer is response.answer
        and authority is response.authority
        and additional is response.additional
        and response.opt is None
    ):
        return response
    return replace(
        response, answer=answer, authority=authority, additional=additional, opt=None
    )


def _with_ttl(rrsets: tuple[RRset, ...], ttl: int) -> tuple[RRset, ...]:
    for rrset in rrsets:
        if rrset.ttl != ttl:
            return tuple(
                [
                    RRset(owner, rtype, ttl, rdata, rclass)
                    for owner, rtype, _, rdata, rclass in rrsets
                ]
            )
    return rrsets
