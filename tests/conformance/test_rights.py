"""A minidns process with Roles in one namespace and no ClusterRole."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conformance.api import Api
from tests.conformance.cases import Setting, objects
from tests.conformance.dynamic import Asking, service
from tests.conformance.sockets import HOST
from tests.conformance.stand import KUBECONFIG, Server
from tests.conformance.stub_api import StubApi
from tests.process import Running, free_port, minidns

pytestmark = pytest.mark.slow


@asynccontextmanager
async def tenant(folder: Path, options: str) -> AsyncIterator[tuple[Api, Asking, Running]]:
    """Run minidns against an API server that lets it into conf-a only."""
    stub = StubApi(Api(objects()))
    stub.granted = {"conf-a"}
    api_port, port, ready = free_port(), free_port(), free_port()
    cluster = [{"name": "stub", "cluster": {"server": f"http://{HOST}:{api_port}"}}]
    (folder / "kubeconfig").write_text(json.dumps({**KUBECONFIG, "clusters": cluster}))
    setting = Setting(options, forward=False)
    kubernetes = f"kubeconfig {folder}/kubeconfig stub"
    text = setting.corefile(port, "", kubernetes, f"ready {HOST}:{ready}")
    (folder / "Corefile").write_text(text)
    async with stub.serving(api_port), minidns("-conf", str(folder / "Corefile"), "-explain", "off") as running:
        await running.said(f".:{port}")
        yield stub.api, Asking(Server(port, ready_port=ready)), running


@pytest.mark.parametrize("more", ["", "; namespaced"], ids=["found-out", "said"])
async def test_ready_and_right_with_roles_alone(tmp_path: Path, more: str) -> None:
    options = f"pods insecure; ttl 30; namespaces conf-a{more}"
    async with tenant(tmp_path, options) as (api, ask, running):
        assert await ask.is_ready() == 200
        await ask.until("web.conf-a.svc", "A", "10.96.100.10")
        await ask.until("pod-0.hdls.conf-a.svc", "A", "10.244.2.1")
        await ask.until("conf-a.svc", "A", "NODATA")
        await ask.until("web.conf-b.svc", "A", "NXDOMAIN")
        await ask.until("10.96.100.10", "PTR", "web.conf-a.svc.cluster.local.")
        await ask.until("10.96.100.50", "PTR", "NXDOMAIN")
        api.apply(service("new", clusterIP="10.96.100.99"))
        await ask.until("new.conf-a.svc", "A", "10.96.100.99")
        warned = [line for line in running.lines if "not allowed to list" in line]
        assert bool(warned) == (not more)


async def test_a_role_that_is_missing_keeps_it_from_being_ready(tmp_path: Path) -> None:
    options = "startup_timeout 500ms; namespaces conf-a conf-b"
    async with tenant(tmp_path, options) as (_, ask, running):
        assert await ask.is_ready() == 503
        await ask.until("web.conf-a.svc", "A", "10.96.100.10")
        await ask.until("web.conf-b.svc", "A", "SERVFAIL")
        await running.said('in the namespace "conf-b"')
