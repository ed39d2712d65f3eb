"""EndpointSlices: made from a Service's selector and the Pods it selects.

Follows the EndpointSlice controller: slices named SERVICE-xxxxx of at most 100
endpoints, one address type and one set of ports each; endpoints stay in the slice
they are in, and an empty slice stands for a Service that selects nothing.
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
from ..api.selectors import equal_to, fulfils
from ..api.server import ClusterApi
from ..api.store import Change

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
ZONE = "topology.kubernetes.io/zone"
MOST = 100
"""Endpoints in one slice (EndpointSlice controller, --max-endpoints-per-slice)."""


class Group(NamedTuple):
    """What all endpoints of a slice have in common."""

    family: str
    ports: bytes
    """The slice's ports as JSON, comparable."""


Endpoints = dict[str, Json]
"""Endpoints by the UID of their Pod."""


class SliceController:
    """Keeps the slices of each Service equal to the Pods it selects."""

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
            case "EndpointSlice" if _is_ours(change.obj):
                self._reconcile(
                    (namespace, labels_of(change.obj).get(SERVICE_NAME, ""))
                )

    def _selecting(self, change: Change) -> list[Json]:
        """Return the Services that select a Pod or did before the change."""
        states = [labels_of(change.obj)]
        if change.previous is not None:
            states.append(labels_of(change.previous))
        return [
            service
            for service in self._cluster.list("Service", key_of(change.obj)[0])
            if any(_selects(service, labels) for labels in states)
        ]

    def _reconcile(self, key: Key) -> None:
        """Write what differs from the slices that a Service should have."""
        service = self._cluster.find("Service", *key)
        if service is None or not _selector(service) or is_terminating(service):
            return
        wanted = self._wanted(service)
        slices = [
            found
            for found in self._cluster.list("EndpointSlice", key[0])
            if labels_of(found).get(SERVICE_NAME) == key[1] and _is_ours(found)
        ]
        for group in wanted:
            self._fill_group(service, group, wanted[group], slices)
        for found in slices:
            if _group_of(found) not in wanted:
                self._cluster.delete("EndpointSlice", *key_of(found))

    def _wanted(self, service: Json) -> dict[Group, Endpoints]:
        """Return the endpoints a Service should have, by group."""
        found: dict[Group, Endpoints] = {}
        for pod in self._cluster.list("Pod", key_of(service)[0]):
            if _selects(service, labels_of(pod)) and _has_endpoint(pod):
                for family, address in _addresses(service, pod):
                    group = Group(family, encode(list(_ports(service, pod))))
                    endpoint = self._endpoint(service, pod, address)
                    found.setdefault(group, {})[pod["metadata"]["uid"]] = endpoint
        for family in dig(service, "spec.ipFamilies") or ():
            if not any(group.family == family for group in found):
                found[Group(family, b"[]")] = {}
        return found

    def _endpoint(self, service: Json, pod: Json, address: str) -> Json:
        """Return the endpoint that ``pod`` is of ``service``."""
        ready, leaving = condition(pod, "Ready") == "True", is_terminating(pod)
        anyway = bool(service["spec"].get("publishNotReadyAddresses"))
        meta, spec = pod["metadata"], pod["spec"]
        endpoint: Json = {
            "addresses": [address],
            "conditions": {
                "ready": anyway or (ready and not leaving),
                "serving": anyway or ready,
                "terminating": leaving,
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
            found = self._cluster.find("Node", "", node)
            if found is not None and ZONE in labels_of(found):
                endpoint["zone"] = labels_of(found)[ZONE]
        return endpoint

    def _fill_group(
        self, service: Json, group: Group, wanted: Endpoints, slices: Iterable[Json]
    ) -> None:
        """Spread the endpoints of one group over the slices it has, then new ones."""
        todo = dict(wanted)
        kept: list[tuple[Json, list[Json]]] = []
        for found in slices:
            if _group_of(found) == group:
                uids = [dig(e, "targetRef.uid") for e in found["endpoints"]]
                stay = [todo.pop(uid) for uid in uids if uid in todo]
                kept.append((found, stay))
        rest = list(todo.values())
        for _, stay in kept:
            room = MOST - len(stay)
            stay += rest[:room]
            rest = rest[room:]
        is_first = True
        for found, stay in kept:
            if stay or (is_first and not wanted):
                self._update(service, found, stay)
            else:
                self._cluster.delete("EndpointSlice", *key_of(found))
            is_first = False
        for start in range(0, len(rest), MOST):
            self._create(service, group, rest[start : start + MOST])
        if not kept and not wanted:
            self._create(service, group, [])

    def _update(self, service: Json, found: Json, endpoints: list[Json]) -> None:
        """Write a slice whose endpoints or labels should be others."""
        labels = _labels(service)
        if found["endpoints"] != endpoints or labels_of(found) != labels:
            meta = {**found["metadata"], "labels": labels}
            self._cluster.update({**found, "metadata": meta, "endpoints": endpoints})

    def _create(self, service: Json, group: Group, endpoints: list[Json]) -> None:
        """Write a new slice."""
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


def _is_ours(found: Json) -> bool:
    """Return whether this controller made a slice."""
    return labels_of(found).get(MANAGED_BY) == CONTROLLER


def _group_of(found: Json) -> Group:
    """Return the group of the endpoints in a slice."""
    return Group(found["addressType"], encode(found.get("ports") or []))


def _selector(service: Json) -> dict[str, str]:
    """Return the selector of a Service, empty if it has none that counts."""
    if dig(service, "spec.type") == "ExternalName":
        return {}
    return dig(service, "spec.selector") or {}


def _selects(service: Json, labels: dict[str, str]) -> bool:
    """Return whether a Service selects Pods with these labels."""
    selector = _selector(service)
    return bool(selector) and fulfils(labels, equal_to(selector))


def _has_endpoint(pod: Json) -> bool:
    """Return whether a Pod has an address and is not done."""
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
    """Yield the ports of a Service as numbers of ``pod``, less unknown names."""
    for port in dig(service, "spec.ports") or ():
        number = _number(port, pod)
        if number is not None:
            found = {"name": port.get("name", "")}
            found |= {"port": number, "protocol": port["protocol"]}
            if "appProtocol" in port:
                found["appProtocol"] = port["appProtocol"]
            yield found


def _number(port: Json, pod: Json) -> int | None:
    """Return the port number that a target port means in ``pod``."""
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
    """Return the labels of a Service's slices: the Service's own and three more."""
    labels = {**labels_of(service), SERVICE_NAME: key_of(service)[1]}
    labels[MANAGED_BY] = CONTROLLER
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    return labels
