"""`minidns unenrol`: which enrolments are meant, and what is said of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sim.api.faults import Rule
from sim.api.objects import Json, dig
from sim.api.objects import clone as copy_of
from sim.api.server import ClusterApi
from tests.process import mentions
from tests.second_dns.mortal import Mortal, survives
from tests.second_dns.rights import ENROL, grant
from tests.second_dns.world import Desk, as_user, cluster, desk, lasting, with_second, workload

HALF_AN_HOUR = 1800.0


def named(name: str) -> Json:
    web = copy_of(workload())
    web["metadata"]["name"] = name
    labels = {"app": name}
    web["spec"]["selector"] = {"matchLabels": labels}
    web["spec"]["template"]["metadata"]["labels"] = labels
    return web


def world() -> ClusterApi:
    return with_second(cluster(*map(named, "abc")))


@asynccontextmanager
async def enrolled() -> AsyncIterator[Desk]:
    """Have a enrolled for half an hour, by a command that was killed, and b for ever."""
    async with desk(world(), wrap=Mortal) as at:
        api = at.session.api
        assert isinstance(api, Mortal)
        at.slept = lambda _: setattr(api, "is_dead", True)
        assert not await survives(at.run("enrol deploy/a -n shop --all --for 30m"))
        at.slept = lambda _: None
        api.is_dead = False
        assert await at.run("enrol deploy/b -n shop --replicas 2 of 6") == 0
        yield at


RECORD = "minidns-enrolment-deployment-"


def edit(of: ClusterApi, name: str) -> None:
    """Let somebody replace the record of a Deployment by nonsense."""
    obj = of.get("ConfigMap", "shop", RECORD + name)
    of.delete("ConfigMap", "shop", RECORD + name)
    meta = {k: obj["metadata"][k] for k in ("name", "namespace", "labels")}
    of.create({**obj, "metadata": meta, "data": {"record.json": "edited"}})


def policies(of: ClusterApi) -> dict[str, str]:
    return {obj["metadata"]["name"]: dig(obj, "spec.template.spec.dnsPolicy") for obj in of.list("Deployment", "shop")}


ENROLLED = {"a": "None", "b": "ClusterFirst", "b-kube-dns-2": "None", "c": "ClusterFirst"}
NOT_A = {"a": "ClusterFirst", **{k: v for k, v in ENROLLED.items() if k != "a"}}
NOT_B = {k: v for k, v in ENROLLED.items() if k != "b-kube-dns-2"}
NONE = {k: v for k, v in NOT_A.items() if k != "b-kube-dns-2"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "left"),
    [
        pytest.param("deploy/a -n shop", NOT_A, id="by-name"),
        pytest.param("deploy/b -n shop", NOT_B, id="with-a-twin"),
        pytest.param("deploy/b-kube-dns-2 -n shop", NOT_B, id="by-the-twins-name"),
        pytest.param("--all", NONE, id="all"),
        pytest.param("--all -n shop", NONE, id="all-of-a-namespace"),
        pytest.param("--all -n default", ENROLLED, id="all-of-another-namespace"),
        pytest.param("deploy/c -n shop", ENROLLED, id="not-enrolled"),
        pytest.param("deploy/gone -n shop", ENROLLED, id="not-there"),
        pytest.param("--expired", ENROLLED, id="expired-too-early"),
    ],
)
async def test_which_are_meant(words: str, left: dict[str, str]) -> None:
    async with enrolled() as at:
        assert await at.run(f"unenrol {words}") == 0
        assert policies(at.cluster) == left
        if left == ENROLLED:
            assert at.asked == []


async def test_what_should_have_ended_by_now() -> None:
    async with enrolled() as at:
        at.now += HALF_AN_HOUR
        assert await at.run("unenrol --expired") == 0
        assert policies(at.cluster) == NOT_A
        assert await at.run("unenrol --expired") == 0
        assert at.asked == []


async def test_shows_then_asks() -> None:
    async with enrolled() as at:
        before = lasting(at.cluster)
        at.says = False
        assert await at.run("unenrol --all") == 1
        (question,) = at.asked
        assert mentions(question, "shop/a shop/b")
        shown = "\n".join(at.shown_before_asking)
        assert mentions(shown, "dnsPolicy: ClusterFirst b-kube-dns-2 shop/b")
        assert lasting(at.cluster) == before


async def test_one_that_cannot_be_put_back_does_not_keep_the_others() -> None:
    async with enrolled() as at:
        edit(at.cluster, "a")
        assert await at.run("unenrol --all") == 1
        assert f"ConfigMap shop/{RECORD}a" in at.said
        assert policies(at.cluster) == NOT_B


async def test_an_edited_record_is_named_where_its_workload_is() -> None:
    async with enrolled() as at:
        edit(at.cluster, "b")
        assert await at.run("unenrol deploy/b -n shop") == 1
        assert f"{RECORD}b" in at.err[-1]
        assert policies(at.cluster) == ENROLLED


@pytest.mark.slow
async def test_a_server_that_fails_in_between_is_told_of() -> None:
    async with enrolled() as at:
        rule = Rule(resource="deployments", verb="patch", status=500, message="no disk", times=1)  # fmt: skip
        at.server.faults.rules.append(rule)
        assert await at.run("unenrol --all") == 1
        assert mentions(at.said, "Deployment shop/a no disk")
        assert await at.run("unenrol --all") == 0
        assert policies(at.cluster) == NONE


async def test_the_twin_stays_until_the_pods_are_back() -> None:
    async with enrolled() as at:

        def broken(change: object) -> None:
            for pod in at.cluster.list("Pod", "shop", "app=b,!minidns/dns"):
                meta = {"annotations": {"sim/ready": "false"}}
                at.cluster.patch("Pod", "shop", pod["metadata"]["name"], {"metadata": meta})

        end = at.cluster.subscribe(broken)
        assert await at.run("unenrol deploy/b -n shop --timeout 5s") == 1
        assert "Deployment shop/b" in at.err[-1]
        assert "b-kube-dns-2" in policies(at.cluster)
        end()
        for pod in at.cluster.list("Pod", "shop", "app=b"):
            meta = {"annotations": {"sim/ready": "true"}}
            at.cluster.patch("Pod", "shop", pod["metadata"]["name"], {"metadata": meta})
        assert await at.run("unenrol deploy/b -n shop") == 0
        assert policies(at.cluster) == NOT_B


async def test_a_right_that_is_missing_is_named(tmp_path: Path) -> None:
    of = world()
    async with desk(of) as at:
        await at.run("enrol deploy/a -n shop --all")
    grant(of, "jane", tuple(rule for rule in ENROL if rule[0] != "patch"))
    async with desk(of, access=as_user(tmp_path, "jane"), has_rbac=True) as at:
        assert await at.run("unenrol --all") == 1
        assert mentions(at.err[-1], "Deployment shop/a patch deployments.apps")


@pytest.mark.slow
async def test_two_at_once_harm_nothing() -> None:
    async with enrolled() as at, desk(at.cluster) as other:
        other.now = at.now
        both = at.run("unenrol --all"), other.run("unenrol --all")
        assert list(await asyncio.gather(*both)) == [0, 0]
        assert policies(at.cluster) == NONE
