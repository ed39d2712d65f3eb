"""Selects the records of a cluster answer and resolves its external targets."""

from collections.abc import Sequence
from typing import NamedTuple

from minidns.dns.model import Query, RRset
from minidns.kubernetes.model import EVERYTHING, RecordOrTarget, Window, window
from minidns.plugins.site import Site


def window_of(site: Site, query: Query) -> Window:
    """Return how many records are needed: all, if a plugin chooses among them."""
    if site.chooses_records:
        return EVERYTHING
    return window(query.question.qtype, query.max_size, site.edges.random)


class Resolved(NamedTuple):
    """The records of an answer whose external targets were resolved."""

    records: list[RRset]
    truncated: bool
    """True if the reply for a target was truncated."""
    client_specific: bool
    """The flag of the same name in `Response`."""


async def resolve_external(
    site: Site, query: Query, answer: Sequence[RecordOrTarget]
) -> Resolved:
    """Return ``answer`` with the records of its targets.

    The rcode and the authority section of a target are left out (CoreDNS).
    """
    records: list[RRset] = []
    truncated = client_specific = False
    for record in answer:
        if isinstance(record, RRset):
            records.append(record)
            continue
        target = await site.ask(query, record.target, query.question.qtype)
        records += target.answer
        truncated = truncated or target.tc
        client_specific = client_specific or target.client_specific
    return Resolved(records, truncated, client_specific)
