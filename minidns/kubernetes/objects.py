"""Kubernetes objects, reduced to the fields that a DNS answer depends on.

Reading is typed decoding by msgspec of just the fields named here: a page of 100
EndpointSlices costs milliseconds and never becomes a tree of dicts. Endpoints, of which
a cluster has 150,000, are kept as bytes and decoded when a lookup reads them.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from sys import intern
from typing import ClassVar, NamedTuple, Self, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")


class Key(NamedTuple):
    """Namespace and name, the key client-go calls namespace/name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return ``namespace/name``, or the name of a thing that has no namespace."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Meta(NamedTuple):
    """The identity and version of an object."""

    uid: str = ""
    version: str = ""
    """resourceVersion: opaque, compared only for equality."""
    created: int = 0
    """Unix seconds, 0 if unknown; for people only."""


class Port(NamedTuple):
    """A port of a Service or a slice; its number is -1 if the object has none."""

    name: str = ""
    protocol: str = "TCP"
    number: int = -1


NO_PORT = Port("", "", -1)
"""The port of an object that has none (CoreDNS *kubernetes*)."""


class Service(Struct, frozen=True, gc=False):
    """A Service: its addresses and ports."""

    key: Key
    type: str = "ClusterIP"
    cluster_ips: tuple[str, ...] = ()
    """The addresses as written; ``("None",)`` for a headless Service."""
    external_name: str = ""
    ports: tuple[Port, ...] = (NO_PORT,)
    external_ips: tuple[str, ...] = ()
    """externalIPs and load-balancer addresses or host names (*k8s_external*)."""
    meta: Meta = Meta()

    @property
    def headless(self) -> bool:
        """Whether the Service has no address of its own (DNS spec 2.4)."""
        return bool(self.cluster_ips) and self.cluster_ips[0] == "None"


class Endpoint(Struct, frozen=True, gc=False, array_like=True):
    """One address of one endpoint."""

    address: str
    """An IPv4 or IPv6 address or a host name (FQDN), as written in the slice."""
    hostname: str = ""
    target: str = ""
    """Name of the Pod, or other object, behind it."""
    ready: bool = True
    zone: str = ""


_endpoints = msgspec.msgpack.Decoder(tuple[Endpoint, ...])


class Endpoints(Struct, frozen=True, gc=False):
    """Endpoints in their order, packed into a fifth of the memory, see ``of``."""

    packed: bytes = msgspec.msgpack.encode(())
    """The endpoints as MessagePack; equal endpoints are equal bytes."""
    count: int = 0
    families: int = 0
    """The sum of those of A, AAAA and NAMES that occur."""

    A: ClassVar[int] = 1
    AAAA: ClassVar[int] = 2
    NAMES: ClassVar[int] = 4

    @classmethod
    def of(cls, *endpoints: Endpoint) -> Self:
        """Pack ``endpoints``."""
        families = 0
        for endpoint in endpoints:
            families |= family_of(endpoint.address)
        return cls(msgspec.msgpack.encode(endpoints), len(endpoints), families)

    def __iter__(self) -> Iterator[Endpoint]:
        """Yield the endpoints."""
        return iter(_endpoints.decode(self.packed))

    def __len__(self) -> int:
        """Return the number of endpoints."""
        return self.count

    def may_name(self, label: str) -> bool:
        """Return False if none of them has the name ``label``, without unpacking.

        Names are hostnames, names of Pods, and addresses with dashes, to which a 0 may
        have been added (``addresses.endpoint_name``).
        """
        packed, wanted = self.packed.translate(_FOLDED), label.encode()
        wanted = wanted.translate(_FOLDED)
        return wanted in packed or wanted.removesuffix(b"0") in packed


_FOLDED = bytes.maketrans(
    b".:ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"--abcdefghijklmnopqrstuvwxyz"
)


