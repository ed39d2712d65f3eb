"""`minidns status`: what it says of a cluster whose objects say so."""

import json
from pathlib import Path

import pytest

from minidns.second_dns.objects import DEPLOYMENT, Ref
from minidns.second_dns.record import ENROLMENT, Record
from sim.api.objects import Json
from sim.api.objects import clone as copy_of
from tests.process import mentions
from tests.second_dns.rights import grant
from tests.second_dns.world import (
    SYSTEM,
    Desk,
    as_user,
    cluster,
    desk,
    everything,
    kubeadm,
    with_pod,
    with_second,
    workload,
)
from tests.table import table

NONE = {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}}


def named(name: str, **pod: object) -> Json:
    web = with_pod(workload(replicas=1), **pod)
    web["metadata"]["name"] = name
    return web


def rows(at: Desk, heading: str) -> list[list[str]]:
    """Return the cells of the table that begins so."""
    (start,) = (n for n, line in enumerate(at.out) if line.startswith(heading))
    table = []
    for line in at.out[start + 1 :]:
        if not line or "  " not in line:
            break
        table.append([cell.strip() for cell in line.split("   ") if cell.strip()])
    return table


async def test_who_serves_and_who_asks() -> None:
    of = with_second(
        cluster(workload(), named("node", dnsPolicy="Default"), named("host", hostNetwork=True), named("own", **NONE))
    )
    async with desk(of) as at:
        before = everything(of)
        assert await at.run("status -o wide") == 0
        assert everything(of) == before
        image = "registry.example.org/coredns:v1.14.2"
        assert rows(at, "DNS ") == [
            ["kube-system/kube-dns", "10.96.0.10", "2/2", "6", "deployment/coredns", "coredns", image, "10.244.0.2, 10.244.0.3"],
            ["kube-system/kube-dns-2", "10.96.0.20", "2/2", "0", "deployment/kube-dns-2", "coredns", image, "10.244.0.12, 10.244.0.13"],
        ]  # fmt: skip
        asked = {(row[1], row[3], row[4]) for row in rows(at, "NAMESPACE")}
        node = "the node's resolvers"
        assert asked == {
            ("Deployment/web", "kube-system/kube-dns", "ClusterFirst"),
            ("Deployment/node", node, "Default"),
            ("Deployment/host", node, "ClusterFirst (hostNetwork)"),
            ("Deployment/own", "192.0.2.1 (no Service)", "None and dnsConfig"),
            ("Deployment/coredns", node, "Default"),
            ("Deployment/kube-dns-2", node, "Default"),
        }
        assert not any(line.startswith("ENROLLED") for line in at.out)


async def test_enrolments_and_what_is_over() -> None:
    async with desk(with_second(cluster(workload(), named("b"), named("c")))) as at:
        await at.run("enrol deploy/b -n shop --replicas 1")
        await at.run("enrol deploy/web -n shop --replicas 2 of 6")
        patch = at.cluster.get("Deployment", "shop", "web-kube-dns-2")
        assert patch
        assert await at.run("status") == 0
        assert rows(at, "ENROLLED") == [
            ["Deployment shop/b", "kube-system/kube-dns-2", "b-kube-dns-2", "unenrol"],
            ["Deployment shop/web", "kube-system/kube-dns-2", "web-kube-dns-2", "unenrol"],
        ]
        assert rows(at, "DNS ")[1][3] == "3"
        first = Ref(DEPLOYMENT, "shop", "c")
        over = Record(first, "10.96.0.20", "a/b", "i", "1970-01-02T00:00:00Z", twin="c-b")
        owner = at.cluster.get("Deployment", "shop", "c")
        at.cluster.create(over.config_map(owner))
        await at.run("status")
        assert ["Deployment shop/c", "a/b", "c-b", "1970-01-02T00:00:00Z (EXPIRED)"] in rows(at, "ENROLLED")  # fmt: skip
        assert "minidns unenrol --expired" in at.said


async def test_a_record_that_was_edited_is_told_of() -> None:
    of = cluster(workload())
    meta = {"name": "x", "namespace": "shop", "labels": {ENROLMENT: "i"}}
    of.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {}})
    async with desk(of) as at:
        assert await at.run("status") == 0
        assert mentions(at.said, "ConfigMap shop/x")


@pytest.mark.slow
@table(
    ("kind", "words", "pods"),
    [
        ("Deployment", "--all", "all its pods"),
        ("Deployment", "--replicas 1", "web-kube-dns-2"),
        ("Deployment", "--replicas 1 of 6", "web-kube-dns-2"),
        ("StatefulSet", "--all", "all its pods"),
        ("StatefulSet", "--replicas 1", "pods from web-5 on"),
        ("StatefulSet", "--replicas 4", "pods from web-2 on"),
        ("DaemonSet", "--all", "all its pods"),
    ],
)
async def test_which_pods_are_enrolled(kind: str, words: str, pods: str) -> None:
    async with desk(with_second(cluster(workload(kind)))) as at:
        await at.run(f"enrol {kind}/web -n shop {words} --timeout 0")
        await at.run("status")
        assert [row[2] for row in rows(at, "ENROLLED")] == [pods]


def other_corefile() -> list[Json]:
    dns = kubeadm()
    text = dns[1]["data"]["Corefile"]
    other = copy_of(dns[1])
    other["metadata"]["name"] = "other"
    other["data"]["Corefile"] = text.replace("cache 30", "cache 60")
    return [*dns, other]


