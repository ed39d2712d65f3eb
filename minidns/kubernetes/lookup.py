"""Finds the objects that answer a parsed name, by lookups in dicts.

The result is groups: hosts that share ports, of a Service or of one EndpointSlice. The
module ``records`` makes A, AAAA or SRV records from them, or none.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from minidns.dns.model import Source
from minidns.kubernetes.model import (
    EVERYTHING,
    MIN_CANDIDATES,
    FoundObjects,
    HostGroup,
    Keys,
    Sources,
    Window,
    endpoint_keys,
    option_source,
    source_of,
)
from minidns.kubernetes.names import ParsedName, endpoint_name, pod_address, record_of
from minidns.kubernetes.objects import (
    Endpoint,
    EndpointSlice,
    Key,
    Namespace,
    Port,
    Service,
)
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.rules import Rule
from minidns.kubernetes.store import Store

_PODS_DISABLED = FoundObjects(Rule.PODS_DISABLED, (option_source("pods disabled"),))
_NOT_LISTED = FoundObjects(Rule.NAMESPACE_NOT_LISTED, (option_source("namespaces"),))
POD_PORT = (Port("", "", 0),)
"""Pods have no ports; their SRV records have port 0 (CoreDNS *kubernetes*)."""


class NoService(Struct, frozen=True, gc=False):
    """Tests whether a namespace has no Service with a given name."""

    services: Mapping[Key, Service]
    namespace: str

    def __call__(self, name: str) -> bool:
        """Return whether the namespace has no Service ``name``."""
        return (self.namespace, name) not in self.services


class Lookup:
    """Finds Services in ``store`` and all other objects in ``main``.

    The two stores differ for imported Services alone (option *multicluster*).
    """

    def __init__(self, options: KubernetesOptions, store: Store, main: Store) -> None:
        self.options = options
        self.store = store
        self.main = main
        self.imports = store is not main
        self.serial: Callable[[], int] = lambda: store.serial
        """Returns the serial of the zone's SOA."""
        self._namespaces: dict[str, tuple[Namespace, Sources, Keys]] = {}

    def exposed(self, namespace: str) -> bool:
        """Return whether names of ``namespace`` are answered at all."""
        listed = self.options.namespaces
        return namespace in self.main.namespaces and (not listed or namespace in listed)

    def find(self, name: ParsedName, window: Window = EVERYTHING) -> FoundObjects:
        """Return the objects of ``name``, as many as ``window`` needs."""
        if name.tree == "pod" and self.options.pods == "disabled":
            return _PODS_DISABLED
        namespace = name.namespace
        if self.options.namespaces and namespace not in self.options.namespaces:
            return _NOT_LISTED
        namespace_object = self.main.namespaces.get(namespace)
        if namespace_object is None:
            missing = Source("Namespace", namespace, found=False)
            absent = (("namespace", namespace),)
            return FoundObjects(Rule.NO_SUCH_NAMESPACE, (missing,), absent)
        sources, keys = self._origin(namespace, namespace_object)
        if not name.service:
            return FoundObjects(Rule.NAMESPACE, sources, keys)
        if name.tree == "pod":
            return self._pod(name, sources, keys)
        return self._service(name, window, sources, keys)

    def _origin(self, name: str, namespace: Namespace) -> tuple[Sources, Keys]:
        """Return sources and keys of every answer in ``namespace``; memoized."""
        known = self._namespaces.get(name)
        if known is None or known[0] is not namespace:
            if len(self._namespaces) > len(self.main.namespaces):
                self._namespaces.clear()  # some of them were deleted
            sources = (source_of("Namespace", namespace),)
            known = self._namespaces[name] = namespace, sources, (("namespace", name),)
        return known[1:]

    def _service(
        self, name: ParsedName, window: Window, sources: Sources, keys: Keys
    ) -> FoundObjects:
        namespace, label = name.namespace, name.service
        keys += (("service", namespace, label),)
        # to make a Key of the two would take as long as the rest of this function
        service = self.store.services.get((namespace, label))  # type: ignore[call-overload]
        if service is None:
            missing = Source(self.store.kind, f"{namespace}/{label}", found=False)
            return FoundObjects(Rule.NO_SUCH_SERVICE, (*sources, missing), keys)
        sources += (source_of(self.store.kind, service),)
        if name.directive:
            return self._in_topology_zone(service, name, window, sources, keys)
        if service.type == "ExternalName":
            return _external_name(service, name, sources, keys, self.options.strict)
        if self.options.strict and name.endpoint.startswith("_"):
            return self._protocol(service, name, sources, keys)
        if service.headless or name.endpoint:
            return self._endpoints(service, name, window, sources, keys)
        return self._cluster_ip(service, name, sources, keys)

    def _cluster_ip(
        self, service: Service, name: ParsedName, sources: Sources, keys: Keys
    ) -> FoundObjects:
        if self.options.ignore_empty and not self.imports:
            keys += endpoint_keys(service.key)
            slices = self.store.slices_of(service.key)
            sources += tuple(source_of("EndpointSlice", slice_) for slice_ in slices)
            if not _any_ready(slices):
                sources += (option_source("ignore empty_service"),)
                return FoundObjects(Rule.EMPTY_SERVICE, sources, keys)
        ports = matching_ports(service.ports, name)
        if not ports:
            return FoundObjects(Rule.NO_SUCH_PORT, sources, keys)
        if not service.cluster_ips:
            return FoundObjects(Rule.NO_CLUSTER_IP, sources, keys)
        rule = Rule.SERVICE_PORT if name.port or name.protocol else Rule.CLUSTER_IP
        group = HostGroup(service.cluster_ips, ports)
        return FoundObjects(rule, sources, keys, _owner(service), (group,))

    def _endpoints(
        self,
        service: Service,
        name: ParsedName,
        window: Window,
        sources: Sources,
        keys: Keys,
        zone: str = "",
    ) -> FoundObjects:
        if not self.options.endpoints:
            sources += (option_source("noendpoints"),)
            return FoundObjects(Rule.NO_ENDPOINTS_WATCHED, sources, keys)
        keys += endpoint_keys(service.key)
        slices = self.store.slices_of(service.key)
        matches, partial = self.groups(service, slices, name, window, zone)
        lingering = () if matches else self.store.held.slices_of(service.key)
        if lingering:
            matches, partial = self.groups(service, lingering, name, window, zone)
        if not matches:
            sources += tuple([source_of("EndpointSlice", slice_) for slice_ in slices])
            return FoundObjects(_why_no_endpoint(slices, name), sources, keys)
        rule = (
            Rule.HELD
            if lingering
            else self._endpoint_rule(service, name, matches[0][1])
        )
        sources += tuple(source_of("EndpointSlice", slice_) for slice_, _ in matches)
        groups = [group for _, group in matches]
        return FoundObjects(rule, sources, keys, _owner(service), groups, partial)

    def groups(
        self,
        service: Service,
        slices: Sequence[EndpointSlice],
        name: ParsedName,
        window: Window,
        zone: str = "",
    ) -> tuple[list[tuple[EndpointSlice, HostGroup]], bool]:
        """Return the slices with endpoints of ``name``, and those endpoints.

        There are as many as ``window`` needs, in the topology zone ``zone`` unless
        it is empty. The second value is whether there may be more.
        """
        matches: list[tuple[EndpointSlice, HostGroup]] = []
        hosts: set[str] = set()
        candidates = [slice_ for slice_ in slices if self._may_answer(slice_, name)]
        for slice_, ready in window.walk(candidates):
            if window.wants(slice_):
                if len(hosts) >= window.limit:
                    return matches, True
            elif matches and (len(hosts) >= MIN_CANDIDATES or not window.ports):
                break  # they only prove that the name exists, and count for weights
            ends = self._matching_endpoints(ready, name.endpoint, zone)
            if ends:
                ports = matching_ports(slice_.ports, name)
                if self.options.strict:
                    ports = _service_numbers(ports, service)
                addresses = [end.address for end in ends]
                hosts.update(window.counted(slice_, addresses))
                matches.append(
                    (slice_, HostGroup(addresses, ports, ends, slice_.cluster))
                )
        return matches, False

    def _may_answer(self, slice_: EndpointSlice, name: ParsedName) -> bool:
        """Return whether the endpoints of ``slice_`` have to be unpacked."""
        label = name.endpoint
        if label and self.imports and slice_.cluster.lower() != name.cluster:
            return False
        if label and not slice_.endpoints.may_name(label):
            return False
        return bool(matching_ports(slice_.ports, name))

    def _matching_endpoints(
        self, ends: list[Endpoint], label: str, zone: str
    ) -> list[Endpoint]:
        """Return the endpoints of ``ends`` called ``label`` that are in ``zone``."""
        if label:
            pod_names = self.options.endpoint_pod_names
            ends = [e for e in ends if endpoint_name(e, pod_names).lower() == label]
        return [end for end in ends if end.zone.lower() == zone] if zone else ends

    def _endpoint_rule(
        self, service: Service, name: ParsedName, group: HostGroup
    ) -> Rule:
        if not name.endpoint:
            by_port = name.port or name.protocol
            return Rule.HEADLESS_PORT if by_port else Rule.HEADLESS_NAME
        end, headless = group.endpoints[0], service.headless
        if end.hostname:
            return (
                Rule.HEADLESS_ENDPOINT_HOSTNAME
                if headless
                else Rule.SERVICE_ENDPOINT_HOSTNAME
            )
        if self.options.endpoint_pod_names and name.endpoint == end.target.lower():
            return (
                Rule.HEADLESS_ENDPOINT_POD_NAME
                if headless
                else Rule.SERVICE_ENDPOINT_POD_NAME
            )
        return (
            Rule.HEADLESS_ENDPOINT_ADDRESS
            if headless
            else Rule.SERVICE_ENDPOINT_ADDRESS
        )

    def _protocol(
        self, service: Service, name: ParsedName, sources: Sources, keys: Keys
    ) -> FoundObjects:
        """Return whether ``_tcp`` and the like have named ports below (RFC 8020)."""
        ports = service.ports
        if service.headless:
            keys += endpoint_keys(service.key)
            slices = self.store.slices_of(service.key)
            sources += tuple(source_of("EndpointSlice", slice_) for slice_ in slices)
            ports = tuple(
                p for slice_ in slices if _any_ready([slice_]) for p in slice_.ports
            )
        protocol = name.endpoint.removeprefix("_")
        if any(port.name and port.protocol.lower() == protocol for port in ports):
            return FoundObjects(Rule.PROTOCOL, sources, keys)
        return FoundObjects(Rule.NO_SUCH_ENDPOINT, sources, keys)

    def _in_topology_zone(
        self,
        service: Service,
        name: ParsedName,
        window: Window,
        sources: Sources,
        keys: Keys,
    ) -> FoundObjects:
        if name.directive not in ("pin", "prefer"):
            return FoundObjects(Rule.ZONAL_DIRECTIVE, sources, keys)
        if not service.headless:
            return FoundObjects(Rule.ZONAL_NEEDS_HEADLESS, sources, keys)
        pinned = name.directive == "pin"
        inside = self._endpoints(service, name, window, sources, keys, name.zone)
        if inside.groups:
            return replace(inside, rule=Rule.ZONAL_PIN if pinned else Rule.ZONAL_PREFER)
        anywhere = self._endpoints(service, name, window, sources, keys)
        if not anywhere.groups:
            return anywhere
        if pinned:
            return FoundObjects(Rule.ZONAL_PIN_NOTHING, anywhere.sources, anywhere.keys)
        return replace(anywhere, rule=Rule.ZONAL_PREFER_ELSEWHERE)

    def _pod(self, name: ParsedName, sources: Sources, keys: Keys) -> FoundObjects:
        extra = name.endpoint or name.port or name.protocol
        if extra and self.options.strict:
            return FoundObjects(Rule.TOO_LONG, sources, keys)
        address, rule = pod_address(name.service), Rule.POD_INSECURE
        if self.options.pods == "insecure":
            sources = (*sources, option_source("pods insecure"))
            if record_of(address) is None:
                return FoundObjects(Rule.NOT_A_POD_ADDRESS, sources, keys)
        else:
            rule = Rule.POD_VERIFIED
            keys = (*keys, ("pod", name.namespace, address))
            pods = self.main.pods_at(name.namespace, address)
            sources += tuple(source_of("Pod", pod) for pod in pods)
            if not pods:
                missing = Source("Pod", f"{name.namespace}/{address}", found=False)
                return FoundObjects(Rule.NO_SUCH_POD, (*sources, missing), keys)
        owner = f"{name.service}.{name.namespace}.pod."
        group = HostGroup((address,), POD_PORT)
        return FoundObjects(rule, sources, keys, owner, (group,))


