"""The *kubernetes* plugin at work over HTTP with a simulated API server to spoil.

Only time is ours: for the plugin it passes FACTOR times as fast, timers and deadlines
alike. Everything is asked of it as the server would ask, and compared with what a fresh
plugin would say that was given the API server's objects alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from minidns.dns import names
from minidns.dns.model import Handler, Query, Rcode, Response
from minidns.dns.rdata import A
from minidns.kubernetes import objects
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.client import Connection, connect
from minidns.kubernetes.list_watch import Deadlines
from minidns.kubernetes.model import ClusterQuestion
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import NAMESPACES, SERVICES, SLICES, Access, Applied, Resource
from minidns.kubernetes.store import Store
from minidns.kubernetes.watcher import ClusterWatcher
from minidns.metrics.registry import Metrics
from minidns.plugins import kubernetes
from minidns.plugins.site import Site
from sim.api.faults import Action, Rule
from sim.api.http import ApiServer
from sim.api.objects import Json
from sim.api.server import ClusterApi
from tests.world import World, query, texts

FACTOR = 20.0
DEADLINES = Deadlines(
    connect_s=10 / FACTOR,
    list_s=60 / FACTOR,
    open_s=30 / FACTOR,
    silence_s=(80 / FACTOR, 90 / FACTOR),
    late_s=10 / FACTOR,
    initial_s=60 / FACTOR,
)
"""The real ones, in our time."""
DEADLINE_S = 30.0
KINDS = (NAMESPACES, SERVICES, SLICES)
ZONE = "svc.cluster.local"
KNOWN = f"web.default.{ZONE}"
KNOWN_ADDRESS = "10.96.0.10"
COREFILE = "kubernetes cluster.local in-addr.arpa ip6.arpa {{\nttl 30\n{}\n}}"

Shown = tuple[int, tuple[str, ...]]


def service(name: str, address: str, namespace: str = "default") -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": address, "ports": [{"name": "http", "port": 80}]},
    }


def endpoints(service: str, name: str, addresses: Iterable[str], namespace: str = "default") -> Json:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [each]} for each in addresses],
        "ports": [{"name": "http", "port": 8080}],
    }


async def _last(_: Query) -> Response:
    return Response(Rcode.REFUSED)


async def shown(handler: Handler, name: str) -> Shown:
    response = await handler(query(name))
    return response.rcode, tuple(texts(response.answer))


def told(answers: ClusterZones, name: str) -> Shown:
    """Return what is to be answered."""
    zone = answers.zone_of(name)
    assert zone is not None
    outcome = answers.answer(ClusterQuestion(name, A, zone, zone, name))
    return 0 if outcome.exists else 3, tuple(texts(outcome.answer))


@dataclass
class Followed:
    """A cluster, its API server, and what minidns knows of it."""

    cluster: ClusterApi
    server: ApiServer
    connection: Connection
    site: Site
    handler: Handler
    world: "FastWorld"
    names: set[str] = field(default_factory=set)
    """Every Service there ever was, as ``name.namespace``."""
    wrong: list[Shown] = field(default_factory=list)
    """All wrong answers to queries for KNOWN."""
    asked: int = 0

    # -- what is done to it

    def put(self, obj: Json) -> None:
        meta = obj["metadata"]
        if obj["kind"] == "Service":
            self.names.add(f"{meta['name']}.{meta['namespace']}")
        self.cluster.load([obj])

    def add(self, name: str, number: int) -> None:
        self.put(service(name, f"10.97.{number >> 8}.{number & 255}"))

    def delete(self, name: str, kind: str = "Service") -> None:
        self.cluster.delete(kind, "default", name)

    def spoil(self, **rule: Any) -> None:
        """Let requests meet a fault."""
        self.server.faults.rules.append(Rule(**rule))

    def heal(self) -> None:
        self.server.faults.clear()

    async def act(self, do: Any, **more: Any) -> None:
        await self.server.act(Action(do, **more))

    async def each_watch(self, do: Any, **more: Any) -> None:
        """Do something to the watches, once they are open."""
        await self.until(lambda: len(self.server.streams) >= len(KINDS))
        await self.act(do, **more)

    # -- what it knows

    @property
    def view(self) -> ClusterWatcher:
        """The watcher behind the readiness check of the plugin."""
        view, *_ = self.site.readiness["kubernetes"].is_ready.args  # type: ignore[attr-defined]  # a partial
        assert isinstance(view, ClusterWatcher)
        return view

    def reflector(self, resource: Resource = SERVICES) -> Reflector:
        return next(r for r in self.view.reflectors if r.resource == resource)

    def errors(self) -> list[str]:
        return [each.last_error for each in self.view.reflectors]

    def synced(self, resource: Resource) -> bool:
        return any(r.synced for r in self.view.reflectors if r.resource == resource)

    def count(self, name: str, resource: str = "services") -> float:
        list(self.site.metrics.families())
        name = f"minidns_kubernetes_{name}_total"
        return self.site.metrics.value(name, {"resource": resource})

    @property
    def ready(self) -> bool:
        return self.site.readiness["kubernetes"].is_ready()

    async def ask(self, name: str) -> Shown:
        return await shown(self.handler, name)

    def truth(self) -> dict[str, Shown]:
        """Return what a plugin would say that was given the objects alone."""
        store = Store(lambda: 0.0)
        for resource in KINDS:
            for tree in self.cluster.list(resource.kind.__name__):
                with contextlib.suppress(ValueError):
                    store.apply(Applied(resource.read(objects.from_dict(tree))))
        options: KubernetesOptions = kubernetes.PLUGIN.read_one(self.site.block.named("kubernetes")[0], self.site)
        answers = ClusterZones(options, store, Store(lambda: 0.0, kind="ServiceImport"))
        return {name: told(answers, names.absolute(name)) for name in self.questions()}

    def questions(self) -> Iterator[str]:
        for name in sorted(self.names):
            yield f"{name}.{ZONE}"
        spaces = {name.partition(".")[2] for name in self.names}
        yield from (f"{space}.{ZONE}" for space in sorted(spaces))

    async def differences(self) -> dict[str, tuple[Shown, Shown]]:
        """Return what is answered otherwise than it should be."""
        truth = self.truth()
        got = {name: await self.ask(name) for name in truth}
        return {n: (got[n], truth[n]) for n in truth if got[n] != truth[n]}

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                await asyncio.sleep(0.005)

    async def until_true(self) -> None:
        """Wait until all that is answered is the API server's truth."""
        found: dict[str, tuple[Shown, Shown]] = {}
        try:
            async with asyncio.timeout(DEADLINE_S):
                while found := await self.differences():
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            raise AssertionError(f"still wrong: {found}") from error

    async def watch_known(self) -> None:
        """Ask for what is known, all the time."""
        right = (0, (f"{KNOWN}. 30 A {KNOWN_ADDRESS}",))
        while True:
            answer = await self.ask(KNOWN)
            self.asked += 1
            if answer != right:
                self.wrong.append(answer)
            await asyncio.sleep(0.002)


