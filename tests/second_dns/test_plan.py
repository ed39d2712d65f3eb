"""The changes of workloads by enrol, and the workloads that it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidns.second_dns import plan as planning
from minidns.second_dns.objects import apply_changes, revert_changes
from minidns.second_dns.plan import Cluster, Plan, Share, Target
from minidns.second_dns.record import ENROLMENT, LABEL, Record, parse_record
from minidns.second_dns.running import selects
from minidns.second_dns.session import Refusal
from sim.api.objects import Json, dig
from sim.api.objects import clone as copy_of
from tests.second_dns.world import with_pod, workload
from tests.table import table

TARGET = Target("10.96.0.20", "kube-system", "kube-dns-2", Cluster("cluster.local"), "10.96.0.10")
ALL = Share()


def plan(obj: Json, share: Share = ALL) -> Plan:
    obj = copy_of(obj)
    obj["metadata"].setdefault("uid", "u-1")
    return planning.plan_enrolment(obj, TARGET, share, id_="i", until="")


def with_meta(obj: Json, **meta: object) -> Json:
    obj = copy_of(obj)
    obj["metadata"] |= meta
    return obj


def config(*servers: str) -> Json:
    return {"dnsPolicy": "None", "dnsConfig": {"nameservers": list(servers)}}


WEB = workload()
STS = workload("StatefulSet", updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})  # fmt: skip
DS = workload("DaemonSet")
RECREATE = workload(strategy={"type": "Recreate"})
ON_DELETE = workload("StatefulSet", updateStrategy={"type": "OnDelete"})
PARTIAL = workload("StatefulSet", updateStrategy={"rollingUpdate": {"partition": 3}})
TWIN = with_meta(WEB, labels={ENROLMENT: "i"})


@table(
    ("obj", "share", "why"),
    [
        pytest.param(with_pod(WEB, hostNetwork=True), ALL, "its pods have their node's network (hostNetwork)", id="host-network"),
        pytest.param(with_pod(WEB, hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"), ALL, "hostNetwork", id="host-network-with-cluster-dns"),
        pytest.param(with_pod(WEB, dnsPolicy="Default"), ALL, "query their node's resolvers (dnsPolicy Default)", id="policy-default"),
        pytest.param(with_pod(WEB, **config("192.0.2.1")), ALL, "query 192.0.2.1 (dnsPolicy None), not the cluster's DNS", id="asks-another"),
        pytest.param(with_pod(WEB, **config("10.96.0.20")), ALL, "names 10.96.0.20 already", id="asks-it-already"),
        pytest.param(TWIN, ALL, "is itself the twin of another Deployment", id="a-twin"),
        pytest.param(with_meta(WEB, deletionTimestamp="2026-01-02T03:04:05Z"), ALL, "is being deleted", id="being-deleted"),
        pytest.param(workload(paused=True), ALL, "is paused", id="paused"),
        pytest.param(DS, Share(1), "DaemonSet shop/web has a pod on each node: --all", id="part-of-a-daemon-set"),
        pytest.param(WEB, Share(2, 5), "has 6 replicas, not 5", id="count-is-wrong"),
        pytest.param(WEB, Share(6, 6), "6 would be all; pass --all", id="count-is-all"),
        pytest.param(WEB, Share(7, 6), "7 would be all; pass --all", id="count-is-more"),
        pytest.param(STS, Share(6), "6 would be all; pass --all", id="stateful-set-all"),
        pytest.param(RECREATE, Share(2), "must not run beside itself (strategy Recreate)", id="recreate"),
        pytest.param(ON_DELETE, Share(2), "(updateStrategy OnDelete)", id="on-delete"),
        pytest.param(PARTIAL, Share(2), "another partial rollout (partition 3)", id="partial-rollout"),
        pytest.param(with_meta(WEB, name="w" * 250), Share(2), "would be too long", id="name-too-long"),
    ],
)  # fmt: skip
def test_refused(obj: Json, share: Share, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        plan(obj, share)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def stored(made: Plan, obj: Json) -> Record:
    """Return the record of a plan as it is read from its ConfigMap."""
    return parse_record(made.record.config_map(with_meta(obj, uid="u-1")))


def after(obj: Json, made: Plan) -> Json:
    return apply_changes(obj, made.record.changes)


CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "searches": st.lists(st.sampled_from(["a.example.org", "b.example.org"])),
        "options": st.lists(st.just({"name": "edns0"}), max_size=1),
    },
)


@pytest.mark.parametrize("obj", [WEB, STS, DS], ids=["deploy", "sts", "ds"])
@given(st.none() | CONFIGS, st.sampled_from(["ClusterFirst", None]))
def test_all_in_place_and_back(obj: Json, own: Json | None, policy: str | None) -> None:
    obj = copy_of(obj)
    pod = obj["spec"]["template"]["spec"]
    for name, value in (("dnsConfig", own), ("dnsPolicy", policy)):
        pod.pop(name, None)
        if value is not None:
            pod[name] = value
    made = plan(obj)
    new = after(obj, made)
    spec = new["spec"]["template"]["spec"]
    assert (spec["dnsPolicy"], spec["dnsConfig"]["nameservers"]) == ("None", ["10.96.0.20"])
    back, overwritten = revert_changes(new, stored(made, obj).changes)
    assert (back, overwritten, made.twin) == (obj, (), None)


def test_one_server_only() -> None:
    """Behind a second one the failures of the first would hide."""
    obj = with_pod(WEB, **config("10.96.0.10", "192.0.2.1"))
    new = after(obj, plan(obj))
    assert dig(new, "spec.template.spec.dnsConfig.nameservers") == ["10.96.0.20"]


def test_part_of_a_stateful_set_are_its_last_pods() -> None:
    made = plan(STS, Share(2))
    new = after(STS, made)
    assert dig(new, "spec.updateStrategy.rollingUpdate.partition") == 4
    assert dig(new, "spec.template.spec.dnsPolicy") == "None"
    back, _ = revert_changes(new, made.record.changes)
    assert back == STS
    assert plan(STS, Share(2, 6)) == made


def test_twin_beside() -> None:
    made = plan(WEB, Share(2))
    assert made.record.changes == ()
    twin = made.twin
    assert twin is not None
    assert twin["spec"]["replicas"] == 2
    assert twin["metadata"]["name"] == "web-kube-dns-2"
    (owner,) = twin["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["name"], "controller" in owner) == ("u-1", "web", False)
    assert "app" not in twin["metadata"]["labels"], "nobody's leftover"
    assert "annotations" not in twin["metadata"]
    assert stored(made, WEB).twin == "web-kube-dns-2"


def test_twin_has_all_labels_that_services_select_by_and_one_more() -> None:
    made = plan(WEB, Share(2))
    twin = made.twin or {}
    labels = dig(twin, "spec.template.metadata.labels")
    assert labels == {"app": "web", "tier": "front", LABEL: "kube-dns-2"}
    assert selects(twin["spec"]["selector"], labels)
    first = dig(WEB, "spec.template.metadata.labels")
    assert not selects(twin["spec"]["selector"], first)


def test_twin_differs_in_nothing_but_dns_label_and_number() -> None:
    twin = copy_of(plan(WEB, Share(2)).twin or {})
    spec = twin["spec"]
    del spec["selector"]["matchLabels"][LABEL]
    del spec["template"]["metadata"]["labels"][LABEL]
    for name in ("dnsPolicy", "dnsConfig"):
        del spec["template"]["spec"][name]
    assert {**spec, "replicas": 6} == WEB["spec"]


def test_n_of_m_are_m_in_all() -> None:
    made = plan(WEB, Share(2, 6))
    (change,) = made.record.changes
    assert (change.before, change.after) == (6, 4)
    assert made.record.twin == "web-kube-dns-2"
    assert dig(made.twin or {}, "spec.replicas") == 2


def test_planning_changes_nothing() -> None:
    before = repr(WEB)
    for share in (ALL, Share(2), Share(2, 6)):
        plan(WEB, share)
    assert repr(WEB) == before
