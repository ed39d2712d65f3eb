from sim.cluster.population import services
from sim.controllers.cluster import Cluster
from tests.sim.builders import service


def test_population_is_what_it_says() -> None:
    cluster = Cluster()
    assert cluster.load(services(20, 3, namespaces=4)) == 4 + 20 + 20
    assert len(cluster.list("Service", "pop-1")) == 5
    slices = cluster.list("EndpointSlice", "pop-0")
    assert sum(len(found["endpoints"]) for found in slices) == 15
    headless = cluster.list("Service", fields="spec.clusterIP=None")
    assert len(headless) == 2


def test_addresses_of_the_population_are_taken() -> None:
    cluster = Cluster()
    cluster.load(services(20, 1))
    ips = {s["spec"]["clusterIP"] for s in cluster.list("Service")} - {"None"}
    assert len(ips) == 19
    assert cluster.create(service())["spec"]["clusterIP"] not in ips
