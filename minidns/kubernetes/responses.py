"""From an outcome to the Response that CoreDNS would write: flags, SOA, rcode.

Every one has AA; negative ones carry the SOA (RFC 2308). What may be repeated says on
what it depends. A negative answer shows the serial: repeated ones show that of the
moment they were made, for no longer than a resolver would keep them (the TTL).
"""

from collections.abc import Sequence

from minidns.dns.model import Opt, Query, Rcode, Response, Reuse, RRset, Source
from minidns.dns.wire import ECHOED
from minidns.kubernetes.model import ClusterAnswer

EDE = 15
"""Option code of Extended DNS Errors (RFC 8914)."""
_OTHER, _STALE, _NOT_READY = 0, 3, 14
_MAX_EDE = 120
"""limit: bytes of text; a reply must not grow past 512 by its explanation."""


def positive(
    outcome: ClusterAnswer, answer: Sequence[RRset], reuse: Reuse | None
) -> Response:
    """Return the answer ``outcome`` says, with what it points at outside filled in."""
    return Response(
        answer=tuple(answer),
        additional=outcome.additional,
        aa=True,
        tc=outcome.partial,
        rule=outcome.rule,
        sources=outcome.sources,
        # others of the records are to have their turn
        reuse=None if outcome.partial else reuse,
    )


def negative(
    outcome: ClusterAnswer, soa: RRset, reuse: Reuse | None, *, synced: bool
) -> Response:
    """Return NODATA or NXDOMAIN; SERVFAIL for what may be there once we are synced."""
    if outcome.exists:
        rcode = Rcode.NOERROR
    else:
        rcode = Rcode.NXDOMAIN if synced else Rcode.SERVFAIL
    return Response(
        rcode,
        authority=(soa,),
        aa=True,
        rule=outcome.rule,
        sources=outcome.sources,
        reuse=reuse,
    )


def extended(query: Query, response: Response) -> Opt | None:
    """Return the OPT that says why there is no answer (RFC 8914), if it can be said."""
    if query.opt is None or response.answer:
        return None
    code = _NOT_READY if response.rcode == Rcode.SERVFAIL else _OTHER
    data = code.to_bytes(2) + short(response.rule, response.sources)
    kept = (each for each in query.opt.options if each[0] in ECHOED)
    return Opt(query.opt.size, query.opt.do, (*kept, (EDE, data)))


def short(rule: str, sources: Sequence[Source]) -> bytes:
    """Return rule and missing object in a few words.

    >>> short("negative/no-such-service", [Source("Service", "a/b", found=False)])
    b'no-such-service: Service a/b'
    """
    missing = [f"{each.kind} {each.name}" for each in sources if not each.found]
    text = ": ".join((rule.partition("/")[2] or rule, *missing[:1]))
    return text.encode("ascii", "replace")[:_MAX_EDE]
