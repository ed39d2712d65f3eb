"""Names of addresses for the faults of links and servers."""

from sim.controllers.cluster import Cluster
from sim.node import kube_system
from sim.node.places import Places


def places() -> Places:
    cluster = Cluster()
    for obj in kube_system.objects():
        cluster.apply(obj)
    return Places(cluster)


def test_names_of_pods_servers_and_the_upstream() -> None:
    found = places()
    (app,) = found.addresses("app")
    assert {"pods", "app", "default/app", app} == found.of(app).names
    assert found.of(app).node
    (server,) = found.addresses("kube-dns")
    assert {"dns", "kube-dns", server} <= found.of(server).names
    assert found.of(kube_system.OUTSIDE_DNS).names == {"outside", "192.0.2.53"}
    assert found.of("203.0.113.1").names == {"203.0.113.1"}


def test_names_follow_the_objects() -> None:
    found = places()
    assert "shop/new" not in found.names().ends
    meta = {"namespace": "shop", "name": "new"}
    spec = {"containers": [{"name": "c", "image": "c"}]}
    found.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    found.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    assert "shop/new" in found.names().ends
    assert len(found.addresses("shop/new")) == 1


def test_only_dns_pods_and_the_upstream_are_servers() -> None:
    names = places().names()
    assert {"kube-dns", "kube-dns-2", "dns"} <= set(names.pods) <= set(names.servers)
    assert set(names.servers) - set(names.pods) == {"outside", kube_system.OUTSIDE_DNS}
    assert {"app", "pods", "node", "api", "services"}.isdisjoint(names.servers)
    assert set(names.servers) <= set(names.ends)
