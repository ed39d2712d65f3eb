"""What a lookup sent, what came of it and what it cost, as JSON and as text."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from minidns.dns.model import TC
from minidns.dns.rdata import rcode_name, to_text, type_name
from minidns.dns.reply import Reply
from minidns.stub.protocol import Outcome, Send, Status

from .kinds import Kind

Report: TypeAlias = dict[str, Any]
"""JSON: resolver, queries, result and cost."""

_TCP_PACKETS = 6
"""Packets that open and close a TCP connection."""
_SAME_S = 0.0005
"""Queries within this time leave at the same moment."""


class Sent(NamedTuple):
    """A query that was sent."""

    send: Send
    at: float
    """Seconds since the start of the lookup."""
    reply: Reply | None = None
    ms: float = 0.0
    """Milliseconds until the reply."""
    is_refused: bool = False
    endpoint: str = ""
    """The pod that the query went to, if it is known."""


def make_report(
    kind: Kind, sent: Sequence[Sent], outcome: Outcome, seconds: float
) -> Report:
    """Return the report of a lookup that took ``seconds``."""
    sockets: dict[tuple[str, int], int] = {}
    queries = []
    for each in sent:
        key = each.send.transport, each.send.source
        socket = sockets.setdefault(key, len(sockets) + 1)
        queries.append(_query(each, socket))
    result = {
        "status": outcome.status.value,
        "error": outcome.error,
        "name": outcome.name,
        "addresses": list(outcome.addresses),
    }
    return {
        "resolver": kind.name,
        "subject": kind.subject,
        "queries": queries,
        "result": result,
        "cost": {
            "queries": len(sent),
            "packets": _packets(sent, sockets),
            "seconds": round(seconds, 4),
        },
    }


def _query(sent: Sent, socket: int) -> Report:
    question = sent.send.question
    return {
        "at": round(sent.at, 4),
        "server": sent.send.server,
        "transport": sent.send.transport,
        "socket": socket,
        "name": question.qname,
        "type": type_name(question.qtype),
        "bytes": len(sent.send.wire),
        "edns": bool(sent.send.wire[11]),
        "result": _result(sent),
        "ms": round(sent.ms, 3) if sent.reply else None,
        "endpoint": sent.endpoint,
    }


def _result(sent: Sent) -> str:
    reply = sent.reply
    if reply is None:
        return "refused" if sent.is_refused else "no reply"
    if reply.flags & TC:
        return "truncated"
    if reply.rcode:
        return rcode_name(reply.rcode)
    texts = [
        to_text(rrset.rtype, data) for rrset in reply.answer for data in rrset.rdata
    ]
    return ", ".join(texts) or "NODATA"


def _packets(sent: Sequence[Sent], sockets: dict[tuple[str, int], int]) -> int:
    """Return the number of packets on the wire, both ways."""
    answered = sum(each.reply is not None or each.is_refused for each in sent)
    connections = sum(transport == "tcp" for transport, _ in sockets)
    return len(sent) + answered + connections * _TCP_PACKETS


def lines(report: Report) -> Iterator[str]:
    """Yield the report as text; queries of one moment have one time."""
    yield f"{report['resolver']}: {report['subject']}"
    queries = report["queries"]
    columns = ("server", "name", "type", "result")
    widths = {c: max((len(q[c]) for q in queries), default=0) for c in columns}
    before = -1.0
    for query in queries:
        together = query["at"] - before < _SAME_S
        yield _line(query, widths, together=together)
        before = query["at"]
    if not queries:
        yield "  nothing is sent"
    yield _end(report["result"])
    cost = report["cost"]
    yield (
        f"cost: {counted(cost['queries'], 'query', 'queries')}, "
        f"{counted(cost['packets'], 'packet', 'packets')}, {cost['seconds']:g} s"
    )


def _line(query: Report, widths: dict[str, int], *, together: bool) -> str:
    when = "    and " if together else f"{query['at']:8.3f}"
    took = "" if query["ms"] is None else f" after {query['ms']:.1f} ms"
    pod = f" by {query['endpoint']}" if query["endpoint"] else ""
    return (
        f"{when} s  {query['server']:{widths['server']}}"
        f" {query['transport']} socket {query['socket']}"
        f"  {query['name']:{widths['name']}} {query['type']:{widths['type']}}"
        f" -> {query['result']}{pod}{took}"
    ).replace("and  s", "and   ")


def _end(result: Report) -> str:
    if result["status"] != Status.ANSWERED.value:
        return f"error: {result['error']}"
    found = ", ".join(result["addresses"]) or "an answer"
    return f"result: {found} for {result['name']}"


def counted(number: int, one: str, several: str) -> str:
    """Return a number with its noun, as in ``1 query`` and ``2 queries``."""
    return f"{number} {one if number == 1 else several}"
