import asyncio
from collections.abc import AsyncIterator

import pytest

from minidns.kubernetes.resources import PODS, SERVICES, Access, ApiError, ListWatch, Resource, WatchEvent
from sim.api.direct import Api
from sim.controllers.cluster import Cluster
from tests.sim.builders import pod, service


def followed(resource: Resource) -> tuple[Cluster, Api, ListWatch]:
    cluster = Cluster()
    api = Api(cluster)
    return cluster, api, api.list_watch(Access(), resource)


async def test_a_page_is_everything_at_its_version() -> None:
    cluster, api, services = followed(SERVICES)
    cluster.create(service("web"))
    page = await services.page("", None)
    assert [str(obj.key) for obj in page.objects] == ["default/kubernetes", "default/web"]
    assert page.version == str(cluster.version)
    assert page.token == ""
    assert api.requests == {("services", "list"): 1}


async def test_selectors_count() -> None:
    cluster, _, pods = followed(PODS)
    done = pod("done-1")
    done["metadata"]["annotations"] = {"sim/phase": "Succeeded"}
    cluster.create(done)
    cluster.create(pod("web-1"))
    page = await pods.page("", None)
    assert [str(obj.key) for obj in page.objects] == ["default/web-1"]


async def heard(events: AsyncIterator[WatchEvent], count: int) -> list[str]:
    async with asyncio.timeout(5):
        return [f"{e.type} {e.key or (e.obj and e.obj.key)}" for e in [await anext(events) for _ in range(count)]]


async def test_a_watch_begins_after_its_version_and_goes_on() -> None:
    cluster, api, services = followed(SERVICES)
    version = str(cluster.version)
    cluster.create(service("before"))
    events = services.watch(version)
    assert await heard(events, 1) == ["ADDED default/before"]
    cluster.create(service("after"))
    cluster.delete("Service", "default", "before")
    assert await heard(events, 2) == ["ADDED default/after", "DELETED default/before"]
    assert api.requests == {("services", "watch"): 1}


async def test_cutting_ends_watches_and_refuses_lists_until_mended() -> None:
    _, api, services = followed(SERVICES)
    page = await services.page("", None)
    waiting = asyncio.ensure_future(anext(services.watch(page.version)))
    await asyncio.sleep(0)
    api.cut()
    with pytest.raises(ApiError, match="refused"):
        await waiting
    with pytest.raises(ApiError, match="refused"):
        await services.page("", None)
    api.mend()
    assert (await services.page("", None)).objects == page.objects


async def test_streaming_lists_are_refused_as_an_old_server_does() -> None:
    _, _, services = followed(SERVICES)
    with pytest.raises(ApiError) as caught:
        await anext(services.watch("", initial=True))
    assert caught.value.status == 400
