from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidns.second_dns import preflight
from minidns.second_dns.session import Refusal
from sim.api.faults import Rule
from sim.api.objects import Json
from tests.second_dns.world import cluster, desk
from tests.table import table

KUBEADM = ip_network("10.96.0.0/12")


def free(first: str, *used: str, ranges: tuple[str, ...] = ()) -> str:
    taken = dict.fromkeys((first, *used), "somebody")
    return preflight.free_address(first, taken, [ip_network(each) for each in ranges])


@table(
    ("first", "used", "ranges", "expected"),
    [
        ("10.96.0.10", (), ("10.96.0.0/12",), "10.96.0.20"),
        ("10.96.0.10", ("10.96.0.20",), ("10.96.0.0/12",), "10.96.0.11"),
        ("10.96.0.10", ("10.96.0.20", "10.96.0.11"), ("10.96.0.0/12",), "10.96.0.12"),
        ("10.43.0.10", (), ("10.43.0.0/16",), "10.43.0.20"),
        ("172.30.0.10", (), ("172.30.0.0/16",), "172.30.0.20"),
        ("10.96.0.10", (), (), "10.96.0.20"),
        ("192.0.2.10", (), ("192.0.2.0/24",), "192.0.2.11"),
        ("10.96.200.7", (), ("10.96.0.0/16",), "10.96.200.17"),
        ("fd00::a", (), ("fd00::/112",), "fd00::14"),
        ("fd00::a", (), ("10.96.0.0/16", "fd00::/112"), "fd00::14"),
    ],
    ids=[
        "kubeadm",
        "first-choice-taken",
        "two-taken",
        "k3s",
        "openshift",
        "range-unknown",
        "small-range-has-a-small-band",
        "first-is-behind-the-band",
        "ipv6",
        "dual-stack",
    ],
)
def test_near_the_first(first: str, used: tuple[str, ...], ranges: tuple[str, ...], expected: str) -> None:
    assert free(first, *used, ranges=ranges) == expected


@settings(deadline=None)
@given(st.integers(1, 2**20 - 2), st.sets(st.integers(1, 300)), st.integers(20, 27))
def test_free_and_inside_whatever_is_taken(place: int, used: set[int], prefix: int) -> None:
    network = ip_network((int(KUBEADM[0]), prefix))
    first = str(network[place % (network.num_addresses - 2) + 1])
    taken = {str(network[n % network.num_addresses]) for n in used} | {first}
    try:
        found = preflight.free_address(first, dict.fromkeys(taken, "x"), [network])
    except Refusal:
        return  # see test_none_is_left
    assert found not in taken
    assert ip_address(found) in network


def test_none_is_left() -> None:
    everything = [str(each) for each in ip_network("192.0.2.0/28")]
    with pytest.raises(Refusal, match=r"no free ClusterIP near 192.0.2.10: choose one"):
        free("192.0.2.10", *everything, ranges=("192.0.2.0/28",))


@table(
    ("address", "why"),
    [
        ("10.96.0.10", "taken by Service kube-system/kube-dns"),
        ("192.168.0.1", r"outside the Service range \(10.96.0.0/12\)"),
        ("fd00::1", "outside the Service range"),
        ("kube-dns", "not an IP address"),
        ("10.96.0.300", "not an IP address"),
    ],
)
def test_what_cannot_be_had(address: str, why: str) -> None:
    used = {"10.96.0.10": "Service kube-system/kube-dns"}
    with pytest.raises(Refusal, match=f"--cluster-ip {address}: {why}"):
        preflight.check_address(address, used, [KUBEADM])


@table("ranges", [[KUBEADM], []], ids=["known", "unknown"])
def test_what_can_be_had(ranges: list[preflight.Network]) -> None:
    used = {"10.96.0.10": "x"}
    assert preflight.check_address("10.96.0.20", used, ranges) == "10.96.0.20"
    if not ranges:
        assert preflight.check_address("FD00::0014", used, ranges) == "fd00::14"


def test_who_has_what() -> None:
    services: list[Json] = [
        {"kind": "Service", "metadata": {"namespace": "a", "name": "b"}, "spec": spec}
        for spec in (
            {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"]},
            {"clusterIP": "10.96.0.2"},
            {"clusterIP": "None"},
            {"type": "ExternalName"},
        )
    ]
    used = preflight.used_addresses(services)
    assert set(used) == {"10.96.0.1", "fd00::1", "10.96.0.2"}
    assert used["fd00::1"] == "Service a/b"


async def test_range_of_a_refused_offer() -> None:
    async with desk() as at:
        old = "the provided IP is not in the valid range. The range of valid IPs is 10.96.0.0/16"
        at.server.faults.rules += [  # as before 1.31
            Rule(resource="servicecidrs", status=404),
            Rule(resource="services", verb="create", status=422, message=old),
        ]
        found = await preflight.service_ranges(at.session.api, "kube-system", "10.96.0.10")
        assert found == [ip_network("10.96.0.0/16")]
        (offer,) = at.server.requests.of("create", "services")
        assert offer.query["dryRun"] == "All"


async def test_ranges_that_are_objects() -> None:
    cidr = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "more"},
        "spec": {"cidrs": ["10.112.0.0/12", "fd00:10:96::/112"]},
    }
    async with desk(cluster(cidr)) as at:
        found = await preflight.service_ranges(at.session.api, "kube-system", "10.96.0.10")
        assert list(map(str, found)) == ["10.96.0.0/16", "10.112.0.0/12", "fd00:10:96::/112"]
        assert not at.server.requests.of("create")
