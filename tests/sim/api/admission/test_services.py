from typing import Any

import pytest

from sim.api.objects import Json
from sim.api.writing import Write
from sim.controllers.cluster import Cluster
from tests.sim.builders import failing, service
from tests.table import table


def created(cluster: Cluster | None = None, name: str = "web", **spec: Any) -> Json:
    obj = (cluster or Cluster()).create(service(name, **spec))
    found: Json = obj["spec"]
    return found


def test_defaults() -> None:
    spec = created(ports=[{"port": 80}])
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert spec["type"] == "ClusterIP"
    assert spec["sessionAffinity"] == "None"
    assert (spec["ipFamilyPolicy"], spec["ipFamilies"]) == ("SingleStack", ["IPv4"])


def test_addresses_begin_behind_the_static_band() -> None:
    cluster = Cluster()
    ips = [created(cluster, f"s{i}")["clusterIP"] for i in range(3)]
    assert ips == ["10.96.1.0", "10.96.1.1", "10.96.1.2"]


def test_requested_address_is_given_and_not_given_again() -> None:
    cluster = Cluster()
    assert created(cluster, "a", clusterIP="10.96.1.0")["clusterIPs"] == ["10.96.1.0"]
    assert created(cluster, "b")["clusterIP"] == "10.96.1.1"


def test_address_of_a_deleted_service_can_be_had() -> None:
    cluster = Cluster()
    created(cluster, "a", clusterIP="10.96.0.20")
    cluster.delete("Service", "default", "a")
    assert created(cluster, "b", clusterIP="10.96.0.20")["clusterIP"] == "10.96.0.20"


def test_address_given_back_is_not_given_out_at_once() -> None:
    cluster = Cluster()
    first = created(cluster)["clusterIP"]
    cluster.delete("Service", "default", "web")
    assert created(cluster)["clusterIP"] != first


def test_dry_run_uses_no_address_up() -> None:
    cluster = Cluster()
    cluster.create(service("a"), Write(dry_run=True))
    assert created(cluster, "b")["clusterIP"] == "10.96.1.0"
    assert cluster.find("Service", "default", "a") is None


def test_headless_stays_headless() -> None:
    spec = created(clusterIP="None")
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])


def test_external_name_has_no_addresses() -> None:
    spec = created(type="ExternalName", externalName="example.org", clusterIP="")
    assert "clusterIP" not in spec
    assert "clusterIPs" not in spec


