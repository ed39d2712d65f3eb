"""The text form of upstreams and of failures."""

import pytest

from minidns.upstream.upstream import Upstream, failure, joined, reason, split
from tests.table import table


@table(
    ("upstream", "text"),
    [
        pytest.param(Upstream("192.0.2.1"), "192.0.2.1:53", id="ipv4"),
        pytest.param(Upstream("2001:db8::1", 853), "[2001:db8::1]:853", id="ipv6"),
        pytest.param(Upstream("fe80::1%eth0"), "[fe80::1%eth0]:53", id="scope"),
        pytest.param(Upstream("192.0.2.1", 853, "tls", "dns.example.org"), "192.0.2.1:853", id="tls-without-the-name"),
    ],
)
def test_an_upstream_is_its_address_and_port(upstream: Upstream, text: str) -> None:
    assert str(upstream) == text


@table(
    ("text", "ends"),
    [
        ("192.0.2.1:53", ("192.0.2.1", "53")),
        ("[2001:db8::1]:53", ("2001:db8::1", "53")),
        ("[fe80::1%eth0]:5353", ("fe80::1%eth0", "5353")),
        ("dns.example.org:", ("dns.example.org", "")),
        (":53", ("", "53")),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("[2001:db8::1]", None),
        ("[2001:db8::1", None),
        ("a]b:53", None),
        ("", None),
    ],
)
def test_split_reads_what_go_reads(text: str, ends: tuple[str, str] | None) -> None:
    assert split(text) == ends
    if ends and ends[1]:
        assert joined(ends[0], int(ends[1])) == text


@table(
    ("error", "told", "why"),
    [
        pytest.param(
            ConnectionRefusedError(111, "Connect call failed"),
            "Connect call failed",
            "connection refused",
            id="system-call",
        ),
        pytest.param(
            TimeoutError("read udp a->b: i/o timeout"),
            "read udp a->b: i/o timeout",
            "read udp a->b: i/o timeout",
            id="text-only",
        ),
        pytest.param(TimeoutError(), "TimeoutError", "TimeoutError", id="nothing"),
    ],
)
def test_a_failure_has_a_text(error: OSError, told: str, why: str) -> None:
    assert failure(error) == told
    assert reason(error) == why
