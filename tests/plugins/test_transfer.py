import itertools
import logging

import dns.message
import dns.rdatatype
import pytest

from minidns.corefile.blocks import ConfigError
from minidns.dns import names
from minidns.dns.model import DnsError, Handler, Name, Query, Rcode, Response, RRset, replace
from minidns.dns.rdata import A, a, read_soa, soa
from minidns.dns.wire import encode_response
from minidns.plugins import transfer
from minidns.plugins.site import Site
from minidns.plugins.transfer import MESSAGE
from tests.table import table
from tests.world import World, query

ZONE = "example.org."
SOA = RRset(ZONE, 6, 30, (soa(ZONE, ZONE, 7, 1, 1, 1, 1),))
HOSTS = tuple(RRset(f"h{n}.{ZONE}", A, 30, (a(f"192.0.2.{n % 256}"),)) for n in range(5000))
NEXT = Response(rule="next")


async def last(_: Query) -> Response:
    return NEXT


def handing_out(zone: Name) -> tuple[RRset, ...] | None:
    return (SOA, *HOSTS, SOA) if zone == ZONE else None


def handler(body: str = "to *", zones: str = "") -> tuple[Handler, Site]:
    site = World().site(f"example.org {{\ntransfer {zones} {{\n{body}\n}}\n}}\n")
    plugin = transfer.PLUGIN.set_up(site.block.named("transfer"), site)
    assert plugin is not None
    site.offers.transfers.append(lambda zone: None)
    site.offers.transfers.append(handing_out)
    return plugin(last), site


def axfr(qtype: str = "AXFR", *, peer: str = "192.0.2.53", name: str = ZONE) -> Query:
    return query(name, qtype, transport="tcp", peer=peer)


def ixfr(serial: int) -> Query:
    message = dns.message.make_query(ZONE, "IXFR")
    text = f"a. b. {serial} 1 1 1 1"
    rrset = dns.rrset.from_text(ZONE, 0, "IN", "SOA", text)
    message.authority.append(rrset)
    return replace(axfr("IXFR"), wire=message.to_wire() or b"")


@pytest.mark.slow
async def test_the_whole_zone_in_messages_that_fit(caplog: pytest.LogCaptureFixture) -> None:
    client_query = axfr()
    with caplog.at_level(logging.INFO, "minidns.plugins.transfer"):
        response = await handler()[0](client_query)
    messages = [response, *response.more]
    assert len(messages) > 1
    assert all(message.aa for message in messages)
    assert [rrset for message in messages for rrset in message.answer] == [SOA, *HOSTS, SOA]
    for message in messages:
        read = dns.message.from_wire(encode_response(client_query, message))
        assert not read.flags & dns.flags.TC
    assert caplog.messages == [
        'Outgoing transfer of 5002 records of zone "example.org." to 192.0.2.53 for 7 SOA serial'
    ]