@table(
    ("spec", "families"),
    [
        pytest.param({}, ["IPv4"], id="single-by-default"),
        pytest.param({"ipFamilies": ["IPv6"]}, ["IPv6"], id="chosen-family"),
        pytest.param({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], id="prefer"),
        pytest.param(
            {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, ["IPv6", "IPv4"], id="chosen-family-first"
        ),
        pytest.param({"clusterIP": "fd00:10:96::77"}, ["IPv6"], id="by-address"),
        pytest.param(
            {"clusterIPs": ["fd00:10:96::77"], "ipFamilyPolicy": "PreferDualStack"},
            ["IPv6", "IPv4"],
            id="by-first-address",
        ),
    ],
)
def test_families_in_a_dual_stack_cluster(spec: dict[str, Any], families: list[str]) -> None:
    found = created(Cluster(dual_stack=True), **spec)
    assert found["ipFamilies"] == families
    kinds = ["IPv6" if ":" in ip else "IPv4" for ip in found["clusterIPs"]]
    assert kinds == families
    assert found["clusterIP"] == found["clusterIPs"][0]


def test_preference_for_two_families_is_no_demand() -> None:
    assert created(ipFamilyPolicy="PreferDualStack")["ipFamilies"] == ["IPv4"]


@table(
    ("spec", "field", "message"),
    [
        pytest.param(
            {"clusterIP": "10.96.0.1"},
            "spec.clusterIPs",
            'Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: provided IP is already allocated',
            id="address-taken",
        ),
        pytest.param(
            {"clusterIP": "192.0.2.1"},
            "spec.clusterIPs",
            'Invalid value: ["192.0.2.1"]: failed to allocate IP 192.0.2.1: the '
            "provided network does not match the current range",
            id="address-outside",
        ),
        pytest.param(
            {"clusterIP": "nonsense"},
            "spec.clusterIPs[0]",
            'Invalid value: "nonsense": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
            id="no-address",
        ),
        pytest.param({"ports": []}, "spec.ports", "Required value", id="no-ports"),
        pytest.param(
            {"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name", "Required value", id="several-ports-need-names"
        ),
        pytest.param(
            {"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]},
            "spec.ports[1].name",
            'Duplicate value: "a"',
            id="port-name-twice",
        ),
        pytest.param(
            {"ports": [{"port": 70000}]},
            "spec.ports[0].port",
            "Invalid value: 70000: must be between 1 and 65535, inclusive",
            id="port-too-large",
        ),
        pytest.param(
            {"ports": [{"port": 1, "protocol": "ICMP"}]},
            "spec.ports[0].protocol",
            'Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
            id="protocol",
        ),
        pytest.param({"type": "ExternalName"}, "spec.externalName", "Required value", id="external-name-without-name"),
        pytest.param(
            {"type": "ExternalName", "externalName": "No Name"},
            "spec.externalName",
            'Invalid value: "No Name": a lowercase RFC 1123 subdomain is needed',
            id="external-name-that-is-none",
        ),
        pytest.param(
            {"ipFamilyPolicy": "RequireDualStack"},
            "spec.ipFamilyPolicy",
            'Invalid value: "RequireDualStack": Cluster is not configured for dual-stack services',
            id="dual-stack-in-a-single-stack-cluster",
        ),
    ],
)
def test_refusal(spec: dict[str, Any], field: str, message: str) -> None:
    status = failing(lambda: created(**spec))
    assert (status["code"], status["reason"]) == (422, "Invalid")
    causes = status["details"]["causes"]
    assert (causes[0]["field"], causes[0]["message"]) == (field, message)
    assert f"{field}: {message}" in status["message"]


def test_message_names_the_service() -> None:
    status = failing(lambda: created(clusterIP="10.96.0.1"))
    assert status["message"].startswith('Service "web" is invalid: spec.clusterIPs: ')


def test_address_stays_through_an_update_that_does_not_mention_it() -> None:
    cluster = Cluster()
    before = created(cluster)
    after = cluster.update(service(publishNotReadyAddresses=True))["spec"]
    assert after["clusterIPs"] == before["clusterIPs"]
    assert after["publishNotReadyAddresses"] is True


@pytest.mark.parametrize("address", ["None", "10.96.9.9"])
def test_address_cannot_be_changed(address: str) -> None:
    cluster = Cluster()
    created(cluster)
    status = failing(lambda: cluster.update(service(clusterIP=address)))
    assert "spec.clusterIPs[0]" in status["message"]
    assert status["message"].endswith("may not change once set")


def test_service_becomes_external_name_and_back() -> None:
    cluster = Cluster()
    first = created(cluster)["clusterIP"]
    patch = {"type": "ExternalName", "externalName": "example.org", "clusterIP": None}
    cluster.patch("Service", "default", "web", {"spec": patch})
    assert first not in cluster.addresses.services
    back = {"type": "ClusterIP", "externalName": None}
    spec = cluster.patch("Service", "default", "web", {"spec": back})["spec"]
    assert spec["clusterIP"].startswith("10.96.")


@pytest.mark.slow
def test_range_can_be_used_up() -> None:
    cluster = Cluster()
    pool = cluster.addresses.service_pools["IPv4"]
    for offset in range(1, pool.network.num_addresses):
        cluster.addresses.services[str(pool.network[offset])] = ("x", "y")
    cluster.addresses.services[str(pool.network[0])] = ("x", "y")
    status = failing(lambda: created(cluster))
    assert status["message"].endswith("10.96.0.0/16 is full")


NAME = "a lowercase RFC 1123 label must consist of"


@table(
    ("name", "message"),
    [
        ("1web", ""),
        ("1", ""),
        ("web-1", ""),
        ("Web", NAME),
        ("-web", NAME),
        ("web-", NAME),
        ("a.b", "must not contain dots"),
        ("a" * 63, ""),
        ("a" * 64, "must be no more than 63 characters"),
    ],
)
def test_names_are_labels_of_rfc_1123(name: str, message: str) -> None:
    if not message:
        assert created(name=name)
    else:
        status = failing(lambda: created(name=name))
        assert f'metadata.name: Invalid value: "{name}": {message}' in status["message"]


@table(
    ("patch", "shown"),
    [
        ({"clusterIP": "10.96.7.99", "clusterIPs": ["10.96.7.99"]}, '["10.96.7.99"]'),
        ({"clusterIP": "10.96.7.99"}, '["10.96.7.99"]'),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, '["None"]'),
        ({"clusterIP": "None"}, '["None"]'),
    ],
)
def test_a_cluster_ip_does_not_change(patch: Json, shown: str) -> None:
    cluster = Cluster()
    created(cluster)
    status = failing(lambda: cluster.patch("Service", "default", "web", {"spec": patch}))
    assert status["message"].endswith(f"spec.clusterIPs[0]: Invalid value: {shown}: may not change once set")


def test_an_emptied_cluster_ip_stays() -> None:
    cluster = Cluster()
    address = created(cluster)["clusterIP"]
    for patch in ({"clusterIP": ""}, {"clusterIP": "", "clusterIPs": []}):
        found = cluster.patch("Service", "default", "web", {"spec": patch})["spec"]
        assert (found["clusterIP"], found["clusterIPs"]) == (address, [address])
