from sim.controllers.cluster import Cluster
from tests.sim.builders import config_map, deployment, failing, names, namespace, pod, service


def test_first_namespaces() -> None:
    found = names(Cluster().list("Namespace"))
    assert found == ["default", "kube-node-lease", "kube-public", "kube-system"]


def test_namespace_is_labelled_with_its_name_and_has_an_account() -> None:
    cluster = Cluster()
    obj = cluster.create(namespace("prod"))
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "prod"}
    assert obj["status"]["phase"] == "Active"
    assert names(cluster.list("ServiceAccount", "prod")) == ["default"]


def test_label_cannot_be_taken_away() -> None:
    cluster = Cluster()
    cluster.create(namespace("prod"))
    obj = cluster.patch("Namespace", "", "prod", {"metadata": {"labels": None}})
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "prod"}


def filled() -> Cluster:
    cluster = Cluster()
    cluster.create(namespace("prod"))
    for obj in (service(namespace="prod"), pod(namespace="prod")):
        cluster.create(obj)
    shop = deployment("shop", 2)
    shop["metadata"]["namespace"] = "prod"
    cluster.create(shop)
    return cluster


def test_deletion_removes_all_contents() -> None:
    cluster = filled()
    assert len(cluster.list("Pod", "prod")) == 3
    cluster.delete("Namespace", "", "prod")
    assert cluster.find("Namespace", "", "prod") is None
    for kind in ("Service", "Pod", "EndpointSlice", "Deployment", "ServiceAccount"):
        assert cluster.list(kind, "prod") == []


def test_watchers_see_it_terminating_first() -> None:
    cluster = filled()
    seen: list[tuple[str, str]] = []
    cluster.subscribe(lambda c: seen.append((c.type, c.obj["status"]["phase"])) if c.kind.name == "Namespace" else None)
    cluster.delete("Namespace", "", "prod")
    assert (seen[0], seen[-1][0]) == (("MODIFIED", "Terminating"), "DELETED")


def test_deletion_waits_for_finalizers_of_contents() -> None:
    cluster = filled()
    held = config_map("held", "prod")
    held["metadata"]["finalizers"] = ["example.org/hold"]
    cluster.create(held)
    cluster.delete("Namespace", "", "prod")
    obj = cluster.get("Namespace", "", "prod")
    assert obj["status"]["phase"] == "Terminating"
    status = failing(lambda: cluster.create(config_map("late", "prod")))
    assert (status["code"], status["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    cluster.patch("ConfigMap", "prod", "held", {"metadata": {"finalizers": None}})
    assert cluster.find("Namespace", "", "prod") is None


def test_unknown_namespace() -> None:
    status = failing(lambda: Cluster().create(service(namespace="nowhere")))
    assert (status["code"], status["message"]) == (404, 'namespaces "nowhere" not found')


def test_protected_namespaces_stay() -> None:
    status = failing(lambda: Cluster().delete("Namespace", "", "kube-system"))
    assert status["message"] == ('namespaces "kube-system" is forbidden: this namespace may not be deleted')
