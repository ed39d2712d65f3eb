"""Whatever stands in the objects, every question gets an answer that can be sent."""

import json
from typing import Any

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.dns import names
from minidns.dns.model import Query, Question, Response, RRset
from minidns.dns.rdata import type_number
from minidns.dns.wire import encode_response
from minidns.kubernetes import decode
from minidns.kubernetes.external import ExternalZones
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion
from minidns.kubernetes.objects import Object, Service
from minidns.kubernetes.options import ExternalOptions
from minidns.kubernetes.resources import NAMESPACES, PODS, SERVICES, SLICES, Applied, Resource
from tests.kubernetes import made
from tests.table import table

ODD: list[Any] = [
    None, "", "x", " ", "a.b", "a..b", ".", "x" * 64, "x" * 300, "É", "\\", "\0", "*",
    "_http", "10.1.0.1", "256.1.1.1", "::1", "::ffff:10.1.0.1", "fe80::1%eth0", "None",
    "2001:DB8::A", "10.1.0.1/8", 0, 1, -1, -5, 80, 65535, 65536, 70000, 2**31, 2**64,
    1.5, True, [], {}, [None], ["x"],
]  # fmt: skip
odd = st.sampled_from(ODD)
words = st.sampled_from([each for each in ODD if each is None or type(each) is str])
numbers = st.sampled_from([each for each in ODD if each is None or type(each) is int])
addresses = st.lists(st.one_of(st.sampled_from(["10.1.0.1", "fd00::1"]), words), max_size=3)
port = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.one_of(st.just("http"), words),
            "port": numbers,
            "protocol": st.one_of(st.just("TCP"), words),
        },
    ),
)
ports = st.one_of(st.lists(port, max_size=3), odd)
services = st.fixed_dictionaries(
    {},
    optional={
        "type": st.one_of(st.just("ExternalName"), words),
        "clusterIP": words,
        "clusterIPs": st.one_of(st.just(["None"]), addresses),
        "externalName": words,
        "externalIPs": addresses,
        "ports": ports,
    },
)
endpoint = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"addresses": addresses},
        optional={
            "hostname": words,
            "targetRef": st.one_of(odd, st.fixed_dictionaries({"name": words})),
            "conditions": st.fixed_dictionaries({}, optional={"ready": st.sampled_from([True, False, None, 1])}),
            "zone": words,
        },
    ),
)
META = {"name": "s", "namespace": "a", "labels": {"kubernetes.io/service-name": "s"}}


def read(resource: Resource, tree: dict[str, Any]) -> list[Object]:
    tree = {"metadata": META, **tree}
    obj, _, _ = decode.item(resource, json.dumps(tree).encode())
    return [obj] if obj is not None else []


NAMES = [
    "cluster.local", "ns.dns.cluster.local", "a.svc.cluster.local",
    "s.a.svc.cluster.local", "_http._tcp.s.a.svc.cluster.local",
    "x.s.a.svc.cluster.local", "10-1-0-1.s.a.svc.cluster.local",
    "10-1-0-1.a.pod.cluster.local", "1.0.1.10.in-addr.arpa",
    names.reverse("fd00::1"), "x.pin._zone.s.a.svc.cluster.local",
]  # fmt: skip
OUTSIDE = ["ext.test", "ns1.dns.ext.test", "s.a.ext.test", "_http._tcp.s.a.ext.test"]
TYPES = ["A", "AAAA", "SRV", "CNAME", "PTR", "NS", "SOA", "TXT", "ANY"]


@pytest.mark.slow
@pytest.mark.parametrize("body", ["pods verified; zonal", "strict; endpoint_pod_names"])
@given(services, st.lists(endpoint, max_size=3), ports, words, addresses)
def test_any_object(body: str, spec: Any, endpoints: Any, ports: Any, pod_ip: Any, ingress: Any) -> None:
    status = {"loadBalancer": {"ingress": [{"ip": each} for each in ingress]}}
    objects = [
        *read(NAMESPACES, {"metadata": {"name": "a"}}),
        *read(SERVICES, {"spec": spec, "status": status}),
        *read(SLICES, {"endpoints": endpoints, "ports": ports}),
        *read(PODS, {"status": {"podIP": pod_ip}}),
    ]
    cluster = made.Cluster(objects, body, local=("10.1.0.1", "fd00::1"))
    external = ExternalZones(ExternalOptions(("ext.test.",), headless=True), cluster.answers)
    for qtype in TYPES:
        for name in NAMES:
            sent(name, qtype, cluster.answer(name, qtype))
        for name in OUTSIDE:
            zone, number = "ext.test.", type_number(qtype)
            asked = ClusterQuestion(f"{name}.", number, zone, zone, f"{name}.")
            sent(name, qtype, external.answer(asked))
    for zone in ("cluster.local.", "ext.test."):
        cluster.answers.transfer(zone)
        external.transfer(zone)


def sent(name: str, qtype: str, answer: ClusterAnswer) -> None:
    """See that the answer is a message."""
    records = tuple(rrset for rrset in answer.answer if isinstance(rrset, RRset))
    query = Query(Question(names.absolute(name), type_number(qtype)))
    wire = encode_response(query, Response(0, records, (), answer.additional))
    dns.message.from_wire(wire)


@table(
    ("number", "shown"),
    [
        pytest.param(65535, 65535, id="the-largest"),
        pytest.param(65536, 0, id="one-more"),
        pytest.param(70000, 4464, id="above"),
        pytest.param(0, 0, id="zero"),
        pytest.param(-5, 65531, id="negative"),
        pytest.param(2**40 + 7, 7, id="huge"),
    ],
)
def test_a_port_outside_of_the_range(number: int, shown: int) -> None:
    port = [{"name": "http", "port": number}]
    (one,) = read(SERVICES, {"spec": {"clusterIP": "10.96.0.1", "ports": port}})
    assert isinstance(one, Service)
    cluster = made.Cluster([made.namespace("a"), one])
    found = cluster.ask("s.a.svc.cluster.local", "SRV")
    assert f" SRV 0 100 {shown} s.a.svc" in found


@pytest.mark.parametrize("number", [-1, None])
def test_a_port_without_a_number_has_no_srv(number: int | None) -> None:
    port = [{"name": "http", "port": number}]
    objects = read(SERVICES, {"spec": {"clusterIP": "10.96.0.1", "ports": port}})
    cluster = made.Cluster([made.namespace("a"), *objects])
    assert cluster.ask("s.a.svc.cluster.local", "SRV") == "NODATA"
    assert " A 10.96.0.1" in cluster.ask("s.a.svc.cluster.local")


def test_nulls_in_lists_are_left_out() -> None:
    tree = {"endpoints": [None, {"addresses": [None, "10.1.0.1"]}], "ports": [None, {"name": "http", "port": 80}]}
    objects = [made.namespace("a"), made.service("a/s", "None"), *read(SLICES, tree)]
    assert " A 10.1.0.1" in made.Cluster(objects).ask("s.a.svc.cluster.local")
    assert Applied(objects[-1])
