"""EndpointSlices of the Pods that a Service selects.

As the EndpointSlice controller: slices are named SERVICE-xxxxx and have at most 100
endpoints, one address type and one set of ports. Endpoints stay in their slice, and a
Service without endpoints has one empty slice.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..api.addresses import family_of
from ..api.objects import (
    Json,
    Key,
    condition,
    decode,
    dig,
    encode,
    is_terminating,
    key_of,
    labels_of,
    owner_reference,
)
from ..api.selectors import equal_to, matches_labels
from ..api.server import ClusterApi
from ..api.store import Change

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
ZONE = "topology.kubernetes.io/zone"
MAX_ENDPOINTS = 100
"""Endpoints per slice (--max-endpoints-per-slice of the EndpointSlice controller)."""


class Group(NamedTuple):
    """The address family and the ports that the endpoints of a slice share."""

    family: str
    ports: bytes
    """The ports in JSON, for comparison."""


Endpoints = dict[str, Json]
"""Endpoints by Pod UID."""


class SliceController:
    """Keeps the slices of each Service in sync with the Pods that it selects."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        namespace = change.obj["metadata"].get("namespace", "")
        match change.kind.name:
            case "Service":
                self._reconcile(key_of(change.obj))
            case "Pod":
                for service in self._selecting(change):
                    self._reconcile(key_of(service))
            case "EndpointSlice" if _is_managed(change.obj):
                self._reconcile(
                    (namespace, labels_of(change.obj).get(SERVICE_NAME, ""))
                )

    def _selecting(self, change: Change) -> list[Json]:
        """Return the Services that select a Pod, before or after the change."""
        states = [labels_of(change.obj)]
        if change.previous is not None:
            states.append(labels_of(change.previous))
        return [
            service
            for service in self._cluster.list("Service", key_of(change.obj)[0])
            if any(_selects(service, labels) for labels in states)
        ]

    def _reconcile(self, key: Key) -> None:
        """Create, update and delete slices until they match the Service."""
        service = self._cluster.find("Service", *key)
        if service is None or not _selector(service) or is_terminating(service):
            return
        desired = self._wanted(service)
        slices = [
            slice
            for slice in self._cluster.list("EndpointSlice", key[0])
            if labels_of(slice).get(SERVICE_NAME) == key[1] and _is_managed(slice)
        ]
        for group in desired:
            self._fill_group(service, group, desired[group], slices)
        for slice in slices:
            if _group_of(slice) not in desired:
                self._cluster.delete("EndpointSlice", *key_of(slice))

    def _wanted(self, service: Json) -> dict[Group, Endpoints]:
        """Return the desired endpoints of a Service by group."""
        desired: dict[Group, Endpoints] = {}
        for pod in self._cluster.list("Pod", key_of(service)[0]):
            if _selects(service, labels_of(pod)) and _has_endpoint(pod):
                for family, address in _addresses(service, pod):
                    group = Group(family, encode(list(_ports(service, pod))))
                    endpoint = self._endpoint(service, pod, address)
                    desired.setdefault(group, {})[pod["metadata"]["uid"]] = endpoint
        for family in dig(service, "spec.ipFamilies") or ():
            if not any(group.family == family for group in desired):
                desired[Group(family, b"[]")] = {}
        return desired

    def _endpoint(self, service: Json, pod: Json, address: str) -> Json:
        """Return the endpoint of ``pod`` in ``service``."""
        ready, terminating = condition(pod, "Ready") == "True", is_terminating(pod)
        publish = bool(service["spec"].get("publishNotReadyAddresses"))
        meta, spec = pod["metadata"], pod["spec"]
        endpoint: Json = {
            "addresses": [address],
            "conditions": {
                "ready": publish or (ready and not terminating),
                "serving": publish or ready,
                "terminating": terminating,
            },
            "targetRef": {
                "kind": "Pod",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
        }
        # only a Pod of this Service's subdomain has its host name here (DNS spec 2.4)
        if spec.get("hostname") and spec.get("subdomain") == key_of(service)[1]:
            endpoint["hostname"] = spec["hostname"]
        if node := spec.get("nodeName"):
            endpoint["nodeName"] = node
            node_ = self._cluster.find("Node", "", node)
            if node_ is not None and ZONE in labels_of(node_):
                endpoint["zone"] = labels_of(node_)[ZONE]
        hints = _hints(endpoint, service["spec"].get("trafficDistribution", ""))
        return {**endpoint, "hints": hints} if hints else endpoint

    def _fill_group(
        self, service: Json, group: Group, desired: Endpoints, slices: Iterable[Json]
    ) -> None:
        """Distribute the endpoints of a group over its slices and new ones."""
        missing = dict(desired)
        filled: list[tuple[Json, list[Json]]] = []
        for slice in slices:
            if _group_of(slice) == group:
                uids = [dig(e, "targetRef.uid") for e in slice["endpoints"]]
                endpoints = [missing.pop(uid) for uid in uids if uid in missing]
                filled.append((slice, endpoints))
        rest = list(missing.values())
        for _, endpoints in filled:
            room = MAX_ENDPOINTS - len(endpoints)
            endpoints += rest[:room]
            rest = rest[room:]
        is_first = True
        for slice, endpoints in filled:
            if endpoints or (is_first and not desired):
                self._update(service, slice, endpoints)
            else:
                self._cluster.delete("EndpointSlice", *key_of(slice))
            is_first = False
        for start in range(0, len(rest), MAX_ENDPOINTS):
            self._create(service, group, rest[start : start + MAX_ENDPOINTS])
        if not filled and not desired:
            self._create(service, group, [])

    def _update(self, service: Json, slice_: Json, endpoints: list[Json]) -> None:
        """Write a slice if its endpoints or labels changed."""
        labels = _labels(service)
        if slice_["endpoints"] != endpoints or labels_of(slice_) != labels:
            meta = {**slice_["metadata"], "labels": labels}
            self._cluster.update({**slice_, "metadata": meta, "endpoints": endpoints})

    def _create(self, service: Json, group: Group, endpoints: list[Json]) -> None:
        """Create a slice."""
        namespace, name = key_of(service)
        self._cluster.create(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "generateName": f"{name}-",
                    "namespace": namespace,
                    "labels": _labels(service),
                    "ownerReferences": [owner_reference(service)],
                },
                "addressType": group.family,
                "endpoints": endpoints,
                "ports": decode(group.ports),
            }
        )


