from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns.model import Address
from sim.api.objects import Json
from sim.node.kube_proxy import Affinity, Conntrack, Flow, NodePlace, TableFullError, all_endpoints, endpoints_of
from tests.table import table

TARGETS = [{"name": "dns", "port": 5353, "protocol": "UDP"}, {"name": "dns-tcp", "port": 5354, "protocol": "TCP"}]
PORTS = [
    {"name": "dns", "port": 53, "protocol": "UDP"},
    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    {"name": "metrics", "port": 9153, "protocol": "TCP"},
]
HERE = NodePlace("node-1", "zone-a")


def service(**spec: object) -> Json:
    return {"spec": {"ports": PORTS, **spec}}


def flow(protocol: str = "UDP", port: int = 53, server: str = "10.96.0.20") -> Flow:
    return Flow(("10.244.1.5", 40000), (server, port), protocol)


def end(
    number: int = 2, *, node: str = "node-1", for_nodes: str = "", for_zones: str = "", **conditions: bool | None
) -> Json:
    entry: Json = {"addresses": [f"10.244.0.{number}"], "nodeName": node}
    hints = {"forNodes": for_nodes.split(), "forZones": for_zones.split()}
    entry["hints"] = {k: [{"name": n} for n in v] for k, v in hints.items()}
    return {**entry, "conditions": conditions}


def slice_(*endpoints: Json, ports: list[Json] = TARGETS, family: str = "IPv4") -> Json:
    return {"addressType": family, "endpoints": list(endpoints), "ports": ports}


LEAVING: dict[str, Any] = {"ready": False, "serving": True, "terminating": True}
SIX: Json = {"addresses": ["2001:db8::2"], "conditions": {"ready": True}}


@table(
    ("asked", "slices", "expected"),
    [
        pytest.param(flow(), [slice_(end())], [2], id="udp-by-name"),
        pytest.param(flow("TCP"), [slice_(end())], [2], id="tcp-by-name"),
        pytest.param(flow("TCP", 9153), [slice_(end())], [], id="port-not-in-slice"),
        pytest.param(flow("UDP", 54), [slice_(end())], [], id="no-such-service-port"),
        pytest.param(flow("SCTP"), [slice_(end())], [], id="no-such-protocol"),
        pytest.param(
            flow(),
            [slice_(end(), ports=[{"name": "dns", "port": 53, "protocol": "TCP"}])],
            [],
            id="name-alone-is-not-enough",
        ),
        pytest.param(
            flow(), [slice_(end(), ports=[{"name": "dns", "protocol": "UDP"}])], [], id="slice-port-without-number"
        ),
        pytest.param(flow(), [slice_(end(ready=None))], [2], id="ready-unset-is-ready"),
        pytest.param(flow(), [slice_(end(ready=False))], [], id="unready"),
        pytest.param(flow(), [slice_(end(), end(3, **LEAVING))], [2], id="terminating-is-not-used-beside-ready"),
        pytest.param(
            flow(), [slice_(end(2, ready=False), end(3, **LEAVING))], [3], id="terminating-and-serving-is-the-fallback"
        ),
        pytest.param(
            flow(),
            [slice_(end(ready=False, serving=False, terminating=True))],
            [],
            id="terminating-and-not-serving-is-not",
        ),
        pytest.param(flow(), [slice_(end(ready=False, serving=True))], [], id="serving-alone-is-not"),
        pytest.param(flow(), [slice_(end()), slice_(end(), end(3))], [2, 3], id="endpoint-in-two-slices-is-one"),
        pytest.param(flow(), [slice_(SIX, family="IPv6")], [], id="other-family"),
        pytest.param(flow(), [slice_(end(), family="FQDN")], [], id="fqdn"),
        pytest.param(flow(), [], [], id="no-slices"),
    ],
)
def test_endpoints(asked: Flow, slices: list[Json], expected: list[int]) -> None:
    port = 5353 if asked.protocol == "UDP" else 5354
    addresses = tuple((f"10.244.0.{number}", port) for number in expected)
    assert endpoints_of(service(), slices, asked, HERE) == addresses
    assert bool(all_endpoints(service(), slices, asked)) == bool(expected)


