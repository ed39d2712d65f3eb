from typing import Any

import pytest

from sim.api.fields import Manager, fields_of, from_json, ownership_of, to_json
from sim.api.kinds import named
from sim.api.objects import Json
from sim.api.writing import Write
from sim.controllers.cluster import Cluster
from tests.sim.builders import failing
from tests.table import table

ANNE, BEN = Write(manager="anne"), Write(manager="ben")


def config(labels: dict[str, str] | None = None, **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default", "labels": labels or {}},
        "spec": {"ports": [{"port": 80}]} | spec,
    }


def test_apply_creates_what_is_not_there() -> None:
    cluster = Cluster()
    obj = cluster.apply(config(), ANNE)
    assert obj["spec"]["clusterIP"].startswith("10.96.")
    assert list(ownership_of(obj)) == [Manager("anne", "Apply")]


def test_applying_the_same_again_writes_nothing() -> None:
    cluster = Cluster()
    first, version = cluster.apply(config(), ANNE), cluster.version
    assert cluster.apply(config(), ANNE) == first
    assert cluster.version == version


def test_what_is_applied_no_more_is_removed() -> None:
    cluster = Cluster()
    cluster.apply(config({"a": "1", "b": "2"}), ANNE)
    obj = cluster.apply(config({"b": "2"}), ANNE)
    assert obj["metadata"]["labels"] == {"b": "2"}


def test_what_others_apply_too_stays() -> None:
    cluster = Cluster()
    cluster.apply(config({"a": "1", "b": "2"}), ANNE)
    cluster.apply(config({"a": "1"}), BEN)
    obj = cluster.apply(config({"b": "2"}), ANNE)
    assert obj["metadata"]["labels"] == {"a": "1", "b": "2"}


def test_items_of_keyed_lists_come_and_go() -> None:
    cluster = Cluster()
    two = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]
    cluster.apply(config(ports=two), ANNE)
    obj = cluster.apply(config(ports=two[1:]), ANNE)
    assert [port["port"] for port in obj["spec"]["ports"]] == [81]


def test_items_are_told_apart_by_all_their_keys() -> None:
    cluster = Cluster()
    both = [{"port": 53, "name": "tcp", "protocol": "TCP"}, {"port": 53, "name": "udp", "protocol": "UDP"}]
    cluster.apply(config(ports=both), ANNE)
    both[1] = {**both[1], "name": "dns"}
    obj = cluster.apply(config(ports=both), ANNE)
    assert [port["name"] for port in obj["spec"]["ports"]] == ["tcp", "dns"]


def test_other_value_for_a_field_of_another_is_a_conflict() -> None:
    cluster = Cluster()
    cluster.apply(config(type="ClusterIP", publishNotReadyAddresses=True), ANNE)
    changed = config(type="ClusterIP", publishNotReadyAddresses=False)
    status = failing(lambda: cluster.apply(changed, BEN, force=False))
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["message"] == (
        'Apply failed with 1 conflict: conflict with "anne" using v1: .spec.publishNotReadyAddresses'
    )
    assert status["details"]["causes"][0]["reason"] == "FieldManagerConflict"


def test_force_takes_the_field_over() -> None:
    cluster = Cluster()
    cluster.apply(config(publishNotReadyAddresses=True), ANNE)
    obj = cluster.apply(config(publishNotReadyAddresses=False), BEN)
    assert obj["spec"]["publishNotReadyAddresses"] is False
    owners = ownership_of(obj)
    path = ("f:spec", "f:publishNotReadyAddresses")
    assert [who.name for who in owners if path in owners[who]] == ["ben"]


def test_same_value_is_shared_without_a_conflict() -> None:
    cluster = Cluster()
    cluster.apply(config(), ANNE)
    obj = cluster.apply(config(), BEN, force=False)
    path = ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:port")
    assert all(path in fields for fields in ownership_of(obj).values())


def test_selector_of_a_service_is_one_field() -> None:
    cluster = Cluster()
    cluster.apply(config(selector={"a": "1", "b": "2"}), ANNE)
    obj = cluster.apply(config(selector={"c": "3"}), ANNE)
    assert obj["spec"]["selector"] == {"c": "3"}


def test_a_plain_write_takes_what_it_changes() -> None:
    cluster = Cluster()
    cluster.apply(config({"a": "1", "b": "2"}), ANNE)
    patch = {"metadata": {"labels": {"a": "9"}}}
    cluster.patch("Service", "default", "web", patch, write=BEN)
    status = failing(lambda: cluster.apply(config({"a": "1"}), ANNE, force=False))
    assert 'conflict with "ben"' in status["message"]


def test_a_removed_field_belongs_to_nobody() -> None:
    cluster = Cluster()
    cluster.apply(config({"a": "1"}), ANNE)
    patch = {"metadata": {"labels": {"a": None}}}
    obj = cluster.patch("Service", "default", "web", patch, write=BEN)
    paths = {path for fields in ownership_of(obj).values() for path in fields}
    assert ("f:metadata", "f:labels", "f:a") not in paths


def test_two_conflicts_are_listed() -> None:
    cluster = Cluster()
    cluster.apply(config({"a": "1", "b": "1"}), ANNE)
    wanted = config({"a": "2", "b": "2"})
    status = failing(lambda: cluster.apply(wanted, BEN, force=False))
    assert status["message"] == (
        'Apply failed with 2 conflicts: conflicts with "anne" using v1:\n- .metadata.labels.a\n- .metadata.labels.b'
    )


def test_apply_at_a_version_needs_that_version() -> None:
    cluster = Cluster()
    cluster.apply(config(), ANNE)
    stale = config({"a": "1"})
    stale["metadata"]["resourceVersion"] = "1"
    assert failing(lambda: cluster.apply(stale, ANNE))["reason"] == "Conflict"


@table(
    ("obj", "tree"),
    [
        pytest.param({"metadata": {"name": "x"}}, {}, id="names-belong-to-nobody"),
        pytest.param({"metadata": {"labels": {"a": "1"}}}, {"f:metadata": {"f:labels": {"f:a": {}}}}, id="map"),
        pytest.param({"metadata": {"labels": {}}}, {"f:metadata": {"f:labels": {}}}, id="empty-map"),
        pytest.param(
            {"metadata": {"finalizers": ["a/b"]}}, {"f:metadata": {"f:finalizers": {'v:"a/b"': {}}}}, id="set"
        ),
        pytest.param({"spec": {"externalIPs": ["192.0.2.1"]}}, {"f:spec": {"f:externalIPs": {}}}, id="plain-list"),
        pytest.param(
            {"spec": {"ports": [{"port": 53, "protocol": "UDP"}]}},
            {"f:spec": {"f:ports": {'k:{"port":53,"protocol":"UDP"}': {".": {}, "f:port": {}, "f:protocol": {}}}}},
            id="keyed-list",
        ),
    ],
)
def test_fields_as_a_tree_and_back(obj: Json, tree: Json) -> None:
    fields = fields_of(named("Service"), obj)
    assert to_json(fields) == tree
    assert from_json(tree) == fields
