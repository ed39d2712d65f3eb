"""Releases of CoreDNS: which there are, and the order of plugins in each."""

import pytest

from minidns import plugins
from minidns.corefile import releases
from minidns.corefile.releases import NEWEST, RELEASES, Release, parse
from tests.table import table

BEFORE_1_14_2 = "log dnstap local dns64 acl any chaos loadbalance tsig cache rewrite header dnssec autopath minimal"
BEFORE_1_14_7 = "log dnstap local dns64 any chaos loadbalance tsig cache rewrite acl header dnssec autopath minimal"
SINCE_1_14_7 = "log dnstap local dns64 any chaos loadbalance tsig rewrite autopath acl cache header dnssec tls minimal"
MIDDLES = {
    "1.11.0": BEFORE_1_14_2,
    "1.11.3": BEFORE_1_14_2,
    "1.12.4": BEFORE_1_14_2,
    "1.13.1": BEFORE_1_14_2,
    "1.14.1": BEFORE_1_14_2,
    "1.14.2": BEFORE_1_14_7,
    "1.14.6": BEFORE_1_14_7,
    "1.14.7": SINCE_1_14_7,
}
HEADS = {
    "1.11.1": "metadata geoip cancel tls timeouts reload nsid bufsize root bind debug trace ready health pprof prometheus errors log",
    "1.11.3": "root metadata geoip cancel tls timeouts reload nsid bufsize bind debug trace ready health pprof prometheus errors log",
    "1.12.1": "root metadata geoip cancel tls timeouts multisocket reload nsid bufsize bind debug trace ready health pprof prometheus errors log",
    "1.12.2": "root metadata geoip cancel tls quic timeouts multisocket reload nsid bufsize bind debug trace ready health pprof prometheus errors log",
    "1.14.0": "root metadata geoip cancel tls quic grpc_server https https3 timeouts multisocket reload nsid bufsize bind debug trace ready health pprof prometheus errors log",
    "1.14.3": "root metadata geoip cancel tls proxyproto quic grpc_server https https3 timeouts multisocket reload nsid bufsize bind debug trace ready health pprof prometheus errors log",
    "1.14.7": "root metadata geoip cancel proxyproto quic grpc_server https https3 timeouts multisocket reload nsid bufsize bind debug trace ready health pprof shed prometheus errors log",
}
TAIL = "minimal template transfer hosts route53 azure clouddns k8s_external kubernetes file auto secondary etcd loop forward grpc erratic whoami on sign view"
TAILS = {"1.12.4": TAIL, "1.13.0": f"{TAIL} nomad", "1.14.7": f"{TAIL} nomad"}


COREDNS = {name for names in (*MIDDLES.values(), *HEADS.values(), *TAILS.values()) for name in names.split()}
"""The plugins of CoreDNS: minidns may have others between them."""


@table(("version", "names"), [*MIDDLES.items(), *HEADS.items(), *TAILS.items()])
def test_order_is_that_of_plugin_cfg(version: str, names: str) -> None:
    expected = names.split()
    order = tuple(name for name in plugins.order(parse(version)) if name in COREDNS)
    begin = order.index(expected[0])
    assert list(order[begin : begin + len(expected)]) == expected
    if expected[0] in ("root", "metadata"):
        assert begin == 0
    if expected[0] == "minimal":
        assert order[begin:] == tuple(expected)


@table("release", RELEASES, ids=str)
def test_every_release_has_an_order_without_repetition(release: Release) -> None:
    order = plugins.order(release)
    assert len(set(order)) == len(order)
    assert set(order) <= set(plugins.ORDER)
    assert parse(str(release)) == release


@table(
    ("text", "release"),
    [("1.11.0", Release(1, 11, 0)), ("v1.13.1", Release(1, 13, 1)), ("1.11", Release(1, 11, 4)), ("1.14", NEWEST)],
)
def test_text_of_a_release(text: str, release: Release) -> None:
    assert parse(text) == release


@table(
    "text", ["", "1", "1.10.1", "1.11.2", "1.14.8", "1.15.0", "2", "1.14.7.1", "latest", "1.014.7", "1.14.-1", "vv1.14.7", "1.14.7\n", "x" * 99]
)  # fmt: skip
def test_unknown_release(text: str) -> None:
    with pytest.raises(ValueError, match=r"1\.11\.0 to 4.*1\.14\.0 to 7"):
        parse(text)


def test_newest_rules_are_the_defaults() -> None:
    assert releases.cache_rules(NEWEST) == releases.CURRENT
    assert not any(releases.cache_rules(RELEASES[0]))
