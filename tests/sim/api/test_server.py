import asyncio
import copy
from functools import partial

import pytest

from sim.api.objects import Json, version_of
from sim.api.server import ClusterApi
from sim.api.store import Change
from sim.api.writing import Deletion, Write
from sim.controllers.cluster import Cluster
from tests.sim.builders import DEADLINE_S, config_map, failing, names, pod, service
from tests.table import table

HTTP = Write(manager="test", keeps_status=False)


def made(**data: str) -> tuple[Cluster, Json]:
    cluster = Cluster(now=lambda: 1_000_000_000)
    return cluster, cluster.create(config_map(**data))


def test_create_gives_identity() -> None:
    cluster, obj = made()
    meta = obj["metadata"]
    assert len(meta["uid"]) == 36
    assert meta["creationTimestamp"] == "2001-09-09T01:46:40Z"
    assert version_of(obj) == cluster.version


def test_same_seed_same_names() -> None:
    first, second = (Cluster(seed=7).create(_unnamed()) for _ in range(2))
    assert first["metadata"]["name"] == second["metadata"]["name"]
    assert first["metadata"]["uid"] == second["metadata"]["uid"]


def _unnamed() -> Json:
    obj = config_map()
    obj["metadata"] = {"generateName": "cm-"}
    return obj


def test_generated_names_differ_and_fit() -> None:
    cluster = Cluster()
    found = {cluster.create(_unnamed())["metadata"]["name"] for _ in range(20)}
    assert len(found) == 20
    assert all(name.startswith("cm-") and len(name) == 8 for name in found)


def test_written_object_is_a_copy() -> None:
    cluster = Cluster()
    mine = config_map(a="1")
    before = copy.deepcopy(mine)
    cluster.create(mine)
    assert mine == before
    mine["data"]["a"] = "2"
    assert cluster.get("ConfigMap", "default", "cm")["data"] == {"a": "1"}
    cluster.get("ConfigMap", "default", "cm")["data"]["a"] = "3"
    assert cluster.get("ConfigMap", "default", "cm")["data"] == {"a": "1"}


@table(
    ("obj", "code", "message"),
    [
        pytest.param(config_map(), 409, 'configmaps "cm" already exists', id="exists"),
        pytest.param(
            {"apiVersion": "v1", "kind": "Nonsense", "metadata": {"name": "x"}},
            400,
            'no matches for kind "Nonsense" in version "v1"',
            id="unknown-kind",
        ),
        pytest.param(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}},
            422,
            'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
            id="no-name",
        ),
        pytest.param(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": []},
            400,
            "the object provided is unrecognized (must be of type Object)",
            id="metadata-is-a-list",
        ),
    ],
)
def test_create_refused(obj: Json, code: int, message: str) -> None:
    cluster, _ = made()
    status = failing(lambda: cluster.create(obj))
    assert (status["code"], status["message"]) == (code, message)
    assert (status["kind"], status["status"]) == ("Status", "Failure")


@table(
    ("kind", "name", "is_good"),
    [
        ("ConfigMap", "a.b-c.1", True),
        ("ConfigMap", "A", False),
        ("ConfigMap", "a_b", False),
        ("ConfigMap", "-a", False),
        ("ConfigMap", "a" * 253, True),
        ("ConfigMap", "a" * 254, False),
        ("Namespace", "1a", True),
        ("Namespace", "a.b", False),
        ("Service", "a-1", True),
        ("Service", "1a", True),
        ("Service", "a" * 64, False),
        ("ClusterRole", "system:coredns", True),
        ("ClusterRole", "a/b", False),
        ("ClusterRole", "..", False),
    ],
)
def test_names(kind: str, name: str, is_good: bool) -> None:
    api = {"ClusterRole": "rbac.authorization.k8s.io/v1"}.get(kind, "v1")
    obj = {"apiVersion": api, "kind": kind, "metadata": {"name": name}}
    if kind == "Service":
        obj["spec"] = {"ports": [{"port": 1}]}
    cluster = Cluster()
    if is_good:
        assert cluster.create(obj)["metadata"]["name"] == name
    else:
        assert failing(lambda: cluster.create(obj))["code"] == 422


