"""`minidns unenrol` restores only changes that `minidns enrol` can have made."""

from typing import Any

import pytest

from minidns.second_dns import record
from minidns.second_dns.objects import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, Change, Kind, Ref
from minidns.second_dns.record import ENROLMENT, LABEL, PARTITION, REPLICAS, Record
from minidns.second_dns.session import Refusal
from tests.second_dns.world import cluster, desk, with_second, workload
from tests.table import table

DNS = "10.96.0.20"
AFTER = {"nameservers": [DNS], "searches": ["svc.cluster.local"], "options": []}
SPEC = ("spec", "template", "spec")
POLICY = Change(record.POLICY, "ClusterFirst", "None")
CONFIG = Change(record.CONFIG, None, AFTER)
FEWER = Change(REPLICAS, 6, 4)
PART = Change(PARTITION, None, 2)


def ref(kind: Kind = DEPLOYMENT) -> Ref:
    return Ref(kind, "shop", "web")


def made(*changes: Change, kind: Kind = DEPLOYMENT, **more: Any) -> Record:
    return Record(ref(kind), DNS, "kube-system/kube-dns-2", changes=changes, **more)


CONTAINERS = [{"name": "c", "image": "evil", "securityContext": {"privileged": True}}]
PLANTED = {
    "hostNetwork": Change((*SPEC, "hostNetwork"), True, None),
    "hostPID": Change((*SPEC, "hostPID"), True, None),
    "serviceAccountName": Change((*SPEC, "serviceAccountName"), "admin", None),
    "containers": Change((*SPEC, "containers"), CONTAINERS, []),
    "volumes": Change((*SPEC, "volumes"), [{"hostPath": {"path": "/"}}], None),
    "all of the pods": Change(SPEC, {"hostNetwork": True}, {}),
    "the template": Change(SPEC[:2], {}, {}),
    "the whole spec": Change(SPEC[:1], {}, {}),
    "below the policy": Change((*record.POLICY, "x"), 1, 2),
    "below the config": Change((*record.CONFIG, "nameservers"), ["192.0.2.1"], []),
    "the selector": Change(("spec", "selector"), {}, None),
    "paused": Change(("spec", "paused"), True, None),
    "policy of the node": Change(record.POLICY, "Default", "None"),
    "policy that is none": Change(record.POLICY, {"a": 1}, "None"),
    "policy made another": Change(record.POLICY, "None", "ClusterFirst"),
    "config of no addresses": Change(record.CONFIG, {"nameservers": ["a b"]}, AFTER),
    "config with more": Change(record.CONFIG, {"hostNetwork": True}, AFTER),
    "config of lists of maps": Change(record.CONFIG, {"searches": [{}]}, AFTER),
    "config of odd options": Change(record.CONFIG, {"options": [{"x": "y"}]}, AFTER),
    "config that is text": Change(record.CONFIG, "x", AFTER),
    "config made of another DNS": Change(record.CONFIG, None, {"nameservers": ["192.0.2.1"]}),
    "config taken away": Change(record.CONFIG, AFTER, None),
    "replicas": Change(REPLICAS, "6", 4),
    "more replicas": Change(REPLICAS, 4, 6),
    "no replicas": Change(REPLICAS, 0, 4),
    "all replicas": Change(REPLICAS, 6, 0),
    "replicas that are none": Change(REPLICAS, True, False),
    "partition of somebody": Change(PARTITION, 5, 2),
}


@table("kind", [DEPLOYMENT, STATEFUL_SET, DAEMON_SET])
@table("planted", PLANTED.values(), ids=PLANTED)
def test_what_enrol_does_not_write_is_refused_by_name(planted: Change, kind: Kind) -> None:
    rest = tuple(c for c in (POLICY, CONFIG) if c.path != planted.path)
    for changes in ((planted,), (*rest, planted), (planted, *rest)):
        with pytest.raises(Refusal) as caught:
            record.check(made(*changes, kind=kind, twin="web-kube-dns-2"))
        assert ".".join(planted.path) in str(caught.value)


