"""One connection to one API server: credentials, TLS, metrics, and the whole way."""

import asyncio
import json
import logging
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trustme

from minidns.core.corefile import ConfigError
from minidns.core.metrics import Metrics
from minidns.kube.api import Connection, Connections, connect
from minidns.kube.listwatch import Deadlines
from minidns.kube.resource import NAMESPACES, SERVICES, SLICES, Access, ApiError
from sim.apihttp import ApiServer
from tests.kube.served import (
    HASTY,
    Kept,
    Served,
    certify,
    connections_of,
    following,
    serving,
    until,
)

ONE, TWO = "t0ken-one", "t0ken-two"
TOKENS = {ONE: "kubernetes-admin", TWO: "kubernetes-admin"}


async def page(connection: Connection) -> None:
    await connection.list_watch(SERVICES).page("", None)


def in_pod(server: ApiServer) -> dict[str, str]:
    host, _, port = server.url.rpartition("//")[2].partition(":")
    return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


# Where it is, for people.


async def test_describe(tmp_path: Path) -> None:
    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(tmp_path / "config")))

    async with serving(access=access) as served:
        assert served.connection.describe() == f"{served.server.url} (context sim)"
        assert served.connection.context == "sim"
        await page(served.connection)


async def test_nothing_is_sent_before_it_is_needed() -> None:
    async with serving() as served:
        assert len(served.server.requests) == 0


async def test_one_connection_for_all_resources() -> None:
    async with serving() as served:
        connections = Connections(Metrics(), {}, Random(1))
        access = Access(endpoint=served.server.url)
        for resource in (SERVICES, SLICES, NAMESPACES):
            await connections.list_watch(access, resource).page("", None)
        assert connections.to(access) is connections.to(
            Access(access.kubeconfig, "", access.endpoint)
        )
        assert connections_of(served.server) == 1
        await connections.close()


def test_a_wrong_access_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="unable to load in-cluster configuration"):
        Connections(Metrics(), {}, Random(1)).list_watch(Access(), SERVICES)


# Credentials.


async def test_f24_a_401_reads_the_token_again_and_asks_again_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = tmp_path / "config"
    caplog.set_level(logging.DEBUG)

    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(config, ONE)))

    async with serving(access=access, tokens=TOKENS) as served:
        await page(served.connection)
        served.server.faults.only_token = TWO
        served.server.kubeconfig(config, TWO)
        await page(served.connection)
        assert served.server.requests.count("list", "services") == 3
        assert (
            served.metrics.value(
                "coredns_kubernetes_rest_client_requests_total",
                {"code": "401", "method": "GET", "host": served.server.url[7:]},
            )
            == 1
        )
    assert ONE not in caplog.text
    assert TWO not in caplog.text


async def test_f24_a_second_401_is_an_error(tmp_path: Path) -> None:
    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(tmp_path / "config", "wrong")))

    async with serving(access=access, tokens=TOKENS) as served:
        with pytest.raises(ApiError, match="401") as caught:
            await page(served.connection)
        assert caught.value.status == 401
        assert served.server.requests.count("list", "services") == 2


async def test_f25_a_kubeconfig_that_is_away_for_a_moment(tmp_path: Path) -> None:
    config = tmp_path / "config"

    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(config, ONE)))

    async with serving(access=access, tokens=TOKENS) as served:
        await page(served.connection)
        config.unlink()
        served.server.faults.only_token = TWO
        with pytest.raises(ApiError, match="401"):
            await page(served.connection)
        served.server.faults.only_token = ONE
        await page(served.connection)


async def test_watches_go_on_while_credentials_change(tmp_path: Path) -> None:
    config = tmp_path / "config"

    def access(server: ApiServer) -> Access:
        return Access(kubeconfig=str(server.kubeconfig(config, ONE)))

    kept = Kept()
    async with (
        serving(access=access, tokens=TOKENS) as served,
        following(served, kept) as reflector,
    ):
        await until(lambda: len(served.server.streams) == 1)
        served.server.faults.only_token = TWO
        served.server.kubeconfig(config, TWO)
        await page(served.connection)
        served.create("after")
        await until(lambda: "after" in kept.names)
        assert (reflector.errors, reflector.watches) == (0, 1)


@asynccontextmanager
async def seen_from(
    pod: "Pod", **options: Any
) -> AsyncIterator[tuple[ApiServer, Connection]]:
    """Serve with TLS, and connect as a pod does."""
    async with (
        serving(tls=pod.tls, **options) as served,
        pod.connect(served.server) as connection,
    ):
        yield served.server, connection