def test_update_at_an_old_version_is_a_conflict() -> None:
    cluster, old = made()
    cluster.update(config_map(a="1"))
    status = failing(lambda: cluster.update(old | {"data": {"a": "2"}}))
    assert (status["code"], status["reason"]) == (409, "Conflict")
    assert status["message"] == (
        'Operation cannot be fulfilled on configmaps "cm": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )


def test_update_keeps_what_is_the_servers() -> None:
    cluster, old = made()
    new = cluster.update(config_map(a="1"))
    for field in ("uid", "creationTimestamp"):
        assert new["metadata"][field] == old["metadata"][field]
    assert version_of(new) > version_of(old)


def test_update_of_nothing() -> None:
    status = failing(lambda: Cluster().update(config_map("none")))
    assert (status["code"], status["message"]) == (404, 'configmaps "none" not found')
    assert status["details"] == {"name": "none", "kind": "configmaps"}


def test_update_of_another_object_of_that_name() -> None:
    cluster, old = made()
    cluster.delete("ConfigMap", "default", "cm")
    cluster.create(config_map())
    old["metadata"].pop("resourceVersion")
    assert "UID in precondition" in failing(lambda: cluster.update(old))["message"]


def test_update_that_changes_nothing_writes_nothing() -> None:
    cluster, old = made(a="1")
    version = cluster.version
    assert cluster.update(config_map(a="1")) == old
    assert cluster.version == version


def test_patch_with_a_version_needs_that_version() -> None:
    cluster, old = made()
    patch = {"metadata": {"resourceVersion": "1"}, "data": {"a": "1"}}
    act = partial(cluster.patch, "ConfigMap", "default", "cm", patch)
    assert failing(act)["code"] == 409
    patch["metadata"] = {"resourceVersion": old["metadata"]["resourceVersion"]}
    assert act()["data"] == {"a": "1"}


def test_patch_cannot_rename() -> None:
    cluster, _ = made()
    patch = {"metadata": {"name": "other"}}
    status = failing(lambda: cluster.patch("ConfigMap", "default", "cm", patch))
    assert status["code"] == 400


def test_generation_counts_changes_of_substance() -> None:
    cluster = Cluster()
    obj = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "x"},
        "spec": {"minAvailable": 1},
    }

    def generation(patch: Json, write: Write = HTTP) -> int:
        args = ("PodDisruptionBudget", "default", "x", patch)
        found = cluster.patch(*args, write=write)
        return int(found["metadata"]["generation"])

    assert cluster.create(obj)["metadata"]["generation"] == 1
    assert generation({"metadata": {"labels": {"a": "b"}}}) == 1
    assert generation({"spec": {"minAvailable": 2}}) == 2
    status = Write(subresource="status", keeps_status=False)
    assert generation({"status": {"currentHealthy": 1}}, status) == 2


def test_status_is_written_as_such_only() -> None:
    cluster = ClusterApi()
    cluster.create(pod() | {"status": {"phase": "Running"}}, HTTP)
    assert cluster.get("Pod", "default", "web-1")["status"]["phase"] == "Pending"
    patch = {"status": {"phase": "Running"}, "metadata": {"labels": {"a": "b"}}}
    args = ("Pod", "default", "web-1", patch)
    assert cluster.patch(*args, write=HTTP)["status"]["phase"] == "Pending"
    by_status = Write(subresource="status", keeps_status=False)
    patch["metadata"] = {"labels": {"a": "c"}}
    found = cluster.patch(*args, write=by_status)
    assert found["status"]["phase"] == "Running"
    assert found["metadata"]["labels"]["a"] == "b"


def test_dry_run_writes_nothing() -> None:
    cluster, _ = made()
    version = cluster.version
    dry = Write(dry_run=True)
    assert cluster.create(config_map("new"), dry)["metadata"]["uid"]
    assert cluster.update(config_map(a="1"), dry)["data"] == {"a": "1"}
    assert cluster.delete("ConfigMap", "default", "cm", Deletion(dry_run=True))
    assert cluster.version == version
    assert names(cluster.list("ConfigMap")) == ["cm"]


def test_finalizers_hold_an_object() -> None:
    cluster = Cluster()
    obj = config_map()
    obj["metadata"]["finalizers"] = ["example.org/hold"]
    cluster.create(obj)
    marked = cluster.delete("ConfigMap", "default", "cm")
    assert marked["metadata"]["deletionTimestamp"]
    assert cluster.delete("ConfigMap", "default", "cm") == marked
    seen: list[str] = []
    cluster.subscribe(lambda change: seen.append(change.type))
    free: Json = {"metadata": {"finalizers": []}}
    cluster.patch("ConfigMap", "default", "cm", free)
    assert seen == ["DELETED"]


