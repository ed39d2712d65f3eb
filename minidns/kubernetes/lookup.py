"""From what a name asks for to the objects that answer it, by dict look-ups.

What is found are groups: hosts that share ports, of a Service or of one slice. Whether
they become A, SRV or nothing at all is decided in ``records``.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from minidns.dns.model import Source
from minidns.kubernetes.addresses import endpoint_name, pod_address, record_of
from minidns.kubernetes.model import (
    Group,
    Keys,
    Match,
    Miss,
    Sources,
    endpoints_of,
    option_source,
    source_of,
)
from minidns.kubernetes.names import ParsedName
from minidns.kubernetes.objects import (
    Endpoint,
    EndpointSlice,
    Key,
    Namespace,
    Port,
    Service,
)
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.store import Store
from minidns.kubernetes.window import EVERYTHING, LEAST, Window

_PODS_DISABLED = Miss(
    False, "negative/pods-disabled", (option_source("pods disabled"),)
)
_NOT_LISTED = Miss(
    False, "negative/namespace-not-listed", (option_source("namespaces"),)
)
POD_PORT = (Port("", "", 0),)
"""Pods have no ports; their SRV records say 0 (a quirk of CoreDNS)."""


class NoService(Struct, frozen=True, gc=False):
    """Whether a namespace has no Service of a name."""

    services: Mapping[Key, Service]
    namespace: str

    def __call__(self, name: str) -> bool:
        """Return whether ``name`` is none."""
        return (self.namespace, name) not in self.services


class Lookup:
    """Finds the objects that answer names: Services in ``store``, the rest in ``main``.

    The two differ for imported Services only (multicluster).
    """

    def __init__(self, options: KubernetesOptions, store: Store, main: Store) -> None:
        self.options = options
        self.store = store
        self.main = main
        self.imports = store is not main
        self.serial: Callable[[], int] = lambda: store.serial
        """Gives that of the zone's SOA."""
        self._cited: dict[str, tuple[Namespace, Sources, Keys]] = {}

    def exposed(self, namespace: str) -> bool:
        """Return whether names of ``namespace`` are answered at all."""
        listed = self.options.namespaces
        return namespace in self.main.namespaces and (not listed or namespace in listed)

    def find(self, asked: ParsedName, window: Window = EVERYTHING) -> Match | Miss:
        """Return what ``asked`` stands for, as much of it as is in ``window``."""
        if asked.tree == "pod" and self.options.pods == "disabled":
            return _PODS_DISABLED
        name = asked.namespace
        if self.options.namespaces and name not in self.options.namespaces:
            return _NOT_LISTED
        namespace = self.main.namespaces.get(name)
        if namespace is None:
            gone = Source("Namespace", name, found=False)
            absent = (("namespace", name),)
            return Miss(False, "negative/no-such-namespace", (gone,), absent)
        sources, keys = self._of_namespace(name, namespace)
        if not asked.service:
            return Miss(True, "zone/namespace", sources, keys)
        if asked.tree == "pod":
            return self._pod(asked, sources, keys)
        return self._service(asked, window, sources, keys)

    def _of_namespace(self, name: str, namespace: Namespace) -> tuple[Sources, Keys]:
        """Return what every answer in ``namespace`` follows from; made once."""
        known = self._cited.get(name)
        if known is None or known[0] is not namespace:
            if len(self._cited) > len(self.main.namespaces):
                self._cited.clear()  # some of them are gone
            sources = (source_of("Namespace", namespace),)
            known = self._cited[name] = namespace, sources, (("namespace", name),)
        return known[1:]

    def _service(
        self, asked: ParsedName, window: Window, sources: Sources, keys: Keys
    ) -> Match | Miss:
        name, namespace = asked.service, asked.namespace
        keys += (("service", namespace, name),)
        # to make it a Key would take as long as all the rest
        service = self.store.services.get((namespace, name))  # type: ignore[call-overload]
        if service is None:
            gone = Source(self.store.kind, f"{namespace}/{name}", found=False)
            return Miss(False, "negative/no-such-service", (*sources, gone), keys)
        sources += (source_of(self.store.kind, service),)
        if asked.directive:
            return self._zonal(service, asked, window, sources, keys)
        if service.type == "ExternalName":
            return _external(service, asked, sources, keys, self.options.strict)
        if self.options.strict and asked.endpoint.startswith("_"):
            return self._protocol(service, asked, sources, keys)
        if service.headless or asked.endpoint:
            return self._endpoints(service, asked, window, sources, keys)
        return self._cluster_ip(service, asked, sources, keys)

    def _cluster_ip(
        self, service: Service, asked: ParsedName, sources: Sources, keys: Keys
    ) -> Match | Miss:
        if self.options.ignore_empty and not self.imports:
            keys += endpoints_of(service.key)
            slices = self.store.slices_of(service.key)
            sources += tuple(source_of("EndpointSlice", each) for each in slices)
            if not any(end.ready for each in slices for end in each.endpoints):
                sources += (option_source("ignore empty_service"),)
                return Miss(False, "negative/empty-service", sources, keys)
        ports = filtered(service.ports, asked)
        if not ports:
            return Miss(False, "negative/no-such-port", sources, keys)
        if not service.cluster_ips:
            return Miss(False, "negative/no-cluster-ip", sources, keys)
        rule = "service/port" if asked.port or asked.protocol else "service/cluster-ip"
        owner = f"{service.key.name}.{service.key.namespace}.svc."
        group = Group(service.cluster_ips, ports)
        return Match(self._rule(rule), owner, (group,), sources, keys)

    def _endpoints(
        self,
        service: Service,
        asked: ParsedName,
        window: Window,
        sources: Sources,
        keys: Keys,
        zone: str = "",
    ) -> Match | Miss:
        if not self.options.endpoints:
            sources += (option_source("noendpoints"),)
            return Miss(False, "negative/noendpoints", sources, keys)
        keys += endpoints_of(service.key)
        slices = self.store.slices_of(service.key)
        found, partial = self.groups(service, slices, asked, window, zone)
        held = () if found else self.store.held.slices_of(service.key)
        if held:
            found, partial = self.groups(service, held, asked, window, zone)
        if not found:
            sources += tuple([source_of("EndpointSlice", each) for each in slices])
            return Miss(False, _missing(slices, asked), sources, keys)
        rule = "headless/held" if held else self._endpoint_rule(service, asked, found)
        sources += tuple(source_of("EndpointSlice", each) for each, _ in found)
        owner = f"{service.key.name}.{service.key.namespace}.svc."
        groups = [group for _, group in found]
        return Match(self._rule(rule), owner, groups, sources, keys, partial)

    def groups(
        self,
        service: Service,
        slices: Sequence[EndpointSlice],
        asked: ParsedName,
        window: Window,
        zone: str = "",
    ) -> tuple[list[tuple[EndpointSlice, Group]], bool]:
        """Return those of ``slices`` that have something ``asked`` for, and what.

        As much of it as is in ``window``, of ``zone`` if there is one; and whether
        there may be more.
        """
        found: list[tuple[EndpointSlice, Group]] = []
        hosts: set[str] = set()
        able = [each for each in slices if self._may_answer(each, asked)]
        for each, ready in window.walk(able):
            if window.wants(each):
                if len(hosts) >= window.most:
                    return found, True
            elif found and (len(hosts) >= LEAST or not window.ports):
                break  # others tell that the name exists, and count for SRV's weight
            ends = self._named(ready, asked.endpoint, zone)
            if ends:
                ports = filtered(each.ports, asked)
                if self.options.strict:
                    ports = _of_service(ports, service)
                addresses = [end.address for end in ends]
                hosts.update(window.counted(each, addresses))
                found.append((each, Group(addresses, ports, ends, each.cluster)))
        return found, False

    def _may_answer(self, one: EndpointSlice, asked: ParsedName) -> bool:
        """Return whether ``one`` is worth a look at its endpoints."""
        label = asked.endpoint
        if label and self.imports and one.cluster.lower() != asked.cluster:
            return False
        if label and not one.endpoints.may_name(label):
            return False
        return bool(filtered(one.ports, asked))

    def _named(self, ends: list[Endpoint], label: str, zone: str) -> list[Endpoint]:
        """Return those of ``ends`` with the name ``label`` that are in ``zone``."""
        if label:
            pod_names = self.options.endpoint_pod_names
            ends = [e for e in ends if endpoint_name(e, pod_names).lower() == label]
        return [end for end in ends if end.zone.lower() == zone] if zone else ends

    def _endpoint_rule(
        self,
        service: Service,
        asked: ParsedName,
        found: Sequence[tuple[EndpointSlice, Group]],
    ) -> str:
        family = "headless" if service.headless else "service"
        if not asked.endpoint:
            return f"{family}/port" if asked.port or asked.protocol else "headless/name"
        end = found[0][1].endpoints[0]
        named = "address"
        if end.hostname:
            named = "hostname"
        elif self.options.endpoint_pod_names and asked.endpoint == end.target.lower():
            named = "pod-name"
        return f"{family}/endpoint-{named}"

    def _protocol(
        self, service: Service, asked: ParsedName, sources: Sources, keys: Keys
    ) -> Miss:
        """Return whether ``_tcp`` and the like have named ports below (RFC 8020)."""
        ports = service.ports
        if service.headless:
            keys += endpoints_of(service.key)
            slices = self.store.slices_of(service.key)
            ready = [s for s in slices if any(end.ready for end in s.endpoints)]
            sources += tuple(source_of("EndpointSlice", each) for each in slices)
            ports = tuple(port for each in ready for port in each.ports)
        wanted = asked.endpoint.removeprefix("_")
        if any(port.name and port.protocol.lower() == wanted for port in ports):
            return Miss(True, "zone/protocol", sources, keys)
        return Miss(False, "negative/no-such-endpoint", sources, keys)

    def _zonal(
        self,
        service: Service,
        asked: ParsedName,
        window: Window,
        sources: Sources,
        keys: Keys,
    ) -> Match | Miss:
        if asked.directive not in ("pin", "prefer"):
            return Miss(False, "negative/no-such-zonal-directive", sources, keys)
        if not service.headless:
            return Miss(False, "negative/zonal-needs-headless", sources, keys)
        inside = self._endpoints(service, asked, window, sources, keys, asked.zone)
        if isinstance(inside, Match):
            return replace(inside, rule=f"zonal/{asked.directive}")
        every = self._endpoints(service, asked, window, sources, keys)
        if isinstance(every, Miss):
            return every
        if asked.directive == "pin":
            return Miss(True, "zonal/pin-nothing-there", every.sources, every.keys)
        return replace(every, rule="zonal/prefer-elsewhere")

    def _pod(self, asked: ParsedName, sources: Sources, keys: Keys) -> Match | Miss:
        extra = asked.endpoint or asked.port or asked.protocol
        if extra and self.options.strict:
            return Miss(False, "negative/too-long", sources, keys)
        address = pod_address(asked.service)
        if self.options.pods == "insecure":
            sources = (*sources, option_source("pods insecure"))
            if record_of(address) is None:
                return Miss(False, "negative/not-a-pod-address", sources, keys)
        else:
            keys = (*keys, ("pod", asked.namespace, address))
            pods = self.main.pods_at(asked.namespace, address)
            sources += tuple(source_of("Pod", pod) for pod in pods)
            if not pods:
                gone = Source("Pod", f"{asked.namespace}/{address}", found=False)
                return Miss(False, "negative/no-such-pod", (*sources, gone), keys)
        owner = f"{asked.service}.{asked.namespace}.pod."
        group = Group((address,), POD_PORT)
        return Match(f"pod/{self.options.pods}", owner, (group,), sources, keys)

    def _rule(self, rule: str) -> str:
        return f"import-{rule}" if self.imports else rule


