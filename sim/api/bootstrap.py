"""The objects that a new cluster holds: Namespaces, Nodes and the API's Service."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from .addresses import NODE_RANGES, POD_RANGES, SERVICE_RANGES, nth
from .objects import Json

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
API_PORT = 6443
VERSION = "v1.36.2"
"""The Kubernetes version that the API server and the kubelets report."""
CAPACITY = {"cpu": "8", "memory": "16Gi", "pods": "110"}
SUBNET_SIZE = {"IPv4": 2**8, "IPv6": 2**64}
"""Addresses of each node: a /24 and a /64."""


def objects(nodes: Iterable[str], families: Iterable[str]) -> Iterator[Json]:
    """Yield the first Namespaces, the Nodes and the Service of the API itself."""
    families = tuple(families)
    for name in NAMESPACES:
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    for index, name in enumerate(nodes):
        yield node(name, index, families)
    yield from _api_service()
    yield _service_range(families)


def node(name: str, index: int, families: Iterable[str]) -> Json:
    """Return the Node number ``index``, with its part of every address range."""
    cidrs = [_pod_cidr(family, index) for family in families]
    ips = [nth(NODE_RANGES[family], index + 2) for family in families]
    addresses = [{"type": "InternalIP", "address": ip} for ip in ips]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
        "status": {
            "addresses": [*addresses, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "nodeInfo": {"kubeletVersion": VERSION},
        },
    }


def _pod_cidr(family: str, index: int) -> str:
    """Return the Pod CIDR of Node number ``index``."""
    size = SUBNET_SIZE[family]
    cluster = ip_network(POD_RANGES[family])
    prefix = cluster.max_prefixlen - (size.bit_length() - 1)
    return f"{cluster[index * size]}/{prefix}"


def _service_range(families: Iterable[str]) -> Json:
    """Return the ServiceCIDR with the ranges of cluster IPs."""
    ready = {"type": "Ready", "status": "True", "reason": ""}
    message = "Kubernetes Service CIDR is ready"
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {
            "name": "kubernetes",
            "finalizers": ["networking.k8s.io/service-cidr-finalizer"],
        },
        "spec": {"cidrs": [SERVICE_RANGES[family] for family in families]},
        "status": {"conditions": [{**ready, "message": message}]},
    }


def _api_service() -> Iterator[Json]:
    """Yield the Service kubernetes, its slice and Endpoints, which nobody manages."""
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
    yield {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            **meta,
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {
                "addresses": [{"ip": nth(NODE_RANGES["IPv4"], 2)}],
                "ports": [{"name": "https", "port": API_PORT, "protocol": "TCP"}],
            }
        ],
    }
