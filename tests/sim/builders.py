"""Objects for tests, and a client that speaks plain HTTP to the simulated server."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from sim.api.http import ApiServer, Tls
from sim.api.objects import Json
from sim.api.server import ClusterApi
from sim.api.status import ApiError

DEADLINE_S = 30


def service(name: str = "web", namespace: str = "default", **spec: Any) -> Json:
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": ports, "selector": {"app": name}} | spec,
    }


def pod(name: str = "web-1", namespace: str = "default", **spec: Any) -> Json:
    labels = {"app": name.rpartition("-")[0]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "example"}]} | spec,
    }


def deployment(name: str = "web", replicas: int = 1, **spec: Any) -> Json:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "example"}]}},
        }
        | spec,
    }


def config_map(name: str = "cm", namespace: str = "default", **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def names(objects: Iterable[Json]) -> list[str]:
    return [obj["metadata"]["name"] for obj in objects]


def failing(act: Callable[[], object]) -> Json:
    """Return the Status that ``act`` fails with."""
    with pytest.raises(ApiError) as caught:
        act()
    return caught.value.status


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.005)


def certificates(folder: Path, authority: trustme.CA, name: str) -> Tls:
    issued = authority.issue_cert("127.0.0.1")
    files = Tls(folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.crt")
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    issued.private_key_pem.write_to_path(files.key)
    authority.cert_pem.write_to_path(folder / "ca.crt")
    return files


class Client:
    """Requests to one server, answered as JSON."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Json]:
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        url = self.server.url + path
        async with self.session.request(method, url, data=data, headers=headers, allow_redirects=False) as r:
            return r.status, json.loads(await r.read())

    async def get(self, path: str, **headers: str) -> Json:
        status, body = await self.ask("GET", path, **headers)
        assert status == 200, body
        return body

    @asynccontextmanager
    async def watch(self, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator["Lines"]:
        """Open a watch; ``path`` has no query of its own but what is needed."""
        url = self.server.url + path + ("&" if "?" in path else "?") + "watch=1"
        async with self.session.get(url, headers=headers) as response:
            assert response.status == 200, await response.text()
            yield Lines(response)


class Lines:
    """The events of an open watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def line(self) -> bytes:
        """Return the next line, empty at the end."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.response.content.readline()

    async def event(self) -> tuple[str, Json]:
        line = await self.line()
        assert line, "the watch ended"
        event = json.loads(line)
        return event["type"], event["object"]

    async def seen(self, count: int) -> list[tuple[str, str]]:
        """Return type and name of the next events."""
        events = [await self.event() for _ in range(count)]
        return [(kind, obj["metadata"].get("name", "")) for kind, obj in events]

    async def rest(self) -> list[tuple[str, Json]]:
        """Return all events up to the end."""
        events = []
        while line := await self.line():
            event = json.loads(line)
            events.append((event["type"], event["object"]))
        return events


@asynccontextmanager
async def serving(cluster: ClusterApi, **options: Any) -> AsyncIterator[Client]:
    """Serve a cluster and give a client of it."""
    options.setdefault("future_wait_s", 0.0)
    async with ApiServer(cluster, **options) as server, aiohttp.ClientSession() as session:
        yield Client(server, session)