def _external(
    service: Service, asked: ParsedName, sources: Sources, keys: Keys, strict: bool
) -> Match | Miss:
    name = service.external_name
    if asked.endpoint or asked.port or asked.protocol:
        return Miss(False, "negative/below-external-name", sources, keys)
    if not name or (record_of(name) is not None and not strict):
        return Miss(False, "negative/external-name-is-address", sources, keys)
    owner = f"{service.key.name}.{service.key.namespace}.svc."
    group = Group((name,), service.ports)
    return Match("external-name", owner, (group,), sources, keys)


def filtered(ports: Sequence[Port], asked: ParsedName) -> Sequence[Port]:
    """Return the ports that ``asked`` means; an empty port or protocol means any."""
    name, protocol = asked.port, asked.protocol
    if not name and not protocol:
        return ports
    return [
        port
        for port in ports
        if (not name or port.name.lower() == name)
        and (not protocol or port.protocol.lower() == protocol)
    ]


def _of_service(ports: Sequence[Port], service: Service) -> Sequence[Port]:
    """Return ``ports`` of a slice with the numbers of the Service (DNS spec 2.4.2)."""
    numbers = {(port.name, port.protocol): port for port in service.ports}
    return [numbers.get((port.name, port.protocol), port) for port in ports]


def _missing(slices: Sequence[EndpointSlice], asked: ParsedName) -> str:
    """Return the rule by which nothing in ``slices`` answers."""
    if not any(end.ready for each in slices for end in each.endpoints):
        return "negative/no-ready-endpoint"
    if asked.port or asked.protocol:
        return "negative/no-such-port"
    return "negative/no-such-endpoint"