def _owner(service: Service) -> str:
    return f"{service.key.name}.{service.key.namespace}.svc."


def _external_name(
    service: Service, name: ParsedName, sources: Sources, keys: Keys, strict: bool
) -> FoundObjects:
    target = service.external_name
    if name.endpoint or name.port or name.protocol:
        return FoundObjects(Rule.BELOW_EXTERNAL_NAME, sources, keys)
    if not target or (record_of(target) is not None and not strict):
        return FoundObjects(Rule.EXTERNAL_NAME_IS_ADDRESS, sources, keys)
    group = HostGroup((target,), service.ports)
    return FoundObjects(Rule.EXTERNAL_NAME, sources, keys, _owner(service), (group,))


def matching_ports(ports: Sequence[Port], name: ParsedName) -> Sequence[Port]:
    """Return the ports that match ``name``; an empty port or protocol means any."""
    wanted, protocol = name.port, name.protocol
    if not wanted and not protocol:
        return ports
    return [
        port
        for port in ports
        if (not wanted or port.name.lower() == wanted)
        and (not protocol or port.protocol.lower() == protocol)
    ]


def _service_numbers(ports: Sequence[Port], service: Service) -> Sequence[Port]:
    """Return ``ports`` of a slice with the numbers of the Service (DNS spec 2.4.2)."""
    numbers = {(port.name, port.protocol): port for port in service.ports}
    return [numbers.get((port.name, port.protocol), port) for port in ports]


def _any_ready(slices: Sequence[EndpointSlice]) -> bool:
    return any(end.ready for slice_ in slices for end in slice_.endpoints)


def _why_no_endpoint(slices: Sequence[EndpointSlice], name: ParsedName) -> Rule:
    """Return the rule by which no endpoint in ``slices`` answers."""
    if not _any_ready(slices):
        return Rule.NO_READY_ENDPOINT
    if name.port or name.protocol:
        return Rule.NO_SUCH_PORT
    return Rule.NO_SUCH_ENDPOINT