async def test_differences_of_corefiles() -> None:
    of = with_second(cluster(dns=other_corefile()))
    second = of.get("Deployment", SYSTEM, "kube-dns-2")
    second["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] = "other"
    of.update(second)
    async with desk(of) as at:
        assert await at.run("status") == 0
        assert rows(at, "DNS ")[1][5] == "other (differs in 2 lines: --diff)"
        await at.run("status --diff")
        assert "-    cache 30 {" in at.out
        assert "+    cache 60 {" in at.out


async def test_a_corefile_that_is_never_updated_is_told_of() -> None:
    dns = copy_of({"all": kubeadm()})["all"]
    pod = dns[3]["spec"]["template"]["spec"]
    mount = pod["containers"][0]["volumeMounts"][0]
    mount |= {"mountPath": "/etc/coredns/Corefile", "subPath": "Corefile"}
    async with desk(cluster(dns=dns)) as at:
        await at.run("status")
        assert "coredns (subPath: never updated)" in at.said


async def test_json() -> None:
    async with desk(with_second(cluster(workload()))) as at:
        await at.run("enrol deploy/web -n shop --all")
        assert await at.run("status -o json") == 0
        found = json.loads("\n".join(at.out))
        assert [each["service"] for each in found["dns"]] == ["kube-system/kube-dns", "kube-system/kube-dns-2"]  # fmt: skip
        assert found["enrolments"][0]["workload"] == "Deployment shop/web"
        (web,) = (each for each in found["users"] if each["workload"] == "Deployment/web")
        assert (web["dns"], web["pods"]) == (["kube-system/kube-dns-2"], 6)


async def test_pods_of_one_namespace() -> None:
    async with desk(cluster(workload())) as at:
        await at.run("status -n shop")
        assert {row[0] for row in rows(at, "NAMESPACE")} == {"shop"}


async def test_watch_shows_the_state_again_only_when_it_changes() -> None:
    async with desk(cluster(workload())) as at:
        waits: list[float] = []

        def slept(now: float) -> None:
            waits.append(now)
            if len(waits) == 2:
                at.cluster.delete("Deployment", "shop", "web")
            elif len(waits) == 4:
                raise KeyboardInterrupt

        at.slept = slept
        with pytest.raises(KeyboardInterrupt):
            await at.run("status --watch")
        assert [line.split()[0] for line in at.out if line.startswith(("DNS", "shop"))] == ["DNS", "shop", "DNS"]


async def test_a_namespace_does_not_shrink_the_cluster() -> None:
    of = with_second(cluster(workload()))
    async with desk(of) as at:
        await at.run("enrol deploy/web -n shop --all")
        await at.run("status")
        whole = rows(at, "DNS ")
        at.out.clear()
        await at.run("status -n default")
        assert rows(at, "DNS ") == whole
        assert whole[1][3] == "6"
        assert not rows(at, "NAMESPACE")


@table("words", ["status -n shp", "unenrol --all -n shp", "unenrol deploy/web -n shp"])
async def test_an_unknown_namespace_is_an_error(words: str) -> None:
    async with desk(cluster(workload())) as at:
        assert await at.run(words) == 1
        assert mentions(at.err[-1], "-n shp")


async def test_rights_in_one_namespace_are_enough_for_it(tmp_path: Path) -> None:
    of = cluster(workload())
    shared = ("services", "configmaps", "deployments", "statefulsets", "daemonsets")
    groups = {"deployments": "apps", "statefulsets": "apps", "daemonsets": "apps"}
    everywhere = [(verb, w, groups.get(w, "")) for w in shared for verb in ("list", "get")]  # fmt: skip
    slices = ("list", "endpointslices", "discovery.k8s.io")
    grant(of, "jane", (*everywhere, slices))
    grant(of, "jane", (("list", "pods", ""),), "shop")
    grant(of, "jane", (("list", "pods", ""),), SYSTEM)
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        assert await at.run("status") == 1
        assert await at.run("status -n shop") == 0, at.err
        assert {row[0] for row in rows(at, "NAMESPACE")} == {"shop"}
        assert mentions(at.said, "shop only")


async def test_dns_of_openshift_is_found_in_its_own_namespace() -> None:
    of = cluster(dns=[])
    of.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openshift-dns"}})  # fmt: skip
    for obj in copy_of({"all": kubeadm()})["all"]:
        obj["metadata"]["namespace"] = "openshift-dns"
        if obj["kind"] == "Service":
            obj["metadata"] |= {"name": "dns-default", "labels": {}}
        of.create(obj)
    async with desk(of) as at:
        assert await at.run("status") == 0
        assert rows(at, "DNS ")[0][0] == "openshift-dns/dns-default"


async def test_a_dns_that_is_not_coredns_is_shown_with_the_reason() -> None:
    of = cluster()
    of.delete("ConfigMap", SYSTEM, "coredns")
    async with desk(of) as at:
        assert await at.run("status") == 0
        assert mentions(at.said, "coredns Corefile ConfigMap")


async def test_no_dns_at_all() -> None:
    async with desk(cluster(dns=[])) as at:
        assert await at.run("status") == 1
        assert mentions(at.err[-1], "kube-dns kube-system")


@pytest.mark.parametrize("lacking", ["services", "pods"])
async def test_a_right_that_is_missing_is_named(lacking: str, tmp_path: Path) -> None:
    of = cluster()
    grant(of, "jane", tuple(("list", w, "") for w in ("services", "pods") if w != lacking))
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        assert await at.run("status") == 1
        assert mentions(at.err[-1], f"list {lacking}")
