"""What a new cluster holds before anyone writes to it."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..controllers.nodes import node
from .addresses import NODE_RANGES, SERVICE_RANGES, nth
from .objects import Json

if TYPE_CHECKING:
    from .server import Cluster

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
API_PORT = 6443


def fill(cluster: "Cluster", nodes: Iterable[str]) -> None:
    """Create the first namespaces, the nodes and the Service of the API itself."""
    for name in NAMESPACES:
        cluster.create(_named("v1", "Namespace", name))
    for place, name in enumerate(nodes):
        cluster.create(node(name, place, cluster.addresses.families))
    for obj in _api_service():
        cluster.create(obj)


def _named(api_version: str, kind: str, name: str) -> Json:
    """Return an object with nothing but a name."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def _api_service() -> Iterator[Json]:
    """Yield the Service kubernetes and its slice, which no controller looks after."""
    labels = {"component": "apiserver", "provider": "kubernetes"}
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": API_PORT}
    meta = {"name": "kubernetes", "namespace": "default"}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**meta, "labels": labels},
        "spec": {"clusterIP": nth(SERVICE_RANGES["IPv4"], 1), "ports": [port]},
    }
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [nth(NODE_RANGES["IPv4"], 2)], "conditions": {"ready": True}}
        ],
        "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
    }
