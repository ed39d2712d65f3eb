"""Real kubectl against the simulated API server: apply, roll out, take away again."""

import contextlib
from collections.abc import Iterator

import pytest

from sim.api.objects import condition, dig
from sim.controllers.cluster import Cluster
from tests.deploy import rendered
from tests.deploy.rendered import DEPLOY
from tests.deploy.simulated import World, gone, pods

pytestmark = [
    pytest.mark.slow,
    pytest.mark.kubectl,
    pytest.mark.skipif(rendered.kubectl() is None, reason="kubectl is missing"),
    pytest.mark.timeout(120),
]


def overlay(name: str) -> str:
    return str(DEPLOY / "overlays" / name)


def addresses(cluster: Cluster, namespace: str, service: str) -> set[str]:
    label = f"kubernetes.io/service-name={service}"
    return {
        address
        for found in cluster.list("EndpointSlice", namespace, label)
        for end in found["endpoints"]
        if end["conditions"]["ready"]
        for address in end["addresses"]
    }


@pytest.mark.parametrize(
    ("name", "namespace"), [("kube-dns-2", "kube-system"), ("kind", "kube-system"), ("tenant", "tenant")]
)
async def test_it_goes_without_a_trace(world: World, name: str, namespace: str) -> None:
    before = world.everything()
    await world.kubectl("apply", "-k", overlay(name))
    assert world.everything() != before
    await world.kubectl("-n", namespace, "rollout", "status", "deployment/kube-dns-2")
    assert len(pods(world.cluster, namespace)) == 2
    await world.kubectl("delete", "-k", overlay(name))
    await gone(world, namespace)
    assert world.everything() == before


async def test_standalone_brings_its_namespace_and_takes_it_away(world: World) -> None:
    world.cluster.delete("Namespace", "", "minidns")
    before = world.everything()
    await world.kubectl("apply", "-k", overlay("standalone"))
    await world.kubectl("-n", "minidns", "rollout", "status", "deployment/kube-dns-2")
    assert world.cluster.find("ClusterRole", "", "minidns") is not None
    # the namespace goes first and takes what is in it along
    await world.kubectl("delete", "--ignore-not-found", "-k", overlay("standalone"))
    await gone(world, "minidns")
    assert world.everything() == before


async def test_applied_twice_it_changes_nothing(world: World) -> None:
    await world.kubectl("apply", "-k", overlay("kube-dns-2"))
    once = world.everything()
    told = (await world.kubectl("apply", "-k", overlay("kube-dns-2"))).splitlines()
    # kubectl replaces the selector of a PodDisruptionBudget whether it differs or not
    others = [line for line in told if not line.startswith("poddisruptionbudget")]
    assert len(others) == 3
    assert all(line.endswith("unchanged") for line in others), told
    assert world.everything() == once


async def test_server_side_apply_takes_it_too(world: World) -> None:
    before = world.everything()
    await world.kubectl("apply", "--server-side", "-k", overlay("kube-dns-2"))
    assert len(pods(world.cluster, "kube-system")) == 2
    await world.kubectl("delete", "-k", overlay("kube-dns-2"))
    await gone(world, "kube-system")
    assert world.everything() == before


async def test_each_service_finds_its_own_pods_only(world: World) -> None:
    await world.kubectl("apply", "-k", overlay("kube-dns-2"))
    own = {dig(pod, "status.podIP") for pod in pods(world.cluster, "kube-system")}
    coredns = {dig(pod, "status.podIP") for pod in world.cluster.list("Pod", "kube-system", "k8s-app=kube-dns")}
    assert len(own) == len(coredns) == 2
    assert addresses(world.cluster, "kube-system", "kube-dns-2") == own
    assert addresses(world.cluster, "kube-system", "kube-dns") == coredns


async def test_kubeadm_finds_one_dns_deployment(world: World) -> None:
    await world.kubectl("apply", "-k", overlay("kube-dns-2"))
    found = await world.kubectl("-n", "kube-system", "get", "deployments", "-l", "k8s-app=kube-dns", "-o", "name")
    assert found.split() == ["deployment.apps/coredns"]


async def test_a_rollout_never_has_fewer_than_two_ready_pods(world: World) -> None:
    await world.kubectl("apply", "-k", overlay("kube-dns-2"))
    ready = []

    def count(_: object) -> None:
        found = pods(world.cluster, "kube-system")
        ready.append(sum(condition(pod, "Ready") == "True" for pod in found))

    old = {pod["metadata"]["name"] for pod in pods(world.cluster, "kube-system")}
    with following(world.cluster, count):
        await world.kubectl("-n", "kube-system", "rollout", "restart", "deployment/kube-dns-2")
        await world.kubectl("-n", "kube-system", "rollout", "status", "deployment/kube-dns-2")
    new = {pod["metadata"]["name"] for pod in pods(world.cluster, "kube-system")}
    assert len(new) == 2
    assert not new & old
    assert min(ready) == 2


@contextlib.contextmanager
def following(cluster: Cluster, each: object) -> Iterator[None]:
    end = cluster.subscribe(each)  # type: ignore[arg-type]  # takes any change
    try:
        yield
    finally:
        end()


async def test_a_taken_address_is_refused(world: World) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "other", "namespace": "default"},
        "spec": {"clusterIP": "10.96.0.20", "ports": [{"port": 80}]},
    }
    world.cluster.create(service)
    with pytest.raises(AssertionError, match=r"10\.96\.0\.20.*already allocated"):
        await world.kubectl("apply", "-k", overlay("kube-dns-2"))
