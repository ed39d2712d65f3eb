"""The measured cluster: Services and slices by number, served by the simulated API.

Run as a process (``python -m bench.cluster SERVICES KUBECONFIG``) so that the API
server's CPU is on nobody's account.
"""

import argparse
import asyncio
import os

from sim.apihttp import ApiServer
from sim.apiserver import Cluster

PER_HEADLESS = 5
"""Endpoints of a headless Service; one in ten is headless."""
SPACES = 100


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
    return f"10.{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def objects(services: int, endpoints: int) -> list[dict[str, object]]:
    """Return the Namespaces, Services and EndpointSlices of the measured cluster."""
    spaces: list[dict[str, object]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{n}"}}
        for n in range(min(SPACES, services))
    ]
    made = spaces
    for number in range(services):
        made.append(_service(number))
        made.append(_slice(number, PER_HEADLESS if headless(number) else endpoints))
    return made


def _service(number: int) -> dict[str, object]:
    ip = "None" if headless(number) else address(number)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name(number), "namespace": namespace(number)},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": ip,
            "clusterIPs": [ip],
            "ports": [
                {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
            ],
        },
    }


def _slice(number: int, endpoints: int) -> dict[str, object]:
    base = number * 16
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name(number)}-x",
            "namespace": namespace(number),
            "labels": {"kubernetes.io/service-name": name(number)},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [_pod(base + n)],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "nodeName": f"node-{(base + n) % 500}",
                "targetRef": {
                    "kind": "Pod",
                    "name": f"{name(number)}-5d4f6b7c8-{n:05}",
                    "namespace": namespace(number),
                },
            }
            for n in range(endpoints)
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _pod(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


async def serve(services: int, endpoints: int, kubeconfig: str) -> None:
    """Serve the cluster until killed; the kubeconfig is written once it can be used."""
    cluster = Cluster(with_controllers=False)
    cluster.load(objects(services, endpoints))
    async with ApiServer(cluster) as server:
        server.kubeconfig(kubeconfig + ".new")
        os.replace(kubeconfig + ".new", kubeconfig)
        await asyncio.Event().wait()


def main() -> None:
    """Run the process."""
    parser = argparse.ArgumentParser("bench.cluster")
    parser.add_argument("services", type=int)
    parser.add_argument("kubeconfig")
    parser.add_argument("--endpoints", type=int, default=1, help="of a ClusterIP one")
    args = parser.parse_args()
    asyncio.run(serve(args.services, args.endpoints, args.kubeconfig))


if __name__ == "__main__":
    main()
