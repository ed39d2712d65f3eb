"""Endpoints and the EndpointSlices that mirror them."""

import pytest

from sim.api.objects import Json, labels_of
from sim.controllers.cluster import Cluster
from sim.controllers.endpoints import MIRRORING
from sim.controllers.pods import READY
from sim.controllers.slices import MANAGED_BY, SERVICE_NAME
from tests.sim.builders import names, pod, service

BY_HAND: Json = {
    "apiVersion": "v1",
    "kind": "Endpoints",
    "metadata": {"name": "web", "namespace": "default"},
    "subsets": [
        {
            "addresses": [{"ip": "192.0.2.1", "hostname": "a"}],
            "notReadyAddresses": [{"ip": "192.0.2.2"}],
            "ports": [{"name": "http", "port": 8080}],
        }
    ],
}


def slices(cluster: Cluster) -> list[Json]:
    return cluster.list("EndpointSlice", "default", f"{SERVICE_NAME}=web")


def test_endpoints_follow_the_pods() -> None:
    cluster = Cluster()
    cluster.create(service())
    for name in ("web-1", "web-2"):
        cluster.create(pod(name))
    cluster.patch("Pod", "default", "web-2", {"metadata": {"annotations": {READY: "false"}}})
    (subset,) = cluster.get("Endpoints", "default", "web")["subsets"]
    assert [address["targetRef"]["name"] for address in subset["addresses"]] == ["web-1"]
    assert [address["targetRef"]["name"] for address in subset["notReadyAddresses"]] == ["web-2"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    cluster.delete("Service", "default", "web")
    assert names(cluster.list("Endpoints", "default")) == ["kubernetes"]


@pytest.mark.parametrize("first", ["Service", "Endpoints"])
def test_endpoints_by_hand_are_mirrored(first: str) -> None:
    objects = [service(selector=None), BY_HAND]
    cluster = Cluster()
    for obj in sorted(objects, key=lambda obj: obj["kind"] != first):
        cluster.create(obj)
    (mirror,) = slices(cluster)
    assert labels_of(mirror)[MANAGED_BY] == MIRRORING
    found = [(e["addresses"], e["conditions"]["ready"], e.get("hostname")) for e in mirror["endpoints"]]
    assert found == [(["192.0.2.1"], True, "a"), (["192.0.2.2"], False, None)]
    assert mirror["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    cluster.patch("Endpoints", "default", "web", {"subsets": [{"addresses": [{"ip": "192.0.2.3"}]}]})
    assert [e["addresses"] for s in slices(cluster) for e in s["endpoints"]] == [["192.0.2.3"]]
    cluster.delete("Endpoints", "default", "web")
    assert not slices(cluster)


@pytest.mark.parametrize(
    ("spec", "labels"),
    [
        pytest.param({}, {}, id="Service with a selector"),
        pytest.param({"selector": None}, {"endpointslice.kubernetes.io/skip-mirror": "true"}, id="skipped"),
    ],
)
def test_other_endpoints_are_not_mirrored(spec: Json, labels: dict[str, str]) -> None:
    cluster = Cluster()
    cluster.create({**BY_HAND, "metadata": {**BY_HAND["metadata"], "labels": labels}})
    cluster.create(service(**spec))
    assert not [each for each in slices(cluster) if labels_of(each).get(MANAGED_BY) == MIRRORING]
