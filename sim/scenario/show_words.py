"""The commands of scenarios with output: queries, answers, reasons, counts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from minidns.dns.model import AA, TC, Query, Question, RRset
from minidns.dns.rdata import (
    AAAA,
    A,
    rcode_name,
    to_lines,
    to_text,
    type_name,
    type_number,
)
from minidns.stub.protocol import BOTH, Outcome, Status

from ..api.addresses import family_of
from ..node.kube_proxy import Flow
from ..node.over_sockets import DNS_PORT, QueryRecord
from ..resolver import kinds
from ..resolver.report import counted
from .object_words import port_number
from .server_pods import SERVICES
from .setup_words import Command, domain_name, key_of, number
from .stage import Stage

SLOW_S = 0.1
"""Durations from this number of seconds on are shown."""
LATE_S = 1
"""From this number of seconds on a lookup is late, as in a trial."""
_PORTS = range(40000, 40064)
"""Source ports of the flows of ``route``: enough to reach every endpoint."""


def _plain(name: str) -> str:
    return name.removesuffix(".") or "."


async def _resolve(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    pod, name, *types = words
    start = stage.now()
    rtypes = tuple(map(type_number, types)) or BOTH
    resolved = await stage.look_up(key_of(pod), name, rtypes)
    several = len({query.send.server for query in resolved.queries}) > 1
    lines = [*_lines(resolved.queries, start, several), _end(resolved.outcome)]
    took = stage.now() - start
    return [*lines, f"took {_seconds(took)}"] if took >= SLOW_S else lines


def _end(outcome: Outcome) -> str:
    if outcome.status is Status.ANSWERED:
        return f"got {', '.join(sorted(outcome.addresses)) or 'an answer'}"
    return f"error {outcome.error}"


def _seconds(seconds: float) -> str:
    return f"{round(seconds, 1):g} s"


class _Line(NamedTuple):
    """A shown query without its type: A and AAAA share a line if possible."""

    name: str
    how: str
    result: str
    at: float
    time: int = 1
    """Number of equal queries at the same moment, including this one."""


def _lines(
    queries: Sequence[QueryRecord], start: float, several: bool
) -> Iterator[str]:
    lines: dict[_Line, list[str]] = {}
    for query in queries:
        line, rtype = _line(query, start, several), type_name(query.send.question.qtype)
        while rtype in lines.get(line, ()):
            line = line._replace(time=line.time + 1)
        lines.setdefault(line, []).append(rtype)
    for line, types in lines.items():
        yield f"ask {line.name} {' '.join(types)}{line.how} -> {line.result}"


def _line(query: QueryRecord, start: float, several: bool) -> _Line:
    send, late = query.send, query.at - start
    how = f" @{send.server}" if several else ""
    how += " over TCP" if send.transport == "tcp" else ""
    how += f" after {_seconds(late)}" if late >= SLOW_S else ""
    return _Line(_plain(send.question.qname), how, _result(query), query.at)


def _result(query: QueryRecord) -> str:
    if query.path.refused:
        return "refused"
    reply = query.reply
    if reply is None:
        return "no reply"
    if reply.flags & TC:
        return "truncated"
    if reply.rcode:
        return rcode_name(reply.rcode)
    texts = []
    for rrset in reply.answer:
        kind = "" if rrset.rtype in (A, AAAA) else f"{type_name(rrset.rtype)} "
        texts += sorted(kind + _plain(to_text(rrset.rtype, d)) for d in rrset.rdata)
    return ", ".join(texts) or "NODATA"


async def _query(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    pod, name, rtype = words
    types, absolute = (type_number(rtype),), domain_name(name)
    resolved = await stage.look_up(key_of(pod), absolute, types, kinds.BIND_TOOLS)
    if not resolved.outcome.replies:
        return [f"EAI_AGAIN ({resolved.outcome.status.value})"]
    reply = resolved.outcome.replies[-1]
    flags = [text for bit, text in ((AA, "aa"), (TC, "tc")) if reply.flags & bit]
    lines = [" ".join((rcode_name(reply.rcode), *flags))]
    for section in ("answer", "authority", "additional"):
        lines += [f"{section} {line}" for line in _records(getattr(reply, section))]
    return lines


def _records(rrsets: Iterable[RRset]) -> Iterator[str]:
    """Yield records; addresses last and sorted, because their order is random."""
    addresses = []
    for rrset in rrsets:
        lines = sorted(to_lines(rrset))
        if rrset.rtype in (A, AAAA):
            addresses += lines
        else:
            yield from lines
    yield from sorted(addresses)


async def _count(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    times, pod, name, *types = words
    rtypes = tuple(map(type_number, types)) or BOTH
    queries, late, ends = 0, 0, Counter[str]()
    for _ in range(lookups := number(times, 1)):
        start = stage.now()
        resolved = await stage.look_up(key_of(pod), name, rtypes)
        queries += len(resolved.queries)
        ends[_end(resolved.outcome)] += 1
        late += stage.now() - start >= LATE_S
    return [
        f"{counted(lookups, 'lookup', 'lookups')}, "
        f"{counted(queries, 'query', 'queries')}",
        *(f"{end}: {count}" for end, count in ends.most_common()),
        *([f"after {LATE_S:g} s or more: {late}"] if late else ()),
    ]


async def _cat(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    (pod,) = words
    return stage.resolv_conf(key_of(pod)).splitlines()


async def _route(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    pod, server = words
    name, colon, port = pod.partition(":")
    client = stage.address(key_of(name))
    if not family_of(server):
        raise ValueError(f"{server} is not an IP address")
    endpoints = set()
    ports = [port_number(port)] * len(_PORTS) if colon else _PORTS
    for source in ports:
        path = stage.plane.route(Flow((client, source), (server, DNS_PORT)))
        endpoints.add(path.endpoint[0] if path.endpoint else "nobody")
    return sorted(endpoints)


async def _why(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    name, rtype = words
    at = [(replica.address, DNS_PORT) for replica in stage.replicas("kube-dns")]
    host = next((hosts[a] for a in at if a in (hosts := stage.packets.hosts)), None)
    if host is None:
        raise ValueError("kube-dns has no server that could answer")
    question = Question(domain_name(name), type_number(rtype))
    response = await host.respond(Query(question, transport="tcp", max_size=65535))
    return [
        f"{rcode_name(response.rcode)} by the rule {response.rule or '(none)'}",
        *(
            f"{'from' if source.found else 'no'} {source.kind} {source.name}"
            for source in response.sources
        ),
    ]


async def _api(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    requests = sorted(stage.api.requests.items())
    stage.api.requests.clear()
    lines = [f"{verb} {resource}: {count}" for (resource, verb), count in requests]
    return lines or ["nothing"]


async def _forwarded(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    lines, stage.forwarded = stage.forwarded, []
    return lines or ["nothing"]


async def _logs(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    # the order of lines of the same moment is random
    lines = list(dict.fromkeys(line for _, line in sorted(stage.log_lines)))
    stage.log_lines.clear()
    return lines or ["nothing"]


async def _faults(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    return [active.line() for active in stage.faults.active()] or ["nothing"]


async def _servers(stage: Stage, words: Sequence[str], body: str) -> list[str]:
    return [
        f"{service} {replica.address} {replica.state}"
        for service in SERVICES
        for replica in stage.replicas(service)
    ]


Showing = partial(Command, has_output=True)
COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "resolve": Showing(
            _resolve,
            "POD NAME [TYPE]...",
            "looks a name up as a program in the pod does: every query, then the end",
        ),
        "count": Showing(
            _count,
            "TIMES POD NAME [TYPE]...",
            "looks a name up so often; shows how many queries, how it ended, and how "
            "often late",
        ),
        "query": Showing(
            _query, "POD NAME TYPE", "asks one question; shows the whole reply"
        ),
        "cat": Showing(_cat, "POD", "shows the pod's /etc/resolv.conf"),
        "route": Showing(
            _route,
            "POD[:PORT] ADDRESS",
            "shows which pods get DNS packets to an address: many flows, or one",
        ),
        "why": Showing(
            _why,
            "NAME TYPE",
            "shows the rule and the objects that the answer of kube-dns follows from",
        ),
        "api": Showing(
            _api, "", "shows what DNS servers asked of the API since the last time"
        ),
        "forwarded": Showing(
            _forwarded, "", "shows what was asked outside since the last time"
        ),
        "logs": Showing(
            _logs, "", "shows the new lines in the log of the DNS servers, each once"
        ),
        "faults": Showing(
            _faults, "", "shows the active faults and how many messages they affected"
        ),
        "servers": Showing(_servers, "", "shows the pods of the DNS services"),
    }
)
"""Commands with output; the indented lines below are the expected output."""
