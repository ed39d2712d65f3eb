from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.networks import Network, Networks, cidr
from tests.table import table

GOOD = {
    "ipv4": ("192.0.2.0/24", "192.0.2.0/24"),
    "host-bits": ("192.0.2.77/24", "192.0.2.0/24"),
    "one-address": ("192.0.2.7/32", "192.0.2.7/32"),
    "everything": ("0.0.0.0/0", "0.0.0.0/0"),
    "ipv6": ("2001:DB8::1/32", "2001:db8::/32"),
}


@table(("text", "network"), GOOD.values(), ids=GOOD)
def test_cidr(text: str, network: str) -> None:
    assert cidr(text) == ip_network(network)


BAD = ("192.0.2.1", "192.0.2.0/33", "192.0.2.0/255.255.255.0", "x/8", "", "192.0.2/24")


@table("text", BAD)
def test_cidr_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="invalid CIDR address") as caught:
        cidr(text)
    assert str(caught.value) == f"invalid CIDR address: {text}"


IN = {
    "inside": ("192.0.2.1", True),
    "outside": ("192.0.3.1", False),
    "other-family": ("::c000:201", False),
    "ipv6": ("2001:db8::1", True),
    "scope": ("fe80::1%eth0", True),
}


@table(("address", "is_in"), IN.values(), ids=IN)
def test_contains(address: str, is_in: bool) -> None:
    networks = Networks(map(cidr, ("192.0.2.0/24", "2001:db8::/32", "fe80::/10")))
    assert (address in networks) is is_in


NETWORKS = st.tuples(st.ip_addresses(), st.integers(0, 128)).map(
    lambda pair: ip_network(f"{pair[0]}/{min(pair[1], pair[0].max_prefixlen)}", strict=False)
)


@pytest.mark.slow
@given(networks=st.lists(NETWORKS, max_size=8), data=st.data())
def test_contains_what_one_of_them_contains(networks: list[Network], data: st.DataObject) -> None:
    within = [st.ip_addresses(network=str(network)) for network in networks]
    address = data.draw(st.one_of(st.ip_addresses(), *within))
    assert (str(address) in Networks(networks)) == any(address in network for network in networks)
