"""What a new cluster holds before anyone writes to it."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import TYPE_CHECKING

from sim.addresses import NODE_RANGES, POD_RANGES, SERVICE_RANGES, nth
from sim.objects import Json

if TYPE_CHECKING:
    from sim.apiserver import Cluster

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
API_PORT = 6443
SUBNET_SIZE = {"IPv4": 2**8, "IPv6": 2**64}
"""Addresses of each node: a /24 and a /64."""

CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110"}


def fill(cluster: "Cluster", nodes: Iterable[str]) -> None:
    """Create the first namespaces, the nodes and the Service of the API itself."""
    for name in NAMESPACES:
        cluster.create(_named("v1", "Namespace", name))
    for place, name in enumerate(nodes):
        cluster.create(_node(name, place, cluster.addresses.families))
    for obj in _api_service():
        cluster.create(obj)


def _named(api_version: str, kind: str, name: str) -> Json:
    """Return an object with nothing but a name."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def _node(name: str, place: int, families: Iterable[str]) -> Json:
    """Return the node at ``place``, which has its share of every address range."""
    cidrs = [_share(family, place) for family in families]
    ips = [nth(NODE_RANGES[family], place + 2) for family in families]
    addresses = [{"type": "InternalIP", "address": ip} for ip in ips]
    return {
        **_named("v1", "Node", name),
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {
            "addresses": [*addresses, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "nodeInfo": {"kubeletVersion": "v1.33.0"},
        },
    }


def _share(family: str, place: int) -> str:
    """Return the range of Pod addresses of the node at ``place``."""
    size = SUBNET_SIZE[family]
    whole = ip_network(POD_RANGES[family])
    prefix = whole.max_prefixlen - (size.bit_length() - 1)
    return f"{whole[place * size]}/{prefix}"


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