@table("length", [1, 200, 60_000])
async def test_a_message_holds_as_many_records_as_fit(length: int) -> None:
    """One RRset of more than a message is cut; no message could take one more."""
    data = tuple(n.to_bytes(2) + bytes(length) for n in range(min(2000, 1 + 200_000 // length)))
    big = RRset("big.example.org.", 65280, 30, data)
    handing, site = handler()
    site.offers.transfers[0] = lambda zone: (SOA, big, SOA)
    response = await handing(axfr())
    messages = [response, *response.more]
    sizes = []
    for message in messages:
        records = [(rrset.owner, item) for rrset in message.answer for item in rrset.rdata]
        sizes.append([len(names.to_wire(owner)) + 10 + len(item) for owner, item in records])
        read = dns.message.from_wire(encode_response(axfr(), message))
        assert not read.flags & dns.flags.TC
    assert all(sum(size) <= MESSAGE for size in sizes)
    for size, after in itertools.pairwise(sizes):
        assert sum(size) + after[0] > MESSAGE
    sent = [item for message in messages for rrset in message.answer for item in rrset.rdata]
    assert sent == [*SOA.rdata, *big.rdata, *SOA.rdata]


@table("serial", [6, 8, 0])
async def test_ixfr_of_another_serial_is_the_whole_zone(serial: int) -> None:
    response = await handler()[0](ixfr(serial))
    assert response.more


async def test_ixfr_of_the_same_serial_is_one_soa(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    response = await handler()[0](ixfr(7))
    assert response.answer == (SOA,)
    assert not response.more
    assert not response.aa
    assert read_soa(response.answer[0].rdata[0]).serial == 7
    # in the words of CoreDNS
    line = f'Outgoing noop, incremental transfer for up to date zone "{ZONE}" to 192.0.2.53 for 7 SOA serial'
    assert line in caplog.text


async def test_ixfr_without_soa_fails() -> None:
    with pytest.raises(DnsError, match="without SOA"):
        await handler()[0](axfr("IXFR"))


async def test_udp_is_refused() -> None:
    with pytest.raises(DnsError) as caught:
        await handler()[0](query(ZONE, "AXFR"))
    assert caught.value.rcode == Rcode.REFUSED


@table(
    ("body", "peer", "allowed"),
    [
        ("to *", "192.0.2.1", True),
        ("to 192.0.2.1", "192.0.2.1", True),
        ("to 192.0.2.1:5353", "192.0.2.1", True),
        ("to 192.0.2.1 192.0.2.2", "192.0.2.2", True),
        ("to 192.0.2.1\nto 192.0.2.2", "192.0.2.2", True),
        ("to 2001:DB8::1", "2001:db8::1", True),
        ("to [2001:db8::1]:53", "2001:db8::1", True),
        ("to 192.0.2.1", "192.0.2.3", False),
    ],
)
async def test_who_may(body: str, peer: str, allowed: bool) -> None:
    response = await handler(body)[0](axfr(peer=peer))
    assert response.rcode == (Rcode.NOERROR if allowed else Rcode.REFUSED)
    assert bool(response.answer) == allowed


@table(
    ("zones", "name"),
    [("", "example.net."), ("", f"www.{ZONE}"), ("other.test", ZONE)],
    ids=["another-zone", "not-a-zone", "zone-not-listed"],
)
async def test_passed_on(zones: str, name: str) -> None:
    assert await handler(zones=zones)[0](axfr(name=name)) is NEXT
    assert await handler()[0](query(name)) is NEXT


async def test_the_longest_zone_decides_who_may() -> None:
    text = "org {\ntransfer org {\nto *\n}\ntransfer example.org {\nto 192.0.2.1\n}\n}\n"
    site = World().site(text)
    plugin = transfer.PLUGIN.set_up(site.block.named("transfer"), site)
    assert plugin is not None
    response = await plugin(last)(axfr())
    assert response.rcode == Rcode.REFUSED


@table(
    ("body", "text"),
    [
        ("", "plugin/transfer: Corefile:4 - Error during parsing: 'to' is required"),
        ("from x", 'plugin/transfer: Corefile:3 - Error during parsing: unknown property "from"'),
        ("to", "Corefile:3 - Error during parsing: Wrong argument count or unexpected line ending after 'to'"),
        ("to x", "must specify an IP address: `x'"),
        ("to dns://192.0.2.1", "must specify an IP address: `dns'"),
        ("to x:53", "must specify an IP address: `x'"),
        (
            "to *\nsource",
            "Corefile:4 - Error during parsing: Wrong argument count or unexpected line ending after 'source'",
        ),
        (
            "to *\nsource ::1 ::2",
            "Corefile:4 - Error during parsing: Wrong argument count or unexpected line ending after '::2'",
        ),
        ("to *\nsource x", 'plugin/transfer: Corefile:4 - Error during parsing: invalid source address "x"'),
        (
            "to *\nsource fe80::1%lo",
            'plugin/transfer: Corefile:4 - Error during parsing: invalid source address "fe80::1%lo"',
        ),
        (
            "source ::1\nto *\nsource ::1",
            "plugin/transfer: Corefile:5 - Error during parsing: source already specified",
        ),
        ("source ::1", "plugin/transfer: Corefile:4 - Error during parsing: 'to' is required"),
    ],
)
def test_errors(body: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        handler(body)
    assert str(caught.value) == text
