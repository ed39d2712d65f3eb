"""Only programs of its user may use a running simulation."""

import http.client
import json
import os
import ssl
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import yaml

from sim.api import private_files
from sim.api.objects import Json
from sim.api.rbac import ADMIN
from sim.cluster import state
from sim.controllers.cluster import Cluster
from tests.sim import command
from tests.sim.builders import Client, config_map, serving
from tests.table import table

POD = "/api/v1/namespaces/kube-system/configmaps/coredns"
PATHS = (
    "/api",
    "/apis",
    "/version",
    "/healthz",
    "/livez",
    "/readyz",
    "/openapi/v2",
    "/api/v1/namespaces",
    "/api/v1/services?watch=1",
    POD,
    "/sim/faults",
    "/sim/requests",
    "/nowhere",
    "/",
)
JSON = {"Content-Type": "application/json"}


class Up(NamedTuple):
    """A running ``minidns-sim up``, as a program of its user sees it."""

    folder: Path
    lines: list[str]

    @property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load((self.folder / "kubeconfig").read_text())
        return found

    @property
    def token(self) -> str:
        return str(self.config["users"][0]["user"]["token"])

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None, url: str = ""
    ) -> tuple[int, str]:
        found = self.config["clusters"][0]["cluster"]
        where = urlsplit(url or found["server"])
        host, port = where.hostname or "", where.port or 0
        connection: http.client.HTTPConnection
        if where.scheme == "https":
            trust = ssl.create_default_context(cafile=found["certificate-authority"])
            connection = http.client.HTTPSConnection(host, port, context=trust)
        else:
            connection = http.client.HTTPConnection(host, port)
        connection.timeout = 10
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        # the beginning of a watch that was let in is enough
        said = "" if "watch=1" in path and answer.status == 200 else answer.read()
        connection.close()
        return answer.status, said if isinstance(said, str) else said.decode()

    def bearer(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", **more}


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[Up]:
    async with command.started("up", "--state", str(folder)) as process:
        lines = await command.line_with(process, "Ctrl-C ends it.")
        yield Up(folder, lines)


WITHOUT_RIGHT = {
    "no-token": {},
    "empty-token": {"Authorization": "Bearer "},
    "usual-token": {"Authorization": "Bearer sim-admin"},
    "account-name": {"Authorization": "Bearer system:serviceaccount:kube-system:coredns"},
    "other-scheme": {"Authorization": "Basic c2ltOnNpbQ=="},
}
FOREIGN = {
    "foreign-host": {"Host": "evil.example"},
    "rebound-host": {"Host": "127.0.0.1.evil.example:80"},
    "host-with-user": {"Host": "localhost@evil.example"},
    "no-host": {"Host": ""},
    "foreign-origin": {"Origin": "https://evil.example"},
    "local-page": {"Origin": "http://localhost:3000"},
    "no-origin": {"Origin": "null"},
    "page": {"Sec-Fetch-Site": "cross-site"},
}
FORMS = ("text/plain", "text/plain;charset=UTF-8", "multipart/form-data; boundary=x")
FORM = "application/x-www-form-urlencoded"
WRITES: tuple[tuple[str, str, Json], ...] = (
    ("POST", "/api/v1/namespaces/default/configmaps", config_map("planted")),
    ("PATCH", POD, {"data": {"Corefile": ".:53 {\n    whoami\n}\n"}}),
    ("POST", "/sim/faults", {"rules": [{"status": 500}]}),
    ("POST", "/sim/actions", {"do": "compact"}),
    ("DELETE", "/sim/faults", {}),
)


@pytest.mark.slow
async def test_a_running_simulation(tmp_path: Path) -> None:
    """Each way in of someone else, at each path; then those of the user."""
    async with up(tmp_path / "sim") as found:
        before = found.ask("GET", POD, found.bearer())
        assert before[0] == 200
        for path in PATHS:
            for why, headers in WITHOUT_RIGHT.items():
                assert found.ask("GET", path, headers)[0] == 401, (path, why)
            for why, headers in FOREIGN.items():
                status, _ = found.ask("GET", path, found.bearer(**headers))
                assert status in (400, 403), (path, why)
        for method, path, body in WRITES:
            text = json.dumps(body)
            for why, headers in WITHOUT_RIGHT.items():
                status, _ = found.ask(method, path, {**JSON, **headers}, text)
                assert status == 401, (method, path, why)
            for why, headers in FOREIGN.items():
                full = found.bearer(**JSON, **headers)
                assert found.ask(method, path, full, text)[0] in (400, 403), why
            for media in (*FORMS, FORM):
                full = found.bearer(**{"Content-Type": media})
                assert found.ask(method, path, full, text)[0] == 415, (path, media)
        assert found.ask("GET", POD, found.bearer()) == before
        assert found.ask("GET", "/sim/faults", found.bearer())[0] == 200

        reached = state.read(found.folder)
        right = {"Authorization": f"Bearer {reached.token}"}
        run = json.dumps({"pod": "app", "command": ["cat", "/etc/resolv.conf"]})
        exec_ = ("POST", state.EXEC)
        for headers in FOREIGN.values():
            full = {**right, **JSON, **headers}
            assert found.ask(*exec_, full, run, reached.url)[0] in (400, 403)
        for media in (*FORMS, FORM):
            full = {**right, "Content-Type": media}
            assert found.ask(*exec_, full, run, reached.url)[0] == 415
        assert found.ask(*exec_, JSON, run, reached.url)[0] == 403
        for bad in ("", "[]", "{", '{"pod": 1}'):
            assert found.ask(*exec_, {**right, **JSON}, bad, reached.url)[0] == 400
        assert found.ask(*exec_, {**right, **JSON}, run, reached.url)[0] == 200
        assert found.ask("GET", state.EXEC, right, None, reached.url)[0] == 405
        add = json.dumps({"words": ["servfail", "at", "kube-dns"]})
        for method in ("GET", "POST", "DELETE"):
            fault, without = (method, state.FAULTS), dict(JSON)
            for headers in FOREIGN.values():
                full = {**right, **JSON, **headers}
                assert found.ask(*fault, full, add, reached.url)[0] in (400, 403)
            assert found.ask(*fault, without, add, reached.url)[0] == 403
        for bad in ("", "[]", "{", '{"words": 1}'):
            full = {**right, **JSON}
            assert found.ask("POST", state.FAULTS, full, bad, reached.url)[0] == 400

        # the token of a DNS pod lists and watches what DNS needs, and nothing else
        (pod, *_) = sorted((found.folder / "pods").glob("kube-system_*/kubeconfig"))
        token = yaml.safe_load(pod.read_text())["users"][0]["user"]["token"]
        assert token != found.token
        of_pod = {"Authorization": f"Bearer {token}", **JSON}
        assert found.ask("GET", "/api/v1/services", of_pod)[0] == 200
        for method, path, body in (*WRITES, ("GET", POD, {}), ("GET", "/sim/faults", {})):
            sent = None if method == "GET" else json.dumps(body)
            assert found.ask(method, path, of_pod, sent)[0] == 403, path

        for file in found.folder.rglob("*"):
            secret = file.name in ("kubeconfig", "api.key", state.FILE)
            if secret:
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert found.token not in "\n".join(found.lines)
    async with up(tmp_path / "again") as again:
        assert again.token != found_token(found, again)


def found_token(first: Up, second: Up) -> str:
    """Return the token of the earlier run, whose file is still there."""
    assert first.folder != second.folder
    return first.token


@table("method", ["GET", "HEAD"])
@table(
    "path",
    [
        *PATHS,
        "/sim/actions",
        "/sim/faults?do=clear",
        f"{POD}?method=DELETE",
        "/api/v1/namespaces/default/configmaps?watch=0",
    ],
)
async def test_reading_changes_nothing(method: str, path: str) -> None:
    if "watch=1" in path:
        return
    cluster = Cluster()
    cluster.create(config_map())
    async with serving(cluster, tokens={"t": ADMIN.name}) as api:
        api.server.faults.stale_at = 0
        before = cluster.snapshot(), cluster.version
        await _attributes(api, method, path)
        assert (cluster.snapshot(), cluster.version) == before


async def _attributes(api: Client, method: str, path: str) -> None:
    headers = {"Authorization": "Bearer t", "X-HTTP-Method-Override": "DELETE"}
    async with api.session.request(method, api.server.url + path, headers=headers) as got:
        await got.read()


@pytest.fixture
def umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


@pytest.mark.usefixtures("umask")
def test_private_files_are_new_and_the_users_alone(tmp_path: Path) -> None:
    aim = tmp_path / "aim"
    aim.write_text("precious")
    file = tmp_path / "secret"
    file.symlink_to(aim)
    (tmp_path / ".secret.new").symlink_to(aim)
    private_files.write(file, "token")
    assert aim.read_text() == "precious"
    assert not file.is_symlink()
    assert private_files.read(file) == "token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(PermissionError):
        private_files.folder(folder)


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to(tmp_path)
    with pytest.raises(PermissionError):
        private_files.folder(tmp_path / "f")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_state_file_that_others_may_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    file = private_files.write(tmp_path / state.FILE, "{}")
    file.chmod(mode)
    with pytest.raises(PermissionError):
        private_files.read(file)
    with pytest.raises(state.NotUp):
        state.read(tmp_path)
