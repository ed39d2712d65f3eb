from typing import Any

import pytest

from sim.api.kinds import named
from sim.api.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, merged, patched
from tests.sim.builders import deployment, failing, service
from tests.table import table

SERVICE = named("Service")


@table(
    ("target", "patch", "result"),
    [
        # the cases of RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


def ports(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [{"port": number} | more for number in numbers]


@table(
    ("patch", "result"),
    [
        pytest.param(
            {"ports": [{"port": 2, "name": "x"}]},
            [{"port": 1}, {"port": 2, "name": "x"}, {"port": 3}],
            id="joined-by-key",
        ),
        pytest.param(
            {"ports": [{"port": 4}]}, [{"port": 1}, {"port": 2}, {"port": 3}, {"port": 4}], id="new-item-last"
        ),
        pytest.param({"ports": [{"port": 2, "$patch": "delete"}]}, [{"port": 1}, {"port": 3}], id="delete-item"),
        pytest.param({"ports": [{"$patch": "replace"}, {"port": 9}]}, [{"port": 9}], id="replace-list"),
        pytest.param(
            {"$setElementOrder/ports": ports(3, 4, 1, 2), "ports": [{"port": 4}]},
            [{"port": 3}, {"port": 4}, {"port": 1}, {"port": 2}],
            id="order",
        ),
        pytest.param(
            {"$setElementOrder/ports": ports(3, 2, 1)}, [{"port": 3}, {"port": 2}, {"port": 1}], id="order-alone"
        ),
        pytest.param({"ports": None}, None, id="null-removes"),
    ],
)
def test_strategic_patch_of_a_keyed_list(patch: Any, result: Any) -> None:
    obj = service(ports=ports(1, 2, 3))
    new = patched(SERVICE, obj, {"spec": patch}, STRATEGIC_PATCH)
    assert new["spec"].get("ports") == result
    assert obj["spec"]["ports"] == ports(1, 2, 3)


@table(
    ("patch", "result"),
    [
        pytest.param({"spec": {"selector": {"x": "y"}}}, {"app": "web", "x": "y"}, id="maps-are-merged"),
        pytest.param({"spec": {"selector": {"$patch": "replace", "x": "y"}}}, {"x": "y"}, id="replace-map"),
        pytest.param({"spec": {"selector": {"$patch": "delete"}}}, {}, id="delete-map"),
        pytest.param({"spec": {"selector": {"$retainKeys": ["x"], "x": "y"}}}, {"x": "y"}, id="retain-keys"),
    ],
)
def test_strategic_patch_of_a_map(patch: Any, result: Any) -> None:
    new = patched(SERVICE, service(), patch, STRATEGIC_PATCH)
    assert new["spec"]["selector"] == result


def test_strategic_patch_of_lists_in_lists() -> None:
    env = [{"name": "c", "env": [{"name": "A", "value": "1"}]}]
    patch = {"spec": {"template": {"spec": {"containers": env}}}}
    new = patched(named("Deployment"), deployment(), patch, STRATEGIC_PATCH)
    container = new["spec"]["template"]["spec"]["containers"][0]
    assert container == {"name": "c", "image": "example", "env": env[0]["env"]}


def test_strategic_patch_of_a_list_without_keys_replaces_it() -> None:
    obj = service(externalIPs=["192.0.2.1"])
    patch = {"spec": {"externalIPs": ["192.0.2.2"]}}
    new = patched(SERVICE, obj, patch, STRATEGIC_PATCH)
    assert new["spec"]["externalIPs"] == ["192.0.2.2"]


def test_strategic_patch_joins_and_removes_finalizers() -> None:
    obj = service()
    obj["metadata"]["finalizers"] = ["a/b", "c/d"]
    patch = {"metadata": {"finalizers": ["e/f"], "$deleteFromPrimitiveList/finalizers": ["a/b"]}}
    new = patched(SERVICE, obj, patch, STRATEGIC_PATCH)
    assert new["metadata"]["finalizers"] == ["c/d", "e/f"]


def test_json_patch() -> None:
    patch = [
        {"op": "test", "path": "/metadata/name", "value": "web"},
        {"op": "replace", "path": "/spec/ports/0/port", "value": 81},
        {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}},
        {"op": "remove", "path": "/metadata/labels/a~1b"},
    ]
    new = patched(SERVICE, service(), patch, JSON_PATCH)
    assert new["spec"]["ports"][0]["port"] == 81
    assert new["metadata"]["labels"] == {}


@table(
    ("patch", "style", "code"),
    [
        pytest.param([{"op": "nonsense"}], JSON_PATCH, 400, id="unknown-operation"),
        pytest.param([{"op": "remove", "path": "/spec/nope"}], JSON_PATCH, 422, id="no-such-path"),
        pytest.param([{"op": "test", "path": "/kind", "value": "Pod"}], JSON_PATCH, 422, id="failed-test"),
        pytest.param({}, JSON_PATCH, 400, id="json-patch-is-a-list"),
        pytest.param([], MERGE_PATCH, 400, id="merge-patch-is-an-object"),
        pytest.param({}, "application/json", 415, id="no-patch-at-all"),
        pytest.param({"spec": {"ports": [{"name": "x"}]}}, STRATEGIC_PATCH, 400, id="no-key"),
    ],
)
def test_patch_that_does_not_fit(patch: Any, style: str, code: int) -> None:
    status = failing(lambda: patched(SERVICE, service(), patch, style))
    assert status["code"] == code


def test_custom_resources_take_no_strategic_patch() -> None:
    kind = named("ServiceImport")
    status = failing(lambda: patched(kind, {}, {}, STRATEGIC_PATCH))
    assert status["reason"] == "UnsupportedMediaType"
    assert patched(kind, {}, {"a": 1}, MERGE_PATCH) == {"a": 1}
