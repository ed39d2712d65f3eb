"""Replaces names and addresses by others, the same ones by the same, always.

Names of namespaces that every cluster has stay as they are. Cluster IPs and addresses
of pods become addresses that the simulated cluster can give out.
"""

from ipaddress import ip_address

from msgspec.structs import replace

from minidns.dns import names
from minidns.kubernetes.names import dashed, pod_address, record_of
from minidns.kubernetes.objects import (
    Endpoint,
    Endpoints,
    EndpointSlice,
    Key,
    Kind,
    Namespace,
    Object,
    Port,
    Service,
)

KNOWN = frozenset(
    {
        *("default", "kube-system", "kube-public", "kube-node-lease"),
        *("http", "https", "dns", "dns-tcp", "metrics", "grpc"),
        *("svc", "pod", "_zone", "tcp", "udp", "sctp", ""),
    }
)
"""Names that stay: namespaces of every cluster, and usual names of ports.

Names of Services are replaced, because the cluster in which a bundle is replayed has
Services of its own.
"""
_WORDS: dict[Kind, str] = {
    Namespace: "namespace",
    Service: "service",
    EndpointSlice: "slice",
}
_RANGES = {
    ("cluster", 4): "10.96.{}.{}",
    ("cluster", 6): "fd00:10:96::{:x}{:02x}",
    ("pod", 4): "10.244.{}.{}",
    ("pod", 6): "fd00:10:244::{:x}:{:x}",
}
_FIRST = 128
"""Third number of the first address: the simulated cluster has those before."""


class Redaction:
    """Replacements, made as they are needed."""

    def __init__(self, zone: str) -> None:
        """``zone`` is the cluster domain, which stays as it is."""
        self._zone = names.absolute(zone)
        self._names: dict[str, str] = {}
        """Replacements of names; a name has one whatever it is the name of."""
        self._addresses: dict[str, str] = {}

    # -- words

    def word(self, kind: str, text: str) -> str:
        """Return the replacement of a name: ``kind`` and a number."""
        if text.lower() in KNOWN:
            return text
        return self._names.setdefault(text.lower(), f"{kind}-{len(self._names) + 1}")

    def address(self, text: str, of: str = "pod") -> str:
        """Return the replacement of an address; ``of`` is ``cluster`` or ``pod``."""
        try:
            version = ip_address(text).version
        except ValueError:
            return self.dns_name(text) if text and text != "None" else text
        number = len(self._addresses)
        shown = _RANGES[of, version].format(_FIRST + number // 250, number % 250 + 1)
        return self._addresses.setdefault(text.lower(), shown)

    def dns_name(self, text: str) -> str:
        """Return the replacement of a name of DNS, absolute if ``text`` is."""
        name = names.absolute(text)
        dot = "." if text.endswith(".") else ""
        if not names.is_below(name, self._zone):
            return f"{self.word('name', name.removesuffix('.'))}.example{dot}"
        labels = names.labels(name)[: -len(names.labels(self._zone)) or None]
        return ".".join([*self._cluster_labels(labels), self._zone])[
            : None if dot else -1
        ]

    def _cluster_labels(self, labels: list[str]) -> list[str]:
        """Return the replacements of labels left of the zone, from right to left."""
        kinds = ("tree", "namespace", "service")
        replaced = []
        for place, label in enumerate(reversed(labels)):
            kind = kinds[place] if place < len(kinds) else "host"
            replaced.append(self._label(kind, label))
        return replaced[::-1]

    def _label(self, kind: str, label: str) -> str:
        address = pod_address(label)
        if record_of(address) is not None:
            return dashed(self.address(address))
        if label.startswith("_"):
            return "_" + self.word("port", label[1:]) if label not in KNOWN else label
        return self.word(kind, label)

    # -- objects

    def key(self, kind: Kind, key: Key) -> Key:
        """Return the key of a redacted object of ``kind``."""
        namespace = self.word("namespace", key.namespace)
        return Key(namespace, self.word(_WORDS[kind], key.name))

    def object(self, obj: Object) -> Object:
        """Return a Namespace, Service or EndpointSlice under other names."""
        if isinstance(obj, Service):
            return self._service(obj)
        if isinstance(obj, EndpointSlice):
            return self._slice(obj)
        return Namespace(self.key(Namespace, obj.key))

    def _ports(self, ports: tuple[Port, ...]) -> tuple[Port, ...]:
        return tuple(port._replace(name=self.word("port", port.name)) for port in ports)

    def _service(self, obj: Service) -> Object:
        return Service(
            self.key(Service, obj.key),
            obj.type,
            tuple(self.address(each, "cluster") for each in obj.cluster_ips),
            self.address(obj.external_name),
            self._ports(obj.ports),
        )

    def _slice(self, obj: EndpointSlice) -> Object:
        ends = (
            Endpoint(
                self.address(end.address),
                end.hostname and self.word("host", end.hostname),
                end.target and self.word("pod", end.target),
                end.ready,
            )
            for end in obj.endpoints
        )
        return replace(
            obj,
            key=self.key(EndpointSlice, obj.key),
            service=self.key(Service, obj.service),
            endpoints=Endpoints.of(*ends),
            ports=self._ports(obj.ports),
            meta=type(obj.meta)(),
        )
