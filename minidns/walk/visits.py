"""What each plugin of a chain decided about one query.

`observed` wraps the handlers of plugins (`minidns.plugins.chain.build`). It records
while a recorder is set in the context of the task that answers the query.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

from minidns.dns.model import DnsError, Handler, Query, Response
from minidns.dns.rdata import rcode_name, to_lines, type_name
from minidns.walk.steps import Facts


@dataclass(slots=True)
class Visit:
    """A query at one plugin."""

    plugin: str
    query: Query
    parent: "Visit | None" = None
    """The plugin that passed the query on; None for the first one of the chain."""
    inner: "list[Visit]" = field(default_factory=list)
    """The visits of the next plugin, and of internal queries."""
    response: Response | None = None
    error: DnsError | None = None


PASSING = "passes it on"
"""How the decision of a plugin begins that changes nothing."""
PASSES = f"{PASSING} and returns the reply unchanged"
RECORD: ContextVar[Callable[[Visit], None] | None] = ContextVar("record", default=None)
"""Called with each visit when it begins; it is complete once the reply is there."""
_PRESENT: ContextVar[Visit | None] = ContextVar("present", default=None)


def observed(name: str, handler: Handler) -> Handler:
    """Return the handler of the plugin ``name``, whose visits are recorded."""

    async def handle(query: Query) -> Response:
        if (record := RECORD.get()) is None:
            return await handler(query)
        visit = Visit(name, query, _PRESENT.get())
        if visit.parent is not None:
            visit.parent.inner.append(visit)
        record(visit)
        token = _PRESENT.set(visit)
        try:
            visit.response = await handler(query)
        except DnsError as error:
            visit.error = error
            raise
        finally:
            _PRESENT.reset(token)
        return visit.response

    return handle


def facts_of(visit: Visit) -> Facts:
    """Return the facts of a visit that is over."""
    question, response = visit.query.question, visit.response
    facts: dict[str, object] = {
        "plugin": visit.plugin,
        "name": question.qname,
        "type": type_name(question.qtype),
    }
    if visit.error is not None:
        return {**facts, "rcode": rcode_name(visit.error.rcode)}
    if response is None:
        return facts
    return {
        **facts,
        "rcode": rcode_name(response.rcode),
        "records": [line for rrset in response.answer for line in to_lines(rrset)],
        "rule": response.rule,
    }


def decision(visit: Visit) -> str:
    """Return what the plugin decided, in a sentence without its subject."""
    if visit.error is not None:
        return _failure(visit, visit.error)
    if visit.response is None:
        return "does not answer in time"
    asked = [v for v in visit.inner if v.query.hops == visit.query.hops]
    if not asked:
        return _answer(visit.response)
    before, parts = asked[-1], []
    if before.query.question != visit.query.question:
        parts.append(f"asks the next plugin for {before.query.question.qname} instead")
    if before.response is not None:
        parts += _changes(before.response, visit.response)
    elif before.error is not None:
        parts.append(f"turns the error into {_short(visit.response)}")
    return ", then ".join(parts) or PASSES


def _failure(visit: Visit, error: DnsError) -> str:
    if any(inner.error is error for inner in visit.inner):
        return f"{PASSING} and returns the error"
    why = f": {error.text}" if error.text else ""
    return f"fails with {rcode_name(error.rcode)}{why}"


def _answer(response: Response) -> str:
    for source in response.sources:
        if source.kind == "cache":
            age = f"{source.name.removesuffix('s')} s"
            return f"answers from its cache: {_short(response)}, {age} old"
    rule = f" (rule {response.rule})" if response.rule else ""
    return f"answers {_short(response)}{rule}"


def _short(response: Response) -> str:
    """Return the rcode, NODATA or the number of records."""
    if response.rcode:
        return rcode_name(response.rcode)
    number = sum(len(rrset.rdata) for rrset in response.answer)
    if not number:
        return "NODATA"
    return f"with {number} record{'s' if number > 1 else ''}"


def _changes(before: Response, after: Response) -> list[str]:
    """Return how a plugin changed the reply of the next one."""
    changes = []
    if before.rcode != after.rcode:
        changes.append(
            f"changes {rcode_name(before.rcode)} to {rcode_name(after.rcode)}"
        )
    old, new = _records(before), _records(after)
    if sorted(old) != sorted(new):
        changes.append("changes the records")
    elif old != new:
        changes.append("changes the order of the records")
    ttls = _ttls(before), _ttls(after)
    if ttls[0] != ttls[1]:
        changes.append("changes TTLs from {} to {}".format(*map(_listed, ttls)))
    for flag in ("aa", "ra", "ad", "tc"):
        if getattr(before, flag) != getattr(after, flag):
            verb = "sets" if getattr(after, flag) else "clears"
            changes.append(f"{verb} {flag.upper()}")
    return changes


def _records(response: Response) -> list[tuple[str, int, bytes]]:
    return [
        (rrset.owner, rrset.rtype, data)
        for rrset in response.rrsets
        for data in rrset.rdata
    ]


def _ttls(response: Response) -> list[int]:
    return sorted({rrset.ttl for rrset in response.rrsets})


def _listed(ttls: list[int]) -> str:
    return " and ".join(map(str, ttls)) or "none"
