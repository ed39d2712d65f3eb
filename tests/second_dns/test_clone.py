"""`minidns clone` against the simulated API server, over HTTP."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from minidns.second_dns.objects import SERVICE
from sim.api import manifests
from sim.api.faults import Rule
from sim.api.kinds import named as named_kind
from sim.api.objects import Json
from sim.api.objects import clone as copy_of
from sim.api.server import ClusterApi
from sim.controllers.pods import PodController
from tests.process import mentions
from tests.second_dns.rights import CLONE, DELETE, grant
from tests.second_dns.world import SYSTEM, Desk, as_user, cluster, desk, everything, kubeadm, without_revision, workload
from tests.table import table

NAMES = [("Service", "kube-dns-2"), ("Deployment", "kube-dns-2"), ("PodDisruptionBudget", "kube-dns-2")]  # fmt: skip


def made(at: Desk) -> list[Json]:
    return list(yaml.safe_load_all("\n".join(at.out)))


async def test_prints_manifests_that_kubectl_would_take() -> None:
    async with desk() as at:
        before = everything(at.cluster)
        assert await at.run("clone") == 0
        objects = made(at)
        assert [(o["kind"], o["metadata"]["name"]) for o in objects] == NAMES
        assert objects[0]["spec"]["clusterIP"] == "10.96.0.20"
        assert everything(at.cluster) == before
        for obj in manifests.from_text("\n".join(at.out)):
            at.cluster.create(obj)
        assert at.err == []


async def test_prints_json() -> None:
    async with desk() as at:
        assert await at.run("clone -o json --name dns-b --replicas 3 --image x/y") == 0
        found = json.loads("\n".join(at.out))["items"]
        assert {o["metadata"]["name"] for o in found} == {"dns-b"}
        assert found[1]["spec"]["replicas"] == 3
        assert found[1]["spec"]["template"]["spec"]["containers"][0]["image"] == "x/y"


async def test_dry_run_reports_and_leaves_everything() -> None:
    async with desk() as at:
        before = everything(at.cluster)
        assert await at.run("clone --dry-run=server") == 0
        for line, (kind, name) in zip(at.err, NAMES, strict=True):
            assert mentions(line, f"{kind} kube-system/{name}")
        assert everything(at.cluster) == before
        sent = at.server.requests.of("create")
        assert {r.query.get("dryRun") for r in sent} == {"All"}


async def test_dry_run_reports_what_would_be_refused() -> None:
    async with desk() as at:
        rule = Rule(resource="poddisruptionbudgets", status=422, message="no budgets")
        rule.verb = "create"
        at.server.faults.rules.append(rule)
        assert await at.run("clone --dry-run=server") == 1
        assert mentions(at.err[-1], "PodDisruptionBudget kube-system/kube-dns-2 no budgets")


async def test_applies_what_was_shown_and_takes_it_away_without_a_trace() -> None:
    async with desk() as at:
        before = everything(at.cluster)
        assert await at.run("clone --apply") == 0
        assert len(at.asked) == 1
        assert mentions(at.err[-1], "kube-dns-2 10.96.0.20")
        shown = made(at)
        for obj in shown:
            found = at.cluster.get(obj["kind"], SYSTEM, obj["metadata"]["name"])
            metadata = without_revision(found["metadata"])
            assert obj["metadata"].items() <= metadata.items()
        assert await at.run("clone --delete") == 0
        for obj in shown:
            name = f"{obj['kind']} {SYSTEM}/{obj['metadata']['name']}"
            assert any(name in line for line in at.shown_before_asking)
        assert len(at.asked) == 1
        assert everything(at.cluster) == before


@pytest.mark.parametrize("words", ["clone --apply", "clone --delete"])
async def test_no_is_no(words: str) -> None:
    async with desk() as at:
        if "--delete" in words:
            await at.run("clone --apply")
        before = everything(at.cluster)
        at.says = False
        assert await at.run(words) == 1
        assert everything(at.cluster) == before


def service(name: str, **more: object) -> Json:
    spec: Json = {"ports": [{"port": 80}], **more}
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def named(kind: str, api: str = "v1", name: str = "kube-dns-2", **more: object) -> Json:
    meta = {"name": name, "namespace": SYSTEM}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


LABELLED = named("Pod", name="old", spec={"containers": [{"name": "c"}]})
LABELLED["metadata"]["labels"] = {"k8s-app": "kube-dns-2"}
ANY_MINIDNS = named(
    "PodDisruptionBudget", "policy/v1", "any",
    spec={"selector": {"matchLabels": {"app.kubernetes.io/name": "minidns"}}},
)  # fmt: skip
GREEDY = named("Service", name="greedy", spec={"ports": [{"port": 80}], "selector": {"app.kubernetes.io/component": "dns"}})  # fmt: skip
RKE2 = kubeadm()
RKE2[2]["spec"]["selector"] = {"app.kubernetes.io/name": "minidns"}
RKE2[3]["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] = "minidns"
BROKEN = kubeadm(".:53 {\n    bogus\n}\n")
SIGN = kubeadm(".:53 {\n    sign db.example.org\n}\n")


def with_dns(dns: list[Json]) -> Callable[[], ClusterApi]:
    return lambda: cluster(dns=dns)


@table(
    ("words", "of", "named"),
    [
        pytest.param("--name kube-dns", cluster, "Service kube-system/kube-dns k8s-app=kube-dns", id="label-of-kube-dns"),
        pytest.param("--name coredns", cluster, "--name coredns kubeadm", id="label-that-others-look-for"),
        pytest.param("", with_dns(RKE2), "Service kube-system/kube-dns app.kubernetes.io/name=minidns", id="other-selector-of-kube-dns"),
        pytest.param("", lambda: cluster(named("ConfigMap"), named("Service", spec={"ports": [{"port": 53}]})), "Service kube-system/kube-dns-2 --name --delete", id="name-exists"),
        pytest.param("", lambda: cluster(ANY_MINIDNS), "PodDisruptionBudget kube-system/any", id="selected-by-a-budget"),
        pytest.param("", lambda: cluster(GREEDY), "Service kube-system/greedy", id="selected-by-a-service"),
        pytest.param("", lambda: cluster(LABELLED), "k8s-app=kube-dns-2 Pod kube-system/old", id="pods-labelled-so"),
        pytest.param("", with_dns([]), "kube-system Service 53/UDP k8s-app=kube-dns kube-dns coredns dns-default namespace --from", id="no-kube-dns"),
        pytest.param("--from nodns", cluster, "nodns kube-system", id="no-such-service"),
        pytest.param("-n shop", cluster, "kube-dns shop", id="other-namespace"),
        pytest.param("", with_dns(kubeadm()[:3]), "Service kube-system/kube-dns", id="nothing-behind-it"),
        pytest.param("", with_dns([*kubeadm()[:1], *kubeadm()[2:]]), "Corefile ConfigMap", id="no-corefile"),
        pytest.param("", with_dns(BROKEN), "/etc/coredns/Corefile:2 'bogus'", id="corefile-broken"),
        pytest.param("", with_dns(SIGN), "plugin/sign", id="plugin-missing"),
        pytest.param("--delete", cluster, "kube-dns-2 kube-system", id="nothing-to-delete"),
        pytest.param("--delete --name kube-dns", cluster, "Service kube-system/kube-dns", id="delete-somebody-elses"),
    ],
)  # fmt: skip
async def test_refusals_are_one_clear_line(words: str, of: Callable[[], ClusterApi], named: str) -> None:
    async with desk(of()) as at:
        before = everything(at.cluster)
        assert await at.run(f"clone {words}") == 1
        assert mentions(at.err[-1], named)
        assert "\n" not in at.err[-1]
        assert at.err[-1].startswith("minidns clone: ")
        assert at.out == []
        assert everything(at.cluster) == before


async def test_an_address_taken_by_chance_is_left_to_the_api_server() -> None:
    async with desk(cluster(service("a", clusterIP="10.96.0.20"))) as at:
        assert await at.run("clone --apply") == 0
        assert "clusterIP" not in made(at)[0]["spec"]
        address = at.cluster.get("Service", SYSTEM, "kube-dns-2")["spec"]["clusterIP"]
        assert mentions(at.err[-1], f"kube-dns-2 {address}")


@pytest.mark.parametrize("address", ["10.96.0.10", "10.97.0.1"], ids=["taken", "outside-the-range"])
async def test_an_address_that_cannot_be_had_is_refused_before_anything_is_made(address: str) -> None:
    async with desk() as at:
        before = everything(at.cluster)
        assert await at.run(f"clone --cluster-ip {address} --apply") == 1
        assert mentions(at.said, f"Service kube-system/kube-dns-2 {address}")
        assert everything(at.cluster) == before


async def test_whose_pods_ask_it_is_not_taken_away() -> None:
    async with desk() as at:
        await at.run("clone --apply")
        at.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "user", "namespace": "shop"},
                "spec": {
                    "containers": [{"name": "c"}],
                    "dnsPolicy": "None",
                    "dnsConfig": {"nameservers": ["10.96.0.20"]},
                },
            }
        )
        before = everything(at.cluster)
        assert await at.run("clone --delete") == 1
        assert "Pod shop/user" in at.err[-1]
        assert everything(at.cluster) == before


async def test_what_cannot_be_taken_back_is_told() -> None:
    async with desk() as at:
        at.when_asked = lambda: at.server.faults.rules.extend(
            Rule(resource=what, verb=verb, status=500, message="out of disk")
            for what, verb in (("deployments", "create"), ("services", "delete"))
        )
        assert await at.run("clone --apply") == 1
        assert any(mentions(line, "Service kube-system/kube-dns-2 out of disk") for line in at.err)
        at.when_asked = lambda: None
        at.server.faults.clear()
        assert await at.run("clone --delete") == 0


async def test_what_is_gone_meanwhile_needs_no_deleting() -> None:
    async with desk() as at:
        await at.run("clone --apply")
        name = (SYSTEM, "kube-dns-2")
        at.when_asked = lambda: at.cluster.delete("Deployment", *name)
        assert await at.run("clone --delete") == 0


@pytest.mark.parametrize("failing", ["deployments", "poddisruptionbudgets"])
async def test_what_was_created_goes_when_the_rest_cannot_be(failing: str) -> None:
    async with desk() as at:
        before = everything(at.cluster)
        rule = Rule(resource=failing, verb="create", status=500, message="out of disk")
        # the dry run passes; what is written after it does not
        at.when_asked = lambda: at.server.faults.rules.append(rule)
        assert await at.run("clone --apply") == 1
        assert "out of disk" in at.said
        assert everything(at.cluster) == before


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(CLONE)))
async def test_each_right_that_is_missing_is_named(number: int, tmp_path: Path) -> None:
    verb, what, group = CLONE[number]
    of = cluster()
    grant(of, "jane", (*CLONE[:number], *CLONE[number + 1 :]))
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        before = everything(at.cluster)
        status = await at.run("clone --apply")
        if (verb, what) in DISPENSABLE:
            assert (status, DISPENSABLE[verb, what] in at.said) == (0, True)
            return
        assert status == 1
        resource = f"{what}.{group}" if group else what
        assert mentions(at.said, f"{verb} {resource}")
        assert everything(at.cluster) == before


DISPENSABLE = {
    ("list", "networkpolicies"): "NetworkPolicies",
    ("get", "namespaces"): "created",
    ("list", "namespaces"): "created",
    ("list", "nodes"): "created",
}


async def test_services_of_other_namespaces_may_be_hidden(tmp_path: Path) -> None:
    of = cluster()
    grant(of, "jane", CLONE, SYSTEM)
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        assert await at.run("clone --apply") == 0
        assert "clusterIP" not in made(at)[0]["spec"]


async def test_delete_needs_the_right_to(tmp_path: Path) -> None:
    of = cluster()
    grant(of, "jane", CLONE)
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        assert await at.run("clone --apply") == 0
        assert await at.run("clone --delete") == 1
        assert mentions(at.err[-1], "delete services")
        grant(of, "jane", DELETE, SYSTEM)
        assert await at.run("clone --delete") == 0


async def test_pods_that_do_not_come_are_told_of() -> None:
    async with desk() as at:
        (end,) = (s for s in at.cluster._subscribers if isinstance(s, PodController))
        at.cluster._subscribers.remove(end)  # nobody runs pods any more
        assert await at.run("clone --apply --timeout 3s") == 1
        assert "Deployment kube-system/kube-dns-2" in at.err[-1]
        assert at.cluster.find(SERVICE.name, SYSTEM, "kube-dns-2") is not None


async def test_a_policy_about_kube_dns_is_told_of() -> None:
    selector = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    policy = named("NetworkPolicy", "networking.k8s.io/v1", "dns", spec=selector)
    async with desk(cluster(policy, workload())) as at:
        assert await at.run("clone") == 0
        (note,) = at.err
        assert mentions(note, "NetworkPolicy dns kube-dns")


PATH_FIELDS = {
    "trafficDistribution": "PreferClose",
    "internalTrafficPolicy": "Local",
    "sessionAffinity": "ClientIP",
    "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
    "publishNotReadyAddresses": True,
}
"""Fields that decide which pod of a Service gets a packet (Service API, ServiceSpec)."""


@pytest.mark.slow
@table("field", PATH_FIELDS)
@table("program", ["--image example/minidns", "--coredns 1.13.1"])
async def test_the_path_to_the_pods_is_the_same(field: str, program: str) -> None:
    dns = copy_of({"all": kubeadm()})["all"]
    dns[2]["spec"][field] = PATH_FIELDS[field]
    async with desk(cluster(dns=dns)) as at:
        assert await at.run(f"clone {program}") == 0
        assert made(at)[0]["spec"][field] == PATH_FIELDS[field]


@table(
    "words",
    ["--image=", "--coredns=", "--name=", "--namespace=", "--from=", "--name=Kube_DNS", "--image x --coredns 1.13.1"],
)  # fmt: skip
async def test_what_is_no_argument_is_a_usage_error(words: str) -> None:
    async with desk() as at:
        with pytest.raises(SystemExit) as ended:
            await at.run(f"clone {words}")
        assert ended.value.code == 2


@pytest.mark.slow
@table(
    ("image", "version", "expected"),
    [
        ("registry.k8s.io/coredns/coredns:v1.14.2", "1.13.1", "registry.k8s.io/coredns/coredns:v1.13.1"),
        ("registry.k8s.io/coredns/coredns:v1.14.2", "v1.13.1", "registry.k8s.io/coredns/coredns:v1.13.1"),
        ("coredns/coredns:1.14.2", "1.13.1", "coredns/coredns:1.13.1"),
        ("rancher/mirrored-coredns-coredns:1.12.0", "1.13.1", "rancher/mirrored-coredns-coredns:1.13.1"),
        ("r:5000/coredns:v1.14.2@sha256:00ff", "1.13.1", "r:5000/coredns:v1.13.1"),
        ("x/coredns:v1.11.3-eksbuild.1", "v1.11.4-eksbuild.2", "x/coredns:v1.11.4-eksbuild.2"),
        ("r:5000/coredns", "1.13.1", "r:5000/coredns:v1.13.1"),
        ("coredns", "1.13.1", "coredns:v1.13.1"),
    ],
)  # fmt: skip
async def test_another_release_of_coredns(image: str, version: str, expected: str) -> None:
    dns = copy_of({"all": kubeadm()})["all"]
    pod = dns[3]["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = image
    async with desk(cluster(dns=dns)) as at:
        assert await at.run(f"clone --coredns {version} --name dns-b") == 0
        first = at.cluster.get("Deployment", SYSTEM, "coredns")
    ours = made(at)[1]["spec"]["template"]
    theirs = first["spec"]["template"]
    assert ours["spec"]["containers"] == [{**theirs["spec"]["containers"][0], "image": expected}]
    same = theirs["spec"].keys() - {"containers", "affinity"}
    assert {n: ours["spec"][n] for n in same} == {n: theirs["spec"][n] for n in same}
    assert ours["metadata"]["labels"]["k8s-app"] == "dns-b"


async def test_another_release_of_what_is_not_coredns() -> None:
    dns = copy_of({"all": kubeadm()})["all"]
    dns[3]["spec"]["template"]["spec"]["containers"][0]["image"] = "example/minidns:1"
    async with desk(cluster(dns=dns)) as at:
        assert await at.run("clone --coredns 1.13.1") == 1
        assert "example/minidns:1" in at.err[-1]


@table("words", ["--image x/coredns:1", "--coredns 1.13.1"])
@table(
    "capabilities",
    [{"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}, {"drop": ["ALL"]}, {"drop": ["all"], "add": ["NET_RAW"]}],
)
async def test_coredns_can_be_started(words: str, capabilities: Json) -> None:
    """Its file has a capability: without it in the bounding set, exec fails."""
    dns = copy_of({"all": kubeadm()})["all"]
    container = dns[3]["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"]["capabilities"] = capabilities
    async with desk(cluster(dns=dns)) as at:
        assert await at.run(f"clone {words}") == 0
    (ours,) = made(at)[1]["spec"]["template"]["spec"]["containers"]
    added = ours["securityContext"]["capabilities"]["add"]
    assert "NET_BIND_SERVICE" in added
    assert set(capabilities.get("add", [])) <= set(added)


async def test_coredns_may_have_plugins_that_minidns_has_not() -> None:
    async with desk(cluster(dns=SIGN)) as at:
        assert await at.run("clone --coredns 1.13.1") == 0


MOUNTED = {
    # id: items of the volume, mount, path in -conf, key of the ConfigMap
    "whole": (None, {"mountPath": "/etc/coredns"}, "/etc/coredns/Corefile", "Corefile"),
    "items": ([{"key": "conf", "path": "Corefile"}], {"mountPath": "/etc/coredns"}, "/etc/coredns/Corefile", "conf"),
    "sub-path": (None, {"mountPath": "/Corefile", "subPath": "Corefile"}, "/Corefile", "Corefile"),
    "sub-path-of-items": (
        [{"key": "hosts", "path": "hosts"}, {"key": "conf", "path": "d/Corefile"}],
        {"mountPath": "/Corefile", "subPath": "d/Corefile"},
        "/Corefile",
        "conf",
    ),
}


@pytest.mark.parametrize(("items", "mount", "path", "key"), MOUNTED.values(), ids=MOUNTED)
async def test_a_corefile_of_its_own_goes_where_the_running_one_is(
    items: list[Json] | None, mount: Json, path: str, key: str, tmp_path: Path
) -> None:
    """The kubelet takes ``subPath`` as a path of ``items``, not as a key."""
    dns = copy_of({"all": kubeadm()})["all"]
    text = dns[1]["data"].pop("Corefile")
    dns[1]["data"] |= {key: text, "hosts": "192.0.2.1 node"}
    spec = dns[3]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    container["args"] = ["-conf", path]
    volume = next(v for v in spec["volumes"] if "configMap" in v)
    volume["configMap"] = {"name": volume["configMap"]["name"]}
    volume["configMap"] |= {"items": items} if items else {}
    container["volumeMounts"] = [{"name": volume["name"], **mount}]
    file = tmp_path / "Corefile"
    file.write_text(text.replace("cache 30", "cache 60"))
    async with desk(cluster(dns=dns)) as at:
        assert await at.run(f"clone --corefile {file}") == 0
    assert made(at)[0]["data"] == {key: file.read_text(), "hosts": "192.0.2.1 node"}


async def test_a_corefile_of_its_own(tmp_path: Path) -> None:
    dns = copy_of({"all": kubeadm()})["all"]
    dns[1]["data"]["NodeHosts"] = "192.0.2.1 node"
    file = tmp_path / "Corefile"
    file.write_text(dns[1]["data"]["Corefile"].replace("cache 30", "cache 60"))
    async with desk(cluster(dns=dns)) as at:
        before = everything(at.cluster)
        assert await at.run(f"clone --corefile {file} --apply") == 0
        first = made(at)[0]
        assert (first["kind"], first["metadata"]["name"]) == ("ConfigMap", "kube-dns-2")
        assert first["data"] == {"Corefile": file.read_text(), "NodeHosts": "192.0.2.1 node"}  # fmt: skip
        volumes = made(at)[2]["spec"]["template"]["spec"]["volumes"]
        assert volumes[0]["configMap"]["name"] == "kube-dns-2"
        assert await at.run("status") == 0
        assert "differs in 2 lines" in at.said
        assert await at.run("clone --delete") == 0
        assert everything(at.cluster) == before


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "no such file or directory"), (b"\xff", "not UTF-8"), (b". {\n bogus\n}\n", "Unknown directive 'bogus'")],
)
async def test_a_corefile_that_cannot_be_served(text: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "Corefile"
    if text is not None:
        file.write_bytes(text)
    async with desk() as at:
        assert await at.run(f"clone --corefile {file}") == 1
        assert why in at.err[-1]


def leaving(of: ClusterApi, **meta: object) -> Json:
    """Create a pod that a clone left behind, asked by its own dnsConfig."""
    # of an API group that the simulated garbage collector does not know, and so keeps
    owner = {"apiVersion": "extensions/v1beta1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": True}  # fmt: skip
    pod = copy_of(LABELLED)
    pod["metadata"] |= {"ownerReferences": [owner], **meta}
    pod["spec"] |= {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.20"]}}
    return of.create(pod)


async def test_pods_that_are_about_to_go_are_waited_for() -> None:
    async with desk() as at:
        leaving(at.cluster)
        at.slept = lambda now: now > 1_000_005 and at.cluster.find("Pod", SYSTEM, "old") and at.cluster.delete("Pod", SYSTEM, "old")  # fmt: skip
        assert await at.run("clone --apply") == 0
        leaving(at.cluster)
        at.now = 1_000_000.0
        assert await at.run("clone --delete") == 0


async def test_pods_that_stay_are_told_of_in_the_end() -> None:
    async with desk() as at:
        leaving(at.cluster)
        assert await at.run("clone") == 1
        assert "k8s-app=kube-dns-2" in at.err[-1]
        assert 1_000_010 < at.now < 1_000_060


async def test_pods_that_are_being_deleted_do_not_count() -> None:
    async with desk() as at:
        assert await at.run("clone --apply") == 0
        obj = leaving(at.cluster)
        deleted = {**obj["metadata"], "deletionTimestamp": "2026-01-02T03:04:05Z"}
        at.cluster.commit(named_kind("Pod"), {**obj, "metadata": deleted})
        assert await at.run("clone --delete") == 0
        assert await at.run("clone") == 0


async def test_a_clone_that_shadows_asks_the_service_that_it_was_modelled_on() -> None:
    async with desk() as at:
        assert await at.run("clone --shadow -o json") == 0
        container = json.loads("\n".join(at.out))["items"][1]["spec"]["template"]["spec"]["containers"][0]
        assert container["args"][-2:] == ["-shadow", f"{SYSTEM}/kube-dns"]
        assert await at.run("clone --shadow --coredns 1.11.3") == 1
        assert "--shadow" in at.err[-1]
