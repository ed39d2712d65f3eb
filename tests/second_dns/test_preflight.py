"""The address of a clone: near kube-dns's own, or left to the API server."""

import pytest

from minidns.second_dns import preflight
from sim.api.objects import Json
from tests.second_dns.world import desk


@pytest.mark.parametrize(
    ("first", "taken", "chosen"),
    [
        pytest.param("10.96.0.10", "", "10.96.0.20", id="ten-further"),
        pytest.param("10.96.0.10", "10.96.0.20", "", id="taken"),
        pytest.param("10.96.200.7", "", "10.96.200.17", id="far-inside-the-range"),
        pytest.param("fd00::a", "", "fd00::14", id="ipv6"),
    ],
)
async def test_the_address_is_near_that_of_kube_dns(first: str, taken: str, chosen: str) -> None:
    async with desk() as at:
        if taken:
            other = {
                "metadata": {"name": "any", "namespace": "shop"},
                "spec": {"clusterIP": taken, "ports": [{"port": 80}]},
            }
            at.cluster.create({"apiVersion": "v1", "kind": "Service", **other})
        service: Json = {"spec": {"clusterIP": first}}
        assert await preflight.choose_address(at.session, service) == chosen


def test_a_service_of_two_families_has_two_addresses() -> None:
    both: Json = {"spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"]}}
    assert preflight.cluster_ips(both) == ["10.96.0.1", "fd00::1"]
    assert preflight.cluster_ips({"spec": {"clusterIP": "10.96.0.2"}}) == ["10.96.0.2"]
    assert preflight.cluster_ips({"spec": {"type": "ExternalName"}}) == []
