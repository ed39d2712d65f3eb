import ipaddress

import dns.name
import dns.reversename
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minidns.corefile import keys
from minidns.corefile.keys import Claim, Key
from tests.table import table

KEYS = [
    ("root", ".", ["dns://.:53"]),
    ("root-port", ".:1053", ["dns://.:1053"]),
    ("name", "example.org", ["dns://example.org.:53"]),
    ("name-absolute", "example.org.", ["dns://example.org.:53"]),
    ("name-in-capitals", "Example.ORG", ["dns://example.org.:53"]),
    ("name-port", "example.org:5353", ["dns://example.org.:5353"]),
    ("scheme", "dns://example.org:54", ["dns://example.org.:54"]),
    ("scheme-tls", "tls://.", ["tls://.:853"]),
    ("scheme-tls-port", "tls://.:8853", ["tls://.:8853"]),
    ("scheme-quic", "quic://.", ["quic://.:853"]),
    ("scheme-grpc", "grpc://.", ["grpc://.:443"]),
    ("scheme-https", "https://.", ["https://.:443"]),
    ("scheme-https3", "https3://.", ["https3://.:443"]),
    ("scheme-in-capitals-is-a-name", "TLS://x", ["dns://tls://x.:53"]),
    ("scheme-unknown-is-a-name", "ftp://x", ["dns://ftp://x.:53"]),
    ("scheme-once", "tls://dns://x", ["tls://dns://x.:853"]),
    ("port-not-a-number-is-a-name", "a:b", ["dns://a:b.:53"]),
    ("port-with-zeros", ".:053", ["dns://.:53"]),
    ("port-with-sign", ".:+53", ["dns://.:53"]),
    ("port-beyond-any-integer-is-a-name", "a:99999999999999999999", ["dns://a:99999999999999999999.:53"]),
    ("port-after-last-colon-only", "a:1:2", ["dns://a:1.:2"]),
    ("wildcard-is-a-name", "*.example.org", ["dns://*.example.org.:53"]),
    ("underscore-is-a-name", "_tcp.example.org", ["dns://_tcp.example.org.:53"]),
    ("brace-is-a-name", "example.org{", ["dns://example.org{.:53"]),
    ("closing-brace-is-a-name", "}", ["dns://}.:53"]),
    ("brackets-are-a-name", "[::1]:53", ["dns://[::1].:53"]),
    ("address-is-a-name", "192.0.2.1", ["dns://192.0.2.1.:53"]),
    ("ipv6-ends-in-a-port", "fd00::1", ["dns://fd00:.:1"]),
    ("network-short-is-a-name", "10/8", ["dns://10/8.:53"]),
    ("network-mask-too-long-is-a-name", "10.0.0.0/33", ["dns://10.0.0.0/33.:53"]),
    ("network-octet-too-big-is-a-name", "10.0.0.256/8", ["dns://10.0.0.256/8.:53"]),
    ("network-with-zero-is-a-name", "010.0.0.0/8", ["dns://010.0.0.0/8.:53"]),
    ("network-with-netmask-is-a-name", "10.0.0.0/255.0.0.0", ["dns://10.0.0.0/255.0.0.0.:53"]),
    ("network-with-scope-is-a-name", "fe80::1%eth0/64", ["dns://fe80::1%eth0/64.:53"]),
    ("network-of-names", "example.org/8", ["dns://example.org/8.:53"]),
    ("network-24", "10.0.0.0/24", ["dns://0.0.10.in-addr.arpa.:53"]),
    ("network-24-port", "10.0.0.0/24:5353", ["dns://0.0.10.in-addr.arpa.:5353"]),
    ("network-16-tls", "tls://172.16.0.0/16", ["tls://16.172.in-addr.arpa.:853"]),
    ("network-8", "10.0.0.0/8", ["dns://10.in-addr.arpa.:53"]),
    ("network-0", "10.1.2.3/0", ["dns://in-addr.arpa.:53"]),
    ("network-32", "192.0.2.1/32", ["dns://1.2.0.192.in-addr.arpa.:53"]),
    ("network-host-bits", "10.0.0.77/24", ["dns://0.0.10.in-addr.arpa.:53"]),
    ("network-mask-with-zeros", "10.0.0.0/0024", ["dns://0.0.10.in-addr.arpa.:53"]),
    ("network-15", "10.0.0.0/15", ["dns://0.10.in-addr.arpa.:53", "dns://1.10.in-addr.arpa.:53"]),
    ("network-v6-nibble", "2001:db8::/32", ["dns://8.b.d.0.1.0.0.2.ip6.arpa.:53"]),
    ("network-v6-port", "2001:db8::/32:53", ["dns://8.b.d.0.1.0.0.2.ip6.arpa.:53"]),
    ("network-v6-in-capitals", "2001:DB8::/32", ["dns://8.b.d.0.1.0.0.2.ip6.arpa.:53"]),
    ("network-v6-31", "2001:db8::/31", ["dns://8.b.d.0.1.0.0.2.ip6.arpa.:53", "dns://9.b.d.0.1.0.0.2.ip6.arpa.:53"]),
    ("longest", ".".join(["a" * 63] * 3) + "." + "a" * 61, ["dns://" + ".".join(["a" * 63] * 3) + "." + "a" * 61 + ".:53"]),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("text", "expected"), [row[1:] for row in KEYS], ids=[row[0] for row in KEYS])
