"""Responses of *kubernetes* and *k8s_external*, from the answers of their zones.

They are written as CoreDNS writes them. Every response has AA, and negative ones carry
the SOA (RFC 2308). A negative reply that is reused gets the current serial, see
``Reuse.soa_serial``. A Service of type ExternalName leads to a name anywhere in DNS,
whose records come from the top of the chain.
"""

from collections.abc import Sequence

from minidns.dns.model import Query, Rcode, Response, Reuse, RRset, replace
from minidns.kubernetes.model import EVERYTHING, ClusterAnswer, Window, window
from minidns.plugins.site import Site


def window_of(site: Site, query: Query) -> Window:
    """Return how many records are needed: all, if a plugin chooses among them."""
    if site.chooses_records:
        return EVERYTHING
    return window(query.question.qtype, query.max_size, site.edges.random)


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


async def with_external_records(
    site: Site, query: Query, answer: ClusterAnswer
) -> Response:
    """Return the response with the records of the targets in ``answer``, not reusable.

    The rcode and the authority section of a target are left out (CoreDNS).
    """
    records: list[RRset] = []
    truncated = client_specific = False
    for record in answer.answer:
        if isinstance(record, RRset):
            records.append(record)
            continue
        target = await site.ask(query, record.target, query.question.qtype)
        records += target.answer
        truncated = truncated or target.tc
        client_specific = client_specific or target.client_specific
    response = positive(answer, records, None)
    tc = response.tc or truncated
    return replace(response, tc=tc, client_specific=client_specific)
