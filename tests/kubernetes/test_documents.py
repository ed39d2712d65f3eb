"""Objects as plain JSON, over HTTP, from a server in all its moods."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from minidns.kubernetes import documents
from minidns.kubernetes.client import connect
from minidns.kubernetes.documents import Documents, Refused
from minidns.kubernetes.resources import Access, ApiError
from sim.api.objects import Json
from tests.kubernetes.served import Served, service, serving
from tests.table import table

SPACE = "kube-public"
PATH = f"/api/v1/namespaces/{SPACE}/services"
ALL = "/api/v1/services"


def api(served: Served, deadline_s: float = 20.0) -> Documents:
    return Documents(served.connection, deadline_s)


def name_of(obj: Json) -> str:
    return str(obj["metadata"]["name"])


async def test_reads_and_lists_with_kinds() -> None:
    async with serving() as served:
        served.create("web", SPACE)
        found = await api(served).get(f"{PATH}/web")
        assert (found["kind"], name_of(found)) == ("Service", "web")
        (listed,) = await api(served).list_objects(PATH)
        assert listed == found, "a LIST leaves kind and apiVersion out"


async def test_what_is_not_there() -> None:
    async with serving() as served:
        assert await api(served).find(f"{PATH}/web") is None
        assert await api(served).find("/apis/nowhere.example.org/v1/things/x") is None
        with pytest.raises(Refused, match='services "web" not found') as refused:
            await api(served).get(f"{PATH}/web")
        assert (refused.value.status, refused.value.reason) == (404, "NotFound")


async def test_lists_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PAGE", 2)
    async with serving() as served:
        names = [f"web-{n}" for n in range(5)]
        for name in names:
            served.create(name, SPACE)
        assert await api(served).read_objects(PATH, name_of) == names
        assert len(served.asked("list")) == 3
        assert {q["limit"] for q in served.asked("list")} == {"2"}


async def test_a_token_that_ran_out_begins_the_list_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PAGE", 2)
    async with serving() as served:
        for n in range(3):
            served.create(f"web-{n}", SPACE)
        served.spoil(verb="list", paged=True, status=410, times=1)
        assert len(await api(served).read_objects(PATH, name_of)) == 3
        served.spoil(verb="list", paged=True, status=410)
        with pytest.raises(ApiError, match="changes faster than it can be read"):
            await api(served).read_objects(PATH, name_of)


async def test_lists_by_labels() -> None:
    async with serving() as served:
        obj = service("web", SPACE)
        obj["metadata"]["labels"] = {"app": "web"}
        served.cluster.create(obj)
        served.create("other", SPACE)
        assert await api(served).read_objects(ALL, name_of, labels="app=web") == ["web"]


async def test_creates_once() -> None:
    async with serving() as served:
        made = await api(served).create(PATH, service("web", SPACE))
        assert made["metadata"]["uid"]
        (manager,) = {m["manager"] for m in made["metadata"]["managedFields"]}
        assert manager == "minidns"
        with pytest.raises(Refused, match="already exists") as refused:
            await api(served).create(PATH, service("web", SPACE))
        assert refused.value.reason == "AlreadyExists"


async def test_patches_at_a_version() -> None:
    async with serving() as served:
        made = await api(served).create(PATH, service("web", SPACE))
        version = made["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version, "labels": {"a": "1"}}}
        changed = await api(served).patch(f"{PATH}/web", patch)
        assert changed["metadata"]["labels"] == {"a": "1"}
        with pytest.raises(Refused) as refused:
            await api(served).patch(f"{PATH}/web", patch)
        assert refused.value.status == 409


async def test_deletes_what_is_still_the_same() -> None:
    async with serving() as served:
        made = await api(served).create(PATH, service("web", SPACE))
        patch = {"metadata": {"labels": {"a": "1"}}}
        now = await api(served).patch(f"{PATH}/web", patch)
        with pytest.raises(Refused) as refused:
            await api(served).delete(f"{PATH}/web", made)
        assert refused.value.status == 409
        await api(served).delete(f"{PATH}/web", now, dry_run=True)
        assert served.cluster.find("Service", SPACE, "web")
        await api(served).delete(f"{PATH}/web", now)
        assert not served.cluster.find("Service", SPACE, "web")


async def test_dry_runs_write_nothing() -> None:
    async with serving() as served:
        await api(served).create(PATH, service("web", SPACE), dry_run=True)
        assert not served.cluster.find("Service", SPACE, "web")
        served.create("web", SPACE)
        before = served.cluster.get("Service", SPACE, "web")
        patch = {"metadata": {"labels": {"a": "1"}}}
        changed = await api(served).patch(f"{PATH}/web", patch, dry_run=True)
        assert changed["metadata"]["labels"] == {"a": "1"}
        assert served.cluster.get("Service", SPACE, "web") == before


@pytest.mark.slow
async def test_busy_servers_are_asked_again() -> None:
    async with serving() as served:
        served.spoil(verb="create", status=429, retry_after=0, times=1)
        assert await api(served).create(PATH, service("web", SPACE))


async def test_servers_that_stay_busy_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "BUSY_TRIES", 1)
    async with serving() as served:
        served.spoil(verb="get", status=429)
        with pytest.raises(Refused, match="too many requests"):
            await api(served).get(f"{PATH}/web")


@table(
    ("rule", "why"),
    [
        ({"status": 500, "message": "no\ndisk \x1b[31m"}, r"no\\ndisk \\x1b\[31m"),
        ({"body": "<html>"}, "the answer cannot be read"),
        ({"body": "[]"}, "the answer cannot be read"),
        ({"cut_at": 5}, "broke off|cannot reach"),
        ({"reset": True}, "cannot reach"),
    ],
)
async def test_troubles_are_one_line(rule: Json, why: str) -> None:
    async with serving() as served:
        served.create("web", SPACE)
        served.spoil(**rule)
        with pytest.raises(ApiError, match=why) as failed:
            await api(served).get(f"{PATH}/web")
        assert str(failed.value).isprintable()


async def test_silence_has_an_end() -> None:
    async with serving() as served:
        served.spoil(freeze=True)
        with pytest.raises(ApiError, match=r"no complete answer from .* in 0.05 s"):
            await api(served, 0.05).get(f"{PATH}/web")


async def test_credentials_are_read_again_after_a_401() -> None:
    async with serving() as served:
        served.create("web", SPACE)
        served.spoil(verb="patch", status=401, times=1)
        patch = {"metadata": {"labels": {"a": "1"}}}
        assert await api(served).patch(f"{PATH}/web", patch)


async def test_what_the_server_remarks_is_kept_once() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        response = web.json_response({})
        for field in ("x", "y"):
            response.headers.add("Warning", f'299 - "spec.{field}: unknown field"')
        return response

    server = web.ServerRunner(web.Server(answer))
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    host, port = server.addresses[0][:2]
    try:
        async with connect(Access(endpoint=f"http://{host}:{port}")) as connection:
            api = Documents(connection)
            for _ in range(2):
                await api.create(PATH, service("web"))
            assert api.warnings == ["spec.x: unknown field", "spec.y: unknown field"]
    finally:
        await server.cleanup()


def frames(*sent: bytes) -> Callable[[web.Request], Awaitable[web.WebSocketResponse]]:
    """Return a pod's exec that sends these frames."""

    async def run(request: web.Request) -> web.WebSocketResponse:
        assert request.query.getall("command") == ["cat", "/etc/resolv.conf"]
        socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await socket.prepare(request)
        for frame in sent:
            await socket.send_bytes(frame)
        await socket.close()
        return socket

    return run


