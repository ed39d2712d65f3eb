"""Selects the records of a cluster answer and resolves its external targets."""

from collections.abc import Sequence

from minidns.dns.model import DnsError, Query, RRset
from minidns.kubernetes.model import RecordOrTarget
from minidns.kubernetes.window import EVERYTHING, Window, window
from minidns.plugins.site import Site


def window_of(site: Site, query: Query) -> Window:
    """Return how many records are needed: all, if a plugin chooses among them."""
    if site.chooses_records:
        return EVERYTHING
    return window(query.question.qtype, query.max_size, site.edges.random)


async def resolve_external(
    site: Site, query: Query, answer: Sequence[RecordOrTarget]
) -> tuple[list[RRset], bool]:
    """Return ``answer`` with the records of its targets, and whether one was truncated.

    The rcode and the authority section of a target are left out (CoreDNS).
    """
    records: list[RRset] = []
    truncated = False
    for one in answer:
        if isinstance(one, RRset):
            records.append(one)
            continue
        try:
            there = await site.ask(query, one.target, query.question.qtype)
        except DnsError:
            continue
        records += there.answer
        truncated = truncated or there.tc
    return records, truncated
