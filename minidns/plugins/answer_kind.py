"""Kinds of answers, and which of them may be cached.

The classes are those of CoreDNS 1.14.7. `outcome_of` judges a reply by its rcode and by
what its sections hold (pkg/response), for *log* and *minimal*. `cache_outcome` also
checks that the records answer the question (plugin/cache), for *cache*.
"""

from collections.abc import Iterable
from enum import Enum

from minidns.corefile.releases import CURRENT, CacheRules
from minidns.dns import names
from minidns.dns.model import Name, Query, Question, Rcode, Response, RRset
from minidns.dns.rdata import ANY, AXFR, CNAME, IXFR, NS, RRSIG, SOA


class Outcome(Enum):
    """Kinds of answers."""

    POSITIVE = "records, or nothing at all, with NOERROR"
    DELEGATION = "NOERROR with the name servers of another zone only"
    NODATA = "NOERROR without an answer, with an SOA (RFC 2308 2.2)"
    NXDOMAIN = "NXDOMAIN without an answer (RFC 2308 2.1)"
    UNRESOLVED = "NOERROR with an answer to another question, without an SOA"
    FAILURE = "SERVFAIL or NOTIMP"
    TRANSFER = "a zone transfer or a reply to a NOTIFY"
    OTHER = "anything else; never cached"

    __hash__ = object.__hash__  # Enum's own is not C, and is called several times


TRANSFERS = frozenset((AXFR, IXFR))
_ANY_CLASS = 255
_FAILURES = frozenset((int(Rcode.SERVFAIL), int(Rcode.NOTIMP)))


def outcome_of(
    query: Query, response: Response, wall: float, *, nxdomain_by_soa: bool = False
) -> Outcome:
    """Return the kind of ``response`` to ``query`` at ``wall`` (Unix seconds).

    ``nxdomain_by_soa`` is the rule before CoreDNS 1.14.5: a reply with NXDOMAIN is a
    denial if it has an SOA, whatever its answer section holds.
    """
    if query.flags & 0x7800 or query.question.qtype in TRANSFERS:
        return Outcome.TRANSFER
    if query.do and _has_expired(response, wall):
        return Outcome.OTHER
    rcode = response.rcode
    if rcode == Rcode.NXDOMAIN:
        denies = has_soa(response) if nxdomain_by_soa else not response.answer
        return Outcome.NXDOMAIN if denies else Outcome.OTHER
    if rcode == Rcode.NOERROR:
        return Outcome.POSITIVE if response.answer else _without_answer(response)
    return Outcome.FAILURE if rcode in _FAILURES else Outcome.OTHER


def cache_outcome(
    query: Query, response: Response, wall: float, rules: CacheRules = CURRENT
) -> Outcome:
    """Return the kind of ``response`` for a cache at ``wall`` (Unix seconds).

    A CNAME chain that does not end in the type asked for is NODATA if an SOA says so
    (RFC 2308 2.2), and UNRESOLVED otherwise: RFC 2308 5 says not to cache that.
    """
    nxdomain_by_soa = not rules.denial_needs_no_answer
    outcome = outcome_of(query, response, wall, nxdomain_by_soa=nxdomain_by_soa)
    if (
        not rules.follows_aliases
        or outcome is not Outcome.POSITIVE
        or not response.answer
        or answers(query.question, response.answer)
    ):
        return outcome
    return Outcome.NODATA if has_soa(response) else Outcome.UNRESOLVED


def has_soa(response: Response) -> bool:
    """Return whether the authority section has an SOA, which gives a denial its TTL."""
    return any(rrset.rtype == SOA for rrset in response.authority)


def answers(question: Question, answer: Iterable[RRset]) -> bool:
    """Return whether ``answer`` has a record of the type asked for at the right owner.

    That owner is the end of the CNAME chain that starts at the question's name; for
    CNAME and ANY it is the question's name itself. An owner with two targets or a loop
    makes the whole chain invalid (RFC 2181 10.1, RFC 1034 3.6.2).
    """
    qname, qtype, qclass = question
    owners: set[Name] = set()
    aliases: dict[Name, set[Name]] = {}
    for owner, rtype, _, rdata, rclass in answer:
        if qclass not in (rclass, _ANY_CLASS):
            continue
        if rtype == qtype or qtype == ANY:
            owners.add(owner.lower())
        if rtype == CNAME and qtype != ANY:
            targets = {names.read(data).lower() for data in rdata[:2]}
            aliases.setdefault(owner.lower(), set()).update(targets)
    if qtype == CNAME:
        return len(aliases.get(qname, ())) == 1
    return _canonical_name(qname, aliases) in owners


def _canonical_name(name: Name, aliases: dict[Name, set[Name]]) -> Name | None:
    """Return the end of the CNAME chain from ``name``; None if the chain is invalid."""
    seen = {name}
    while targets := aliases.get(name):
        if len(targets) > 1:
            return None
        (name,) = targets
        if name in seen:
            return None
        seen.add(name)
    return name


def _without_answer(response: Response) -> Outcome:
    """Return the kind of a NOERROR reply with an empty answer section."""
    if has_soa(response):
        return Outcome.NODATA
    is_referral = any(rrset.rtype == NS for rrset in response.authority)
    return Outcome.DELEGATION if is_referral else Outcome.POSITIVE


def _has_expired(response: Response, wall: float) -> bool:
    """Return whether a signature is outside its time (RFC 4034 3.1.5)."""
    return any(
        not _is_current(data, int(wall))
        for rrset in response.rrsets
        if rrset.rtype == RRSIG
        for data in rrset.rdata
    )


def _is_current(signature: bytes, wall: int) -> bool:
    expiration, inception = (int.from_bytes(signature[at : at + 4]) for at in (8, 12))
    return _serial_le(inception, wall) and _serial_le(wall, expiration)


def _serial_le(one: int, other: int) -> bool:
    """Compare times that wrap around every 136 years (RFC 1982)."""
    return (other - one) % (1 << 32) < 1 << 31
