"""The simulated API server over real HTTP, and ways to fill and spoil it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import trustme
import yaml

from minidns.kubernetes.client import Connection, connect
from minidns.kubernetes.list_watch import Deadlines
from minidns.kubernetes.objects import Key, Object
from minidns.kubernetes.reflector import Reflector
from minidns.kubernetes.resources import SERVICES, Access, Applied, Event, Resource, WatchEvent
from minidns.metrics.registry import Metrics
from sim.api.faults import Action, Rule
from sim.api.http import ApiServer, Tls
from sim.api.server import ClusterApi

PATIENT = Deadlines(silence_s=(20.0, 20.0))
SERVICES_PATH = "/api/v1/services?limit=100"


class Served(NamedTuple):
    """A cluster, its server, and our connection to it."""

    cluster: ClusterApi
    server: ApiServer
    connection: Connection
    metrics: Metrics

    def create(self, name: str, namespace: str = "default") -> None:
        self.cluster.create(service(name, namespace))

    def delete(self, name: str) -> None:
        self.cluster.delete("Service", "default", name)

    def spoil(self, **rule: Any) -> None:
        """Let requests for Services meet a fault."""
        self.server.faults.rules.append(Rule(resource="services", **rule))

    async def act(self, do: Any, **more: Any) -> None:
        await self.server.act(Action(do, **more))

    def asked(self, verb: str) -> list[dict[str, str]]:
        """Return the queries of the requests for Services."""
        return [dict(r.query) for r in self.server.requests.of(verb, "services")]


def service(name: str, namespace: str = "default") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"port": 80}]},
    }


@asynccontextmanager
async def serving(
    *,
    deadlines: Deadlines = PATIENT,
    access: Callable[[ApiServer], Access] = lambda server: Access(endpoint=server.url),
    cluster: ClusterApi | None = None,
    **options: Any,
) -> AsyncIterator[Served]:
    """Serve a cluster without Services of its own, and connect to it."""
    cluster, metrics = cluster or ClusterApi(), Metrics()
    options.setdefault("future_wait_s", 0.0)
    async with ApiServer(cluster, **options) as server:
        connection = connect(access(server), metrics, random=Random(1), deadlines=deadlines)
        async with connection:
            yield Served(cluster, server, connection, metrics)


class Kept:
    """A store that keeps objects by key."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}

    def apply(self, event: Event) -> None:
        if isinstance(event, Applied):
            self.objects[event.obj.key] = event.obj
        else:
            self.objects.pop(event.key, None)

    @property
    def names(self) -> set[str]:
        return {key.name for key in self.objects if key.namespace == "default"}


@asynccontextmanager
async def following(served: Served, kept: Kept, resource: Resource = SERVICES) -> AsyncIterator[Reflector]:
    """Run a reflector in real time."""
    loop = asyncio.get_running_loop()
    reflector = Reflector(
        served.connection.list_watch(resource),
        resource,
        kept.apply,
        now=loop.time,
        sleep=asyncio.sleep,
        random=Random(1),
    )
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool], deadline_s: float = 10.0) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(deadline_s):
        while not holds():
            await asyncio.sleep(0.005)


async def first(events: AsyncIterator[WatchEvent], count: int) -> list[WatchEvent]:
    """Return the next events of a watch."""
    async with asyncio.timeout(10.0):
        return [await anext(events) for _ in range(count)]


def certify(folder: Path, authority: trustme.CA, *names: str) -> Tls:
    """Write a server certificate and its authority; return where they are."""
    made = authority.issue_cert(*names or ("127.0.0.1",))
    folder.mkdir(parents=True, exist_ok=True)
    files = Tls(folder / "cert.pem", folder / "key.pem", folder / "ca.crt")
    made.private_key_pem.write_to_path(str(files.key))
    for number, blob in enumerate(made.cert_chain_pems):
        blob.write_to_path(str(files.certificate), append=number > 0)
    authority.cert_pem.write_to_path(str(files.authority))
    return files


def connections_of(server: ApiServer) -> int:
    """Return how many connections the server has open."""
    return len(server._server.connections) if server._server else 0


ONE, TWO = "t0ken-one", "t0ken-two"
TOKENS = {ONE: "kubernetes-admin", TWO: "kubernetes-admin"}


async def page(connection: Connection) -> None:
    await connection.list_watch(SERVICES).page("", None)


def with_user(config: Path, user: dict[str, Any], **cluster: Any) -> Access:
    """Change the user, and more of the cluster, in a kubeconfig."""
    tree = yaml.safe_load(config.read_text())
    tree["users"][0]["user"] = user
    tree["clusters"][0]["cluster"] |= cluster
    config.write_text(yaml.safe_dump(tree))
    return Access(kubeconfig=str(config))


def in_pod(server: ApiServer) -> dict[str, str]:
    host, _, port = server.url.rpartition("//")[2].partition(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


@asynccontextmanager
async def seen_from(pod: "Pod", **options: Any) -> AsyncIterator[tuple[ApiServer, Connection]]:
    """Serve with TLS, and connect as a pod does."""
    async with serving(tls=pod.tls, **options) as served, pod.connect(served.server) as connection:
        yield served.server, connection


class Pod:
    """A pod's view: environment and service account, of a server with TLS."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.account = folder / "account"
        self.tls = certify(self.account, authority)
        self.token = self.account / "token"
        self.token.write_text(ONE)

    def connect(self, server: ApiServer) -> Connection:
        return connect(Access(), environ=in_pod(server), account=self.account, random=Random(1), deadlines=PATIENT)
