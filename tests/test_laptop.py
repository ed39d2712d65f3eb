"""minidns on a laptop, against the simulated API server over real HTTP."""

import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import dns.rcode
import pytest

from minidns import laptop
from minidns.core.configerror import ConfigError
from sim.apihttp import ApiServer
from sim.apiserver import Cluster
from tests import process
from tests.net import client

pytestmark = pytest.mark.usefixtures("outside")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine's may stand before a server on loopback."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@contextlib.asynccontextmanager
async def api(tmp_path: Path, **options: bool) -> AsyncIterator[tuple[ApiServer, str]]:
    async with ApiServer(Cluster(), **options) as server:  # type: ignore[arg-type]
        path = str(tmp_path / "kubeconfig")
        server.kubeconfig(path)
        yield server, path


def flags(path: str, port: int) -> tuple[str, ...]:
    return ("--kubeconfig", path, "--listen", f"127.0.0.1:{port}", "-explain", "off")


async def test_answers_says_what_to_try_and_stops_at_once(tmp_path: Path) -> None:
    async with api(tmp_path) as (server, path):
        port = process.free_port()
        async with process.minidns(*flags(path, port), "--context", "sim") as running:
            await running.said("stop with Ctrl-C")
            said = [line for line in running.lines if not line.startswith("[")]
            assert said[0] == f"listening on 127.0.0.1:{port}, UDP and TCP"
            assert said[1] == f"cluster sim at {server.url}"
            assert said[2].startswith("in sync after ")
            assert (
                said[3]
                == f"try: dig @127.0.0.1 -p {port} kubernetes.default.svc.cluster.local"
            )
            assert len([line for line in said if line.startswith("try: ")]) == 3
            reply = await client.ask(port, "kubernetes.default.svc.cluster.local.")
            assert str(reply.answer[0][0]) == "10.96.0.1"
            running.signal(signal.SIGINT)
            assert await running.ended() == 0
        assert not any("Traceback" in line for line in running.lines)


async def test_a_change_in_the_cluster_is_answered(tmp_path: Path) -> None:
    async with api(tmp_path) as (server, path):
        port = process.free_port()
        async with process.minidns(*flags(path, port)) as running:
            await running.said("in sync")
            name = "web.default.svc.cluster.local."
            assert (await client.ask(port, name)).rcode() == dns.rcode.NXDOMAIN
            server.cluster.create(
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "metadata": {"name": "web", "namespace": "default"},
                    "spec": {"clusterIP": "10.96.3.4", "ports": [{"port": 80}]},
                }
            )
            for _ in range(1000):
                if (reply := await client.ask(port, name)).answer:
                    break
            assert [str(each[0]) for each in reply.answer] == ["10.96.3.4"]


async def test_an_api_server_that_is_not_there(tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        pass
    port = process.free_port()
    async with process.minidns(*flags(path, port)) as running:
        line = await running.said("Failed to watch: failed to list")
        assert line.startswith("[ERROR] plugin/kubernetes: ")
        assert "refused" in line
        await running.said("not in sync yet")
        reply = await client.ask(port, "kubernetes.default.svc.cluster.local.")
        assert reply.rcode() == dns.rcode.SERVFAIL
    assert not any("Traceback" in line for line in running.lines)


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        ("{}", "", 'no context "" (it has: none)'),
        (
            "contexts: [{name: a, context: {cluster: c}}]",
            "b",
            'no context "b" (it has: a)',
        ),
        (":\n- [", "", "not YAML"),
    ],
    ids=["nothing-in-it", "unknown-context", "not-yaml"],
)
def test_a_kubeconfig_that_is_of_no_use(
    text: str, context: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        laptop.cluster(str(path), context)
    assert str(caught.value) == f"kubeconfig {path}: {said}"


async def test_listen_needs_a_port(tmp_path: Path) -> None:
    async with api(tmp_path) as (_, path):
        status, _, err = await process.run(
            "--kubeconfig", path, "--listen", "localhost"
        )
    assert status == 1
    assert err == "--listen localhost: HOST:PORT is needed\n"
