"""*transfer* - transfer whole zones to permitted clients.

The records come from other plugins of the server block (`Offers.transfers`), the
permitted clients from the directive with the longest zone. A transfer is a sequence of
messages over TCP (RFC 5936 2.2). An IXFR gets the whole zone, or only the SOA if the
client is current (RFC 1995 2).
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from operator import or_

from minidns.corefile.directives import Line
from minidns.corefile.errors import ConfigError
from minidns.corefile.options import Words, line, option, set_by, zones_argument
from minidns.dns import names
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Rdata,
    Response,
    RRset,
)
from minidns.dns.networks import is_address
from minidns.dns.rdata import AXFR, IXFR, read_soa
from minidns.dns.rules import AnswerRule
from minidns.dns.wire import authority_serial
from minidns.http import endpoint
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin
from minidns.text.go_text import quote

log = logging.getLogger(__name__)

_TWICE = "plugin/transfer: "
"""CoreDNS prints the plugin's name twice before some errors."""
MESSAGE = 63_000
"""Bytes of uncompressed records in one message (CoreDNS); a TCP frame has 64 KiB."""


class TransferRule(AnswerRule):
    """The rules of *transfer*."""

    NOT_ALLOWED = "transfer/not-allowed", "the client may not transfer the zone", True
    UP_TO_DATE = "transfer/up-to-date", "the client has the zone (RFC 1995 4)"
    ZONE = "transfer/zone", "the whole zone is transferred (RFC 5936)"


def _read_addresses(words: Words) -> frozenset[str]:
    return frozenset(map(_address, words.args))


def _address(word: str) -> str:
    """Return the address in ``word``; a port is allowed and ignored."""
    if word == "*":
        return word
    try:
        host, _ = endpoint.split(word)
    except ValueError:
        host = word
    if not is_address(host):
        raise ConfigError(f"must specify an IP address: `{host}'")
    return str(ip_address(host))


def _set_source(rule: "TransferOptions", words: Words) -> "TransferOptions":
    if rule.source:
        raise words.error("source already specified").prefixed(_TWICE)
    if not is_address(words.first) or "%" in words.first:
        text = f"invalid source address {quote(words.first)}"
        raise words.error(text).prefixed(_TWICE)
    return replace(rule, source=words.first)


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """The options of a *transfer* directive: the permitted clients of zones."""

    zones: tuple[Name, ...] = zones_argument()
    to: frozenset[str] = option(
        "to ADDRESS|*...",
        "The clients that may transfer the zones: IP addresses, or `*` for all. It is"
        " required. A port after an address has no effect.",
        frozenset(),
        _read_addresses,
        example="192.0.2.1",
        adding=or_,
    )
    source: str = set_by(
        "",
        line(
            "source ADDRESS",
            "The address that CoreDNS sends NOTIFY messages from. It is checked and has"
            " no effect, because minidns sends none.",
            _set_source,
            example="192.0.2.2",
        ),
    )

    def allows(self, peer: str) -> bool:
        """Return whether the client at ``peer`` may transfer the zones."""
        return "*" in self.to or peer in self.to


def setup(rules: tuple[TransferOptions, ...], site: Site) -> Plugin:
    """Return the plugin that transfers zones of other plugins of the server block.

    Raises:
        ConfigError: a directive permits no client.

    """
    for directive, rule in zip(site.block.named("transfer"), rules, strict=True):
        if not rule.to:
            raise directive.end_error("'to' is required").prefixed(_TWICE)

    async def transfer(next_: Handler, query: Query) -> Response:
        name, qtype, _ = query.question
        if qtype not in (AXFR, IXFR):
            return await next_(query)
        if query.transport != "tcp":
            raise DnsError(rcode=Rcode.REFUSED)
        rule = _rule_for(rules, name)
        if rule is None:
            return await next_(query)
        if not rule.allows(query.peer[0]):
            return Response(Rcode.REFUSED, rule=TransferRule.NOT_ALLOWED)
        for records_of in site.offers.transfers:
            if (records := records_of(name)) is not None:
                return _response(query, records)
        return await next_(query)

    return as_plugin(transfer)


def _unknown(line: Line) -> ConfigError:
    text = f"unknown property {quote(line.name)}"
    return line.error(text).prefixed(_TWICE)


def _rule_for(rules: Iterable[TransferOptions], name: Name) -> TransferOptions | None:
    """Return the rule with the longest zone that ``name`` is in."""
    by_zone = {zone: rule for rule in reversed([*rules]) for zone in rule.zones}
    zone = names.longest(by_zone, name)
    return by_zone[zone] if zone else None


def _response(query: Query, records: Sequence[RRset]) -> Response:
    """Return ``records`` as a transfer, or only the SOA if the client is current."""
    zone, qtype, _ = query.question
    soa = records[0]
    serial = read_soa(soa.rdata[0]).serial
    peer = query.peer[0]
    if qtype == IXFR:
        known = authority_serial(query.wire)
        if known is None:
            raise DnsError("an IXFR without SOA")
        if known == serial:
            text = "Outgoing noop, incremental transfer for up to date zone %s"
            log.info(text + " to %s for %d SOA serial", quote(zone), peer, serial)
            return Response(answer=(soa,), rule=TransferRule.UP_TO_DATE)
    count = sum(len(rrset.rdata) for rrset in records)
    text = "Outgoing transfer of %d records of zone %s to %s for %d SOA serial"
    log.info(text, count, quote(zone), peer, serial)
    first, *more = (
        Response(answer=tuple(part), aa=True, rule=TransferRule.ZONE)
        for part in _messages(records)
    )
    return Response(answer=first.answer, aa=True, rule=first.rule, more=tuple(more))


def _messages(records: Iterable[RRset]) -> Iterator[list[RRset]]:
    """Yield the records of one message after the other; an RRset may be split."""
    message: list[RRset] = []
    room = MESSAGE
    for rrset in records:
        head = names.wire_size(rrset.owner) + 10
        part: list[Rdata] = []
        for data in rrset.rdata:
            size = head + len(data)
            if size > room and (message or part):
                yield [*message, rrset._replace(rdata=tuple(part))] if part else message
                message, part, room = [], [], MESSAGE
            part.append(data)
            room -= size
        message.append(rrset._replace(rdata=tuple(part)))
    yield message


PLUGIN = PluginSpec(
    name="transfer",
    summary="transfer whole zones to permitted clients",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS,
    setup=setup,
    defaults=TransferOptions(),
    repeated=Repeated.SEPARATE,
    unknown=_unknown,
)
