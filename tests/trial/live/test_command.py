"""`minidns trial` as somebody in front of it sees it: what is refused, what is left."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from msgspec.json import decode

from minidns.commands import trial
from minidns.kubernetes.client import connect
from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import Access
from sim.api.objects import labels_of
from sim.api.server import ClusterApi
from sim.api.store import Change
from sim.cluster.simulation import started
from tests.second_dns.mortal import Mortal, survives
from tests.second_dns.rights import Rule, grant
from tests.second_dns.world import SYSTEM, as_user, cluster, desk, everything, seated
from tests.table import table

RUN = "trial run --name kubernetes.default.svc.cluster.local --per-replica 20 --rate 1/10 --for 1m"
CREATED = 11
"""Objects that a trial creates: 2 Jobs, 2 Deployments, 4 Services, 2 ConfigMaps, 1 EndpointSlice."""


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_nothing_is_left_of_a_trial_that_was_killed_at_any_write() -> None:
    """Killed after a write arrived, which is before it sends the next one."""
    async with desk() as made:
        before = everything(made.cluster)
        for lives in count():
            api = Mortal(made.session.api)
            api.lives, api.last_arrives = lives, True
            is_alive = await survives(seated(made.server, api).run(RUN))
            assert await made.run("trial clean") == 0
            assert everything(made.cluster) == before, lives
            if is_alive:
                break
    assert lives >= CREATED + 2  # the two Jobs are deleted, and with them all that they own


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("write", [0, 1, 6, CREATED - 1])
async def test_nothing_is_left_of_a_trial_that_is_stopped_at_a_write(write: int, number: signal.Signals) -> None:
    async with desk(wrap=Mortal) as made:
        before, api = everything(made.cluster), made.session.api
        assert isinstance(api, Mortal)
        api.on_write = lambda: os.kill(os.getpid(), number) if api.writes == write else None
        assert await made.run(RUN) == trial.STOPPED
        assert api.writes > write
        assert everything(made.cluster) == before


async def test_all_pods_of_minidns_have_the_image_that_was_given() -> None:
    async with desk(wrap=Mortal) as made:
        before = everything(made.cluster)
        api = made.session.api
        assert isinstance(api, Mortal)
        api.lives = CREATED
        assert not await survives(made.run(f"{RUN} --image registry.example/minidns:9"))
        new = [decode(text) for name, text in everything(made.cluster).items() if name not in before]
        pods = [obj["spec"]["template"]["spec"] for obj in new if obj["kind"] in ("Job", "Deployment")]
        assert len(pods) == 4
        assert {pod["containers"][0]["image"] for pod in pods} == {"registry.example/minidns:9"}


async def test_a_trial_whose_pods_cannot_be_attached_to_is_removed() -> None:
    async with desk() as made:
        before = everything(made.cluster)
        assert await made.run(RUN) == 1
        assert "attach" in made.said
        assert everything(made.cluster) == before


def local_only(of: ClusterApi) -> None:
    of.patch("Service", SYSTEM, "kube-dns", {"spec": {"internalTrafficPolicy": "Local"}})


def no_pods(of: ClusterApi) -> None:
    of.patch("Deployment", SYSTEM, "coredns", {"spec": {"replicas": 0}})


def no_service(of: ClusterApi) -> None:
    of.delete("Service", SYSTEM, "kube-dns")


def another_trial(of: ClusterApi) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
    meta = {"name": "other", "namespace": SYSTEM, "labels": {"minidns/trial": "other"}}
    of.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": {"spec": pod}}})


def not_coredns(of: ClusterApi) -> None:
    (container,) = of.get("Deployment", SYSTEM, "coredns")["spec"]["template"]["spec"]["containers"]
    container = {**container, "image": "registry.example.org/unbound:1"}
    of.patch("Deployment", SYSTEM, "coredns", {"spec": {"template": {"spec": {"containers": [container]}}}})


REFUSED: list[tuple[str, Callable[[ClusterApi], None], str, str]] = [
    ("CoreDNS is not there", no_service, "", "no kube-dns found"),
    ("it has no ready pod", no_pods, "", "no ready pod"),
    ("each node has a path of its own", local_only, "", "internalTrafficPolicy"),
    ("a trial is there", another_trial, "", "Job kube-system/other"),
    ("nothing to put beside of another version", lambda of: None, "--from none", "none"),
    (
        "no CoreDNS of which there are versions",
        not_coredns,
        "--version 1.11.3",
        "--version 1.11.3: registry.example.org",
    ),
    ("the namespace of the clients is not there", lambda of: None, "-n nosuch", "nosuch"),
    ("a node of the clients is not there", lambda of: None, "--node nosuch", "nosuch"),
    ("a file of names that is not there", lambda of: None, "--names /none.txt", "/none.txt"),
]


@table(("prepare", "words", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_what_cannot_be_a_trial_is_refused_in_one_line(
    prepare: Callable[[ClusterApi], None], words: str, why: str
) -> None:
    async with desk() as made:
        prepare(made.cluster)
        before = everything(made.cluster)
        name = "" if "--names" in words else "--name a.test"
        assert await made.run(f"trial run {name} {words}") == 1
        assert why in made.err[-1]
        assert "\n" not in made.err[-1]
        assert everything(made.cluster) == before


@pytest.mark.parametrize("where", ["nosuch/trial.html", "folder.html", "trial.pdf"])
def test_a_report_that_cannot_be_written_is_refused_at_once(where: str, tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(SystemExit) as stopped:
        trial.main(["run", "--name", "a.test", "--report", str(tmp_path / where)])
    assert stopped.value.code == 2


async def test_a_pod_that_does_not_start_ends_the_trial_with_its_reason() -> None:
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    status = {"phase": "Pending", "containerStatuses": [{"name": "client", "state": state}]}

    def stuck(change: Change) -> None:
        is_new = change.kind.name == "Pod" and change.type == "ADDED"
        if is_new and "minidns/trial" in labels_of(change.obj):
            of.commit(change.kind, {**change.obj, "status": status})

    of = cluster()
    async with desk(of) as made:
        before = everything(of)
        end = of.subscribe(stuck)
        assert await made.run(RUN) == 1
        end()
        assert "ImagePullBackOff: no such image" in made.err[-1]
        assert everything(of) == before


TENANT = (
    *((verb, "jobs", "batch") for verb in ("create", "get", "list", "delete")),
    *((verb, "pods/attach", "") for verb in ("create", "get")),
    ("list", "pods", ""),
)
SEES_DNS = (("list", "services", ""), ("get", "services", ""), ("list", "endpointslices", "discovery.k8s.io"))
RELAYS = tuple((verb, "services", "") for verb in ("create", "get", "list", "delete"))
READS_DNS = (("get", "services", ""), SEES_DNS[2])
FROM = "--from 10.96.0.10"
RIGHTS = [
    # options, rights in shop, rights in kube-system, what is created, what is said
    ("none", "", (), (), set(), "create jobs.batch in shop"),
    ("clients, and nothing in kube-system", "", TENANT, (), set(), "--from"),
    ("clients, and a name that is none", "--from ../x", TENANT, (), set(), "--from"),
    ("clients, and the address", FROM, TENANT, (), {"Job shop"}, "no arms D and R"),
    ("an address with the right to read", FROM, TENANT, READS_DNS, {"Job shop"}, "no arm R"),
    ("a name with the right to read", "--from kube-dns", TENANT, READS_DNS, {"Job shop"}, "no arm R"),
    ("clients, and what has CoreDNS's name", "", TENANT, READS_DNS, {"Job shop"}, "no arm R"),
    ("clients", "", TENANT, SEES_DNS[:1], {"Job shop"}, "no arms D and R"),
    ("clients, and CoreDNS's pods", "", TENANT, SEES_DNS, {"Job shop"}, "no arm R"),
    ("relays", "", (*TENANT, *RELAYS), SEES_DNS, {"Job shop", "Service shop"}, "no minidns beside CoreDNS"),
]


@pytest.mark.parametrize(
    ("options", "here", "there", "created", "said"), [row[1:] for row in RIGHTS], ids=[row[0] for row in RIGHTS]
)
async def test_a_tenant_gets_the_arms_it_may_have(
    options: str, here: tuple[Rule, ...], there: tuple[Rule, ...], created: set[str], said: str, tmp_path: Path
) -> None:
    of = cluster()
    grant(of, "tenant", here, "shop")
    grant(of, "tenant", there, SYSTEM)
    async with desk(of, access=as_user(tmp_path, "tenant"), has_rbac=True) as made:
        made.says = False
        assert await made.run(f"{RUN} -n shop {options}") == 1
        assert said in made.said
        assert set(re.findall(r"create (\S+ \w+)/", made.said)) == created


@pytest.mark.parametrize(
    ("allowed", "status", "hidden"),
    [
        pytest.param((), 1, ("shop", SYSTEM), id="nowhere"),
        pytest.param(("shop",), 0, (SYSTEM,), id="in one of two namespaces"),
        pytest.param(("shop", SYSTEM), 0, (), id="in both"),
    ],
)
async def test_clean_says_where_it_may_not_look(
    allowed: tuple[str, ...], status: int, hidden: tuple[str, ...], tmp_path: Path
) -> None:
    of = cluster()
    for namespace in allowed:
        grant(of, "tenant", TENANT, namespace)
    async with desk(of, access=as_user(tmp_path, "tenant"), has_rbac=True) as made:
        assert await made.run("trial clean -n shop") == status
        for namespace in ("shop", SYSTEM):
            assert (f"list jobs.batch in {namespace}" in made.said) is (namespace in hidden)
        assert ("nothing is left" in made.said) is (status == 0)


async def test_nothing_is_created_without_a_yes() -> None:
    async with desk() as made:
        made.says, before = False, everything(made.cluster)
        assert await made.run(RUN) == 1
        assert everything(made.cluster) == before


@pytest.mark.slow
@pytest.mark.xdist_group("live")
async def test_a_trial_in_a_live_cluster_finds_an_interceptor_and_leaves_nothing(tmp_path: Path) -> None:
    async with started(tmp_path, seed=1) as simulation:
        await simulation.ready()
        before = everything(simulation.cluster)
        simulation.faults.add(["intercept", "link", "pods>node", "by", "kube-dns"])
        async with connect(Access(kubeconfig=str(simulation.kubeconfig))) as connection:
            made = seated(simulation.api, Documents(connection))
            made.session = replace(made.session, sleep=asyncio.sleep, wall=time.time)
            assert await made.run(f"{RUN} --image minidns") == 26, made.said
        assert everything(simulation.cluster) == before


@pytest.mark.parametrize(("skew_s", "note"), [(90.0, "s ahead"), (-3600.0, "s behind"), (0.0, "")])
async def test_a_clock_that_differs_is_noted_and_changes_nothing_else(skew_s: float, note: str) -> None:
    async with desk() as made:
        before = everything(made.cluster)
        made.session = replace(made.session, wall=lambda: time.time() + skew_s)
        assert await made.run(RUN) == 1  # nothing can be attached to here
        assert ("clock is" in made.said) is bool(note)
        assert note in made.said
        assert everything(made.cluster) == before
