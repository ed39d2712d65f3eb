"""The objects of a large cluster, for `ClusterApi.load`."""

from collections.abc import Iterator

from ..api.addresses import POD_RANGES, SERVICE_RANGES, nth
from ..api.objects import Json
from ..controllers.slices import CONTROLLER, MANAGED_BY, SERVICE_NAME

PORT = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
FIRST = 1024
"""Offset of the first address in each range."""


def services(count: int, endpoints: int, namespaces: int = 10) -> Iterator[Json]:
    """Yield Namespaces, then Services with one slice each.

    Service number i is svc-i in namespace pop-(i modulo ``namespaces``); one in ten is
    headless. Each slice has ``endpoints`` endpoints; their addresses repeat after the
    end of the Pod range.
    """
    for number in range(namespaces):
        yield {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": f"pop-{number}"},
            "status": {"phase": "Active"},
        }
    for number in range(count):
        place = {"namespace": f"pop-{number % namespaces}"}
        yield _service(number, place)
        yield _slice(number, place, endpoints)


def _service(number: int, place: Json) -> Json:
    """Return Service number ``number``."""
    ip = "None" if number % 10 == 0 else nth(SERVICE_RANGES["IPv4"], FIRST + number)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**place, "name": f"svc-{number}"},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": ip,
            "clusterIPs": [ip],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [PORT],
            "selector": {"app": f"svc-{number}"},
        },
    }


def _slice(number: int, place: Json, endpoints: int) -> Json:
    """Return the slice of Service number ``number``."""
    name = f"svc-{number}"
    labels = {SERVICE_NAME: name, MANAGED_BY: CONTROLLER}
    first = FIRST + number * endpoints
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**place, "name": f"{name}-slice", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [
            _endpoint(f"{name}-{index}", first + index, place)
            for index in range(endpoints)
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def _endpoint(pod: str, offset: int, place: Json) -> Json:
    """Return the endpoint of ``pod``."""
    address = nth(POD_RANGES["IPv4"], offset % 65536)
    return {
        "addresses": [address],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{offset % 100}",
        "targetRef": {"kind": "Pod", **place, "name": pod, "uid": f"uid-{pod}"},
    }
