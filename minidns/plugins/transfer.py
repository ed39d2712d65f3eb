"""*transfer* - hand out whole zones to those who may have them."""

import ipaddress
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from minidns.corefile.blocks import ConfigError, Directive, Line
from minidns.corefile.values import zones
from minidns.dns import names
from minidns.dns.model import (
    DnsError,
    Handler,
    Name,
    Plugin,
    Query,
    Rcode,
    Response,
    RRset,
)
from minidns.dns.rdata import AXFR, IXFR, read_soa
from minidns.dns.wire import authority_serial
from minidns.http import endpoint
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Traits
from minidns.text.go_text import quote

log = logging.getLogger(__name__)

MESSAGE = 16_000
"""Bytes of records in one message; far from 64 KiB, where TCP's framing ends."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Who may have which zones."""

    zones: tuple[Name, ...]
    to: frozenset[str]
    """Addresses; ``*`` for anybody."""

    def given(self, peer: str) -> bool:
        """Return whether the client at ``peer`` may have them."""
        return "*" in self.to or peer in self.to


def setup(directives: tuple[Directive, ...], site: Site) -> Plugin:
    """Read who may have what; the zones come from other plugins of the block."""
    leaves = [_leave(each, site.zones) for each in directives]

    def plugin(next_: Handler) -> Handler:
        async def transfer(query: Query) -> Response:
            name, qtype, _ = query.question
            if qtype not in (AXFR, IXFR):
                return await next_(query)
            if query.transport != "tcp":
                raise DnsError(rcode=Rcode.REFUSED)
            leave = _longest(leaves, name)
            if leave is None:
                return await next_(query)
            if not leave.given(query.peer[0]):
                return Response(Rcode.REFUSED, rule="transfer/not-allowed")
            for hand_out in site.transfers:
                if (records := hand_out(name)) is not None:
                    return _response(query, records)
            return await next_(query)

        return transfer

    return plugin


def _leave(directive: Directive, default: Sequence[Name]) -> Leave:
    to: set[str] = set()
    source = ""
    for line in directive.block:
        if line.name == "to":
            if not line.args:
                raise line.arg_error()
            to.update(map(_address, line.args))
        elif line.name == "source":
            source = _source(line, source)
        else:
            raise _twice(line.error(f"unknown property {quote(line.name)}"))
    if not to:
        raise _twice(directive.end_error("'to' is required"))
    return Leave(zones(directive.args, default), frozenset(to))


def _twice(error: ConfigError) -> ConfigError:
    """Return ``error`` with the plugin's name once more in front of it (CoreDNS)."""
    return error.prefixed("plugin/transfer: ")


def _source(line: Line, before: str) -> str:
    """Return the address that NOTIFY messages would come from; none are sent."""
    if len(line.args) != 1:
        raise line.arg_error()
    if before:
        raise _twice(line.error("source already specified"))
    (text,) = line.args
    if not _is_address(text):
        raise _twice(line.error(f"invalid source address {quote(text)}"))
    return text


def _address(word: str) -> str:
    """Return the address in ``word``; a port is allowed, and means nothing here."""
    if word == "*":
        return word
    try:
        host, _ = endpoint.split(word)
    except ValueError:
        host = word
    if not _is_address(host.partition("%")[0]):
        raise ConfigError(f"must specify an IP address: `{host}'")
    return str(ipaddress.ip_address(host))


def _is_address(text: str) -> bool:
    """Return whether ``text`` is an IP address, without a scope."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _longest(leaves: Iterable[Leave], name: Name) -> Leave | None:
    found = {zone: leave for leave in reversed([*leaves]) for zone in leave.zones}
    zone = names.longest(found, name)
    return found[zone] if zone else None


def _response(query: Query, records: Sequence[RRset]) -> Response:
    """Return ``records`` as a transfer, or only the SOA to whoever is up to date."""
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
            return Response(answer=(soa,), rule="transfer/up-to-date")
    count = sum(len(rrset.rdata) for rrset in records)
    text = "Outgoing transfer of %d records of zone %s to %s for %d SOA serial"
    log.info(text, count, quote(zone), peer, serial)
    first, *more = (
        Response(answer=tuple(part), aa=True, rule="transfer/zone")
        for part in _messages(records)
    )
    return Response(answer=first.answer, aa=True, rule=first.rule, more=tuple(more))


def _messages(records: Iterable[RRset]) -> Iterator[list[RRset]]:
    part: list[RRset] = []
    size = 0
    for rrset in records:
        each = len(names.to_wire(rrset.owner)) + 10
        size += sum(each + len(data) for data in rrset.rdata)
        if part and size > MESSAGE:
            yield part
            part, size = [], 0
        part.append(rrset)
    yield part


PLUGIN = PluginSpec(
    name="transfer",
    summary="hand out whole zones to those who may have them",
    syntax="transfer [ZONES...]",
    traits=Traits.HANDLES_QUERIES | Traits.ANSWERS,
    setup=setup,
    defaults=None,
)
