"""*dns64* - synthesize AAAA records for names that only have A records (RFC 6147)."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from minidns.corefile.options import Excess, Words, line, set_by, switch
from minidns.dns import rdata
from minidns.dns.model import (
    Handler,
    Plugin,
    Query,
    Rcode,
    Response,
    RRset,
    Source,
    replace,
)
from minidns.dns.networks import cidr
from minidns.dns.rules import AnswerRule
from minidns.plugins.site import Site
from minidns.plugins.spec import PluginSpec, Repeated, Traits, as_plugin
from minidns.text.go_text import quote

WELL_KNOWN = IPv6Network("64:ff9b::/96")
"""Prefix that stands for all of IPv4 (RFC 6052 2.1)."""
_NO_SOA_TTL = 600
"""Longest TTL in seconds of an answer without an SOA (RFC 6147 5.1.7)."""


class Dns64Rule(AnswerRule):
    """The rule of *dns64*."""

    TRANSLATED = "dns64/translated", "the IPv6 addresses stand for IPv4 ones (RFC 6147)"


def _read_prefix(words: Words) -> IPv6Network:
    """Return the prefix, of 32 to 96 bits in whole bytes (RFC 6052 2.2)."""
    network = cidr(words.first)
    if isinstance(network, IPv4Network):
        raise words.error(f"invalid netmask 32 IPv6 address: {quote(str(network))}")
    if network.prefixlen % 8 or not 32 <= network.prefixlen <= 96:
        raise words.error(f"invalid prefix length {quote(str(network))}")
    return network


def _set_prefix(options: "Dns64Options", words: Words) -> "Dns64Options":
    if not words.args:
        return options
    return dataclasses.replace(options, prefix=_read_prefix(words))


@dataclass(frozen=True, slots=True)
class Dns64Options:
    """The options of *dns64*."""

    prefix: IPv6Network = set_by(
        WELL_KNOWN,
        line(
            " [PREFIX]",
            "An IPv6 network of 32, 40, 48, 56, 64, 72, 80, 88 or 96 bits"
            f" (`{WELL_KNOWN}`).",
            _set_prefix,
            example="2001:db8::/96",
        ),
        line(
            "prefix PREFIX",
            "The same as a line of the block.",
            _set_prefix,
            example="2001:db8::/64",
            excess=Excess.NEXT_OPTION,
        ),
    )
    translate_all: bool = switch(
        "translate_all",
        "Also translates names that have IPv6 addresses.",
        excess=Excess.NEXT_OPTION,
    )
    allow_ipv4: bool = switch(
        "allow_ipv4",
        "Also translates for clients that ask over IPv4.",
        excess=Excess.NEXT_OPTION,
    )


def embedded(prefix: IPv6Network, address: bytes) -> bytes:
    """Return the IPv6 address that stands for an IPv4 one; byte 8 is 0 (RFC 6052 2.2).

    >>> embedded(IPv6Network("2001:db8::/32"), bytes([192, 0, 2, 1])).hex()
    '20010db8c00002010000000000000000'
    """
    head = prefix.network_address.packed[: prefix.prefixlen // 8]
    joined = head + address
    if len(head) <= 8:
        joined = joined[:8] + b"\0" + joined[8:]
    return joined.ljust(16, b"\0")


def setup(options: Dns64Options, site: Site) -> Plugin:
    """Return the plugin that answers AAAA questions from A records."""
    # unlike CoreDNS: a block is also read after a prefix, as its manual says
    translated = site.metrics.counter(
        "coredns_dns64_requests_translated_total",
        "Queries whose answer was made of A records.",
        ("server",),
    )

    async def dns64(next_: Handler, query: Query) -> Response:
        response = await next_(query)
        is_aaaa = query.question[1:] == (rdata.AAAA, 1)
        if not is_aaaa or not _needs_translation(options, response):
            return response
        if not (options.allow_ipv4 or _over_ipv6(query)):
            return replace(response, client_specific=query.hops > 0)
        translation = await _translate(query, response, options, site)
        translated.inc((query.server,))
        is_specific = query.hops > 0 and not options.allow_ipv4
        is_specific = is_specific or translation.client_specific
        return replace(translation, client_specific=is_specific)

    return as_plugin(dns64)


def _over_ipv6(query: Query) -> bool:
    address = ip_address(query.peer[0].partition("%")[0])
    return address.version == 6 and address.ipv4_mapped is None


def _needs_translation(options: Dns64Options, response: Response) -> bool:
    """Return whether AAAA records are to be synthesized for ``response``."""
    denied = any(rrset.rtype == rdata.SOA for rrset in response.authority)
    if response.rcode == Rcode.NXDOMAIN and denied:
        return False  # there is no A either (RFC 6147 5.1.2)
    has_aaaa = any(rrset.rtype == rdata.AAAA for rrset in response.answer)
    return options.translate_all or not has_aaaa


async def _translate(
    query: Query, response: Response, options: Dns64Options, site: Site
) -> Response:
    ipv4_response = await site.ask(query, query.question.qname, rdata.A)
    soa_ttls = [rrset.ttl for rrset in response.authority if rrset.rtype == rdata.SOA]
    longest = soa_ttls[-1] if soa_ttls else _NO_SOA_TTL
    return Response(
        # unlike CoreDNS: an error stays an error (RFC 6147 5.1.6)
        ipv4_response.rcode,
        answer=tuple(_records(ipv4_response.answer, options, longest)),
        authority=ipv4_response.authority,
        additional=ipv4_response.additional,
        tc=ipv4_response.tc,
        lower_case=True,  # CoreDNS asks for the lower-cased name
        rule=Dns64Rule.TRANSLATED,
        sources=(Source("dns64", str(options.prefix)), *ipv4_response.sources),
        client_specific=ipv4_response.client_specific,
    )


def _records(
    answer: Iterable[RRset], options: Dns64Options, longest: int
) -> Iterable[RRset]:
    for rrset in answer:
        if rrset.rtype != rdata.A:
            yield rrset
            continue
        data = tuple(embedded(options.prefix, address) for address in rrset.rdata)
        yield rrset._replace(rtype=rdata.AAAA, ttl=min(rrset.ttl, longest), rdata=data)


PLUGIN = PluginSpec(
    name="dns64",
    summary="synthesize AAAA records for names that only have A records (RFC 6147)",
    traits=Traits.HANDLES_QUERIES
    | Traits.ANSWERS
    | Traits.TOUCHES_NAMES
    | Traits.ANSWERS_VARY,
    setup=setup,
    defaults=Dns64Options(),
    repeated=Repeated.MERGED,
)
