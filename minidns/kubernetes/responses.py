"""Makes the Response of a ClusterAnswer as CoreDNS writes it: flags, SOA, rcode.

Every response has AA, and negative ones carry the SOA (RFC 2308). A negative reply that
is reused gets the current serial, see ``Reuse.soa_serial``.
"""

from collections.abc import Sequence

from minidns.dns.model import Rcode, Response, Reuse, RRset
from minidns.kubernetes.model import ClusterAnswer


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
