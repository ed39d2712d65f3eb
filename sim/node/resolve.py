"""``resolve`` in a pod: a lookup by a named resolver, and the report of it."""

import asyncio
import json
from collections.abc import Iterable

from minidns.dns.rdata import type_number
from minidns.stub.protocol import BOTH

from ..resolver import kinds
from ..resolver.report import Report, Sent, lines, make_report
from .container import Container, Output
from .over_sockets import LookupResult, QueryRecord

USAGE = "usage: resolve [-o json] RESOLVER NAME [TYPE]...\n"


async def run(container: Container, words: list[str]) -> Output:
    """Run ``resolve``; the status is 1 if the lookup fails, 2 for wrong usage."""
    is_json = words[:2] == ["-o", "json"]
    try:
        kind_name, name, *types = words[2:] if is_json else words
        kind = kinds.find(kind_name)
        rtypes = tuple(map(type_number, types)) or BOTH
    except ValueError as error:
        text = USAGE if len(words) < 2 else f"{error}\n{USAGE}"
        return Output(2, text)
    start = asyncio.get_running_loop().time()
    resolver = kind.make(container.resolv_conf, container.rng)
    resolved = await container.look_up(resolver, name, rtypes)
    seconds = asyncio.get_running_loop().time() - start
    report = report_of(kind, resolved, start, seconds)
    text = json.dumps(report) if is_json else "\n".join(lines(report))
    return Output(int(bool(resolved.outcome.error)), f"{text}\n", resolved.queries)


def report_of(
    kind: kinds.Kind, resolved: LookupResult, start: float, seconds: float
) -> Report:
    """Return the report of a lookup in a pod."""
    return make_report(
        kind, list(_sent(resolved.queries, start)), resolved.outcome, seconds
    )


def _sent(queries: Iterable[QueryRecord], start: float) -> Iterable[Sent]:
    for query in queries:
        path = query.path
        endpoint = path.endpoint[0] if path.endpoint else ""
        yield Sent(
            query.send,
            query.at - start,
            query.reply,
            query.ms,
            path.refused,
            endpoint if endpoint != query.send.server else "",
        )