@pytest.mark.parametrize(
    "deletion", [pytest.param(Deletion(uid="other"), id="uid"), pytest.param(Deletion(version="1"), id="version")]
)
def test_deletion_meant_for_another_state(deletion: Deletion) -> None:
    cluster, _ = made()
    act = partial(cluster.delete, "ConfigMap", "default", "cm", deletion)
    assert failing(act)["code"] == 409
    assert names(cluster.list("ConfigMap")) == ["cm"]


def test_delete_all_of_a_selection() -> None:
    cluster = Cluster()
    for name in ("a-1", "a-2", "b-1"):
        cluster.create(pod(name))
    assert names(cluster.delete_all("Pod", "default", "app=a")) == ["a-1", "a-2"]
    assert names(cluster.list("Pod")) == ["b-1"]


def test_list_shares_its_objects() -> None:
    cluster, _ = made()
    assert cluster.list("ConfigMap")[0] is cluster.find("ConfigMap", "default", "cm")


def test_subscribers_hear_changes_in_order_and_each_once() -> None:
    cluster = Cluster()
    heard: list[Change] = []

    def echo(change: Change) -> None:
        if change.kind.name == "ConfigMap" and change.type == "ADDED":
            patch = {"data": {"seen": "1"}}
            cluster.patch("ConfigMap", "default", "cm", patch)

    cluster.subscribe(echo)
    end = cluster.subscribe(heard.append)
    cluster.create(config_map())
    assert [change.type for change in heard] == ["ADDED", "MODIFIED"]
    assert heard[0].version < heard[1].version
    end()
    cluster.delete("ConfigMap", "default", "cm")
    assert len(heard) == 2


def test_a_subscriber_that_fails_leaves_the_rest_working() -> None:
    cluster = Cluster()

    def fail(change: Change) -> None:
        raise LookupError

    end = cluster.subscribe(fail)
    with pytest.raises(LookupError):
        cluster.create(config_map())
    end()
    cluster.create(service())
    assert len(cluster.list("EndpointSlice")) == 2


async def test_watch_in_the_same_process() -> None:
    cluster, obj = made()
    seen: list[tuple[str, str]] = []

    async def follow() -> None:
        async for event in cluster.watch("ConfigMap", version_of(obj)):
            seen.append((event.type, event.obj["metadata"]["name"]))
            if len(seen) == 3:
                return

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await asyncio.sleep(0)
        cluster.update(config_map(a="1"))
        cluster.create(config_map("new"))
        cluster.delete("ConfigMap", "default", "new")
    assert seen == [("MODIFIED", "cm"), ("ADDED", "new"), ("DELETED", "new")]


def test_load_takes_objects_as_they_are() -> None:
    cluster = Cluster()
    odd = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd"}}
    taken = service("taken", clusterIP="10.96.0.77", clusterIPs=["10.96.0.77"])
    assert cluster.load([odd, taken]) == 2
    assert "spec" not in cluster.get("Service", "default", "odd")
    assert names(cluster.list("EndpointSlice")) == ["kubernetes"]
    status = failing(lambda: cluster.create(service(clusterIP="10.96.0.77")))
    assert "already allocated" in status["message"]


def test_restore_gives_addresses_back() -> None:
    cluster = Cluster()
    backup = cluster.snapshot()
    ip = cluster.create(service("later"))["spec"]["clusterIP"]
    cluster.restore(backup)
    assert names(cluster.list("Service")) == ["kubernetes"]
    assert cluster.create(service("other"))["spec"]["clusterIP"] == ip
    assert "10.96.0.1" in cluster.addresses.services


def test_owners_of_fields_are_kept_for_those_who_name_themselves() -> None:
    cluster, obj = made()
    assert "managedFields" not in obj["metadata"]
    patch = {"data": {"a": "1"}}
    found = cluster.patch("ConfigMap", "default", "cm", patch, write=HTTP)
    (entry,) = found["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("test", "Update")
    assert entry["fieldsV1"] == {"f:data": {"f:a": {}}}
    again = cluster.update(config_map(a="1"))
    assert again["metadata"]["managedFields"] == [entry]