def family_of(address: str) -> int:
    """Return the family of ``address``, by the rule of ``addresses.record_of``."""
    try:
        if ":" not in address:
            return Endpoints.A if inet_pton(AF_INET, address) else 0
        mapped = inet_pton(AF_INET6, address).startswith(bytes(10) + b"\xff\xff")
    except (OSError, ValueError):
        return Endpoints.NAMES
    return Endpoints.A if mapped else Endpoints.AAAA


class EndpointSlice(Struct, frozen=True, gc=False):
    """Some of a Service's endpoints, ready or not, with the ports they share."""

    key: Key
    service: Key
    """Named by its label; the name is empty where the label is missing."""
    endpoints: Endpoints = Endpoints()
    ports: tuple[Port, ...] = (NO_PORT,)
    cluster: str = ""
    """Cluster id of an imported slice (multicluster)."""
    triggered: str = ""
    """endpoints.kubernetes.io/last-change-trigger-time, for the latency metric."""
    meta: Meta = Meta()


class Pod(Struct, frozen=True, gc=False):
    """A Pod with an address, for ``pods verified`` and *autopath*."""

    key: Key
    address: str = ""
    deleting: bool = False
    meta: Meta = Meta()


class Namespace(Struct, frozen=True, gc=False):
    """A Namespace; only its existence matters."""

    key: Key
    meta: Meta = Meta()


class ServiceImport(Struct, frozen=True, gc=False):
    """A Service of a cluster set (multicluster.x-k8s.io)."""

    key: Key
    headless: bool = False
    addresses: tuple[str, ...] = ()
    ports: tuple[Port, ...] = (NO_PORT,)
    meta: Meta = Meta()


Object: TypeAlias = Service | EndpointSlice | Pod | Namespace | ServiceImport
Kind: TypeAlias = type[Object]

SERVICE_NAME = "kubernetes.io/service-name"
IMPORT_NAME = "multicluster.kubernetes.io/service-name"
SOURCE_CLUSTER = "multicluster.kubernetes.io/source-cluster"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


class _Metadata(Struct, rename="camel"):
    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    labels: dict[str, str | None] | None = None
    annotations: dict[str, str | None] | None = None
    deletion_timestamp: str | None = None
    creation_timestamp: str | None = None


class _Port(Struct):
    name: str | None = None
    protocol: str | None = None
    port: int | None = None


_SPEC_NAMES = {
    "cluster_ip": "clusterIP",
    "cluster_ips": "clusterIPs",
    "external_name": "externalName",
    "external_ips": "externalIPs",
}


class _ServiceSpec(Struct, rename=_SPEC_NAMES):
    type: str | None = None
    cluster_ip: str | None = None
    cluster_ips: list[str | None] | None = None
    external_name: str | None = None
    external_ips: list[str | None] | None = None
    ports: list[_Port | None] | None = None
    ips: list[str | None] | None = None


class _Ingress(Struct):
    ip: str | None = None
    hostname: str | None = None


class _LoadBalancer(Struct):
    ingress: list[_Ingress | None] | None = None


class _Status(Struct, rename={"load_balancer": "loadBalancer", "pod_ip": "podIP"}):
    load_balancer: _LoadBalancer | None = None
    pod_ip: str | None = None


class _Conditions(Struct):
    ready: bool | None = None


class _Reference(Struct):
    name: str | None = None


class _Endpoint(Struct, rename="camel"):
    addresses: list[str | None] | None = None
    conditions: _Conditions | None = None
    hostname: str | None = None
    target_ref: _Reference | None = None
    zone: str | None = None


class Json(Struct):
    """The JSON fields of any object that DNS reads."""

    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _ServiceSpec | None = None
    status: _Status | None = None
    endpoints: list[_Endpoint | None] | None = None
    ports: list[_Port | None] | None = None


def _present(items: Iterable[T | None] | None) -> list[T]:
    """Return ``items`` without nulls and empty texts, which say nothing."""
    return [item for item in items or () if item]


def _key(meta: _Metadata) -> Key:
    return Key(intern(meta.namespace or ""), meta.name)