def test_keys(text: str, expected: list[str]) -> None:
    assert [str(key) for key in keys.keys(text)] == expected


def test_the_default_port_applies_to_dns_only() -> None:
    texts = ["a", "a:53", "tls://a", "https://a"]
    ports = [key.port for text in texts for key in keys.keys(text, 1053)]
    assert ports == [1053, 53, 853, 443]


LONG = ".".join(["abcdefgh"] * 30)
NOT_KEYS = [
    ("empty", "", 'expecting data after last colon: ""'),
    ("colon", "x:", 'expecting data after last colon: "x:"'),
    ("colon-after-scheme", "tls://x:", 'expecting data after last colon: "x:"'),
    ("scheme-alone", "tls://", 'expecting data after last colon: ""'),
    ("port-alone", ":53", "zone is not a valid domain name: "),
    ("two-dots", "a..b", "zone is not a valid domain name: a..b"),
    ("leading-dot", ".a", "zone is not a valid domain name: .a"),
    ("dots", "..", "zone is not a valid domain name: .."),
    ("root-glued", ".:53{", "zone is not a valid domain name: .:53{"),
    ("label-of-64", "a" * 64, "zone is not a valid domain name: " + "a" * 64),
    ("name-of-269", LONG, "specified zone is too long: 269 > 255"),
    ("name-of-255-without-dot", LONG[:247] + "." + LONG[:7], "specified zone is too long: 256 > 255"),
    ("network-from-double-colon", "::/0", "invalid CIDR ::/0"),
    ("network-from-zero", "0::/8", "invalid CIDR 0::/8"),
    ("network-mapped", "::ffff:192.0.2.0/120", "invalid CIDR ::ffff:192.0.2.0/120"),
]  # fmt: skip


@table(("text", "error"), [row[1:] for row in NOT_KEYS], ids=[row[0] for row in NOT_KEYS])
def test_not_keys(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        keys.keys(text)
    assert str(caught.value) == error


COUNTS = [("10.0.0.0/17", 128), ("192.0.2.0/27", 32), ("10.0.0.0/9", 128)]


@table(("network", "count"), [*COUNTS, ("fd00::/61", 8)])
def test_a_mask_between_cuts_gives_the_next_longer_zones(network: str, count: int) -> None:
    zones = keys.normalized(network)
    assert len(zones) == len(set(zones)) == count


def test_the_order_is_that_of_addresses() -> None:
    zones = keys.normalized("10.0.0.0/17")
    assert zones[:2] == ("0.0.10.in-addr.arpa.", "1.0.10.in-addr.arpa.")
    assert zones[-1] == "127.0.10.in-addr.arpa."


NETWORKS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
)