def _hints(endpoint: Json, distribution: str) -> Json:
    """Return the topology hints of an endpoint (EndpointSlice, trafficdist)."""
    if not endpoint["conditions"]["ready"] or not distribution:
        return {}
    hints = {}
    if "zone" in endpoint:
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if "nodeName" in endpoint and distribution == "PreferSameNode":
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    return hints


def _is_managed(slice_: Json) -> bool:
    """Return whether this controller manages a slice."""
    return labels_of(slice_).get(MANAGED_BY) == CONTROLLER


def _group_of(slice_: Json) -> Group:
    """Return the group of a slice."""
    return Group(slice_["addressType"], encode(slice_.get("ports") or []))


def _selector(service: Json) -> dict[str, str]:
    """Return the selector of a Service; an ExternalName Service has none."""
    if dig(service, "spec.type") == "ExternalName":
        return {}
    return dig(service, "spec.selector") or {}


def _selects(service: Json, labels: dict[str, str]) -> bool:
    """Return whether a Service selects Pods with these labels."""
    selector = _selector(service)
    return bool(selector) and matches_labels(labels, equal_to(selector))


def _has_endpoint(pod: Json) -> bool:
    """Return whether a Pod has an address and has not finished."""
    over = dig(pod, "status.phase") in ("Succeeded", "Failed")
    return bool(dig(pod, "status.podIP")) and not over


def _addresses(service: Json, pod: Json) -> Iterator[tuple[str, str]]:
    """Yield family and address of a Pod for each family of the Service."""
    ips = [entry["ip"] for entry in dig(pod, "status.podIPs") or ()]
    for family in dig(service, "spec.ipFamilies") or ():
        for ip in ips:
            if family_of(ip) == family:
                yield family, ip
                break


def _ports(service: Json, pod: Json) -> Iterator[Json]:
    """Yield the slice ports of a Service for ``pod``, without unknown names."""
    for port in dig(service, "spec.ports") or ():
        number = _number(port, pod)
        if number is not None:
            entry = {"name": port.get("name", "")}
            entry |= {"port": number, "protocol": port["protocol"]}
            if "appProtocol" in port:
                entry["appProtocol"] = port["appProtocol"]
            yield entry


def _number(port: Json, pod: Json) -> int | None:
    """Return the number of a target port in ``pod``, or None."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for container in pod["spec"].get("containers") or ():
        for entry in container.get("ports") or ():
            named_so = entry.get("name") == target
            if named_so and entry.get("protocol", "TCP") == port["protocol"]:
                return int(entry["containerPort"])
    return None


def _labels(service: Json) -> dict[str, str]:
    """Return the labels of a Service's slices, which include the Service's own."""
    labels = {**labels_of(service), SERVICE_NAME: key_of(service)[1]}
    labels[MANAGED_BY] = CONTROLLER
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    return labels
