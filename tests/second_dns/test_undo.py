"""Whatever ends an enrolment, and wherever: unenrol puts everything back."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minidns.kubernetes.documents import JSON, Documents
from minidns.second_dns.objects import DEPLOYMENT, Ref
from minidns.second_dns.record import ENROLMENT, Record, parse_record
from sim.api.objects import Json, annotations_of, condition, dig
from sim.api.patch import STRATEGIC_PATCH, merged
from sim.api.server import ClusterApi
from tests.process import mentions
from tests.second_dns.mortal import Mortal, survives
from tests.second_dns.world import (
    Desk,
    cluster,
    desk,
    everything,
    lasting,
    with_pod,
    with_second,
    without_revision,
    workload,
)
from tests.table import table

STRATEGY = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}
WAYS = {
    "deployment, all": ("Deployment", "enrol deploy/web -n shop --all"),
    "deployment, n": ("Deployment", "enrol deploy/web -n shop --replicas 2"),
    "deployment, n of m": ("Deployment", "enrol deploy/web -n shop --replicas 2 of 6"),
    "stateful set, all": ("StatefulSet", "enrol sts/web -n shop --all --timeout 0"),
    "stateful set, n": ("StatefulSet", "enrol sts/web -n shop --replicas 2 --timeout 0"),
    "daemon set": ("DaemonSet", "enrol ds/web -n shop --all --timeout 0"),
}
"""For the last there are no controllers here, so that nothing is to be waited for."""
WRITES = {
    "deployment, all": 2,
    "deployment, n": 2,
    "deployment, n of m": 3,
    "stateful set, all": 2,
    "stateful set, n": 2,
    "daemon set": 2,
}
OWN_DNS = {"dnsConfig": {"options": [{"name": "edns0"}], "searches": ["example.org"]}}
UNENROL = {
    "Deployment": "unenrol deploy/web -n shop",
    "StatefulSet": "unenrol sts/web -n shop --timeout 0",
    "DaemonSet": "unenrol ds/web -n shop --timeout 0",
}


def world(kind: str) -> ClusterApi:
    more: Json = STRATEGY if kind == "StatefulSet" else {}
    return with_second(cluster(with_pod(workload(kind, **more), **OWN_DNS)))


def records(of: ClusterApi) -> list[Record]:
    return [parse_record(obj) for obj in of.list("ConfigMap", "shop", ENROLMENT)]


def mortal(at: Desk) -> Mortal:
    assert isinstance(at.session.api, Mortal)
    return at.session.api


@table("way", WAYS)
async def test_enrol_and_unenrol(way: str) -> None:
    kind, words = WAYS[way]
    async with desk(world(kind), wrap=Mortal) as at:
        before = lasting(at.cluster)
        assert await at.run(words) == 0
        assert mortal(at).writes == WRITES[way]
        assert lasting(at.cluster) != before
        assert await at.run(UNENROL[kind]) == 0
        assert lasting(at.cluster) == before
        assert await at.run(UNENROL[kind]) == 0
        assert at.asked == []


async def test_beside_the_first_nothing_moves_at_all() -> None:
    """Not even what Kubernetes counts: the first is never written to."""
    async with desk(world("Deployment")) as at:
        before = everything(at.cluster)
        assert await at.run("enrol deploy/web -n shop --replicas 2") == 0
        during = everything(at.cluster)
        assert before.items() <= during.items()
        assert await at.run("unenrol --all") == 0
        assert everything(at.cluster) == before


@pytest.mark.slow
@table("way", WAYS)
async def test_nothing_is_left_on_objects_that_controllers_copy(way: str) -> None:
    """Annotations of a Deployment reach its ReplicaSets, and come back from them."""
    kind, words = WAYS[way]
    async with desk(world(kind)) as at:
        before = without_revision(at.cluster.get(kind, "shop", "web")["metadata"])
        assert await at.run(words) == 0
        assert len(records(at.cluster)) == 1
        for copied in (kind, "ReplicaSet", "Pod"):
            for obj in at.cluster.list(copied, "shop"):
                assert not [n for n in annotations_of(obj) if n.startswith("minidns/")]
        during = without_revision(at.cluster.get(kind, "shop", "web")["metadata"])
        moving = ("generation", "managedFields", "resourceVersion")
        for name in before.keys() | during.keys() - set(moving):
            assert name in moving or before.get(name) == during.get(name)


@pytest.mark.slow
@pytest.mark.parametrize(("way", "lives"), [(way, n) for way in WAYS for n in range(WRITES[way])])
async def test_killed_while_enrolling(way: str, lives: int) -> None:
    """Killed after its write ``lives`` arrived, which is before it sends the next one."""
    kind, words = WAYS[way]
    of = world(kind)
    before = lasting(of)
    async with desk(of, wrap=Mortal) as at:
        mortal(at).lives, mortal(at).last_arrives = lives, True
        assert not await survives(at.run(words))
    async with desk(of) as at:
        assert await at.run(UNENROL[kind]) == 0
        assert lasting(of) == before


DEATHS = st.tuples(st.integers(0, 4), st.booleans())


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@given(deaths=st.lists(DEATHS, max_size=4))
@settings(max_examples=settings().max_examples // 12)  # each runs up to six commands
def test_killed_again_and_again(way: str, deaths: list[tuple[int, bool]]) -> None:
    """Enrol dies, and so does each unenrol that follows, but the last."""
    asyncio.run(_dies(way, deaths))


async def _dies(way: str, deaths: list[tuple[int, bool]]) -> None:
    kind, words = WAYS[way]
    of = world(kind)
    before = lasting(of)
    for said in (words, *[UNENROL[kind]] * len(deaths)):
        lives, arrives = deaths.pop(0) if deaths else (-1, False)
        async with desk(of, wrap=Mortal) as at:
            mortal(at).lives, mortal(at).last_arrives = lives, arrives
            await survives(at.run(said))
    async with desk(of) as at:
        assert await at.run(UNENROL[kind]) == 0
        assert lasting(of) == before


@pytest.mark.slow
@table("way", WAYS)
async def test_every_write_is_conditional(way: str) -> None:
    """The condition is a version, a UID, or that the name is free."""
    kind, words = WAYS[way]
    sent: list[tuple[str, str, Json]] = []

    class Noting(Documents):
        async def _ask(self, method: str, path: str, body: Any = None, style: str = JSON) -> Json:
            if method != "GET":
                sent.append((method, path, body))
            return await super()._ask(method, path, body, style)

    async with desk(world(kind), wrap=lambda api: Noting(api._sender)) as at:
        await at.run(words)
        await at.run(UNENROL[kind])
    assert sent
    for method, _, body in sent:
        match method:
            case "PATCH":
                assert body["metadata"]["resourceVersion"]
            case "DELETE":
                assert body["preconditions"].keys() == {"uid", "resourceVersion"}
            case _:
                assert method == "POST"


def touch(of: ClusterApi, kind: str) -> None:
    """Let somebody else change the workload."""
    note = {"metadata": {"annotations": {"theirs": str(of.version)}}}
    of.patch(kind, "shop", "web", note)


@pytest.mark.slow
@table("way", WAYS)
async def test_what_others_change_meanwhile_is_not_lost(way: str) -> None:
    kind, words = WAYS[way]
    of = world(kind)
    async with desk(of, wrap=Mortal) as at:
        times = 0

        def on_write() -> None:
            nonlocal times
            times += 1
            if times % 2:  # every other write meets a version that is not the one read
                touch(of, kind)

        mortal(at).on_write = on_write
        assert await at.run(words) == 0
        assert await at.run(UNENROL[kind]) == 0
        assert times >= 2
        metadata = without_revision(of.get(kind, "shop", "web")["metadata"])
        annotations = metadata["annotations"]
        assert annotations.keys() == {"note", "theirs"}
        spec = dig(of.get(kind, "shop", "web"), "spec.template.spec")
        assert spec["dnsConfig"] == OWN_DNS["dnsConfig"]


async def test_an_object_that_never_rests_is_given_up() -> None:
    of = world("Deployment")
    async with desk(of, wrap=Mortal) as at:
        mortal(at).on_write = lambda: touch(of, "Deployment")
        assert await at.run(WAYS["deployment, all"][1]) == 1
        assert "Deployment shop/web" in at.err[-1]


SCALED = {"spec": {"replicas": 9}}
IMAGE = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "new"}]}}}}
POLICY = {"spec": {"template": {"spec": {"dnsPolicy": "Default"}}}}


async def test_a_new_image_meanwhile_stays() -> None:
    async with desk(world("Deployment")) as at:
        await at.run(WAYS["deployment, all"][1])
        at.cluster.patch("Deployment", "shop", "web", IMAGE, STRATEGIC_PATCH)
        assert await at.run(UNENROL["Deployment"]) == 0
        spec = dig(at.cluster.get("Deployment", "shop", "web"), "spec.template.spec")
        assert spec["containers"][0]["image"] == "new"
        assert spec["dnsPolicy"] == "ClusterFirst"
        assert spec["dnsConfig"] == OWN_DNS["dnsConfig"]


@pytest.mark.parametrize(
    ("way", "theirs", "named"),
    [("deployment, n of m", SCALED, "spec.replicas 9"), ("deployment, all", POLICY, "dnsPolicy Default")],
)
async def test_what_others_changed_of_ours_is_left_and_told(way: str, theirs: Json, named: str) -> None:
    async with desk(world("Deployment")) as at:
        await at.run(WAYS[way][1])
        at.cluster.patch("Deployment", "shop", "web", theirs)
        assert await at.run(UNENROL["Deployment"]) == 0
        assert mentions(at.said, named)
        now = at.cluster.get("Deployment", "shop", "web")
        assert merged(now, theirs) == now, "theirs"
        assert records(at.cluster) == []


@pytest.mark.parametrize("way", ["deployment, all", "deployment, n of m"])
async def test_enrolled_by_somebody_else_meanwhile(way: str) -> None:
    """The enrolments of other workloads stay."""
    web = Ref(DEPLOYMENT, "shop", "web")
    theirs = Record(web, "10.96.0.99", "a/other", id="theirs", twin="web-other")
    async with desk(world("Deployment")) as at:
        owner = at.cluster.get("Deployment", "shop", "web")
        at.when_asked = lambda: at.cluster.create(theirs.config_map(owner))
        assert await at.run(WAYS[way][1]) == 1
        assert "Deployment shop/web" in at.err[-1]
        assert records(at.cluster) == [theirs]
        assert [d["metadata"]["name"] for d in at.cluster.list("Deployment", "shop")] == ["web"]


@pytest.mark.parametrize("way", ["deployment, all", "deployment, n of m"])
async def test_changed_between_question_and_answer(way: str) -> None:
    theirs = POLICY if "all" in way else SCALED
    async with desk(world("Deployment")) as at:
        at.when_asked = lambda: at.cluster.patch("Deployment", "shop", "web", theirs)
        before = lasting(at.cluster)
        assert await at.run(WAYS[way][1]) == 1
        assert "Deployment shop/web" in at.err[-1]
        now = at.cluster.get("Deployment", "shop", "web")
        assert merged(now, theirs) == now
        assert len(lasting(at.cluster)) == len(before), "no twin is left"


async def test_a_twin_goes_with_its_first() -> None:
    async with desk(world("Deployment")) as at:
        await at.run("enrol deploy/web -n shop --replicas 2")
        at.cluster.delete("Deployment", "shop", "web")
        assert at.cluster.list("Deployment", "shop") == []


async def test_there_are_never_fewer_pods_than_before() -> None:
    async with desk(world("Deployment")) as at:
        ready: list[int] = []

        def look(change: object) -> None:
            pods = at.cluster.list("Pod", "shop", "app=web")
            ready.append(sum(condition(pod, "Ready") == "True" for pod in pods))

        end = at.cluster.subscribe(look)
        await at.run(WAYS["deployment, n of m"][1])
        await at.run("unenrol --all")
        end()
        assert min(ready) == 6
        assert max(ready) == 8