def _meta(meta: _Metadata) -> Meta:
    try:
        created = int(datetime.fromisoformat(meta.creation_timestamp or "").timestamp())
    except (ValueError, OverflowError):
        created = 0
    return Meta(meta.uid or "", meta.resource_version or "", created)


def _ports(ports: Iterable[_Port | None] | None) -> tuple[Port, ...]:
    numbered = tuple(
        (p.name or "", p.protocol or "TCP", _number(p)) for p in _present(ports)
    )
    return _shared_ports(numbered) if numbered else (NO_PORT,)


def _number(port: _Port) -> int:
    """Return its number as SRV can carry it: of any other its low 16 bits (CoreDNS)."""
    if port.port is None or port.port == NO_PORT.number:
        return NO_PORT.number
    return port.port & 0xFFFF


@lru_cache(maxsize=256)
def _shared_ports(ports: tuple[tuple[str, str, int], ...]) -> tuple[Port, ...]:
    """Return one tuple for equal ports: most Services have one of a few sets."""
    return tuple(Port(intern(name), intern(proto), at) for name, proto, at in ports)


def service(obj: Json) -> Service:
    """Read a v1 Service."""
    spec = obj.spec or _ServiceSpec()
    ips = _present(spec.cluster_ips) or _present([spec.cluster_ip])
    balancer = obj.status.load_balancer if obj.status else None
    entries = balancer.ingress if balancer else None
    ingress = (entry.ip or entry.hostname for entry in _present(entries))
    return Service(
        _key(obj.metadata),
        intern(spec.type or "ClusterIP"),
        tuple(ips),
        spec.external_name or "",
        _ports(spec.ports),
        (*_present(spec.external_ips), *_present(ingress)),
        _meta(obj.metadata),
    )


def endpoint_slice(obj: Json, label: str = SERVICE_NAME) -> EndpointSlice:
    """Read a discovery.k8s.io/v1 EndpointSlice; ``label`` names its Service."""
    labels = obj.metadata.labels or {}
    annotations = obj.metadata.annotations or {}
    return EndpointSlice(
        _key(obj.metadata),
        Key(intern(obj.metadata.namespace or ""), labels.get(label) or ""),
        Endpoints.of(*_listed(_present(obj.endpoints))),
        _ports(obj.ports),
        labels.get(SOURCE_CLUSTER) or "",
        annotations.get(TRIGGER_TIME) or "",
        _meta(obj.metadata),
    )


def _listed(endpoints: Iterable[_Endpoint]) -> Iterator[Endpoint]:
    for end in endpoints:
        # a missing condition counts as ready (EndpointConditions.ready)
        ready = end.conditions is None or end.conditions.ready is not False
        target = (end.target_ref and end.target_ref.name) or ""
        for address in _present(end.addresses):
            yield Endpoint(address, end.hostname or "", target, ready, end.zone or "")


def imported_slice(obj: Json) -> EndpointSlice:
    """Read an EndpointSlice that belongs to a ServiceImport."""
    return endpoint_slice(obj, IMPORT_NAME)


def pod(obj: Json) -> Pod:
    """Read a v1 Pod."""
    return Pod(
        _key(obj.metadata),
        (obj.status and obj.status.pod_ip) or "",
        obj.metadata.deletion_timestamp is not None,
        _meta(obj.metadata),
    )


def namespace(obj: Json) -> Namespace:
    """Read a v1 Namespace."""
    return Namespace(Key("", obj.metadata.name), _meta(obj.metadata))


def service_import(obj: Json) -> ServiceImport:
    """Read a multicluster.x-k8s.io/v1alpha1 ServiceImport."""
    spec = obj.spec or _ServiceSpec()
    return ServiceImport(
        _key(obj.metadata),
        spec.type == "Headless",
        tuple(_present(spec.ips)),
        _ports(spec.ports),
        _meta(obj.metadata),
    )


def from_dict(tree: object) -> Json:
    """Return the fields that DNS reads of an object in plain dicts and lists.

    Raises:
        msgspec.ValidationError: a field has a type it cannot have.

    """
    return msgspec.convert(tree, Json)
