"""A *kubernetes* plugin at work over an API server in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from minidns.dns.model import Handler, Query, Response
from minidns.kubernetes.resources import Access, ListWatch, Page, Resource, WatchEvent
from minidns.plugins import kubernetes
from minidns.plugins.site import Site
from tests.conformance.api import Tree
from tests.world import World, query

SVC = "svc.cluster.local."
BODY = "pods insecure\nttl 30\nfallthrough in-addr.arpa ip6.arpa"


def tree(kind: str, name: str, **more: Any) -> Tree:
    namespace, _, name = name.rpartition("/")
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"kind": kind, "metadata": {**meta, **more.pop("metadata", {})}, **more}


def svc(name: str, ip: str, **spec: Any) -> Tree:
    return tree("Service", name, spec={"clusterIP": ip, **spec})


def ext(name: str, target: str) -> Tree:
    return svc(name, "", type="ExternalName", externalName=target)


def ends(name: str, *addresses: str, **annotations: str) -> Tree:
    return tree(
        "EndpointSlice",
        f"{name}-1",
        metadata={
            "labels": {"kubernetes.io/service-name": name.partition("/")[2]},
            "annotations": {f"endpoints.kubernetes.io/{k}": v for k, v in annotations.items()},
        },
        endpoints=[{"addresses": [address]} for address in addresses],
        ports=[{"name": "http", "port": 8080}],
    )


TREES = [
    tree("Namespace", "a"),
    tree("Namespace", "b"),
    svc("a/web", "10.96.0.1"),
    svc("a/h", "None"),
    ends("a/h", "10.0.0.1"),
    svc("b/web", "10.96.0.2"),
    ext("a/ext", "ext.example.org"),
]

PASSED_ON = Response(aa=False, ra=True, rule="next")


async def last(_: Query) -> Response:
    return PASSED_ON


class Running:
    """The plugin in a chain that ends in ``last``."""

    def __init__(self, site: Site, world: World, handler: Handler, forgotten: list[Any]) -> None:
        self.site = site
        self.world = world
        self.handler = handler
        self.forgotten = forgotten

    async def ask(self, name: str, qtype: str = "A", **more: Any) -> Response:
        return await self.handler(query(name, qtype, **more))

    @property
    def ready(self) -> bool:
        return self.site.readiness["kubernetes"].is_ready()


@asynccontextmanager
async def running(
    api: Callable[[Access, Resource], ListWatch],
    body: str = BODY,
    zones: str = "cluster.local in-addr.arpa ip6.arpa",
    before: str = "",
    passed_on: Handler = last,
    wait: bool = True,
) -> AsyncIterator[Running]:
    world = World(list_watch=api)
    site = world.site(f".:53 {{\n{before}\nkubernetes {zones} {{\n{body}\n}}\n}}\n")
    if before:
        site.listen.addresses = ("192.0.2.7",)
    forgotten: list[Any] = []
    site.forget = forgotten.extend
    plugin = kubernetes.PLUGIN.set_up(site.block.named("kubernetes"), site)
    assert plugin is not None
    handler = plugin(passed_on)
    site.top = handler
    starting = asyncio.gather(*(hook() for hook in site.hooks.start))
    try:
        if wait:
            await starting
        yield Running(site, world, handler, forgotten)
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await site.stop()


class Silent:
    """An API server that never answers."""

    async def page(self, token: str, version: str | None) -> Page:
        await asyncio.Event().wait()
        raise AssertionError

    async def watch(self, version: str, *, initial: bool = False) -> AsyncIterator[WatchEvent]:
        await asyncio.Event().wait()
        yield WatchEvent("BOOKMARK", None, "")


def silent(access: Access, resource: Resource) -> ListWatch:
    return Silent()
