from sim.api.objects import Json, owner_reference
from sim.api.server import ClusterApi
from sim.api.writing import Deletion
from sim.controllers.cluster import Cluster
from tests.sim.builders import config_map, names, service


def family() -> Cluster:
    """Return a cluster where a owns b, and b owns c."""
    cluster = Cluster()
    owner: Json | None = None
    for name in "abc":
        obj = config_map(name)
        if owner is not None:
            obj["metadata"]["ownerReferences"] = [owner_reference(owner)]
        owner = cluster.create(obj)
    return cluster


def test_what_an_object_owns_goes_with_it() -> None:
    cluster = family()
    cluster.delete("ConfigMap", "default", "a")
    assert cluster.list("ConfigMap") == []


def test_orphans_live_on() -> None:
    cluster = family()
    cluster.delete("ConfigMap", "default", "a", Deletion(orphan=True))
    assert names(cluster.list("ConfigMap")) == ["b", "c"]
    assert cluster.get("ConfigMap", "default", "b")["metadata"]["ownerReferences"] == []


def test_an_object_of_the_same_name_is_not_the_owner() -> None:
    cluster = family()
    cluster.delete("ConfigMap", "default", "b")
    assert names(cluster.list("ConfigMap")) == ["a"]
    cluster.create(config_map("b"))
    assert names(cluster.list("ConfigMap")) == ["a", "b"]


def test_cluster_without_controllers_keeps_what_is_written() -> None:
    cluster = ClusterApi()
    cluster.create(service())
    assert names(cluster.list("EndpointSlice")) == ["kubernetes"]


def test_owner_of_the_cluster_has_dependents_everywhere() -> None:
    cluster = Cluster()
    role = cluster.create(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    )
    for namespace in ("default", "kube-system"):
        obj = config_map(namespace=namespace)
        obj["metadata"]["ownerReferences"] = [owner_reference(role)]
        cluster.create(obj)
    cluster.delete("ClusterRole", "", "r")
    assert cluster.list("ConfigMap") == []


def test_object_stays_while_one_of_its_owners_exists() -> None:
    cluster = Cluster()
    owners = [cluster.create(config_map(name)) for name in "ab"]
    obj = config_map("c")
    obj["metadata"]["ownerReferences"] = list(map(owner_reference, owners))
    cluster.create(obj)
    cluster.delete("ConfigMap", "default", "a")
    assert names(cluster.list("ConfigMap")) == ["b", "c"]
    cluster.delete("ConfigMap", "default", "b")
    assert cluster.list("ConfigMap") == []


def test_object_of_a_gone_owner_is_deleted_at_once() -> None:
    cluster = Cluster()
    owner = cluster.create(config_map("a"))
    cluster.delete("ConfigMap", "default", "a")
    obj = config_map("b")
    obj["metadata"]["ownerReferences"] = [owner_reference(owner)]
    cluster.create(obj)
    assert cluster.list("ConfigMap") == []
