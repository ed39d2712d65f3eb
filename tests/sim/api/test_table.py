import pytest

from sim.api.columns import duration
from sim.api.discovery import document
from sim.api.kind import Kind
from sim.api.kinds import KINDS, named
from sim.api.objects import Json
from sim.api.openapi import document as openapi_document
from sim.api.table import partial, table, wants_partial, wants_table
from sim.controllers.cluster import Cluster
from tests.sim.builders import deployment, pod, service


def cells(obj: Json, later_s: float = 0) -> dict[str, object]:
    now = 1_000_000_000.0
    cluster = Cluster(now=lambda: now)
    cluster.create(obj)
    kind = named(obj["kind"])
    name, space = obj["metadata"]["name"], obj["metadata"].get("namespace", "")
    stored = cluster.get(kind.name, space, name)
    found = table(kind, [stored], {}, now + later_s)
    titles = [column["name"] for column in found["columnDefinitions"]]
    return dict(zip(titles, found["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize(
    ("spec", "column", "cell"),
    [
        ({}, "Cluster-IP", "10.96.1.0"),
        ({}, "Port(s)", "80/TCP"),
        ({}, "External-IP", "<none>"),
        ({}, "Selector", "app=web"),
        ({"clusterIP": "None"}, "Cluster-IP", "None"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}, "Port(s)", "80:30080/TCP"),
        ({"type": "LoadBalancer"}, "External-IP", "<pending>"),
        ({"externalIPs": ["192.0.2.1"]}, "External-IP", "192.0.2.1"),
        ({"type": "ExternalName", "externalName": "example.org"}, "External-IP", "example.org"),
        ({"type": "ExternalName", "externalName": "example.org"}, "Cluster-IP", "<none>"),
    ],
)
def test_row_of_a_service(spec: Json, column: str, cell: str) -> None:
    assert cells(service(**spec))[column] == cell


def test_row_of_a_pod() -> None:
    found = cells(pod(), later_s=150)
    assert (found["Ready"], found["Status"], found["Age"]) == ("1/1", "Running", "2m30s")
    assert (found["IP"], found["Node"]) == ("10.244.0.2", "node-1")


def test_row_of_a_deployment() -> None:
    found = cells(deployment(replicas=2))
    assert (found["Ready"], found["Up-to-date"], found["Images"]) == ("2/2", 2, "example")


@pytest.mark.parametrize(
    ("count", "cell"),
    [(0, "<unset>"), (3, "192.0.2.0,192.0.2.1,192.0.2.2"), (5, "192.0.2.0,192.0.2.1,192.0.2.2 + 2 more...")],
)
def test_row_of_a_slice(count: int, cell: str) -> None:
    obj = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "x", "namespace": "default"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [f"192.0.2.{i}"]} for i in range(count)],
    }
    assert cells(obj)["Endpoints"] == cell


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_row_can_be_made_of_nothing(kind: Kind) -> None:
    obj = {"metadata": {"name": "x"}}
    row = table(kind, [obj], {}, 0)["rows"][0]
    assert len(row["cells"]) == len(kind.columns)
    assert row["object"] == partial(obj)


@pytest.mark.parametrize(("include", "has"), [("Object", True), ("None", False)])
def test_how_much_of_the_object_a_row_has(include: str, has: bool) -> None:
    obj = {"metadata": {"name": "x"}, "spec": {}}
    row = table(named("Service"), [obj], {}, 0, include)["rows"][0]
    assert row.get("object") == (obj if has else None)


def test_accept() -> None:
    plain = "application/json"
    asks = f"{plain};as=Table;v=v1;g=meta.k8s.io,{plain}"
    assert wants_table(asks)
    assert not wants_table(plain)
    assert wants_partial(f"{plain};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (119, "119s"),
        (120, "2m"),
        (601, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (48 * 3600, "2d"),
        (50 * 3600, "2d2h"),
        (400 * 86400, "400d"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_discovery_tells_of_every_kind(kind: Kind) -> None:
    plain, _ = document(kind.prefix, "application/json")
    entries = {entry["name"]: entry for entry in plain["resources"]}
    assert entries[kind.plural]["kind"] == kind.name
    assert entries[kind.plural]["namespaced"] is kind.namespaced
    assert (f"{kind.plural}/status" in entries) is kind.has_status
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    path = "/apis" if kind.group else "/api"
    whole, media = document(path, accept)
    assert media == accept
    found = [
        resource["responseKind"]["kind"]
        for item in whole["items"]
        for version in item["versions"]
        for resource in version["resources"]
    ]
    assert kind.name in found


def test_core_group_is_version_v1_without_a_group() -> None:
    assert document("/api/v1", "")[0]["groupVersion"] == "v1"
    assert document("/api", "")[0]["versions"] == ["v1"]
    assert document("/apis/apps", "")[0]["preferredVersion"]["groupVersion"] == "apps/v1"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_openapi_says_that_patches_can_be_checked(kind: Kind) -> None:
    index = openapi_document("/openapi/v3")
    assert index is not None
    path = index["paths"][kind.prefix[1:]]["serverRelativeURL"].partition("?")[0]
    found = openapi_document(path)
    assert found is not None
    operations = [entry["patch"] for entry in found["paths"].values()]
    (mine,) = [entry for entry in operations if entry["x-kubernetes-group-version-kind"]["kind"] == kind.name]
    assert "fieldValidation" in [entry["name"] for entry in mine["parameters"]]


def test_openapi_has_no_other_paths() -> None:
    assert openapi_document("/openapi/v2") is None
    assert openapi_document("/openapi/v3/apis/nothing/v1") is None
