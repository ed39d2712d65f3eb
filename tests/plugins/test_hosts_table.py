"""Rows after hosts(5) and the tests that CoreDNS has for its hosts plugin."""

import tracemalloc

import pytest

from minidns.dns.rdata import address
from minidns.plugins.hosts import table as hostsfile
from minidns.plugins.hosts.table import Hosts, lines, pointed
from minidns.system.addresses import packed
from tests.table import table


def hosts(text: str, *zones: str, reverse: bool = True) -> Hosts:
    made = Hosts(zones or (".",), reverse=reverse)
    made.read(lines(text, "hosts"))
    return made


TABLE = """255.255.255.255 broadcasthost
\t127.0.0.2\todin
127.0.0.3 odin  # inline comment
::2 odin
127.1.1.2 ullr ullrhost
fe80::1%lo0 localhost
# Bogus lines
123.123.123 loki
321.321.321.321
10.0.0.1
127.0.0.010 octal
::ffff:10.0.0.2 Mapped.Example.COM.
5.6.7.8 *.apps.example.com
2001:db8::8 *.apps.example.com
9.9.9.9 four.apps.example.com
a\\.b.example wrong
10.0.0.9 a\\.b.example a..b
10.0.0.9 again again
"""
HOSTS = hosts(TABLE)

ADDRESSES = [
    pytest.param("odin.", 4, ["127.0.0.2", "127.0.0.3"], id="lines-add-up-in-order"),
    pytest.param("odin.", 16, ["::2"], id="families-apart"),
    pytest.param("ullrhost.", 4, ["127.1.1.2"], id="alias"),
    pytest.param("localhost.", 16, ["fe80::1"], id="scope-dropped"),
    pytest.param("loki.", 4, [], id="bad-address-ignored"),
    pytest.param("octal.", 4, [], id="leading-zero-is-no-address"),
    pytest.param("mapped.example.com.", 4, ["10.0.0.2"], id="mapped-is-ipv4"),
    pytest.param("mapped.example.com.", 16, [], id="mapped-is-not-ipv6"),
    pytest.param("x.apps.example.com.", 4, ["5.6.7.8"], id="wildcard"),
    pytest.param("apps.example.com.", 4, [], id="wildcard-not-its-parent"),
    pytest.param("y.x.apps.example.com.", 4, [], id="wildcard-one-label-only"),
    pytest.param("four.apps.example.com.", 4, ["9.9.9.9"], id="exact-before-wildcard"),
    pytest.param("four.apps.example.com.", 16, ["2001:db8::8"], id="wildcard-per-family"),
    pytest.param("*.apps.example.com.", 4, ["5.6.7.8"], id="wildcard-itself"),
    pytest.param("a\\.b.example.", 4, ["10.0.0.9"], id="escaped-dot"),
    pytest.param("again.", 4, ["10.0.0.9"] * 2, id="named-twice"),
]


@table(("name", "size", "expected"), ADDRESSES)
def test_addresses(name: str, size: int, expected: list[str]) -> None:
    result = HOSTS.addresses(name, size)
    assert [address(entry.packed) for entry in result] == expected


POINTERS = [
    pytest.param("127.1.1.2", ["ullr.", "ullrhost."], id="names-in-order"),
    pytest.param("::2", ["odin."], id="ipv6"),
    pytest.param("fe80::1", ["localhost."], id="without-scope"),
    pytest.param("10.0.0.2", ["mapped.example.com."], id="lower-case"),
    pytest.param("5.6.7.8", [], id="not-of-wildcards"),
    pytest.param("192.0.2.1", [], id="unknown"),
]


@table(("text", "expected"), POINTERS)
def test_names_of(text: str, expected: list[str]) -> None:
    address = packed(text)
    assert address
    assert [entry.name for entry in HOSTS.names_of(address)] == expected


