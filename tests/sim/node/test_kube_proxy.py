from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.kubernetes.objects import (
    Endpoint,
    Endpoints,
    EndpointSlice,
    Key,
    Port,
    Service,
)
from sim.node.kube_proxy import Flow, Flows, endpoint_for, endpoints_of

KEY = Key("kube-system", "kube-dns-2")
DNS = Service(
    KEY,
    cluster_ips=("10.96.0.20", "2001:db8:96::14"),
    ports=(
        Port("dns", "UDP", 53),
        Port("dns-tcp", "TCP", 53),
        Port("metrics", "TCP", 9153),
    ),
)
TARGETS = (Port("dns", "UDP", 5353), Port("dns-tcp", "TCP", 5354))


def flow(protocol: str = "UDP", port: int = 53, server: str = "10.96.0.20") -> Flow:
    return Flow(("10.244.1.5", 40000), (server, port), protocol)


def slice_(
    *endpoints: Endpoint, ports: tuple[Port, ...] = TARGETS, service: Key = KEY
) -> EndpointSlice:
    ends = Endpoints.of(*endpoints)
    return EndpointSlice(Key("kube-system", "s"), service, ends, ports)


READY = Endpoint("10.244.0.2")


@pytest.mark.parametrize(
    ("asked", "slices", "expected"),
    [
        pytest.param(flow(), [slice_(READY)], [("10.244.0.2", 5353)], id="udp-by-name"),
        pytest.param(
            flow("TCP"), [slice_(READY)], [("10.244.0.2", 5354)], id="tcp-by-name"
        ),
        pytest.param(
            flow("TCP", 9153), [slice_(READY)], [], id="port-name-not-in-slice"
        ),
        pytest.param(flow("UDP", 54), [slice_(READY)], [], id="no-such-service-port"),
        pytest.param(flow("SCTP"), [slice_(READY)], [], id="no-such-protocol"),
        pytest.param(
            flow(),
            [slice_(READY, ports=(Port("dns", "TCP", 53),))],
            [],
            id="name-alone-is-not-enough",
        ),
        pytest.param(
            flow(),
            [slice_(READY, ports=(Port("dns", "UDP"),))],
            [],
            id="slice-port-without-number",
        ),
        pytest.param(
            flow(),
            [slice_(Endpoint("10.244.0.2", ready=False))],
            [],
            id="unready-is-left-out",
        ),
        pytest.param(
            flow(),
            [slice_(READY), slice_(READY, Endpoint("10.244.0.3"))],
            [("10.244.0.2", 5353), ("10.244.0.3", 5353)],
            id="endpoint-in-two-slices-is-one",
        ),
        pytest.param(
            flow(),
            [slice_(Endpoint("2001:db8::2"), READY)],
            [("10.244.0.2", 5353)],
            id="ipv4-flow-gets-ipv4",
        ),
        pytest.param(
            flow(server="2001:db8:96::14"),
            [slice_(Endpoint("2001:db8::2"), READY)],
            [("2001:db8::2", 5353)],
            id="ipv6-flow-gets-ipv6",
        ),
        pytest.param(
            flow(), [slice_(Endpoint("dns.example.org"))], [], id="fqdn-is-nowhere"
        ),
        pytest.param(
            flow(),
            [slice_(READY, service=Key("kube-system", "kube-dns"))],
            [],
            id="slice-of-another-service",
        ),
        pytest.param(flow(), [], [], id="no-slices"),
    ],
)
def test_endpoints(
    asked: Flow, slices: list[EndpointSlice], expected: list[tuple[str, int]]
) -> None:
    assert endpoints_of(DNS, slices, asked) == tuple(expected)
    chosen = endpoint_for(DNS, slices, asked, Random(1))
    assert (chosen in expected) if expected else (chosen is None)


addresses = st.integers(1, 9).map(lambda n: f"10.244.0.{n}")
slices = st.lists(
    st.lists(st.builds(Endpoint, addresses, ready=st.booleans()), max_size=6).map(
        lambda ends: slice_(*ends)
    ),
    max_size=4,
)


@given(slices, st.integers())
def test_choice_is_a_ready_endpoint_whenever_there_is_one(
    given_slices: list[EndpointSlice], seed: int
) -> None:
    ready = {e.address for s in given_slices for e in s.endpoints if e.ready}
    chosen = endpoint_for(DNS, given_slices, flow(), Random(seed))
    assert (chosen is None) == (not ready)
    assert chosen is None or chosen[0] in ready


def test_every_endpoint_gets_its_share() -> None:
    rng = Random(7)
    ends = slice_(*(Endpoint(f"10.244.0.{n}") for n in range(1, 5)))
    counts = Counter(endpoint_for(DNS, [ends], flow(), rng) for _ in range(4000))
    assert len(counts) == 4
    assert all(850 < count < 1150 for count in counts.values())


A, B = ("10.244.0.2", 53), ("10.244.0.3", 53)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([("send", 0), ("send", 29)], [A, A], id="kept"),
        pytest.param([("send", 0), ("send", 30)], [A, B], id="forgotten-after-30-s"),
        pytest.param(
            [("send", 0), ("send", 20), ("send", 49)], [A, A, A], id="packets-renew"
        ),
        pytest.param(
            [("send", 0), ("reply", 1), ("send", 120)], [A, A], id="replied-120-s"
        ),
        pytest.param(
            [("send", 0), ("reply", 1), ("send", 121)], [A, B], id="replied-forgotten"
        ),
        pytest.param([("reply", 0), ("send", 100)], [A], id="reply-to-nothing"),
        pytest.param(
            [("send", 0), ("clean-b", 1), ("send", 2)], [A, A], id="others-cleaned"
        ),
        pytest.param(
            [("send", 0), ("clean-a", 1), ("send", 2)], [A, B], id="cleaned-moves-on"
        ),
    ],
)
def test_flow_stays_on_its_endpoint(
    steps: list[tuple[str, float]], expected: list[tuple[str, int]]
) -> None:
    flows, choices = Flows(), iter([A, B])
    sent = []
    for step, now in steps:
        if step == "send":
            sent.append(flows.endpoint(flow(), now, lambda: next(choices)))
        elif step == "reply":
            flows.replied(flow(), now)
        else:
            flows.clean(flow().server, [A] if step == "clean-b" else [B])
    assert sent == expected


def test_no_endpoint_is_not_remembered() -> None:
    flows = Flows()
    assert flows.endpoint(flow(), 0, lambda: None) is None
    assert flows.endpoint(flow(), 1, lambda: A) == A


def test_other_source_port_is_another_flow() -> None:
    flows = Flows()
    other = flow()._replace(client=("10.244.1.5", 40001))
    assert flows.endpoint(flow(), 0, lambda: A) == A
    assert flows.endpoint(other, 0, lambda: B) == B
    assert flows.clean(flow().server, [B]) == 1