class Pod:
    """A pod's view: environment and service account, of a server with TLS."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        self.account = folder / "account"
        self.tls = certify(self.account, authority)
        self.token = self.account / "token"
        self.token.write_text(ONE)

    def connect(self, server: ApiServer) -> Connection:
        return connect(
            Access(),
            environ=in_pod(server),
            account=self.account,
            random=Random(1),
            deadlines=HASTY,
        )


@pytest.fixture
def pod(tmp_path: Path, authority: trustme.CA) -> Pod:
    return Pod(tmp_path, authority)


async def test_in_a_pod_over_tls(pod: Pod) -> None:
    async with seen_from(pod, tokens=TOKENS) as (server, connection):
        await page(connection)
        assert connection.describe() == (f"{server.url} (service account of this pod)")


async def test_f24_a_rotated_token_of_a_pod(pod: Pod) -> None:
    async with seen_from(pod, tokens=TOKENS) as (server, connection):
        await page(connection)
        pod.token.write_text(TWO + "\n")
        server.faults.only_token = TWO
        await page(connection)


@pytest.mark.parametrize("gone", ["missing", "empty"])
async def test_f25_a_token_file_without_a_token_for_a_moment(
    pod: Pod, gone: str
) -> None:
    async with seen_from(pod, tokens=TOKENS) as (server, connection):
        await page(connection)
        if gone == "missing":
            pod.token.unlink()
        else:
            pod.token.write_text("")
        server.faults.only_token = TWO
        with pytest.raises(ApiError, match="401"):
            await page(connection)
        pod.token.write_text(TWO)
        await page(connection)


# TLS.


async def test_f41_an_authority_that_changed_is_read_again(
    pod: Pod, tmp_path: Path
) -> None:
    async with seen_from(pod) as (server, connection):
        await page(connection)
        other = certify(tmp_path / "other", trustme.CA())
        await server.down()
        server.use_certificate(other)
        await server.up()
        with pytest.raises(ApiError, match="certificate is not accepted"):
            await page(connection)
        assert other.authority is not None
        (pod.account / "ca.crt").write_bytes(other.authority.read_bytes())
        await page(connection)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        pytest.param(["127.0.0.1"], "local issuer certificate", id="F41-wrong-ca"),
        pytest.param(["192.0.2.1"], "IP address mismatch", id="F41-other-address"),
    ],
)
async def test_f41_what_is_wrong_with_a_certificate(
    pod: Pod, tmp_path: Path, authority: trustme.CA, names: list[str], text: str
) -> None:
    issuer = trustme.CA() if names == ["127.0.0.1"] else authority
    tls = certify(tmp_path / "server", issuer, *names)
    async with serving(tls=tls) as served, pod.connect(served.server) as connection:
        with pytest.raises(ApiError) as caught:
            await page(connection)
    assert str(caught.value).startswith(
        f"cannot reach {served.server.url}: its certificate is not accepted: "
    )
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "file", [pytest.param("ca.crt", id="F41-no-ca"), pytest.param("token", id="token")]
)
async def test_files_of_nonsense_are_no_traceback(pod: Pod, file: str) -> None:
    async with serving(tls=pod.tls, tokens=TOKENS) as served:
        (pod.account / file).write_bytes(b"\xff\x00 nonsense")
        async with pod.connect(served.server) as connection:
            with pytest.raises(ApiError) as caught:
                await page(connection)
    assert str(caught.value).isprintable()


async def test_speaking_tls_to_a_server_that_does_not() -> None:
    async with serving(
        access=lambda server: Access(endpoint=server.url.replace("http", "https"))
    ) as served:
        with pytest.raises(ApiError, match="cannot reach https://127"):
            await page(served.connection)


async def test_a_client_certificate(
    pod: Pod, tmp_path: Path, authority: trustme.CA
) -> None:
    mine = certify(tmp_path / "mine", authority, "me@example.org")
    files = (str(mine.certificate), str(mine.key), str(mine.authority))
    async with serving(
        tls=pod.tls, access=lambda server: Access(endpoint=server.url, tls=files)
    ) as served:
        served.server._ssl.verify_mode = ssl.CERT_REQUIRED  # type: ignore[union-attr]
        served.server._ssl.load_verify_locations(files[2])  # type: ignore[union-attr]
        await page(served.connection)


# Metrics.


async def test_requests_are_counted_and_timed_but_watches_not_timed() -> None:
    async with serving(deadlines=HASTY) as served:
        kept = Kept()
        async with following(served, kept) as reflector:
            await until(lambda: reflector.synced)
            await until(lambda: len(served.server.streams) == 1)
        served.spoil(status=503)
        with pytest.raises(ApiError):
            await page(served.connection)
        served.server.faults.clear()
        await served.server.down()
        with pytest.raises(ApiError, match="Connection refused"):
            await page(served.connection)
        host = served.server.url[7:]
        prefix = "coredns_kubernetes_rest_client_"
        codes = {
            labels[0]: value
            for labels, value in served.metrics.counter(
                f"{prefix}requests_total", "", ("code", "method", "host")
            ).values.items()
        }
        assert codes == {"200": 2, "503": 1, "<error>": 1}
        timed = served.metrics.value(
            f"{prefix}request_duration_seconds", {"verb": "GET", "host": host}
        )
        assert timed == 3
        assert (
            served.metrics.value(
                f"{prefix}rate_limiter_duration_seconds", {"verb": "GET", "host": host}
            )
            == 4
        )


# The package is imported in part, and leaves no trace.

LEAN = """
import json, sys
from minidns.kube.api import connect
from minidns.kube.resource import Access
connect(Access(endpoint="http://127.0.0.1:1"))
partial = [name for name in sys.modules if name.startswith(("kubernetes", "pydantic"))]
import kubernetes.aio.client
from kubernetes.aio import config
from kubernetes.client import CoreV1Api
print(json.dumps([partial, kubernetes.aio.client.CoreV1Api.__name__]))
"""


def test_the_package_is_imported_in_part_and_whole_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAN], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[], "CoreV1Api"]


def test_importing_this_does_not_import_the_package() -> None:
    code = "import sys, minidns.kube.api; sys.exit('kubernetes' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# The whole way: reflector, HTTP, simulated API server.

FAULTS: dict[str, list[Any]] = {
    "F1-watch-ends": ["close"],
    "F2-reset": ["reset"],
    "F5-410-after-compaction": ["reset", "compact"],
    "F10-replayed": ["replay"],
    "F17-error-without-reason": [{"do": "error", "status": 500, "reason": ""}],
    "F28-down-and-up": ["down", "up"],
    "F29-killed-and-up": ["kill", "up"],
    "F34-cut": ["cut"],
    "F37-unknown-type": [{"do": "send", "lines": ['{"type":"PING","object":{}}']}],
    "F36-nonsense": [{"do": "send", "lines": ['{"type":"ADDED","object":5}']}],
}


def truth(served: Served) -> set[str]:
    found = served.cluster.list("Service", "default")
    return {obj["metadata"]["name"] for obj in found}


@pytest.mark.parametrize("actions", FAULTS.values(), ids=FAULTS.keys())
async def test_after_the_fault_everything_is_as_the_server_has_it(
    actions: list[Any],
) -> None:
    kept = Kept()
    async with serving() as served:
        for n in range(120):
            served.create(f"old{n:03}")
        async with following(served, kept):
            await until(lambda: kept.names == truth(served))
            for number, action in enumerate(actions):
                how = {"do": action} if isinstance(action, str) else action
                await served.act(**how)
                served.create(f"new-{number}")
                served.delete(f"old{number:03}")
            for n in range(100, 120):
                served.delete(f"old{n:03}")
            await until(lambda: kept.names == truth(served))


async def test_f1_no_list_in_twenty_ends() -> None:
    kept = Kept()
    async with serving() as served, following(served, kept) as reflector:
        await until(lambda: reflector.synced)
        served.server.faults.watch_max_s = 0.01
        served.server.faults.bookmark_s = 0.001
        for n in range(20):
            served.create(f"s{n}")
            await served.act("close")
            await until(lambda n=n: f"s{n}" in kept.names)  # type: ignore[misc]
        assert reflector.lists == 1
        await until(lambda: kept.names == truth(served))


async def test_f23_a_restored_backup_is_found() -> None:
    kept = Kept()
    async with serving(deadlines=Deadlines(silence_s=(1.1, 1.1))) as served:
        served.create("before")
        await served.act("snapshot")
        for n in range(20):
            served.create(f"lost{n}")
        async with following(served, kept):
            await until(lambda: kept.names == truth(served))
            await served.act("restore")
            await until(lambda: kept.names == truth(served))
            assert "lost1" not in kept.names


async def test_f39_a_list_of_ten_thousand_lets_the_loop_run() -> None:
    kept = Kept()
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    items = [
        {"metadata": {"name": f"s{n}", "namespace": "default"}, "spec": {}}
        for n in range(10_000)
    ]
    body = {"kind": "ServiceList", "metadata": {"resourceVersion": "9"}, "items": items}
    async with serving() as served:
        served.spoil(verb="list", body=json.dumps(body))
        list_watch = served.connection.list_watch(SERVICES)
        counter = asyncio.create_task(count_turns())
        await list_watch.page("", None)
        counted, turns = turns, 0
        async with following(served, kept) as reflector:
            await until(lambda: reflector.synced)
        counter.cancel()
        assert len(kept.objects) == 10_000
        assert counted >= 100  # while decoding
        assert turns >= 200  # and while applying
