"""Makes the Response of a ClusterAnswer as CoreDNS writes it: flags, SOA, rcode.

Every response has AA, and negative ones carry the SOA (RFC 2308). A negative reply that
is reused gets the current serial, see ``Reuse.soa_serial``.
"""

from collections.abc import Sequence

from minidns.dns.edns import EDE
from minidns.dns.model import Opt, Query, Rcode, Response, Reuse, RRset, Source
from minidns.dns.wire import ECHOED
from minidns.kubernetes.model import ClusterAnswer

_OTHER, _NOT_READY = 0, 14
_MAX_EDE = 120
"""limit: bytes of text; the explanation must not take a reply past 512 bytes."""


def positive(
    answer: ClusterAnswer, records: Sequence[RRset], reuse: Reuse | None
) -> Response:
    """Return the response with ``records``, the answer's with targets resolved."""
    return Response(
        answer=tuple(records),
        additional=answer.additional,
        aa=True,
        tc=answer.partial,
        rule=answer.rule,
        sources=answer.sources,
        # a partial answer is random: the next query gets other records
        reuse=None if answer.partial else reuse,
    )


def negative(
    answer: ClusterAnswer, soa: RRset, reuse: Reuse | None, *, synced: bool
) -> Response:
    """Return NODATA or NXDOMAIN; before the sync SERVFAIL instead of NXDOMAIN."""
    rcode = answer.rule.rcode
    if rcode == Rcode.NXDOMAIN and not synced:
        rcode = Rcode.SERVFAIL
    return Response(
        rcode,
        authority=(soa,),
        aa=True,
        rule=answer.rule,
        sources=answer.sources,
        reuse=reuse,
    )


def extended(query: Query, response: Response) -> Opt | None:
    """Return the OPT with the reason for an empty answer (RFC 8914), or None."""
    if query.opt is None or response.answer:
        return None
    code = _NOT_READY if response.rcode == Rcode.SERVFAIL else _OTHER
    data = code.to_bytes(2) + short(response.rule, response.sources)
    echoed = (option for option in query.opt.options if option[0] in ECHOED)
    return Opt(query.opt.size, query.opt.do, (*echoed, (EDE, data)))


def short(rule: str, sources: Sequence[Source]) -> bytes:
    """Return rule and missing object in a few words.

    >>> short("negative/no-such-service", [Source("Service", "a/b", found=False)])
    b'no-such-service: Service a/b'
    """
    missing = [f"{one.kind} {one.name}" for one in sources if not one.found]
    text = ": ".join((rule.partition("/")[2] or rule, *missing[:1]))
    return text.encode("ascii", "replace")[:_MAX_EDE]
