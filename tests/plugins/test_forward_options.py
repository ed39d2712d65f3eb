"""Every option of *forward*: what it may be, and what is said of anything else."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from minidns.corefile.blocks import ConfigError
from minidns.dns.model import Response
from minidns.plugins.forward import PLUGIN
from minidns.plugins.forward.options import ForwardOptions, check
from minidns.plugins.forward.targets import read_targets
from minidns.upstream.upstream import Keep, Upstream
from tests.table import table
from tests.world import World, directives, plugin, query


def options(*lines: str, root: str = "") -> ForwardOptions:
    body = "\n".join(lines)
    site = World().site(f".:53 {{\nforward . 192.0.2.1 {{\n{body}\n}}\n}}\n")
    (directive,) = directives(site, "forward")
    site.root = root
    read: ForwardOptions = PLUGIN.read_one(directive, site)
    check(read, directive)
    return read


GOOD: dict[str, tuple[str, Callable[[ForwardOptions], object], object]] = {
    "except": ("except a.org B.Net", lambda o: o.excepted, ("a.org.", "b.net.")),
    "except-network": (
        "except 10.0.0.0/15",
        lambda o: o.excepted,
        ("0.10.in-addr.arpa.", "1.10.in-addr.arpa."),
    ),
    "except-twice": ("except a.org\nexcept b.org", lambda o: o.excepted, ("a.org.", "b.org.")),
    "policy-default": ("", lambda o: o.policy, "random"),
    "policy-random": ("policy random", lambda o: o.policy, "random"),
    "policy-round_robin": ("policy round_robin", lambda o: o.policy, "round_robin"),
    "policy-sequential": ("policy sequential", lambda o: o.policy, "sequential"),
    "max_fails-default": ("", lambda o: o.max_fails, 2),
    "max_fails": ("max_fails 0", lambda o: o.max_fails, 0),
    "health_check-default": (
        "", lambda o: (o.check_every_s, o.check_rd, o.check_name), (0.5, True, "."),
    ),
    "health_check": ("health_check 5s", lambda o: o.check_every_s, 5),
    "health_check-0": ("health_check 0", lambda o: o.check_every_s, 0),
    "health_check-no_rec": ("health_check 1s no_rec", lambda o: o.check_rd, False),
    "health_check-domain": (
        "health_check 1s domain Example.org no_rec",
        lambda o: (o.check_name, o.check_rd),
        ("example.org.", False),
    ),
    "force_tcp": ("force_tcp", lambda o: o.force_tcp, True),
    "prefer_udp": ("prefer_udp", lambda o: o.prefer_udp, True),
    "keep-default": ("", lambda o: o.keep, Keep(10, 0, 0)),
    "expire": ("expire 1m", lambda o: o.keep.idle_s, 60),
    "max_idle_conns": ("max_idle_conns 3", lambda o: o.keep.max_idle, 3),
    "max_age": ("max_age 30s", lambda o: o.keep.max_age_s, 30),
    "max_age-0": ("max_age 0s", lambda o: o.keep.max_age_s, 0),
    "max_age-as-expire": ("max_age 5s\nexpire 5s", lambda o: o.keep, Keep(5, 0, 5)),
    "read_timeout-default": ("", lambda o: o.read_timeout_s, 2),
    "read_timeout": ("read_timeout 250ms", lambda o: o.read_timeout_s, 0.25),
    "doh_method": ("doh_method GET", lambda o: o.doh_method, "GET"),
    "doh_method-default": ("policy random", lambda o: o.doh_method, "POST"),
    "max_concurrent": ("max_concurrent 1000", lambda o: o.max_concurrent, 1000),
    "max_concurrent-0": ("max_concurrent 0", lambda o: o.max_concurrent, 0),
    "max_connect_attempts-default": ("", lambda o: o.max_connect_attempts, None),
    "max_connect_attempts": ("max_connect_attempts 4", lambda o: o.max_connect_attempts, 4),
    "max_connect_attempts-0": ("max_connect_attempts 0", lambda o: o.max_connect_attempts, 0),
    "next": ("next NXDOMAIN servfail", lambda o: o.next_rcodes, {2, 3}),
    "next-noerror": ("next NOERROR", lambda o: o.next_rcodes, {0}),
    "next_on_nodata": ("next_on_nodata", lambda o: o.next_on_nodata, True),
    "failover": ("failover SERVFAIL REFUSED", lambda o: o.failover, {2, 5}),
    "failover-old-spelling": ("failover NOTIMPL", lambda o: o.failover, {4}),
    "failfast": ("failfast_all_unhealthy_upstreams", lambda o: o.failfast, True),
    "tls_servername": ("tls_servername dns.example.org", lambda o: o.tls_servername, "dns.example.org"),
    "tls-none": ("", lambda o: o.tls, None),
    "resolver": (
        "resolver 192.0.2.7 [2001:db8::7]:5353 2001:db8::8",
        lambda o: o.resolvers,
        ("192.0.2.7", "[2001:db8::7]:5353", "2001:db8::8"),
    ),
    "source_address": ("source_address 192.0.2.9", lambda o: o.source_address, "192.0.2.9"),
}  # fmt: skip


@table(("line", "field", "value"), GOOD.values(), ids=GOOD)
def test_what_an_option_means(line: str, field: Callable[[ForwardOptions], object], value: object) -> None:
    assert field(options(line)) == value


AT = "Corefile:3 - Error during parsing: "
COUNT = "Wrong argument count or unexpected line ending after "
BAD = {
    "unknown": ("resolve 192.0.2.1", f"{AT}unknown property 'resolve'"),
    "except-nothing": ("except", f"{AT}{COUNT}'except'"),
    "policy-nothing": ("policy", f"{AT}{COUNT}'policy'"),
    "policy-unknown": ("policy best", f"{AT}unknown policy 'best'"),
    "policy-two": ("policy random now", f"{AT}unknown property 'now'"),
    "max_fails-nothing": ("max_fails", f"{AT}{COUNT}'max_fails'"),
    "max_fails-word": ("max_fails two", 'strconv.ParseUint: parsing "two": invalid syntax'),
    "max_fails-negative": ("max_fails -1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
    "max_fails-huge": (
        "max_fails 4294967296",
        'strconv.ParseUint: parsing "4294967296": value out of range',
    ),
    "health_check-nothing": ("health_check", f"{AT}{COUNT}'health_check'"),
    "health_check-no-unit": ("health_check 5", 'time: missing unit in duration "5"'),
    "health_check-negative": ("health_check -5s", "health_check can't be negative: -5000000000"),
    "health_check-unknown": ("health_check 5s rec", "health_check: unknown option rec"),
    "health_check-no-domain": ("health_check 5s domain", f"{AT}{COUNT}'domain'"),
    "health_check-bad-domain": (
        "health_check 5s domain a..b",
        "health_check: invalid domain name a..b",
    ),
    "force_tcp-word": ("force_tcp yes", f"{AT}{COUNT}'yes'"),
    "prefer_udp-word": ("prefer_udp yes", f"{AT}{COUNT}'yes'"),
    "expire-nothing": ("expire", f"{AT}{COUNT}'expire'"),
    "expire-day": ("expire 1d", 'time: unknown unit "d" in duration "1d"'),
    "expire-negative": ("expire -1s", "expire can't be negative: -1s"),
    "max_idle_conns-word": ("max_idle_conns x", 'strconv.Atoi: parsing "x": invalid syntax'),
    "max_idle_conns-negative": ("max_idle_conns -1", "max_idle_conns can't be negative: -1"),
    "max_age-negative": ("max_age -1m", "max_age can't be negative: -1m0s"),
    "max_age-below-expire": ("max_age 5s", "max_age (5s) must not be less than expire (10s)"),
    "read_timeout-0": ("read_timeout 0s", "read_timeout must be positive: 0s"),
    "read_timeout-negative": ("read_timeout -1s", "read_timeout must be positive: -1s"),
    "doh_method": ("doh_method PUT", "doh_method must be either POST or GET"),
    "max_concurrent-nothing": ("max_concurrent", f"{AT}{COUNT}'max_concurrent'"),
    "max_concurrent-word": ("max_concurrent many", 'strconv.Atoi: parsing "many": invalid syntax'),
    "max_concurrent-negative": ("max_concurrent -4", "max_concurrent can't be negative: -4"),
    "max_connect_attempts-word": (
        "max_connect_attempts x",
        'strconv.ParseUint: parsing "x": invalid syntax',
    ),
    "next-nothing": ("next", f"{AT}{COUNT}'next'"),
    "next-unknown": ("next NXDomains", "NXDomains is not a valid rcode"),
    "next_on_nodata-word": ("next_on_nodata yes", f"{AT}{COUNT}'yes'"),
    "failover-nothing": ("failover", f"{AT}{COUNT}'failover'"),
    "failover-unknown": ("failover foo", "foo is not a valid rcode"),
    "failover-noerror": ("failover NOERROR", "NoError cannot be used in failover"),
    "failfast-word": (
        "failfast_all_unhealthy_upstreams yes",
        f"{AT}{COUNT}'yes'",
    ),
    "tls-four": ("tls a b c d", f"{AT}{COUNT}'d'"),
    "tls-no-file": (
        "tls /nowhere/ca.pem",
        "error reading /nowhere/ca.pem: open /nowhere/ca.pem: no such file or directory",
    ),
    "tls_servername-nothing": ("tls_servername", f"{AT}{COUNT}'tls_servername'"),
    "resolver-nothing": ("resolver", f"{AT}{COUNT}'resolver'"),
    "resolver-name": (
        "resolver dns.example.org",
        'resolver must be an IP address or IP:port: "dns.example.org"',
    ),
    "source_address-name": ("source_address eth0", f"{AT}invalid IP address: eth0"),
}  # fmt: skip


@table(("line", "text"), BAD.values(), ids=BAD)
def test_what_is_said_of_anything_else(line: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(line)
    assert str(caught.value) == text


def test_every_error_knows_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        options("", "max_fails two")
    assert (caught.value.file, caught.value.line) == ("Corefile", 4)


def test_tls_files_are_relative_to_the_root(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    context = options("tls ca.pem", root=str(tmp_path)).tls
    assert context is not None
    assert any("trustme" in str(cert).lower() for cert in context.get_ca_certs())


FILES = {
    "/etc/resolv.conf": (
        "search example.org\n"
        "# nameserver 192.0.2.99\n"
        "nameserver 192.0.2.53\n"
        "nameserver\tfe80::1%eth0\n"
        "options ndots:5\n"
        "nameserver 192.0.2.54 # and a remark\n"
        "nameserver localhost\n"
    ),
    "/empty": "search example.org\n",
}
TO = {
    "address": ("192.0.2.1", [Upstream("192.0.2.1")]),
    "port": ("192.0.2.1:5353", [Upstream("192.0.2.1", 5353)]),
    "ipv6": ("2001:db8::1", [Upstream("2001:db8::1")]),
    "ipv6-brackets": ("[2001:db8::1]", [Upstream("2001:db8::1")]),
    "ipv6-port": ("[2001:db8::1]:5353", [Upstream("2001:db8::1", 5353)]),
    "ipv6-scope": ("fe80::1%eth0", [Upstream("fe80::1%eth0")]),
    "dns": ("dns://192.0.2.1", [Upstream("192.0.2.1")]),
    "tls": ("tls://192.0.2.1", [Upstream("192.0.2.1", 853, "tls")]),
    "tls-port": ("tls://192.0.2.1:8853", [Upstream("192.0.2.1", 8853, "tls")]),
    "tls-name": (
        "tls://192.0.2.1%dns.example.org",
        [Upstream("192.0.2.1", 853, "tls", "dns.example.org")],
    ),
    "tls-name-port": (
        "tls://192.0.2.1%dns.example.org:8853",
        [Upstream("192.0.2.1", 8853, "tls", "dns.example.org")],
    ),
    "tls-ipv6-name": (
        "tls://[2001:db8::1%dns.example.org]:8853",
        [Upstream("2001:db8::1", 8853, "tls", "dns.example.org")],
    ),
    "file": (
        "/etc/resolv.conf",
        [Upstream("192.0.2.53"), Upstream("fe80::1%eth0"), Upstream("192.0.2.54")],
    ),
    "several": ("192.0.2.1 192.0.2.2", [Upstream("192.0.2.1"), Upstream("192.0.2.2")]),
    "twice": ("192.0.2.1 192.0.2.1:53 dns://192.0.2.1", [Upstream("192.0.2.1")]),
    "file-and-address": (
        "192.0.2.54 /etc/resolv.conf",
        [Upstream("192.0.2.54"), Upstream("192.0.2.53"), Upstream("fe80::1%eth0")],
    ),
    "empty-file-and-address": ("/empty 192.0.2.1", [Upstream("192.0.2.1")]),
    "fifteen": (
        " ".join(f"192.0.2.{number}" for number in range(15)),
        [Upstream(f"192.0.2.{number}") for number in range(15)],
    ),
}  # fmt: skip


def forwarding(line: str) -> list[str]:
    """Return whom the site says it forwards example.org to."""
    _, site = plugin(World(files=FILES), PLUGIN.set_up, "forward", line)
    details = site.offers.explainers["forward"](query("example.org."), Response())
    upstreams = details["upstreams"]
    assert isinstance(upstreams, list)
    return [upstream["to"] for upstream in upstreams]


@table(("words", "upstreams"), TO.values(), ids=TO)
def test_whom_the_words_mean(words: str, upstreams: list[Upstream]) -> None:
    assert list(read_targets(words.split(), World(files=FILES).files)) == upstreams
    assert forwarding(f"forward . {words}") == [str(upstream) for upstream in upstreams]


HERE = "Corefile:2 - Error during parsing: "
BAD_LINES = {
    "no-from": ("forward", f"{HERE}{COUNT}'forward'"),
    "no-to": ("forward .", f"{HERE}{COUNT}'.'"),
    "from": ("forward a..b 192.0.2.1", "unable to normalize 'a..b'"),
    "sixteen": (
        "forward . " + " ".join(f"192.0.2.{number}" for number in range(16)),
        "more than 15 TOs configured: 16",
    ),
    "no-file": ("forward . /etc/nothing.conf", 'not an IP address or file: "/etc/nothing.conf"'),
    "no-name": ("forward . a..b", 'not an IP address, file, or valid domain: "a..b"'),
    "empty-file": ("forward . /empty", "no nameservers found"),
    "no-address": ("forward . tls://", 'invalid address: "tls://"'),
    "grpc": (
        "forward . grpc://192.0.2.1",
        "'grpc' is not supported as a destination protocol in forward: grpc://192.0.2.1:443",
    ),
    "quic-port": (
        "forward . quic://192.0.2.1:8853",
        "'quic' is not supported as a destination protocol in forward: quic://192.0.2.1:8853",
    ),
    "unix": (
        "forward . unix:///run/dns.sock",
        "'unix' is not supported as a destination protocol in forward: unix:///run/dns.sock",
    ),
    "https-path": (
        "forward . https://192.0.2.1/dns-query",
        "paths are not allowed in HTTPS upstream addresses (the /dns-query path is used"
        " by default): https://192.0.2.1/dns-query",
    ),
    "https-name-path": (
        "forward . https://dns.example.org/",
        "paths are not allowed in HTTPS upstream addresses (the /dns-query path is used"
        " by default): https://dns.example.org/",
    ),
    "https3": (
        "forward . https3://192.0.2.1",
        "'https3' is not supported as a destination protocol in forward: https3://192.0.2.1:443",
    ),
    "port-word": ("forward . 192.0.2.1:domain", 'invalid port in upstream address: "192.0.2.1:domain"'),
    "port-range": ("forward . 192.0.2.1:65536", 'invalid port in upstream address: "192.0.2.1:65536"'),
    "port-0": ("forward . 192.0.2.1:0", 'invalid port in upstream address: "192.0.2.1:0"'),
    "two-names": (
        "forward . tls://192.0.2.1%a.org {\ntls_servername b.org\n}",
        "both forward ('b.org') and proxy level ('a.org') TLS servernames are set for"
        " upstream proxy 'tls://192.0.2.1:853'",
    ),
}


@table(("line", "text"), BAD_LINES.values(), ids=BAD_LINES)
def test_what_is_said_of_a_bad_line(line: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        forwarding(line)
    assert str(caught.value) == text


def test_a_network_that_makes_several_zones_is_cut_to_the_first(caplog: pytest.LogCaptureFixture) -> None:
    plugin(World(), PLUGIN.set_up, "forward", "forward 10.0.0.0/15 192.0.2.1")
    assert caplog.messages == [
        "Unsupported CIDR notation: '10.0.0.0/15' expands to multiple zones. Using only '0.10.in-addr.arpa.'."
    ]
