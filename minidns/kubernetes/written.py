"""Objects as the API writes them, with the fields that DNS reads: the way back."""

from collections.abc import Mapping, Sequence
from typing import Any

from minidns.kubernetes.objects import (
    NO_PORT,
    SERVICE_NAME,
    Endpoint,
    EndpointSlice,
    Namespace,
    Object,
    Port,
    Service,
    family_of,
)

_FAMILIES = {1: "IPv4", 2: "IPv6", 4: "FQDN"}


def manifest(obj: Object) -> dict[str, Any]:
    """Return the manifest of a Namespace, a Service or an EndpointSlice.

    `objects` reads the same object from it, without uid and resourceVersion.
    """
    namespace, name = obj.key
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    if isinstance(obj, Service):
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": _service_spec(obj),
        }
    if isinstance(obj, EndpointSlice):
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**meta, "labels": {SERVICE_NAME: obj.service.name}},
            "addressType": _address_type(obj),
            "endpoints": [_endpoint(end) for end in obj.endpoints],
            "ports": _ports(obj.ports),
        }
    if isinstance(obj, Namespace):
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}
    raise TypeError(f"a {type(obj).__name__} is not written")


def _service_spec(service: Service) -> Mapping[str, Any]:
    spec: dict[str, Any] = {"type": service.type, "ports": _ports(service.ports)}
    if service.cluster_ips:
        spec["clusterIP"] = service.cluster_ips[0]
        spec["clusterIPs"] = list(service.cluster_ips)
    if len(service.cluster_ips) > 1:
        spec["ipFamilyPolicy"] = "RequireDualStack"
    if service.external_name:
        spec["externalName"] = service.external_name
    if service.external_ips:
        spec["externalIPs"] = list(service.external_ips)
    return spec


def _address_type(slice_: EndpointSlice) -> str:
    families = [family_of(end.address) for end in slice_.endpoints]
    return _FAMILIES[families[0] if families else 1]


def _endpoint(end: Endpoint) -> Mapping[str, Any]:
    written: dict[str, Any] = {
        "addresses": [end.address],
        "conditions": {"ready": end.ready},
    }
    if end.hostname:
        written["hostname"] = end.hostname
    if end.target:
        written["targetRef"] = {"kind": "Pod", "name": end.target}
    if end.zone:
        written["zone"] = end.zone
    return written


def _ports(ports: Sequence[Port]) -> list[Mapping[str, Any]]:
    return [
        {"name": port.name, "protocol": port.protocol, "port": port.number}
        if port.name
        else {"protocol": port.protocol, "port": port.number}
        for port in ports
        if port != NO_PORT
    ]
