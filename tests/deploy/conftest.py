"""Fixtures of the tests of deploy/."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from sim.api.http import ApiServer
from sim.controllers.cluster import Cluster
from tests.deploy.simulated import KUBEADM, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    cluster = Cluster(nodes=("node-1", "node-2"))
    for obj in yaml.safe_load_all(KUBEADM):
        cluster.create(obj)
    for name in ("minidns", "tenant"):
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    async with ApiServer(cluster) as api:
        yield World(cluster, api.kubeconfig(tmp_path / "kubeconfig"))
