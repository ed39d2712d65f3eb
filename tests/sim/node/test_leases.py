from sim.controllers.cluster import Cluster
from sim.node import leases


def test_each_node_has_a_lease_that_is_renewed_and_goes_with_it() -> None:
    now = 1000.0
    cluster = Cluster(nodes=("a", "b"), now=lambda: now)
    leases.renew(cluster)
    first = cluster.get("Lease", "kube-node-lease", "a")
    assert first["spec"] == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 40,
        "renewTime": "1970-01-01T00:16:40.000000Z",
    }
    now += 10
    leases.renew(cluster)
    renewed = cluster.get("Lease", "kube-node-lease", "a")
    assert renewed["metadata"]["uid"] == first["metadata"]["uid"]
    assert renewed["spec"]["renewTime"] == "1970-01-01T00:16:50.000000Z"
    cluster.delete("Node", "", "a")
    assert [lease["metadata"]["name"] for lease in cluster.list("Lease")] == ["b"]
