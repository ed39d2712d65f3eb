"""Whom pods ask: the simulated kubelet says whom they really would."""

import pytest

from minidns.kubernetes import kubelet
from minidns.second_dns import survey
from sim.api.objects import Json
from tests.table import table

FIRST = "10.96.0.10"
NODE = "192.0.2.53"


def pod(**more: object) -> Json:
    meta = {"name": "web-5d9-x", "namespace": "shop", **more.pop("meta", {})}  # type: ignore[dict-item]
    return {"metadata": meta, "spec": more, "status": {"phase": "Running"}}


def config(*servers: str) -> Json:
    return {"nameservers": list(servers)} if servers else {}


@table("policy", [None, "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])  # fmt: skip
@table("host", [True, False])
@table("own", [(), ("10.96.0.20",)])
def test_whom_pods_ask(policy: str | None, host: bool, own: tuple[str, ...]) -> None:
    spec: Json = {"dnsConfig": config(*own), "hostNetwork": host}
    spec |= {"dnsPolicy": policy} if policy else {}
    if policy == "None" and not own:
        return  # no API server lets it in
    conf = kubelet.resolv_conf(pod(**spec), kubelet.Node((FIRST,)))
    servers = {x.split()[1] for x in conf.splitlines() if x.startswith("nameserver")}
    (users,) = survey.users_of([pod(**spec)], FIRST, {})
    asked = set(users.dns)
    said = {each.removesuffix(" (no Service)") for each in asked} - {survey.NODE}
    assert said == servers - {NODE}
    if not said:
        assert asked == {survey.NODE}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_are_over_ask_nobody(phase: str) -> None:
    assert not survey.users_of([{**pod(), "status": {"phase": phase}}], FIRST, {})


def owned(kind: str, name: str, hashed: str = "") -> Json:
    labels = {"pod-template-hash": hashed} if hashed else {}
    owner = {"kind": kind, "name": name, "controller": True}
    return {"ownerReferences": [owner], "labels": labels}


@table(
    ("meta", "maker"),
    [
        ({}, "Pod/web-5d9-x"),
        (owned("ReplicaSet", "web-5d9", "5d9"), "Deployment/web"),
        (owned("ReplicaSet", "web"), "ReplicaSet/web"),
        (owned("StatefulSet", "db"), "StatefulSet/db"),
        ({"ownerReferences": [{"kind": "Node", "name": "n"}]}, "Pod/web-5d9-x"),
    ],
)
def test_what_made_a_pod(meta: Json, maker: str) -> None:
    (users,) = survey.users_of([pod(meta=meta)], FIRST, {})
    assert users.workload == maker


def test_counts() -> None:
    (users,) = survey.users_of([pod(), pod()], FIRST, {FIRST: "kube-system/kube-dns"})
    assert (users.dns, users.pods) == (("kube-system/kube-dns",), 2)
