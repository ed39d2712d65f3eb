"""Clusters made for tests: objects in a line each, and what the rules say about them."""

from collections.abc import Iterable

from minidns.dns import names
from minidns.dns.rdata import to_lines, type_number
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.model import ClusterAnswer, ClusterQuestion, ExternalTarget
from minidns.kubernetes.objects import (
    NO_PORT,
    Endpoint,
    Endpoints,
    EndpointSlice,
    Key,
    Meta,
    Namespace,
    Object,
    Pod,
    Port,
    Service,
    ServiceImport,
)
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.resources import Applied
from minidns.kubernetes.store import Store
from minidns.plugins.kubernetes import PLUGIN
from tests.world import World

ZONES = "cluster.local in-addr.arpa ip6.arpa"


def key(text: str) -> Key:
    """``namespace/name``, or a name without a namespace."""
    namespace, _, name = text.rpartition("/")
    return Key(namespace, name)


def meta(kind: str, text: str) -> Meta:
    return Meta(f"uid-{kind}-{text}", "1")


def ports(text: str) -> tuple[Port, ...]:
    """``http:80 dns:53/UDP :8080 nameless:-1``; empty for an object without ports."""
    found = []
    for word in text.split():
        name, _, rest = word.partition(":")
        number, _, protocol = rest.partition("/")
        found.append(Port(name, protocol or "TCP", int(number)))
    return tuple(found) or (NO_PORT,)


def namespace(name: str) -> Namespace:
    return Namespace(Key("", name), meta("Namespace", name))


def service(text: str, ips: str = "", ports_: str = "http:80", **more: str) -> Service:
    """A Service; ``ips`` are its cluster IPs, ``None`` for a headless one."""
    type_ = "ExternalName" if "external_name" in more else "ClusterIP"
    return Service(
        key(text),
        more.get("type", type_),
        tuple(ips.split()),
        more.get("external_name", ""),
        ports(ports_),
        tuple(more.get("external_ips", "").split()),
        meta("Service", text),
    )


def endpoint(text: str) -> Endpoint:
    """``ADDRESS[=HOSTNAME][@POD][%ZONE]``, ``!`` in front when not ready."""
    ready = not text.startswith("!")
    text, _, zone = text.removeprefix("!").partition("%")
    text, _, target = text.partition("@")
    address, _, hostname = text.partition("=")
    return Endpoint(address, hostname, target, ready, zone)


def slice_of(owner: str, text: str, ports_: str = "http:8080", name: str = "", cluster: str = "") -> EndpointSlice:
    """A slice of the Service ``owner`` with endpoints as ``endpoint`` has them."""
    named = key(owner)
    own = Key(named.namespace, name or f"{named.name}-1")
    return EndpointSlice(
        own,
        named,
        Endpoints.of(*map(endpoint, text.split())),
        ports(ports_),
        cluster,
        meta=meta("EndpointSlice", str(own)),
    )


def pod(text: str, address: str, *, deleting: bool = False) -> Pod:
    return Pod(key(text), address, deleting, meta("Pod", text))


def imported(text: str, ips: str = "", ports_: str = "http:80") -> ServiceImport:
    """A ServiceImport, headless without ``ips``."""
    found = tuple(ips.split())
    return ServiceImport(key(text), not found, found, ports(ports_), meta("ServiceImport", text))


def options(body: str = "", zones: str = ZONES) -> KubernetesOptions:
    """KubernetesOptions of a ``kubernetes`` directive with the lines ``body``."""
    lines = body.replace(";", "\n")
    text = f".:53 {{\nkubernetes {zones} {{\n{lines}\n}}\n}}\n"
    site = World().site(text)
    return PLUGIN.read_one(site.block.directives[0], site)


def store(objects: Iterable[Object] = (), *, hold_s: float = 0.0) -> Store:
    made = Store(wall=lambda: 1_700_000_000.9, hold_s=hold_s)
    for obj in objects:
        made.apply(Applied(obj))
    return made


class Cluster:
    """ClusterZones made of ``objects`` under options."""

    def __init__(
        self,
        objects: Iterable[Object],
        body: str = "pods insecure; ttl 30",
        zones: str = ZONES,
        imports: Iterable[Object] = (),
        local: tuple[str, ...] = (),
    ) -> None:
        self.store = store(objects)
        self.imports = Store(wall=lambda: 1_600_000_000, kind="ServiceImport")
        for obj in imports:
            self.imports.apply(Applied(obj))
        self.answers = ClusterZones(options(body, zones), self.store, self.imports)
        self.answers.local = local

    def answer(self, spelled: str, qtype: str = "A") -> ClusterAnswer:
        name = names.absolute(spelled)
        zone = self.answers.zone_of(name)
        assert zone is not None
        written = names.from_wire(names.to_wire(spelled if spelled[-1] == "." else spelled + "."))
        return self.answers.answer(ClusterQuestion(name, type_number(qtype), zone, written[-len(zone) :], name))

    def ask(self, spelled: str, qtype: str = "A") -> str:
        """Return the answer as lines: NODATA, NXDOMAIN, or the records."""
        return shown(self.answer(spelled, qtype))


def shown(answer: ClusterAnswer) -> str:
    if not answer.exists:
        return "NXDOMAIN"
    lines = []
    for piece in answer.answer:
        if isinstance(piece, ExternalTarget):
            lines.append(f"ask {piece.target}")
        else:
            lines += to_lines(piece)
    extra = [f"+ {line}" for rrset in answer.additional for line in to_lines(rrset)]
    return "\n".join([*lines, *extra]) if lines else "NODATA"
