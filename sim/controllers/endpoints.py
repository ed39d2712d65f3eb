"""Endpoints, the old form of EndpointSlices, kept in sync in both directions.

A Service with a selector gets Endpoints from its slices. Endpoints that somebody wrote
for a Service without selector are mirrored into a slice (Kubernetes,
pkg/controller/endpoint and endpointslicemirroring).
"""

from ..api.addresses import family_of
from ..api.objects import Json, Key, dig, key_of, labels_of, owner_reference
from ..api.server import ClusterApi
from ..api.store import Change
from .slices import CONTROLLER, HEADLESS, MANAGED_BY, SERVICE_NAME

BY_CONTROLLER = "endpoints.kubernetes.io/managed-by"
MIRRORING = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
_NOTHING: Json = {"metadata": {}}
_COPIED = ("hostname", "nodeName", "targetRef")
MAX_ADDRESSES = 1000
"""Addresses in Endpoints; the others are left out."""


class EndpointsController:
    """Writes Endpoints from slices, and slices from Endpoints."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster

    def __call__(self, change: Change) -> None:
        """React to one change."""
        key = key_of(change.obj)
        labels = labels_of(change.obj)
        match change.kind.name:
            case "EndpointSlice" if labels.get(MANAGED_BY) == CONTROLLER:
                self._write((key[0], labels.get(SERVICE_NAME, "")))
            case "Endpoints" | "Service":
                self._mirror(key)

    def _write(self, key: Key) -> None:
        """Write the Endpoints of a Service with a selector, if they changed."""
        service = self._cluster.find("Service", *key)
        if service is None:
            return
        wanted = f"{SERVICE_NAME}={key[1]},{MANAGED_BY}={CONTROLLER}"
        slices = self._cluster.list("EndpointSlice", key[0], wanted)
        family = (dig(service, "spec.ipFamilies") or ["IPv4"])[0]
        same = [slice for slice in slices if slice["addressType"] == family]
        labels = {**labels_of(service), BY_CONTROLLER: "endpoint-controller"}
        if service["spec"].get("clusterIP") == "None":
            labels[HEADLESS] = ""
        old = self._cluster.find("Endpoints", *key)
        subsets = list(filter(None, map(_subset, same)))
        if old is None or (old.get("subsets"), labels_of(old)) != (subsets, labels):
            meta = {"name": key[1], "namespace": key[0], "labels": labels}
            new = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta}
            write = self._cluster.create if old is None else self._cluster.update
            write({**new, "subsets": subsets})

    def _mirror(self, key: Key) -> None:
        """Mirror Endpoints that no controller manages into slices, one per subset."""
        endpoints = self._cluster.find("Endpoints", *key)
        service = self._cluster.find("Service", *key)
        wanted: list[Json] = []
        if endpoints is not None and service is not None and _is_mirrored(endpoints):
            if not service["spec"].get("selector"):
                wanted = [
                    _mirrored(endpoints, subset, family)
                    for subset in endpoints.get("subsets") or ()
                    for family in ("IPv4", "IPv6")
                ]
                wanted = [slice for slice in wanted if slice["endpoints"]]
        elif service is None and BY_CONTROLLER in labels_of(endpoints or _NOTHING):
            self._cluster.delete("Endpoints", *key)
        self._replace_mirrors(key, wanted)

    def _replace_mirrors(self, key: Key, wanted: list[Json]) -> None:
        """Replace the mirrored slices of a Service by ``wanted``, if they differ."""
        labels = f"{SERVICE_NAME}={key[1]},{MANAGED_BY}={MIRRORING}"
        there = self._cluster.list("EndpointSlice", key[0], labels)
        for slice in there:
            same = [each for each in wanted if _content(each) == _content(slice)]
            if same:
                wanted.remove(same[0])
            else:
                self._cluster.delete("EndpointSlice", *key_of(slice))
        for slice in wanted:
            self._cluster.create(slice)


def _is_mirrored(endpoints: Json) -> bool:
    labels = labels_of(endpoints)
    return BY_CONTROLLER not in labels and labels.get(SKIP) != "true"


def _subset(slice_: Json) -> Json | None:
    """Return the subset of the endpoints of a slice, or None without any."""
    subset: Json = {}
    for endpoint in slice_["endpoints"][:MAX_ADDRESSES]:
        ready = endpoint["conditions"]["ready"]
        copied = {name: endpoint[name] for name in _COPIED if name in endpoint}
        subset.setdefault("addresses" if ready else "notReadyAddresses", []).append(
            {"ip": endpoint["addresses"][0], **copied}
        )
    if not subset:
        return None
    ports = slice_.get("ports") or ()
    named = [{k: v for k, v in port.items() if v != ""} for port in ports]
    return subset | ({"ports": named} if named else {})


def _mirrored(endpoints: Json, subset: Json, family: str) -> Json:
    """Return the slice of the addresses of one family in a subset of Endpoints."""
    namespace, name = key_of(endpoints)
    labels = {k: v for k, v in labels_of(endpoints).items() if k != BY_CONTROLLER}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name}-",
            "namespace": namespace,
            "labels": {**labels, SERVICE_NAME: name, MANAGED_BY: MIRRORING},
            "ownerReferences": [owner_reference(endpoints)],
        },
        "addressType": family,
        "endpoints": [
            {
                "addresses": [address["ip"]],
                "conditions": {"ready": field == "addresses"},
                **{name: address[name] for name in _COPIED if name in address},
            }
            for field in ("addresses", "notReadyAddresses")
            for address in subset.get(field) or ()
            if family_of(address["ip"]) == family
        ],
        "ports": [
            {"name": "", "protocol": "TCP", **port}
            for port in subset.get("ports") or ()
        ],
    }


def _content(slice_: Json) -> tuple[object, ...]:
    """Return what a slice says, for comparison."""
    return slice_["addressType"], slice_["endpoints"], slice_.get("ports")