class FastWorld(World):
    """A world in which time passes, but faster."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(list_watch=lambda access, resource: connection.list_watch(resource))
        self.jump_s = 0.0
        """The offset of the time of day, in seconds."""
        loop = asyncio.get_running_loop()
        self.edges = replace(
            self.edges,
            now=lambda: loop.time() * FACTOR,
            wall=lambda: 1_700_000_000 + loop.time() * FACTOR + self.jump_s,
            sleep=lambda seconds: asyncio.sleep(seconds / FACTOR),
        )


@contextlib.asynccontextmanager
async def followed(
    body: str = "audit off",
    *,
    services: int = 0,
    wait: bool = True,
    watched: bool = True,
    prepare: Callable[[ApiServer], object] = lambda server: None,
    access: Callable[[ApiServer], Access] = lambda server: Access(endpoint=server.url),
    link: Callable[[ApiServer], Connection] | None = None,
    **options: Any,
) -> AsyncIterator[Followed]:
    """Follow a cluster with one known Service and some more.

    ``prepare`` may spoil the server before it is first asked. Unless ``watched`` is
    False, what is known is asked for throughout, and must always be right.
    """
    cluster = ClusterApi()
    options.setdefault("future_wait_s", 0.05)
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(ApiServer(cluster, **options))
        connection = link(server) if link else connect(access(server), Metrics(), random=Random(1), deadlines=DEADLINES)
        stack.push_async_callback(connection.close)
        world = FastWorld(connection)
        site = world.site(f".:53 {{\n{COREFILE.format(body)}\n}}\n")
        plugin = kubernetes.PLUGIN.set_up(site.block.named("kubernetes"), site)
        assert plugin is not None
        made = Followed(cluster, server, connection, site, plugin(_last), world)
        made.put(service("web", KNOWN_ADDRESS))
        for number in range(services):
            made.add(f"s{number}", number)
        prepare(server)
        starting = asyncio.create_task(_start(site))
        stack.push_async_callback(site.stop)
        stack.push_async_callback(_end, starting)
        if wait:
            await made.until(lambda: made.ready)
            await starting
        asking = None
        if wait and watched:
            asking = asyncio.create_task(made.watch_known())
            stack.push_async_callback(_end, asking)
        yield made
        if asking is not None:
            assert not asking.done()
            assert made.asked
            assert not made.wrong


async def _start(site: Site) -> None:
    for hook in (*site.hooks.start, *site.hooks.serving):
        await hook()


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