async def refusing(request: web.Request) -> web.WebSocketResponse:
    raise web.HTTPForbidden


EXEC = "/api/v1/namespaces/shop/pods/web/exec"
OK = b'\x03{"metadata":{},"status":"Success"}'
FAILED = b'\x03{"status":"Failure","message":"exec: \\"cat\\": not found"}'


@asynccontextmanager
async def pod(handler: Callable[[web.Request], Awaitable[web.WebSocketResponse]]) -> AsyncIterator[Documents]:
    app = web.Application()
    app.router.add_get(EXEC, handler)
    async with TestServer(app) as server, connect(Access(endpoint=str(server.make_url("")))) as connection:
        yield Documents(connection, 20.0)


async def cat(api: Documents) -> str:
    words = ("cat", "/etc/resolv.conf")
    return await api.run(EXEC.removesuffix("/exec"), "c", words)


async def test_the_output_of_a_command_in_a_pod() -> None:
    async with pod(frames(b"\x01search a\n", b"\x02noise", b"\x01options b\n", OK)) as api:
        assert await cat(api) == "search a\noptions b\n"


async def test_a_command_that_fails_in_a_pod() -> None:
    async with pod(frames(b"\x01half", FAILED)) as api:
        with pytest.raises(ApiError, match="not found") as failed:
            await cat(api)
        assert not isinstance(failed.value, Refused)


async def test_a_command_that_may_not_run_in_a_pod() -> None:
    async with pod(refusing) as api:
        with pytest.raises(Refused) as refused:
            await cat(api)
        assert refused.value.status == 403
