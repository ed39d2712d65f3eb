import copy
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.api.kinds import KINDS, named
from sim.api.objects import Json
from sim.api.status import ApiError
from sim.api.table import table
from sim.controllers.cluster import Cluster
from tests.sim.builders import config_map, deployment, failing, namespace, pod, service

SLICE = {
    "apiVersion": "discovery.k8s.io/v1",
    "kind": "EndpointSlice",
    "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "web"}},
    "addressType": "IPv4",
    "endpoints": [
        {"addresses": ["192.0.2.1"], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "a"}}
    ],
    "ports": [{"name": "a", "port": 1, "protocol": "TCP"}],
}
BINDING = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "b"},
    "roleRef": {"kind": "Role", "name": "r"},
    "subjects": [{"kind": "User", "name": "jane"}],
}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n"},
    "spec": {"podCIDRs": ["10.244.3.0/24"]},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.9"}]},
}
GIVEN = {"podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}], "conditions": [{"type": "Ready", "status": "True"}]}
GOOD = [
    service(clusterIPs=["10.96.5.5"], ipFamilies=["IPv4"], type="ClusterIP"),
    pod(hostname="a", subdomain="web", dnsConfig={"nameservers": ["192.0.2.53"]}) | {"status": GIVEN},
    deployment(strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}),
    config_map(a="b"),
    namespace("x"),
    SLICE,
    BINDING,
    NODE,
]
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, -1, "", "x", "None", "192.0.2.1", [], {}, [1], [None], {"a": 1}, [[]], True]
)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        pytest.param(
            service(ports=[{"port": "80"}]),
            "spec.ports[0].port: it needs a whole number, and has a text",
            id="text-for-number",
        ),
        pytest.param(
            config_map() | {"data": {"a": 1}},
            "data[...]: it needs a text, and has a whole number",
            id="number-for-text",
        ),
        pytest.param(service(selector="app=web"), "spec.selector: it needs fields, and has a text", id="text-for-map"),
        pytest.param(
            pod(containers=[None]), "spec.containers[0]: it needs fields, and has nothing", id="null-in-a-list"
        ),
        pytest.param({**BINDING, "subjects": [{"name": "jane"}]}, "subjects[0].kind: it is missing", id="missing"),
    ],
)
def test_wrong_type_is_named_with_its_place(obj: Json, message: str) -> None:
    status = failing(lambda: Cluster().create(obj))
    kind = obj["kind"]
    start = f'{kind} in version "v1" cannot be handled as a {kind}: '
    assert (status["code"], status["message"]) == (400, start + message)


def test_null_is_no_value() -> None:
    obj = service(selector=None, clusterIP=None)
    obj["metadata"]["labels"] = None
    found = Cluster().create(obj)
    assert "selector" not in found["spec"]
    assert found["spec"]["clusterIP"] == "10.96.1.0"
    assert "labels" not in found["metadata"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a JSON value, but for what says its kind."""
    found = [path] if path and path[0] not in ("apiVersion", "kind") else []
    keys = list(value) if isinstance(value, dict) else []
    indexes = range(len(value)) if isinstance(value, list) else ()
    for key in (*keys, *indexes):
        found += places(value[key], (*path, key))
    return found


@pytest.mark.slow
@given(st.data())
def test_any_object_is_taken_or_refused(data: st.DataObject) -> None:
    cluster = Cluster()
    for obj in data.draw(st.lists(st.sampled_from(GOOD), min_size=1, max_size=4)):
        spoiled = copy.deepcopy(obj)
        for _ in range(data.draw(st.integers(0, 2))):
            path = data.draw(st.sampled_from(places(spoiled)))
            place: Any = spoiled
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = copy.deepcopy(data.draw(ODD))
        write = data.draw(st.sampled_from([cluster.create, cluster.apply]))
        with suppress(ApiError):  # a refusal is an answer too
            write(spoiled)
    for kind in KINDS:
        objects = cluster.list(kind.name)
        rows = table(kind, objects, {}, cluster.now())["rows"]
        assert len(rows) == len(objects)


def test_loaded_objects_of_any_shape_can_be_listed() -> None:
    cluster, random = Cluster(), Random(1)
    values = [None, 1, "x", [1], {"a": [None]}]
    for number in range(50):
        obj = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{number}"}}
        cluster.load([obj | {"spec": random.choice(values), "status": values[number % 5]}])
    rows = table(named("Node"), cluster.list("Node"), {}, 0)["rows"]
    assert len(rows) == 51
