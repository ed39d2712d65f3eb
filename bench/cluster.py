"""The measured cluster: Services and slices by number, served by the simulated API.

Run as a process (``python -m bench.cluster SERVICES ENDPOINTS KUBECONFIG``) so that the
API server's CPU is on nobody's account. Objects carry all that real ones do, also what
DNS does not read: a list of 10,000 slices with 150,000 endpoints is 50 MB.
"""

import argparse
import asyncio
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from sim.api.http import ApiServer
from sim.api.objects import Json
from sim.api.rbac import ADMIN
from sim.api.server import ClusterApi
from sim.cluster import certificates

PER_HEADLESS = 5
"""Endpoints of a headless Service; one in ten is headless."""
SPACES = 100
MANY, PER_SLICE = "many", 100
"""The name of the headless Service with many endpoints, and endpoints of its slices."""
ALIAS, ALIAS_TARGET = "outside", "www-0.example.org"
"""The name of the Service of type ExternalName, and the name that it leads to."""
STRIDE = 32
"""Pod addresses between those of two Services."""


def namespace(number: int) -> str:
    """Return the namespace of a Service by its number."""
    return f"team-{number % SPACES}"


def name(number: int) -> str:
    """Return the name of a Service by its number."""
    return f"app-{number}"


def headless(number: int) -> bool:
    """Return whether the Service has no address of its own."""
    return number % 10 == 9


def address(number: int) -> str:
    """Return the ClusterIP of a Service."""
    return f"10.{200 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def pod(number: int, index: int) -> str:
    """Return the address of an endpoint of a Service."""
    at = number * STRIDE + index
    return f"10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"


def endpoints_of(services: int, endpoints: int) -> Iterator[int]:
    """Yield how many endpoints each Service has; ``endpoints`` in all, or one each."""
    open_ = sum(not headless(number) for number in range(services))
    left = max(open_, endpoints - (services - open_) * PER_HEADLESS)
    for number in range(services):
        if headless(number):
            yield PER_HEADLESS
        else:
            share = -(-left // open_)
            left, open_ = left - share, open_ - 1
            yield share


def objects(services: int, endpoints: int, many: int = 0) -> Iterator[Json]:
    """Yield the Namespaces, Services and EndpointSlices of the measured cluster.

    With ``many`` there is one more headless Service, which has so many endpoints.
    """
    for number in range(min(SPACES, services)):
        yield {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": f"team-{number}"},
            "status": {"phase": "Active"},
        }
    yield _alias()
    for number, count in enumerate(endpoints_of(services, endpoints)):
        yield _service(number)
        yield slice_of(number, count)
    if many:
        yield from _with_many(services, many)


def _with_many(number: int, endpoints: int) -> Iterator[Json]:
    """Yield a headless Service called ``MANY`` and its slices."""
    meta = {"name": MANY, "namespace": namespace(0)}
    service = _service(number)
    service["metadata"] |= meta
    service["spec"] |= {"clusterIP": "None", "clusterIPs": ["None"]}
    yield service
    for at in range(0, endpoints, PER_SLICE):
        made = slice_of(number + at, min(PER_SLICE, endpoints - at))
        made["metadata"] |= {"name": f"{MANY}-{at}", "namespace": namespace(0)}
        made["metadata"]["labels"] |= {"kubernetes.io/service-name": MANY}
        yield made


def _service(number: int) -> Json:
    ip = "None" if headless(number) else address(number)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name(number),
            "namespace": namespace(number),
            "labels": {"app.kubernetes.io/name": name(number)},
            "managedFields": _managed("f:spec", "kubectl-client-side-apply"),
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": ip,
            "clusterIPs": [ip],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [
                {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
            ],
            "selector": {"app.kubernetes.io/name": name(number)},
            "sessionAffinity": "None",
        },
        "status": {"loadBalancer": {}},
    }


def _alias() -> Json:
    """Return a Service of type ExternalName."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": ALIAS, "namespace": namespace(0)},
        "spec": {"type": "ExternalName", "externalName": ALIAS_TARGET},
    }


def slice_of(number: int, count: int, first: str = "") -> Json:
    """Return the one slice of a Service; ``first`` is its first endpoint's address."""
    addresses = [pod(number, index) for index in range(count)]
    if first:
        addresses[0] = first
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name(number)}-x7k2p",
            "generateName": f"{name(number)}-",
            "namespace": namespace(number),
            "labels": {
                "app.kubernetes.io/name": name(number),
                "endpointslice.kubernetes.io/managed-by": (
                    "endpointslice-controller.k8s.io"
                ),
                "kubernetes.io/service-name": name(number),
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "blockOwnerDeletion": True,
                    "controller": True,
                    "kind": "Service",
                    "name": name(number),
                    "uid": f"5f0c2d5e-9a4b-4b8e-8f3a-{number:012x}",
                }
            ],
            "managedFields": _managed("f:endpoints", "kube-controller-manager"),
        },
        "addressType": "IPv4",
        "endpoints": [
            _endpoint(number, index, ip) for index, ip in enumerate(addresses)
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _endpoint(number: int, index: int, ip: str) -> Json:
    return {
        "addresses": [ip],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"ip-10-0-{index % 250}-{number % 250}.ec2.internal",
        "targetRef": {
            "kind": "Pod",
            "name": f"{name(number)}-5d4f6b7c8-{index:05}",
            "namespace": namespace(number),
            "uid": f"0b6e4c7a-21d9-4f4e-{index:04x}-{number:012x}",
        },
        "zone": f"eu-west-1{'abc'[index % 3]}",
    }


def _managed(part: str, manager: str) -> list[Json]:
    return [
        {
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {}}, part: {"f:ports": {}}},
            "manager": manager,
            "operation": "Update",
            "time": "2026-01-01T00:00:00Z",
        }
    ]


async def serve(services: int, endpoints: int, kubeconfig: Path, many: int) -> None:
    """Serve the cluster until killed; the kubeconfig is written once it can be used."""
    cluster = ClusterApi()
    cluster.load(objects(services, endpoints, many))
    token = secrets.token_urlsafe()
    tls = certificates.write(kubeconfig.parent, "127.0.0.1")
    async with ApiServer(cluster, tls=tls, tokens={token: ADMIN.name}) as server:
        server.kubeconfig(kubeconfig.with_suffix(".new"), token)
        os.replace(kubeconfig.with_suffix(".new"), kubeconfig)
        await asyncio.Event().wait()


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser("bench.cluster")
    parser.add_argument("services", type=int)
    parser.add_argument("endpoints", type=int, help="of all Services together")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("--many", type=int, default=0)
    args = parser.parse_args()
    asyncio.run(serve(args.services, args.endpoints, args.kubeconfig, args.many))


if __name__ == "__main__":
    main()