def test_ipv6_flows_get_ipv6_endpoints() -> None:
    slices = [slice_(end()), slice_(SIX, family="IPv6")]
    six = flow(server="2001:db8:96::14")
    assert endpoints_of(service(), slices, six, HERE) == (("2001:db8::2", 5353),)


@table(
    ("policy", "endpoints", "expected"),
    [
        pytest.param("Local", [end(2), end(3, node="node-2")], [2], id="local"),
        pytest.param("Local", [end(3, node="node-2")], [], id="local-none-here"),
        pytest.param("Local", [end(2, **LEAVING), end(3, node="node-2")], [2], id="local-falls-back-to-terminating"),
        pytest.param("Cluster", [end(2, for_zones="zone-a"), end(3, for_zones="zone-b")], [2], id="zone-hints"),
        pytest.param(
            "Cluster", [end(2, for_zones="zone-b"), end(3, for_zones="zone-b")], [2, 3], id="no-hint-for-this-zone"
        ),
        pytest.param(
            "Cluster", [end(2, for_zones="zone-a"), end(3)], [2, 3], id="one-endpoint-without-hints-turns-them-off"
        ),
        pytest.param(
            "Cluster",
            [end(2, for_nodes="node-1", for_zones="zone-a"), end(3, for_nodes="node-2", for_zones="zone-a")],
            [2],
            id="node-hints-come-before-zone-hints",
        ),
        pytest.param(
            "Cluster",
            [end(2, for_zones="zone-a", ready=False), end(3, for_zones="zone-b")],
            [3],
            id="hints-of-unready-endpoints-do-not-count",
        ),
        pytest.param(
            "Local",
            [end(2, for_zones="zone-b"), end(3, node="node-2", for_zones="zone-a")],
            [2],
            id="local-ignores-hints",
        ),
    ],
)
def test_traffic_policy_and_hints(policy: str, endpoints: list[Json], expected: list[int]) -> None:
    chosen = endpoints_of(service(internalTrafficPolicy=policy), [slice_(*endpoints)], flow(), HERE)
    assert [int(address.rpartition(".")[2]) for address, _ in chosen] == expected


states = st.fixed_dictionaries({name: st.sampled_from([None, True, False]) for name in LEAVING})
ends = st.lists(st.builds(lambda n, s: end(n, **s), st.integers(1, 9), states), max_size=6)


@given(ends)
def test_there_is_an_endpoint_whenever_one_is_ready_or_leaves_serving(entries: list[Json]) -> None:
    def is_usable(entry: Json) -> bool:
        ready = entry["conditions"]["ready"] is not False
        serving = entry["conditions"]["serving"]
        serves = ready if serving is None else serving
        return ready or bool(serves and entry["conditions"]["terminating"])

    by_address = {entry["addresses"][0]: entry for entry in entries}
    usable = any(map(is_usable, by_address.values()))
    assert bool(endpoints_of(service(), [slice_(*entries)], flow(), HERE)) == usable


FOUR = [(f"10.244.0.{n}", 53) for n in range(1, 5)]


def test_every_endpoint_gets_its_share() -> None:
    rng, affinity = Random(7), Affinity()
    chosen = [affinity.choose(service(), flow(), FOUR, 0, rng) for _ in range(4000)]
    counts = Counter(chosen)
    assert len(counts) == 4
    assert all(850 < count < 1150 for count in counts.values())


def sticky(seconds: int | None = None) -> Json:
    config = {"clientIP": {"timeoutSeconds": seconds}} if seconds else {}
    return service(sessionAffinity="ClientIP", sessionAffinityConfig=config)


def chosen(times: list[float], seconds: int | None, seed: int = 1) -> list[Address]:
    rng, affinity = Random(seed), Affinity()
    many = [(f"10.244.{n}.1", 53) for n in range(200)]
    found = (affinity.choose(sticky(seconds), flow(), many, t, rng) for t in times)
    return [endpoint for endpoint in found if endpoint]


