"""What kind of answer a Response is, and what that means for keeping it.

The classes are those of CoreDNS (pkg/response), release 1.14.2: a reply is judged by
its rcode and by what its sections hold, not by whether it answers the question.
"""

from collections.abc import Iterable
from enum import Enum

from minidns.core.model import Query, Rcode, Response, RRset
from minidns.core.rdata import AXFR, IXFR, NS, RRSIG, SOA


class Outcome(Enum):
    """Kinds of answers."""

    POSITIVE = "records, or nothing at all, with NOERROR"
    DELEGATION = "NOERROR with the name servers of another zone only"
    NODATA = "NOERROR without an answer, with an SOA (RFC 2308 2.2)"
    NXDOMAIN = "NXDOMAIN with an SOA (RFC 2308 2.1)"
    FAILURE = "SERVFAIL or NOTIMP"
    TRANSFER = "a zone transfer or a reply to a NOTIFY"
    OTHER = "anything else; never kept"

    __hash__ = object.__hash__  # Enum's own is not C, and is called several times


TRANSFERS = frozenset((AXFR, IXFR))
_FAILURES = frozenset((int(Rcode.SERVFAIL), int(Rcode.NOTIMP)))


def outcome_of(query: Query, response: Response, wall: float) -> Outcome:
    """Return what ``response`` to ``query`` is at ``wall`` (Unix seconds)."""
    if query.flags & 0x7800 or query.question.qtype in TRANSFERS:
        return Outcome.TRANSFER
    if query.do and _has_expired(response, wall):
        return Outcome.OTHER
    rcode = response.rcode
    if rcode == Rcode.NOERROR and response.answer:
        return Outcome.POSITIVE
    if rcode in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return _without_answer(response)
    return Outcome.FAILURE if rcode in _FAILURES else Outcome.OTHER


def _without_answer(response: Response) -> Outcome:
    denied = response.rcode == Rcode.NXDOMAIN
    rtypes = {rrset.rtype for rrset in response.authority}
    if SOA in rtypes:
        return Outcome.NXDOMAIN if denied else Outcome.NODATA
    if denied:
        return Outcome.OTHER  # no SOA, no time to keep it for (RFC 2308 5)
    return Outcome.DELEGATION if NS in rtypes else Outcome.POSITIVE


def sections(response: Response) -> Iterable[RRset]:
    """Return the RRsets of all sections, in order."""
    return (*response.answer, *response.authority, *response.additional)


def _has_expired(response: Response, wall: float) -> bool:
    """Return whether a signature is outside its time (RFC 4034 3.1.5)."""
    return any(
        not _is_current(data, int(wall))
        for rrset in sections(response)
        if rrset.rtype == RRSIG
        for data in rrset.rdata
    )


def _is_current(signature: bytes, wall: int) -> bool:
    expiration, inception = (int.from_bytes(signature[at : at + 4]) for at in (8, 12))
    return _serial_le(inception, wall) and _serial_le(wall, expiration)


def _serial_le(one: int, other: int) -> bool:
    """Compare times that wrap around every 136 years (RFC 1982)."""
    return (other - one) % (1 << 32) < 1 << 31
