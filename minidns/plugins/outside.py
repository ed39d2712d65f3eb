"""How much of an answer of the cluster is needed, and what its aliases lead to."""

from collections.abc import Sequence

from minidns.dns.model import DnsError, Query, RRset
from minidns.kubernetes.model import RecordOrTarget
from minidns.kubernetes.window import EVERYTHING, Window, window
from minidns.plugins.site import Site


def window_of(site: Site, query: Query) -> Window:
    """Return how much of an answer is needed: all, if a plugin chooses among it."""
    if site.chooses_records:
        return EVERYTHING
    return window(query.question.qtype, query.max_size, site.edges.random)


async def resolve_external(
    site: Site, query: Query, pieces: Sequence[RecordOrTarget]
) -> tuple[list[RRset], bool]:
    """Return ``pieces`` with their external targets resolved, and whether that was cut.

    Whatever rcode comes with it is left out, as its authority is (CoreDNS).
    """
    answer: list[RRset] = []
    truncated = False
    for piece in pieces:
        if isinstance(piece, RRset):
            answer.append(piece)
            continue
        try:
            there = await site.ask(query, piece.target, query.question.qtype)
        except DnsError:
            continue
        answer += there.answer
        truncated = truncated or there.tc
    return answer, truncated
