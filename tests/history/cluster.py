"""The cluster behind *kubernetes*: a few objects, each with three forms to take."""

from typing import Any

from minidns.kubernetes.resources import Access, ListWatch, Resource
from tests.conformance.api import Api

Tree = dict[str, Any]
State = tuple[int, ...]
"""The variant that each object has."""


def _tree(kind: str, name: str, **fields: Any) -> Tree:
    meta = {"name": name, "labels": fields.pop("labels", {})}
    if kind != "Namespace":
        meta["namespace"] = "prod"
    return {"kind": kind, "metadata": meta, **fields}


def _service(name: str, **spec: Any) -> Tree:
    ports = [{"name": "http", "protocol": "TCP", "port": 80}]
    return _tree("Service", name, spec={"type": "ClusterIP", "ports": ports, **spec})


def _external(name: str) -> Tree:
    return _service("ext", type="ExternalName", externalName=name)


def _slice(*addresses: str) -> Tree:
    return _tree(
        "EndpointSlice",
        "db-1",
        labels={"kubernetes.io/service-name": "db"},
        addressType="IPv4",
        endpoints=[{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
        ports=[{"name": "http", "protocol": "TCP", "port": 80}],
    )


_MANY = tuple(f"10.244.0.{n}" for n in range(1, 33))
"""More than fit into 512 bytes, and more than IPv6 takes uncompressed: 1,355 bytes."""
_FIXED = (_tree("Namespace", "prod"), _service("db", clusterIP="None", clusterIPs=["None"]))
OBJECTS: tuple[tuple[Tree | None, Tree | None, Tree | None], ...] = (
    (
        _service("web", clusterIP="10.96.0.10", clusterIPs=["10.96.0.10"]),
        _service("web", clusterIP="10.96.0.11", clusterIPs=["10.96.0.11"]),
        None,
    ),
    (_slice(*_MANY), _slice("10.244.0.1"), _slice()),
    (_external("alias.example.org"), _external("web.prod.svc.cluster.local"), None),
    (None, _service("new", clusterIP="10.96.0.20", clusterIPs=["10.96.0.20"]), None),
)
"""The forms of each object, by number; None is its absence."""
FIRST: State = (0,) * len(OBJECTS)
LARGE = "db.prod.svc.{zone}"
NAMES = (
    "web.prod.svc.{zone}",
    "ext.prod.svc.{zone}",
    "new.prod.svc.{zone}",
    "no.prod.svc.{zone}",
    "nope.prod.svc.{zone}",
    "10-244-0-1.db.prod.svc.{zone}",
    "_http._tcp.web.prod.svc.{zone}",
    "_http._tcp.db.prod.svc.{zone}",
    "web.gone.svc.{zone}",
    "10-244-0-9.prod.pod.{zone}",
    "{zone}",
    "ns.dns.{zone}",
)
REVERSE = ("10.0.96.10.in-addr.arpa", "1.0.244.10.in-addr.arpa", "9.0.96.10.in-addr.arpa")  # fmt: skip


class Cluster:
    """An API server in memory, and which variant each of its objects has."""

    def __init__(self) -> None:
        self._api = Api(_FIXED)
        self.state: State = (-1,) * len(OBJECTS)
        self.become(FIRST)

    def list_watch(self, access: Access, resource: Resource) -> ListWatch:
        """Return what a reflector needs for ``resource``."""
        return self._api.list_watch(access, resource)

    def become(self, state: State) -> bool:
        """Write what differs from ``state``; return whether anything did."""
        before, self.state = self.state, state
        for number, (old, new) in enumerate(zip(before, state, strict=True)):
            if old == new:
                continue
            tree = OBJECTS[number][new]
            known = OBJECTS[number][old] if old >= 0 else None
            if tree is not None:
                self._api.apply(tree)
            elif known is not None:
                meta = known["metadata"]
                self._api.delete(known["kind"], meta["namespace"], meta["name"])
        return before != state