@table(
    ("times", "seconds", "different"),
    [
        pytest.param([0, 1, 10], 60, 1, id="sticky"),
        pytest.param([0, 59, 118], 60, 1, id="every-flow-renews-it"),
        pytest.param([0, 60], 60, 2, id="expires"),
        pytest.param([0, 10799], None, 1, id="three-hours-by-default"),
        pytest.param([0, 10800], None, 2, id="and-no-longer"),
    ],
)
def test_a_client_keeps_its_endpoint(times: list[float], seconds: int | None, different: int) -> None:
    assert len(set(chosen(times, seconds))) == different


def test_affinity_ends_with_its_endpoint_and_is_of_one_client() -> None:
    rng, affinity = Random(1), Affinity()
    first = affinity.choose(sticky(), flow(), FOUR, 0, rng)
    others = [endpoint for endpoint in FOUR if endpoint != first]
    assert affinity.choose(sticky(), flow(), others, 1, rng) in others
    assert affinity.choose(sticky(), flow(), [], 2, rng) is None
    clients = [flow()._replace(client=(f"10.244.2.{n}", 1)) for n in range(40)]
    found = {affinity.choose(sticky(), client, FOUR, 0, rng) for client in clients}
    assert len(found) > 1


A, B = ("10.244.0.2", 53), ("10.244.0.3", 53)


@table(
    ("steps", "expected"),
    [
        pytest.param([("send", 0), ("send", 29)], [A, A], id="kept"),
        pytest.param([("send", 0), ("send", 30)], [A, B], id="expired-after-30-s"),
        pytest.param([("send", 0), ("send", 20), ("send", 49)], [A, A, A], id="packets-renew"),
        pytest.param([("send", 0), ("reply", 1), ("send", 30)], [A, A], id="a-reply-renews"),
        pytest.param([("send", 0), ("reply", 1), ("send", 31)], [A, B], id="one-exchange-is-no-stream"),
        pytest.param([("send", 0), ("reply", 1), ("send", 3), ("send", 122)], [A, A, A], id="a-stream-lasts-120-s"),
        pytest.param([("send", 0), ("reply", 1), ("send", 3), ("send", 123)], [A, A, B], id="and-no-longer"),
        pytest.param([("reply", 0), ("send", 100)], [A], id="reply-to-nothing"),
        pytest.param([("send", 0), ("delete-b", 1), ("send", 2)], [A, A], id="others-deleted"),
        pytest.param([("send", 0), ("delete-a", 1), ("send", 2)], [A, B], id="deleted-moves-on"),
    ],
)
def test_flow_stays_on_its_endpoint(steps: list[tuple[str, float]], expected: list[Address]) -> None:
    table, choices = Conntrack(), iter([A, B])
    sent = []
    for step, now in steps:
        if step == "send":
            sent.append(table.endpoint(flow(), now, lambda: next(choices)))
        elif step == "reply":
            table.replied(flow(), now)
        else:
            table.delete(flow().server, [A] if step == "delete-b" else [B])
    assert sent == expected


def test_no_endpoint_makes_no_entry() -> None:
    table = Conntrack()
    assert table.endpoint(flow(), 0, lambda: None) is None
    assert table.endpoint(flow(), 1, lambda: A) == A


def numbered(port: int) -> Flow:
    return flow()._replace(client=("10.244.1.5", port))


def test_other_source_port_is_another_flow() -> None:
    table = Conntrack()
    assert table.endpoint(flow(), 0, lambda: A) == A
    assert table.endpoint(numbered(40001), 0, lambda: B) == B
    assert table.delete(flow().server, [B]) == 1


def test_a_full_table_drops_new_flows_and_keeps_streams() -> None:
    table = Conntrack(max_entries=2)
    for port in (1, 2):
        table.endpoint(numbered(port), 0, lambda: A)
        table.replied(numbered(port), 1)
        table.endpoint(numbered(port), 3, lambda: B)
    with pytest.raises(TableFullError):
        table.endpoint(numbered(3), 4, lambda: B)
    assert table.dropped == 1
    assert table.endpoint(numbered(1), 4, lambda: B) == A
    assert table.endpoint(numbered(3), 124, lambda: B) == B


def test_a_full_table_gives_up_flows_that_are_no_streams() -> None:
    table = Conntrack(max_entries=2)
    for port in (1, 2, 3):
        assert table.endpoint(numbered(port), 0, lambda: A) == A
    assert table.dropped == 0
