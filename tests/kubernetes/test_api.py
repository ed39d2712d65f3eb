"""One connection to one API server: whose it is, and what is counted of it."""

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from minidns.corefile.blocks import ConfigError
from minidns.kubernetes.client import Connections
from minidns.kubernetes.resources import NAMESPACES, SERVICES, SLICES, Access, ApiError
from minidns.metrics.registry import Metrics
from sim.api.http import ApiServer
from tests.kubernetes.served import Kept, Served, connections_of, following, page, serving, until


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
        again = Access(endpoint=served.server.url)
        assert connections.to(again) is connections.to(access)
        assert connections_of(served.server) == 1
        await connections.close()


def test_a_wrong_access_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="unable to load in-cluster configuration"):
        Connections(Metrics(), {}, Random(1)).list_watch(Access(), SERVICES)


def counted(served: Served) -> dict[str, float]:
    """Return the number of requests by status."""
    requests = served.metrics.counter(f"{PREFIX}requests_total", "")
    return {code: value for (code, *_), value in requests.values.items()}


async def test_requests_are_counted_and_timed_but_watches_not_timed() -> None:
    async with serving() as served:
        async with following(served, Kept()):
            await until(lambda: counted(served) == {"200": 2})
        served.spoil(status=503)
        with pytest.raises(ApiError):
            await page(served.connection)
        served.server.faults.clear()
        await served.server.down()
        with pytest.raises(ApiError, match="Connection refused"):
            await page(served.connection)
        assert counted(served) == {"200": 2, "503": 1, "<error>": 1}
        where = {"verb": "GET", "host": served.server.url.removeprefix("http://")}
        for name, count in (("request", 3), ("rate_limiter", 4)):
            found = served.metrics.value(f"{PREFIX}{name}_duration_seconds", where)
            assert found == count


PREFIX = "coredns_kubernetes_rest_client_"

LEAN = """
import json, sys
from minidns.kubernetes.client import connect
from minidns.kubernetes.resources import Access
connect(Access(kubeconfig=sys.argv[1]))
partial = [name for name in sys.modules if name.startswith(("kubernetes", "pydantic"))]
import kubernetes.aio.client
from kubernetes.aio import config
from kubernetes.client import CoreV1Api
found = [kubernetes.aio.client.CoreV1Api, config.kube_config.ApiClient]
print(json.dumps([partial, [each.__name__ for each in found]]))
"""
KUBECONFIG = """
current-context: kind
contexts: [{name: kind, context: {cluster: kind, user: me}}]
clusters: [{name: kind, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {token: t}}]
"""


@pytest.mark.slow
def test_the_package_is_imported_in_part_and_whole_later(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    done = subprocess.run([sys.executable, "-c", LEAN, path], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], ["CoreV1Api", "ApiClient"]]


@pytest.mark.slow
def test_importing_this_does_not_import_the_package() -> None:
    code = "import sys, minidns.kubernetes.client; sys.exit('kubernetes' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