def test_entries_know_their_line() -> None:
    (first, second) = HOSTS.addresses("odin.", 4)
    assert (first.source.kind, first.source.name) == ("hosts", "hosts:2")
    assert second.source.name == "hosts:3"


def test_names_outside_the_zones_are_left_out() -> None:
    result = hosts("10.0.0.1 a.example.org example.org xexample.org b", "example.org.")
    assert len(result.addresses("a.example.org.", 4)) == 1
    assert not result.addresses("xexample.org.", 4)
    assert [item.name for item in result.names_of(b"\n\0\0\1")] == ["a.example.org.", "example.org."]
    assert result.skipped == 0


def test_no_reverse() -> None:
    result = hosts("10.0.0.1 a", reverse=False)
    assert not result.names_of(b"\n\0\0\1")
    assert len(result) == 1


def test_length_counts_both_directions() -> None:
    # coredns_hosts_entries: a and b, back and forth, and the wildcard once
    assert len(hosts("10.0.0.1 a b\n10.0.0.2 *.w")) == 5


def test_skipped_lines_are_counted() -> None:
    # 123.123.123, 321..., 10.0.0.1 alone, 127.0.0.010, a\.b.example, a..b
    assert HOSTS.skipped == 6


HOSTILE = [
    pytest.param("10.0.0.1 a\0b\n\0\0\0\n10.0.0.2 ok", 1, id="h12-nul"),
    pytest.param("x" * 70_000 + "\n10.0.0.2 ok", 1, id="h12-long-line"),
    pytest.param("10.0.0.1 " + "y" * 300 + "\n10.0.0.2 ok", 1, id="h12-long-name"),
    pytest.param("10.0.0.1 caf\u00e9\r\n10.0.0.2 ok\r", 0, id="h12-not-ascii"),
]


@table(("text", "skipped"), HOSTILE)
def test_odd_lines_do_no_harm_to_others(text: str, skipped: int) -> None:
    result = hosts(text)
    assert result.skipped == skipped
    assert len(result.addresses("ok.", 4)) == 1


def test_a_huge_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostsfile, "MAX_ENTRIES", 2000)
    table = Hosts()
    text = "\n".join(f"10.0.0.1 host{number}" for number in range(3000))
    table.read(lines(text, "hosts"))
    assert table.skipped == 1000


def test_no_answer_is_longer_than_a_message_can_be() -> None:
    text = "\n".join(f"0.0.0.0 ads{number}.example" for number in range(5000))
    result = hosts(text)
    assert len(result.names_of(bytes(4))) == hostsfile.MAX_SET
    assert result.skipped == 0
    assert len(result.addresses("ads4999.example.", 4)) == 1


REVERSE = [
    ("4.3.2.1.in-addr.arpa.", "1.2.3.4"),
    ("1." + "0." * 31 + "ip6.arpa.", "::1"),
    ("3.2.1.in-addr.arpa.", None),
    ("5.4.3.2.1.in-addr.arpa.", None),
    ("004.3.2.1.in-addr.arpa.", None),
    ("x.3.2.1.in-addr.arpa.", None),
    ("in-addr.arpa.", None),
    ("1.0.ip6.arpa.", None),
    ("10." + "0." * 30 + "ip6.arpa.", None),
    ("g." + "0." * 31 + "ip6.arpa.", None),
    ("example.org.", None),
]


@table(("name", "expected"), REVERSE)
def test_reverse_name(name: str, expected: str | None) -> None:
    result = pointed(name)
    assert (result and address(result)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("address", ["0.0.0.0", "10.0.{}.{}"])
def test_an_entry_takes_less_than_160_bytes(address: str) -> None:
    count = 20_000
    text = "".join(f"{address.format(n >> 8, n & 255)} ads{n}.tracker.example.com\n" for n in range(count))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    table = Hosts(characters=len(text))
    table.read(lines(text, "hosts"))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(table.addresses("ads777.tracker.example.com.", 4)) == 1
    assert (after - before) / count < 160