@table(
    ("kind", "changes", "more"),
    [
        pytest.param(DEPLOYMENT, (POLICY,), {}, id="half of it"),
        pytest.param(DEPLOYMENT, (POLICY, CONFIG, POLICY), {}, id="twice"),
        pytest.param(DEPLOYMENT, (FEWER,), {}, id="fewer without a twin"),
        pytest.param(DEPLOYMENT, (POLICY, CONFIG, FEWER), {"twin": "t"}, id="all and some"),
        pytest.param(DEPLOYMENT, (POLICY, CONFIG, PART), {}, id="partition"),
        pytest.param(STATEFUL_SET, (FEWER,), {"twin": "t"}, id="fewer of a StatefulSet"),
        pytest.param(DAEMON_SET, (FEWER,), {"twin": "t"}, id="fewer of a DaemonSet"),
        pytest.param(DEPLOYMENT, (POLICY, CONFIG), {"twin": "web-kube-dns-2"}, id="all and a twin"),
        pytest.param(DEPLOYMENT, (), {}, id="nothing"),
        pytest.param(DEPLOYMENT, (), {"twin": "victim"}, id="another twin"),
        pytest.param(DAEMON_SET, (), {"twin": "web-kube-dns-2"}, id="twin of a DaemonSet"),
    ],
)
def test_what_enrol_does_not_write_together_is_refused(
    kind: Kind, changes: tuple[Change, ...], more: dict[str, str]
) -> None:
    with pytest.raises(Refusal):
        record.check(made(*changes, kind=kind, **more))


OWN = {"nameservers": ["10.96.0.10"], "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}  # fmt: skip


@table(
    ("kind", "changes", "more"),
    [
        *((kind, (POLICY, CONFIG), {}) for kind in record.FIELDS),
        (DEPLOYMENT, (POLICY._replace(before=None), CONFIG._replace(before=OWN)), {}),
        (DEPLOYMENT, (), {"twin": "web-kube-dns-2"}),
        (DEPLOYMENT, (FEWER,), {"twin": "web-kube-dns-2"}),
        (STATEFUL_SET, (POLICY, CONFIG, PART), {}),
        (STATEFUL_SET, (POLICY, CONFIG, PART._replace(before=0)), {}),
    ],
)
def test_what_enrol_writes_passes(kind: Kind, changes: tuple[Change, ...], more: dict[str, str]) -> None:
    record.check(made(*changes, kind=kind, **more))


@table("words", ["deploy/web -n shop", "--all", "--expired"])
@table("name", ["hostNetwork", "serviceAccountName", "containers"])
async def test_nothing_planted_is_written(name: str, words: str) -> None:
    planted = PLANTED[name]
    obj = workload()
    spec = obj["spec"]["template"]["spec"]
    until = "2020-01-01T00:00:00Z"
    change = planted._replace(after=spec.get(name))
    planted_record = made(POLICY, CONFIG, change, until=until)
    async with desk(with_second(cluster(obj))) as at:
        before = at.cluster.get("Deployment", "shop", "web")
        at.cluster.create(planted_record.config_map(before))
        assert await at.run(f"unenrol {words}") == 1
        assert at.cluster.get("Deployment", "shop", "web") == before
        assert name in at.said


@pytest.mark.parametrize("name", ["victim", "web-kube-dns-2"])
async def test_what_only_says_that_it_is_a_twin_is_not_deleted(name: str) -> None:
    victim = workload()
    victim["metadata"] |= {"name": name, "labels": {LABEL: "kube-dns-2", ENROLMENT: "i"}}
    victim["spec"]["selector"]["matchLabels"] = {"app": name}
    victim["spec"]["template"]["metadata"]["labels"] = {"app": name}
    async with desk(with_second(cluster(workload(), victim))) as at:
        first = at.cluster.get("Deployment", "shop", "web")
        at.cluster.create(made(twin=name, id="i").config_map(first))
        for words in ("deploy/web -n shop", f"deploy/{name} -n shop", "--all"):
            await at.run(f"unenrol {words}")
        assert at.cluster.find("Deployment", "shop", name) is not None
        assert "minidns-enrolment-deployment-web" in at.said
