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