@pytest.mark.slow
@given(NETWORKS, st.data())
def test_reverse_zones_hold_exactly_the_addresses(
    masked: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int], data: st.DataObject
) -> None:
    network = ipaddress.ip_network(masked, strict=False)
    zones = [dns.name.from_text(zone) for zone in keys.reverse_zones(network)]
    address = data.draw(st.ip_addresses(v=network.version))
    holding = [zone for zone in zones if pointer(address).is_subdomain(zone)]
    assert len(holding) == (address in network)
    assert pointer(network[0]).is_subdomain(zones[0])
    assert pointer(network[-1]).is_subdomain(zones[-1])


def pointer(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> dns.name.Name:
    # dnspython would take the IPv4 address out of a mapped one
    assume(getattr(address, "ipv4_mapped", None) is None)
    return dns.reversename.from_address(str(address))


@pytest.mark.slow
@given(st.text(max_size=20))
def test_any_text_is_keys_or_an_error(text: str) -> None:
    try:
        parsed = keys.keys(text)
    except ValueError:
        assert keys.normalized(text) == ()
    else:
        assert parsed
        assert all(key.zone == key.zone.lower() for key in parsed)
        assert all(key.zone.endswith(".") for key in parsed)


@table(
    ("text", "expected"),
    [
        ("Cluster.Local", ("cluster.local.",)),
        ("cluster.local.:53", ("cluster.local.",)),
        ("dns://cluster.local", ("cluster.local.",)),
        ("10.96.0.0/12", tuple(f"{n}.10.in-addr.arpa." for n in range(96, 112))),
        ("a..b", ()),
        ("x:", ()),
    ],
)
def test_zones_of_a_plugins_argument(text: str, expected: tuple[str, ...]) -> None:
    assert keys.normalized(text) == expected


ROOT = Key("dns", ".", 53)
BOUND = "cannot serve dns://.:53 on 192.0.2.1"
DEFINED = "it is already defined"
OVERLAP = "zone overlap listener capacity with"
CONFLICTS = [
    ("once", [Claim(ROOT)], []),
    ("twice", [Claim(ROOT), Claim(ROOT)], [(1, f"cannot serve dns://.:53 - {DEFINED}")]),
    ("thrice", [Claim(ROOT)] * 3, [(n, f"cannot serve dns://.:53 - {DEFINED}") for n in (1, 2)]),
    ("other-zone", [Claim(ROOT), Claim(Key("dns", "a.", 53))], []),
    ("other-port", [Claim(ROOT), Claim(Key("dns", ".", 54))], []),
    ("other-transport", [Claim(ROOT), Claim(Key("tls", ".", 53))], []),
    ("two-addresses", [Claim(ROOT, "192.0.2.1"), Claim(ROOT, "192.0.2.2")], []),
    ("one-address-twice", [Claim(ROOT, "192.0.2.1")] * 2, [(1, f"{BOUND} - {DEFINED}")]),
    ("all-then-one", [Claim(ROOT), Claim(ROOT, "192.0.2.1")], [(1, f"{BOUND} - {OVERLAP} dns://.:53")]),
    ("one-then-all", [Claim(ROOT, "192.0.2.1"), Claim(ROOT)], [(1, f"cannot serve dns://.:53 - {OVERLAP} dns://.:53 on 192.0.2.1")]),
    ("view-first", [Claim(ROOT, filtered=True), Claim(ROOT)], []),
    ("view-second", [Claim(ROOT), Claim(ROOT, filtered=True)], []),
    ("views", [Claim(ROOT, filtered=True)] * 2, []),
    ("view-bound-beside-all", [Claim(ROOT), Claim(ROOT, "192.0.2.1", True)], [(1, f"{BOUND} - {OVERLAP} dns://.:53")]),
]  # fmt: skip


@table(("claims", "expected"), [row[1:] for row in CONFLICTS], ids=[row[0] for row in CONFLICTS])
def test_conflicts(claims: list[Claim], expected: list[tuple[int, str]]) -> None:
    assert list(keys.conflicts(claims)) == expected
