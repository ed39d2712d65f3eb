"""Selects the records of a cluster answer and resolves its external targets.

A Service of type ExternalName leads to a name anywhere in DNS, whose records come from
the top of the chain.
"""

from minidns.dns.model import Query, Response, RRset, replace
from minidns.kubernetes import responses
from minidns.kubernetes.model import EVERYTHING, ClusterAnswer, Window, window
from minidns.plugins.site import Site


def window_of(site: Site, query: Query) -> Window:
    """Return how many records are needed: all, if a plugin chooses among them."""
    if site.chooses_records:
        return EVERYTHING
    return window(query.question.qtype, query.max_size, site.edges.random)


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
    response = responses.positive(answer, records, None)
    tc = response.tc or truncated
    return replace(response, tc=tc, client_specific=client_specific)
