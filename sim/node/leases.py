"""The kubelet's sign of life: a Lease for each Node, renewed every ten seconds.

Source: Kubernetes, pkg/kubelet/kubelet.go and component-helpers/apimachinery/lease.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from ..api.objects import Json, key_of
from ..api.server import ClusterApi

NAMESPACE = "kube-node-lease"
DURATION_S = 40
"""Seconds after which a Node without a renewal counts as dead (nodeLeaseDuration)."""
RENEW_S = DURATION_S / 4


@contextlib.asynccontextmanager
async def renewing(cluster: ClusterApi) -> AsyncIterator[None]:
    """Keep the Leases of all Nodes renewed until the end of the block."""
    renew(cluster)
    task = asyncio.create_task(_renew_often(cluster))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _renew_often(cluster: ClusterApi) -> None:
    while True:
        await asyncio.sleep(RENEW_S)
        renew(cluster)


def renew(cluster: ClusterApi) -> None:
    """Create or renew the Lease of each Node."""
    for node in cluster.list("Node"):
        cluster.apply(_lease(node, cluster.now()))


def _lease(node: Json, now: float) -> Json:
    _, name = key_of(node)
    owner = {"apiVersion": "v1", "kind": "Node", "name": name}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "namespace": NAMESPACE,
            "name": name,
            "ownerReferences": [{**owner, "uid": node["metadata"]["uid"]}],
        },
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": DURATION_S,
            "renewTime": micro_time(now),
        },
    }


def micro_time(seconds: float) -> str:
    """Return a time in the format MicroTime of the API.

    >>> micro_time(0.25)
    '1970-01-01T00:00:00.250000Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
