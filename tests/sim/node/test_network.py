from random import Random

import pytest

from minidns.dns.model import Address
from sim.api.objects import Json
from sim.controllers.cluster import Cluster
from sim.node.kube_proxy import Flow
from sim.node.network import DataPlane
from sim.node.over_sockets import Path
from tests.table import table

POD_1, POD_2 = "10.244.0.21", "10.244.0.22"
REAL = ("127.0.0.1", 1053)


def endpoint_slice(**ready: bool) -> Json:
    addresses = {"one": POD_1, "two": POD_2}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "dns-1", "labels": {"kubernetes.io/service-name": "dns"}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [addresses[name]], "conditions": {"ready": is_ready}} for name, is_ready in ready.items()
        ],
        "ports": [{"name": "dns", "port": 5353, "protocol": "UDP"}],
    }


def cluster(found: Json) -> Cluster:
    made = Cluster()
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "web", "port": 80, "protocol": "TCP"}]
    made.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "dns"},
            "spec": {"clusterIP": "10.96.0.53", "ports": ports},
        }
    )
    made.create(found)
    return made


def flow(server: str = "10.96.0.53", port: int = 53, source: int = 40000) -> Flow:
    return Flow(("10.244.0.5", source), (server, port))


def plane(found: Json) -> DataPlane:
    made = DataPlane(cluster(found), Random(1))
    made.real[(POD_1, 5353), "UDP"] = REAL
    made.real[("192.0.2.53", 53), "UDP"] = REAL
    return made


@table(
    ("ready", "asked", "expected"),
    [
        pytest.param({"one": True}, flow(), Path((POD_1, 5353), REAL), id="service-to-pod"),
        pytest.param({"two": True}, flow(), Path((POD_2, 5353), None), id="pod-that-is-nowhere"),
        pytest.param({"one": False}, flow(), Path(None, None, True), id="nobody-ready"),
        pytest.param(
            {"one": True}, flow(port=80)._replace(protocol="TCP"), Path(None, None, True), id="port-without-endpoints"
        ),
        pytest.param({"one": True}, flow("192.0.2.53"), Path(("192.0.2.53", 53), REAL), id="no-service-but-outside"),
        pytest.param({"one": True}, flow("10.96.0.99"), Path(("10.96.0.99", 53), None), id="nothing-there"),
    ],
)
def test_route(ready: dict[str, bool], asked: Flow, expected: Path) -> None:
    assert plane(endpoint_slice(**ready)).route(asked) == expected


def endpoints(made: DataPlane, flows: list[Flow]) -> set[Address | None]:
    return {made.route(each).endpoint for each in flows}


def test_flow_stays_and_new_flows_spread() -> None:
    made = plane(endpoint_slice(one=True, two=True))
    assert len(endpoints(made, [flow()] * 20)) == 1
    many = [flow(source=40000 + n) for n in range(40)]
    assert endpoints(made, many) == {(POD_1, 5353), (POD_2, 5353)}


def test_flow_moves_when_its_endpoint_goes() -> None:
    objects = cluster(endpoint_slice(one=True, two=True))
    made = DataPlane(objects, Random(1))
    first = made.route(flow()).endpoint
    left = "two" if first == (POD_1, 5353) else "one"
    objects.update(endpoint_slice(**{left: True}))
    assert made.route(flow()).endpoint not in (first, None)


def test_silent_flow_is_forgotten_after_30_s_and_a_replied_one_later() -> None:
    now = 0.0
    objects = cluster(endpoint_slice(one=True, two=True))
    made = DataPlane(objects, Random(1), lambda: now)
    kept = flow(source=50000)
    first = made.route(kept).endpoint
    made.replied(kept)
    now = 119.0
    assert made.route(kept).endpoint == first
    chosen = set()
    for _ in range(40):
        chosen.add(made.route(flow()).endpoint)
        now += 31
    assert len(chosen) == 2


def moved(made: DataPlane, objects: Cluster) -> tuple[Address | None, Address | None]:
    """Return the endpoint of a flow before and after its endpoint goes."""
    first = made.route(flow()).endpoint
    left = "two" if first == (POD_1, 5353) else "one"
    objects.update(endpoint_slice(**{left: True}))
    return first, made.route(flow()).endpoint


def test_a_stale_entry_keeps_a_flow_on_a_dead_pod_until_it_expires() -> None:
    now = 0.0
    objects = cluster(endpoint_slice(one=True, two=True))
    made = DataPlane(objects, Random(1), lambda: now)
    made.faults.keeps_stale = True
    first, second = moved(made, objects)
    assert second == first
    assert made.route(flow(source=41000)).endpoint != first
    now = 30.0
    assert made.route(flow()).endpoint != first


def test_kube_proxy_learns_of_a_change_after_its_lag() -> None:
    now = 0.0
    objects = cluster(endpoint_slice(one=True, two=True))
    made = DataPlane(objects, Random(1), lambda: now)
    made.faults.lag_s = 2.0
    first, second = moved(made, objects)
    assert second == first
    now = 1.9
    assert made.route(flow()).endpoint == first
    now = 2.0
    assert made.route(flow()).endpoint not in (first, None)


@table(("rate", "ready"), [(0.0, 2), (0.5, 2), (1.0, 2), (1.0, 1)])
def test_the_second_packet_of_a_new_flow_is_lost_to_another_endpoint(rate: float, ready: int) -> None:
    made = plane(endpoint_slice(one=True, two=ready == 2))
    made.faults.race_rate = rate
    lost = 0
    for source in range(40000, 41000):
        first = made.route(flow(source=source))
        lost += made.race(flow(source=source), first).endpoint is None
    # the race is lost only if the second choice is another endpoint
    assert lost / 1000 == pytest.approx(rate * (1 - 1 / ready), abs=0.05)


def test_without_an_endpoint_on_the_node_packets_are_dropped_not_refused() -> None:
    objects = cluster(endpoint_slice(one=True))
    objects.patch("Service", "default", "dns", {"spec": {"internalTrafficPolicy": "Local"}})
    assert DataPlane(objects, Random(1)).route(flow()) == Path(None, None)
    objects.update(endpoint_slice(one=False))
    assert DataPlane(objects, Random(1)).route(flow()).refused


def test_a_full_table_drops_packets() -> None:
    made = plane(endpoint_slice(one=True))
    made.conntrack.max_entries = 0
    assert made.route(flow()) == Path(None, None)
