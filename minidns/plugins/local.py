"""*local* - answer for localhost and the local reverse zones."""

import logging
from dataclasses import dataclass

from minidns.corefile.options import Words, no_arguments, option
from minidns.corefile.values import longest, quote
from minidns.dns import names
from minidns.dns.model import (
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    Reuse,
    RRset,
)
from minidns.dns.rdata import AAAA, NS, PTR, SOA, A, a, aaaa, soa
from minidns.dns.rules import AnswerRule
from minidns.metrics.traffic import with_counter
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin

log = logging.getLogger(__name__)

TTL = 604800
LOCALHOST = "localhost."
ZONES = (LOCALHOST, "0.in-addr.arpa.", "127.in-addr.arpa.", "255.in-addr.arpa.")

_LOOPBACK = names.reverse("127.0.0.1")
_SOA = soa(LOCALHOST, "root.localhost.", 1, 0, 0, 0, TTL)
_NAME = names.to_wire(LOCALHOST)
_ADDRESSES = {A: a("127.0.0.1"), AAAA: aaaa("::1")}
_AT_LOCALHOST = _ADDRESSES | {SOA: _SOA, NS: _NAME}
_AT_OTHER_APEX = {SOA: _SOA, NS: _NAME}


class LocalRule(AnswerRule):
    """The rules of *local*."""

    RECORD = "local", "the name is one of this machine's (RFC 6761, RFC 6303)"
    NODATA = "local/nodata", "the name is this machine's, without such records"
    NXDOMAIN = "local/nxdomain", "the name is in a zone of this machine's names"


def _read_switch(words: Words) -> bool:
    if words.first not in ("on", "off"):
        actual = f"got {quote(words.first)}"
        raise words.error(f"localhost_prefix expects 'on' or 'off', {actual}")
    return words.first == "on"


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """The options of *local*."""

    localhost_prefix: bool = option(
        "localhost_prefix on|off",
        "Whether to answer for `localhost.` in any domain, which search lists produce"
        " (`on`).",
        True,
        _read_switch,
        example="off",
    )


def setup(options: LocalOptions, site: Site) -> Plugin:
    """Return the plugin that answers for localhost (RFC 6761 6.3) and RFC 6303."""
    prefixes = options.localhost_prefix
    counter = site.metrics.counter(
        "coredns_local_localhost_requests_total", "Queries for localhost.<domain>."
    )

    async def local(next_: Handler, query: Query) -> Response:
        qname = query.question.qname
        if _is_like_localhost(qname, prefixes):
            log.debug("%s from %s is for localhost", qname, query.peer[0])
            counter.inc()
            response = _answer(query, query.owner, _ADDRESSES)
            return with_counter(response, lambda times, _: counter.inc(by=times))
        zone = longest(ZONES, qname)
        return await next_(query) if zone is None else _in_zone(query, zone)

    return as_plugin(local)


def _is_like_localhost(qname: Name, prefixes: bool) -> bool:
    """Return whether this is a name below localhost, or localhost in a domain."""
    if qname == LOCALHOST:
        return False
    return qname.endswith("." + LOCALHOST) or (prefixes and qname.startswith(LOCALHOST))


def _in_zone(query: Query, zone: Name) -> Response:
    qname, owner = query.question.qname, query.owner
    apex = owner[len(owner) - len(zone) :]
    if qname == LOCALHOST:
        return _answer(query, apex, _AT_LOCALHOST)
    if qname == zone:
        return _answer(query, apex, _AT_OTHER_APEX)
    if qname == _LOOPBACK:
        return _answer(query, apex, {PTR: _NAME})
    return Response(
        Rcode.NXDOMAIN, authority=_soa(apex), rule=LocalRule.NXDOMAIN, reuse=Reuse()
    )


def _answer(query: Query, apex: str, data: dict[int, bytes]) -> Response:
    """Return the records of the type in the question, or NODATA."""
    qtype = query.question.qtype
    if qtype not in data:
        return Response(authority=_soa(apex), rule=LocalRule.NODATA, reuse=Reuse())
    answer = RRset(query.owner, qtype, TTL, (data[qtype],))
    return Response(answer=(answer,), rule=LocalRule.RECORD, reuse=Reuse())


def _soa(apex: str) -> tuple[RRset]:
    return (RRset(apex, SOA, TTL, (_SOA,)),)


PLUGIN = PluginSpec(
    name="local",
    summary="answer for localhost and the local reverse zones",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS | Traits.TOUCHES_NAMES,
    setup=setup,
    defaults=LocalOptions(),
    options=(no_arguments(),),
    repeated=Repeated.MERGED,
)
