"""`minidns enrol` against the simulated API server: what it says, when it ends."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

import pytest

from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import ApiError
from minidns.second_dns.enrol import parse_share
from minidns.second_dns.plan import Share
from minidns.second_dns.record import ENROLMENT, format_time, parse_record
from minidns.second_dns.session import Refusal
from sim.api.objects import Json, dig
from sim.api.objects import clone as copy_of
from sim.api.server import ClusterApi
from tests.process import mentions
from tests.second_dns.rights import ENROL, grant
from tests.second_dns.world import SYSTEM, as_user, cluster, desk, everything, lasting, with_pod, with_second, workload
from tests.table import table

ALL = "enrol deploy/web -n shop --all"


def world(*objects: Json) -> ClusterApi:
    return with_second(cluster(*(objects or (workload(),))))


def web(of: ClusterApi) -> Json:
    return of.get("Deployment", "shop", "web")


async def test_shows_then_asks_then_writes() -> None:
    async with desk(world()) as at:
        before = everything(at.cluster)
        shown: list[bool] = []
        at.when_asked = lambda: shown.append(
            any("+      dnsPolicy: None" in line for line in at.out) and everything(at.cluster) == before
        )
        assert await at.run(ALL) == 0
        assert shown == [True]
        assert at.asked == ["Replace all the pods of Deployment shop/web, in a rollout, by ones that ask kube-dns-2 (10.96.0.20)?"]  # fmt: skip
        assert mentions(at.err[-1], "kube-system/kube-dns-2 minidns unenrol deployment/web -n shop")  # fmt: skip


@pytest.mark.slow
@table("kind", ["deploy", "Deployment", "deployments"])
async def test_kind_and_name_as_two_words(kind: str) -> None:
    async with desk(with_second(cluster(workload()))) as at:
        assert await at.run(f"enrol {kind} web -n shop --all") == 0
        assert await at.run(f"unenrol {kind} web -n shop") == 0
        assert await at.run(f"enrol {kind} web more -n shop --all") == 1
        assert mentions(at.err[-1], f"{kind}/web/more deploy/NAME")


async def test_no_is_no() -> None:
    async with desk(world()) as at:
        before = everything(at.cluster)
        at.says = False
        assert await at.run(ALL) == 1
        assert everything(at.cluster) == before


@table(
    ("words", "question"),
    [
        ("deploy/web --replicas 2", "Add 2 pods to Deployment shop/web that ask"),
        ("deploy/web --replicas 2 of 6", "Replace 2 of the pods of Deployment shop/web"),
        ("sts/db --replicas 2", "Replace the pods from db-4 on of StatefulSet shop/db"),
    ],
)
async def test_questions_say_what_becomes_of_pods(words: str, question: str) -> None:
    db = workload("StatefulSet", updateStrategy={"type": "RollingUpdate"})
    db["metadata"]["name"] = "db"
    async with desk(world(workload(), db)) as at:
        at.says = False
        await at.run(f"enrol {words} -n shop")
        assert at.asked[0].startswith(question)


@table("dns", ["kube-dns-2", "kube-system/kube-dns-2", "10.96.0.20"])
async def test_dns_by_name_or_address(dns: str) -> None:
    async with desk(world()) as at:
        assert await at.run(f"{ALL} --dns {dns}") == 0
        servers = dig(web(at.cluster), "spec.template.spec.dnsConfig.nameservers")
        assert servers == ["10.96.0.20"]


async def test_domain_is_the_corefiles_and_searches_the_nodes() -> None:
    async with desk(world()) as at:
        text = at.cluster.get("ConfigMap", SYSTEM, "coredns")
        text["data"]["Corefile"] = text["data"]["Corefile"].replace("cluster.local", "corp.example.org")  # fmt: skip
        at.cluster.update(text)
        assert await at.run(f"{ALL} --search example.net --search example.org") == 0
        searches = dig(web(at.cluster), "spec.template.spec.dnsConfig.searches")
        domain = "corp.example.org"
        assert searches == [f"shop.svc.{domain}", f"svc.{domain}", domain, "example.net", "example.org"]  # fmt: skip
        assert at.asked
        assert not [line for line in at.err if line.startswith("note:")]


async def test_domain_may_be_said() -> None:
    async with desk(world()) as at:
        assert await at.run(f"{ALL} --domain k8s.example.org.") == 0
        searches = dig(web(at.cluster), "spec.template.spec.dnsConfig.searches")
        assert searches[-1] == "k8s.example.org"


async def test_a_dns_without_a_corefile_to_be_seen() -> None:
    of = world()
    second = of.get("Deployment", SYSTEM, "kube-dns-2")
    second["spec"]["template"]["spec"]["volumes"] = []
    of.update(second)
    async with desk(of) as at:
        assert await at.run(ALL) == 0
        assert "cluster.local" in at.said


def scaler(name: str = "web") -> Json:
    target = {"kind": "Deployment", "name": name, "apiVersion": "apps/v1"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "auto", "namespace": "shop"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 9},
    }


def pod(name: str = "lone", **spec: object) -> Json:
    meta = {"name": name, "namespace": "shop"}
    spec = {"containers": [{"name": "c"}]} | spec
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def of_deployment(of: ClusterApi) -> str:
    return str(of.list("Pod", "shop")[0]["metadata"]["name"])


@table(
    ("words", "of", "named"),
    [
        pytest.param("deploy/web --all", lambda: cluster(workload()), "kube-dns-2 kube-system", id="no-second-dns"),
        pytest.param("deploy/web --all --dns 10.96.0.99", world, "10.96.0.99", id="no-such-address"),
        pytest.param("deploy/gone --all", world, 'deployments.apps "gone" not found', id="no-such-workload"),
        pytest.param("job/web --all", world, "deploy/NAME statefulset/NAME", id="other-kind"),
        pytest.param("web --all", world, "deploy/NAME statefulset/NAME", id="no-kind"),
        pytest.param("deploy/web --replicas two", world, "--replicas two", id="count-is-a-word"),
        pytest.param("deploy/web --replicas 0", world, "--replicas 0", id="count-is-none"),
        pytest.param("deploy/web --replicas 2 of 5", world, "6 5", id="count-is-wrong"),
        pytest.param("deploy/web --replicas 2 of 6", lambda: world(workload(), scaler()), "HorizontalPodAutoscaler shop/auto --replicas 2", id="autoscaler"),
        pytest.param("deploy/web --all", lambda: world(with_pod(workload(), hostNetwork=True)), "hostNetwork", id="host-network"),
        pytest.param("pod/lone --all", lambda: world(pod()), "", id="bare-pod"),
        pytest.param("pod/lone --all", lambda: world(pod(hostNetwork=True)), "hostNetwork", id="bare-pod-host-network"),
        pytest.param("pod/gone --all", world, 'pods "gone" not found', id="no-such-pod"),
    ],
)  # fmt: skip
async def test_refusals_are_one_clear_line(words: str, of: Callable[[], ClusterApi], named: str) -> None:
    async with desk(of()) as at:
        before = everything(at.cluster)
        assert await at.run(f"enrol {words} -n shop") == 1
        assert mentions(at.err[-1], named)
        assert "\n" not in at.err[-1]
        assert at.asked == []
        assert everything(at.cluster) == before


async def test_an_autoscaler_of_another_is_no_matter() -> None:
    async with desk(world(workload(), scaler("other"))) as at:
        assert await at.run("enrol deploy/web -n shop --replicas 2 of 6") == 0


async def test_a_pod_of_a_workload_names_what_to_enrol() -> None:
    async with desk(world()) as at:
        assert await at.run(f"enrol pod/{of_deployment(at.cluster)} -n shop --all") == 1
        assert "deployment/web" in at.err[-1]


@table(("labels", "workload"), [({"pod-template-hash": "5d9"}, "deployment/web"), ({}, "replicaset/web-5d9")])
async def test_a_pod_of_a_replica_set_names_its_workload(labels: dict[str, str], workload: str) -> None:
    of = world()
    made = pod("web-x")
    # of an API group that the simulated garbage collector does not know, and so keeps
    owner = {"kind": "ReplicaSet", "name": "web-5d9", "controller": True, "uid": "u", "apiVersion": "extensions/v1beta1"}  # fmt: skip
    made["metadata"] |= {"ownerReferences": [owner], "labels": labels}
    of.create(made)
    async with desk(of) as at:
        await at.run("enrol pod/web-x -n shop --all")
        assert workload in at.err[-1]


async def test_a_bare_pod_gets_what_to_write() -> None:
    async with desk(world(pod())) as at:
        await at.run("enrol pod/lone -n shop --all")
        assert "dnsPolicy: None" in at.said
        assert "- 10.96.0.20" in at.said


async def test_nobody_answers_there() -> None:
    of = world()
    for made in of.list("Pod", SYSTEM, "k8s-app=kube-dns-2"):
        meta = {"annotations": {"sim/ready": "false"}}
        of.patch("Pod", SYSTEM, made["metadata"]["name"], {"metadata": meta})
    async with desk(of) as at:
        assert await at.run(ALL) == 1
        assert mentions(at.err[-1], "10.96.0.20 Service kube-dns-2")


OWNED = workload()
OWNED["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
OWNED["metadata"]["ownerReferences"] = [{"apiVersion": "x/v1", "kind": "Shop", "name": "s", "uid": "1", "controller": True}]  # fmt: skip
CLAIM = with_pod(workload(), volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])  # fmt: skip
TWO = with_pod(workload(), dnsConfig={"nameservers": ["192.0.2.1"]})
POLICY: Json = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "dns-only", "namespace": "shop"},
    "spec": {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]}],
    },
}  # fmt: skip


@pytest.mark.slow
@table(
    ("objects", "words", "note"),
    [
        pytest.param([workload()], "--all", "resolv.conf", id="searches"),
        pytest.param([TWO], "--all", "192.0.2.1 dnsConfig", id="second-server"),
        pytest.param([OWNED], "--all", "Helm", id="helm"),
        pytest.param([OWNED], "--all", "Shop s", id="operator"),
        pytest.param([CLAIM], "--replicas 2", "volume data", id="claim"),
        pytest.param([workload(), POLICY], "--all", "NetworkPolicy dns-only", id="policy"),
    ],
)  # fmt: skip
async def test_notes(objects: list[Json], words: str, note: str) -> None:
    async with desk(world(*objects)) as at:
        assert await at.run(f"enrol deploy/web -n shop {words}") == 0
        assert [line for line in at.err if line.startswith("note:") and mentions(line, note)]


@pytest.mark.slow
async def test_ends_when_the_time_is_over() -> None:
    async with desk(world()) as at:
        before = lasting(at.cluster)
        untils: set[str] = set()

        def look(_: float) -> None:
            for obj in at.cluster.list("ConfigMap", "shop", ENROLMENT):
                untils.add(parse_record(obj).until)

        at.slept = look
        began = at.now
        assert await at.run(f"{ALL} --for 30m") == 0
        assert 1795 <= at.now - began <= 1800
        assert untils == {format_time(began + 1800)}
        assert lasting(at.cluster) == before


@pytest.mark.slow
@table("words", ["--all", "--replicas 2", "--replicas 2 of 6"])
async def test_ends_when_told_to(words: str) -> None:
    async with desk(world()) as at:
        before = lasting(at.cluster)
        run = asyncio.ensure_future(at.run(f"enrol deploy/web -n shop {words} --for 30m"))
        at.slept = lambda now: run.cancel() if now > 1_000_060 else None
        with pytest.raises(asyncio.CancelledError):
            await run
        assert lasting(at.cluster) == before


async def test_ends_early_when_its_dns_is_gone() -> None:
    async with desk(world()) as at:
        before = lasting(at.cluster)
        scale: Json = {"spec": {"replicas": 0}}
        gone = copy_of({"x": 1})

        def slept(now: float) -> None:
            if now > 1_000_060 and gone.pop("x", None):
                at.cluster.patch("Deployment", SYSTEM, "kube-dns-2", scale)

        at.slept = slept
        began = at.now
        assert await at.run(f"{ALL} --for 30m") == 1
        assert at.now - began < 120
        assert "10.96.0.20" in at.said
        at.cluster.patch("Deployment", SYSTEM, "kube-dns-2", {"spec": {"replicas": 2}})
        assert lasting(at.cluster) == before


async def test_ends_when_somebody_else_ended_it() -> None:
    async with desk(world()) as at:

        def slept(now: float) -> None:
            if now > 1_000_060:
                (obj,) = at.cluster.list("ConfigMap", "shop", ENROLMENT)
                at.cluster.delete("ConfigMap", "shop", obj["metadata"]["name"])

        at.slept = slept
        assert await at.run(f"{ALL} --for 30m") == 0
        assert dig(web(at.cluster), "spec.template.spec.dnsPolicy") == "None", "theirs"


@pytest.mark.slow
@table("words", ["--all", "--replicas 2", "--replicas 2 of 6"])
async def test_pods_that_do_not_come_are_taken_back(words: str) -> None:
    of = world()
    before = lasting(of)
    async with desk(of) as at:

        def broken(change: object) -> None:
            for made in of.list("Pod", "shop"):
                asks = made["spec"].get("dnsPolicy") == "None"
                if asks and "sim/ready" not in (made["metadata"].get("annotations") or {}):
                    meta = {"annotations": {"sim/ready": "false"}}
                    of.patch("Pod", "shop", made["metadata"]["name"], {"metadata": meta})

        end = of.subscribe(broken)
        assert await at.run(f"enrol deploy/web -n shop {words} --timeout 10s") == 1
        end()
        assert "Deployment shop/web" in at.err[-1]
        assert lasting(of) == before


@table(
    ("words", "share"),
    [
        (None, Share()),
        (["2"], Share(2)),
        (["2", "of", "6"], Share(2, 6)),
        (["2/6"], Share(2, 6)),
        (["2of6"], Share(2, 6)),
    ],
)
def test_shares(words: list[str] | None, share: Share) -> None:
    assert parse_share(words) == share


@table("words", [["0"], ["-1"], ["2", "6"], ["of"], ["2", "of"], [""]])
def test_what_is_no_share(words: list[str]) -> None:
    with pytest.raises(Refusal, match="N or N of M is needed"):
        parse_share(words)


DISPENSABLE = {
    ("list", "services"): "enrolled at",
    ("list", "deployments"): "its Corefile cannot be read",
    ("list", "statefulsets"): "enrolled at",
    ("list", "daemonsets"): "enrolled at",
    ("get", "poddisruptionbudgets"): "enrolled at",
    ("list", "poddisruptionbudgets"): "enrolled at",
    ("list", "networkpolicies"): "note: NetworkPolicies cannot be listed",
    ("get", "services"): "enrolled at",
    ("get", "namespaces"): "enrolled at",
    ("list", "namespaces"): "enrolled at",
    ("list", "nodes"): "enrolled at",
    ("delete", "configmaps"): "enrolled at",
    ("delete", "deployments"): "enrolled at",
}
"""Rights that only some steps need, and the words of the message without them."""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ENROL)))
async def test_each_right_that_is_missing_is_named(number: int, tmp_path: Path) -> None:
    verb, what, group = ENROL[number]
    of = world()
    grant(of, "jane", (*ENROL[:number], *ENROL[number + 1 :]))
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        before = everything(of)
        status = await at.run("enrol deploy/web -n shop --replicas 2 of 6")
        if (verb, what) in DISPENSABLE or (verb, what) == ("list", "pods"):
            assert status == 0
            assert DISPENSABLE.get((verb, what), "") in at.said
            return
        assert status == 1
        resource = f"{what}.{group}" if group else what
        assert mentions(at.err[-1], f"{verb} {resource}")
        assert everything(of) == before


async def test_the_corefile_may_be_hidden(tmp_path: Path) -> None:
    of = world()
    right = ("get", "configmaps", "")
    grant(of, "jane", tuple(rule for rule in ENROL if rule != right))
    grant(of, "jane", (right,), "shop")
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        assert await at.run(ALL) == 0
        assert "Corefile" in at.said


async def test_without_the_right_to_delete_a_twin_stays_and_that_is_said(tmp_path: Path) -> None:
    of = world()
    grant(of, "jane", ENROL[:-1])
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        assert await at.run("enrol deploy/web -n shop --replicas 2 of 6") == 0
        assert await at.run("unenrol deploy/web -n shop") == 1
        assert mentions(at.said, "delete deployments.apps")
        assert dig(web(of), "spec.replicas") == 6
        grant(of, "jane", ENROL[-1:], "shop")
        assert await at.run("unenrol deploy/web -n shop") == 0


class Answering(Documents):
    """An API server that runs commands in pods: each prints this resolv.conf."""

    resolv_conf = (
        "search shop.svc.k8s.test svc.k8s.test k8s.test corp.example\nnameserver 169.254.20.10\noptions ndots:5\n"
    )
    failing: tuple[str, ...] = ()

    async def run(self, pod: str, container: str, command: Iterable[str]) -> str:
        self.failing = self.failing[1:]
        if self.failing:
            raise ApiError("cat: not found")
        return self.resolv_conf


async def test_search_domains_of_a_running_pod_are_kept() -> None:
    async with desk(world(), wrap=lambda api: Answering(api._sender)) as at:
        assert await at.run(ALL) == 0
        searches = dig(web(at.cluster), "spec.template.spec.dnsConfig.searches")
        assert searches[-1] == "corp.example"
        assert "--search" not in at.said
        assert "NodeLocal DNSCache" in at.said


async def test_search_domains_that_are_named_go_first() -> None:
    async with desk(world(), wrap=lambda api: Answering(api._sender)) as at:
        assert await at.run(f"{ALL} --search other.example") == 0
        searches = dig(web(at.cluster), "spec.template.spec.dnsConfig.searches")
        assert searches[-1] == "other.example"
        assert "corp.example" not in searches


async def test_a_pod_without_cat_is_passed_over() -> None:
    class Distroless(Answering):
        failing = ("", "x", "x")

    async with desk(world(), wrap=lambda api: Distroless(api._sender)) as at:
        assert await at.run(ALL) == 0
        searches = dig(web(at.cluster), "spec.template.spec.dnsConfig.searches")
        assert searches[-1] == "corp.example"


class Kubelets(Documents):
    """An API server that shows the kubelets' configuration, and runs no commands."""

    config: ClassVar[Json] = {}

    async def get(self, path: str) -> Json:
        if path.endswith("/proxy/configz"):
            return {"kubeletconfig": self.config}
        return await super().get(path)


@pytest.mark.slow
@table(
    ("config", "is_known", "is_cached"),
    [
        ({"resolvConf": "", "clusterDomain": "cluster.local"}, True, False),
        ({"resolvConf": "/etc/resolv.conf", "clusterDNS": ["10.96.0.10"]}, False, False),
        ({"resolvConf": "", "clusterDNS": ["169.254.10.11"]}, True, True),
        ({"resolvConf": "/run/x", "clusterDNS": ["169.254.10.11"]}, False, True),
    ],
)
async def test_what_kubelets_are_configured_with(config: Json, is_known: bool, is_cached: bool) -> None:
    """Without a file, no search domain comes from the node (KubeletConfiguration)."""
    kubelets = type("Kubelets", (Kubelets,), {"config": config})
    async with desk(world(), wrap=lambda api: kubelets(api._sender)) as at:
        assert await at.run(ALL) == 0
        assert ("--search" not in at.said) is is_known
        assert ("AKS LocalDNS" in at.said) is is_cached
