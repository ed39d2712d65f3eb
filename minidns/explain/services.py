"""Causes of answers about namespaces, Services, endpoints, ports and aliases."""

from collections.abc import Iterable
from itertools import islice

from msgspec.structs import replace

from minidns.dns import names
from minidns.dns.rdata import AAAA, A, type_name
from minidns.explain.explanation import Cause
from minidns.explain.situation import MAX_NAMED, Situation, close, listed
from minidns.kubernetes.names import dashed
from minidns.kubernetes.objects import Endpoint, Key, Port

_TOP_LEVEL = frozenset((
    "com", "org", "net", "edu", "gov", "mil", "int", "arpa", "info", "biz", "io", "dev",
    "app", "cloud", "local", "internal", "lan", "home", "corp", "test", "example",
    "invalid", "localhost",
))  # fmt: skip
"""Last labels of host names, which are rarely Services or namespaces."""


def no_namespace(s: Situation) -> Cause:
    """Return the cause for a missing Namespace, and names close to it."""
    name, store = s.parsed.namespace, s.lookup.store
    if any(key.namespace == name for key in store.services):
        if s.options.namespace_labels:
            because = f"namespace_labels hides namespace {name}"
            return Cause("namespace-hidden-by-labels", because)
        because = f"Namespace {name} is gone, though Services of it are still there"
        return Cause("namespace-gone", because)
    because = f"there is no Namespace {name}"
    swapped = Key(s.parsed.service, name)
    if swapped in store.services:
        near = f"the Service comes first: {s.full(swapped)}"
        return Cause("labels-swapped", because, (near,))
    if _ends_a_host_name(name):
        return _search_list(s, because)
    shown = sorted(s.lookup.main.namespaces)
    alike = tuple(f"Namespace {other} exists" for other in close(name, shown))
    cause = "namespace-misspelt" if alike else "namespace-absent"
    there = f"one of the namespaces: {listed(shown, MAX_NAMED)}"
    return Cause(cause, because, (*alike, there))


def _ends_a_host_name(label: str) -> bool:
    return label in _TOP_LEVEL or (len(label) == 2 and label.isalpha())


def _search_list(s: Situation, because: str) -> Cause:
    parsed = s.parsed
    suffix = f"{parsed.tree}.{s.zone}"
    if not _ends_a_host_name(parsed.namespace):
        suffix = f"{parsed.namespace}.{suffix}"
    host = s.question.name.removesuffix(f".{suffix}") + "."
    near = (
        f"{host} was meant, and the search list of resolv.conf put {suffix} behind it"
        " (ndots); a final dot in the name avoids that"
    )
    return Cause("search-list", because, (near,))


def no_service(s: Situation) -> Cause:
    """Return the cause for a missing Service, and names close to it."""
    name, namespace = s.key.name, s.key.namespace
    because = f"there is no {s.lookup.store.kind} {name} in namespace {namespace}"
    if "*" in s.labels or name == "any":
        return Cause("wildcard", f"{because}; wildcards do not exist since 2022")
    if s.service:
        now = f"Service {s.key} exists now: the answer is older than it"
        return Cause("service-absent", because, (now,))
    if s.slices:
        near = tuple(f"EndpointSlice {one.key} names it" for one in s.slices)
        return Cause("service-gone", because, near)
    for near_by in (_imported(s), _elsewhere(s), _of_a_pod(s)):
        if near_by:
            return Cause(near_by[0], because, near_by[1])
    if _ends_a_host_name(name):
        return _search_list(s, because)
    keys = s.lookup.store.services
    there = sorted(key.name for key in keys if key.namespace == namespace)
    if not there:
        return Cause("service-absent", f"{because}, which has none")
    alike = tuple(f"Service {namespace}/{other} exists" for other in close(name, there))
    cause = "service-misspelt" if alike else "service-absent"
    every = f"one of the Services of namespace {namespace}: {listed(there, MAX_NAMED)}"
    return Cause(cause, because, (*alike, every))


Near = tuple[str, tuple[str, ...]]


def _imported(s: Situation) -> Near | None:
    """Return the cause and hint if the Service is in another kind of zone."""
    if s.lookup.imports and s.key in s.lookup.main.services:
        near = f"Service {s.key} exists, but no ServiceImport brings it here"
        return "service-not-exported", (near,)
    for zone in s.options.multicluster:
        if not s.lookup.imports and s.key in s.cluster.lookup(zone).store.services:
            near = f"ServiceImport {s.key} exists: its names are in {zone}"
            return "service-in-cluster-set", (near,)
    return None


def _elsewhere(s: Situation) -> Near | None:
    same = [key for key in s.lookup.store.services if key.name == s.key.name]
    shown = [key for key in same if s.lookup.exposed(key.namespace)]
    near = tuple(f"Service {key} exists: {s.full(key)}" for key in sorted(shown)[:3])
    return ("service-in-another-namespace", near) if near else None


def _of_a_pod(s: Situation) -> Near | None:
    """Return the cause and hint if the label names an endpoint or a Pod."""
    for one in s.lookup.main.slices.values():
        if one.service.namespace != s.key.namespace or not one.service.name:
            continue
        for end in one.endpoints:
            if s.key.name in (end.hostname.lower(), end.target.lower()):
                near = f"{s.name_of(end)}.{s.full(one.service)} is an endpoint"
                return "service-left-out", (near,)
    if Key(s.key.namespace, s.key.name) in s.lookup.main.pods:
        near = f"{s.key} is a Pod; Pods have names by their addresses only"
        return "pod-is-no-service", (near,)
    return None


def _called(end: Endpoint) -> str:
    return f"{end.target} ({end.address})" if end.target else end.address


def no_ready_endpoint(s: Situation) -> Cause:
    """Return the cause for a Service without ready endpoints, and its endpoints."""
    if s.parsed.endpoint and (unready := _unready(s)):
        return unready
    because = f"Service {s.key} is headless and has no ready endpoint"
    cause, near = _why_nothing(s)
    return Cause(cause, because, (near,))


def empty_service(s: Situation) -> Cause:
    """Return the cause for a Service left out by *ignore empty_service*."""
    because = f"ignore empty_service: Service {s.key} has no ready endpoint"
    return Cause("empty-service", because, (_why_nothing(s)[1],))


def _why_nothing(s: Situation) -> tuple[str, str]:
    """Return the cause that no endpoint is ready, and a sentence about it."""
    if not s.slices:
        return "no-slice", f"no EndpointSlice names it; {_SELECTOR}"
    ends = [end for end in s.endpoints if not end.ready]
    if not ends:
        return "no-endpoint", f"its EndpointSlices are empty; {_SELECTOR}"
    return "no-ready-endpoint", f"not ready: {listed(map(_called, ends))}"


_SELECTOR = "does its selector match any Pod?"


def _unready(s: Situation) -> Cause | None:
    for end in s.endpoints:
        if s.name_of(end) == s.parsed.endpoint and not end.ready:
            because = f"endpoint {_called(end)} of Service {s.key} is not ready"
            return Cause("endpoint-unready", because)
    return None


def no_such_endpoint(s: Situation) -> Cause:
    """Return the cause for a missing endpoint, and names close to it."""
    label = s.parsed.endpoint
    because = f"Service {s.key} has no endpoint called {label}"
    if label == "*":
        return Cause("wildcard", f"{because}; wildcards do not exist since 2022")
    found = _unready(s) or _other_name(s, because) or _port_alone(s, because)
    if found:
        return found
    ready = sorted({s.name_of(end) for end in s.endpoints if end.ready})
    alike = tuple(f"endpoint {other} exists" for other in close(label, ready))
    cause = "endpoint-misspelt" if alike else "endpoint-absent"
    return Cause(cause, because, (*alike, f"it has {listed(ready, MAX_NAMED)}"))


def _other_name(s: Situation, because: str) -> Cause | None:
    """Return the cause if the endpoint exists under another name."""
    label = s.parsed.endpoint
    headless = s.service is not None and s.service.headless
    for end in s.endpoints:
        name = s.name_of(end)
        near = (f"its name is {name}.{s.full(s.key)}",)
        if s.lookup.imports and name.lower() == label:
            because = f"{because} without the cluster in its name"
            return Cause("cluster-left-out", because)
        if dashed(end.address).lower() == label:
            return Cause("endpoint-has-another-name", because, near)
        if end.target.lower() == label and not end.hostname and headless:
            text = (
                f"{end.target} is the Pod at {end.address}, but has no hostname here:"
                f" its spec.subdomain must be {s.key.name}, and spec.hostname be set"
            )
            return Cause("hostname-without-subdomain", because, (text, *near))
        if end.target.lower() == label:
            return Cause("pod-name-is-no-endpoint-name", because, near)
    return None


def _ports(s: Situation) -> list[Port]:
    """Return the ports that a name of the Service may contain."""
    if s.service is None:
        return []
    if not s.service.headless:
        return list(s.service.ports)
    return [port for one in s.slices for port in one.ports]


def _port_alone(s: Situation, because: str) -> Cause | None:
    label = s.parsed.endpoint.removeprefix("_")
    for port in _ports(s):
        if port.name and label in (port.name.lower(), port.protocol.lower()):
            near = f"a port needs its protocol: {_full(port, s)}"
            return Cause("port-without-protocol", because, (near,))
    return None


def _full(port: Port, s: Situation) -> str:
    return f"_{port.name}._{port.protocol.lower()}.{s.full(s.key)}"


def no_such_port(s: Situation) -> Cause:
    """Return the cause for a missing port, and ports close to it."""
    wanted, protocol = s.parsed.port, s.parsed.protocol
    ports = _ports(s)
    named = {port.name.lower(): port for port in ports if port.name}
    because = f"Service {s.key} has no port called {wanted} with protocol {protocol}"
    if wanted in named:
        near = f"its protocol is another: {_full(named[wanted], s)}"
        return Cause("port-protocol-differs", because, (near,))
    if numbered := [port for port in ports if str(port.number) == wanted]:
        port = numbered[0]
        near = f"ports go by name: {_full(port, s)}" if port.name else "it has no name"
        return Cause("port-by-number", because, (near,))
    if protocol not in ("tcp", "udp", "sctp") and not s.labels[0].startswith("_"):
        near = "two labels before a Service are read as port and protocol"
        return Cause("not-port-and-protocol", because, (near,))
    if not named:
        return Cause("port-unnamed", because, ("its ports have no names",))
    alike = tuple(f"port {other} exists" for other in close(wanted, named))
    cause = "port-misspelt" if alike else "port-absent"
    return Cause(cause, because, (*alike, f"it has {listed(named, MAX_NAMED)}"))


# -- names that exist and have nothing to give


def other_family(s: Situation) -> Cause:
    """Return the cause for a name without addresses of the family."""
    other = AAAA if s.question.qtype == A else A
    others = s.cluster.answer(replace(s.question, qtype=other)).answer
    has = "has" if others else "lacks"
    wanted = type_name(s.question.qtype)
    because = f"the name exists, {has} {type_name(other)}, and has no {wanted}"
    return Cause("other-family", because)


def other_type(s: Situation) -> Cause:
    """Return the cause for a name without records of the type."""
    because = f"the name exists, but has no {type_name(s.question.qtype)}"
    if s.service and s.service.type == "ExternalName":
        near = f"it is an alias of {s.service.external_name}, shown for A and AAAA only"
        return Cause("external-name-other-type", because, (near,))
    return Cause("other-type", because)


def no_port(s: Situation) -> Cause:
    """Return the cause for a Service without SRV records."""
    if s.service and s.service.type == "ExternalName":
        because = f"Service {s.key} is an ExternalName: those have no SRV records"
        return Cause("external-name-other-type", because)
    return Cause("no-port", f"Service {s.key} has no port with a number")


def zonal_nothing_there(s: Situation) -> Cause:
    """Return the cause for a zone without endpoints, with the zones that have some."""
    zones = sorted({end.zone for end in s.endpoints if end.ready and end.zone})
    because = f"no endpoint of Service {s.key} is in zone {s.parsed.zone}"
    return Cause("zonal-nothing-there", because, (f"there are {listed(zones)}",))


# -- Services that are aliases of other names

_MAX_CHAIN = 12


def external_address(s: Situation) -> Cause:
    """Return the cause for an externalName that is no host name."""
    target = s.service.external_name if s.service else ""
    because = f"externalName of Service {s.key} is {target or 'empty'}, not a host name"
    near = "a Service without selector and an EndpointSlice can lead to an address"
    return Cause("external-name-is-address", because, (near,))


def leads_nowhere(s: Situation) -> Cause:
    """Return the cause for an alias without records, and where it ends."""
    target = s.service.external_name if s.service else s.question.name
    seen = [s.question.name]
    for step in islice(_targets(s), _MAX_CHAIN):
        if step in seen or names.is_below(step, seen[-1]):
            because = f"Service {s.key} leads back to {step}"
            return Cause("external-name-loop", because)
        seen.append(step)
    if len(seen) > _MAX_CHAIN:
        because = f"Service {s.key} begins a chain of more than eleven aliases"
        return Cause("external-name-chain", because)
    last = s.cluster.answer(replace(s.question, name=seen[-1], owner=seen[-1]))
    because = f"Service {s.key} is an alias of {target}, which gives nothing"
    near = f"{seen[-1]}: {last.rule.cause}"
    return Cause("external-name-leads-nowhere", because, (near,))


def _targets(s: Situation) -> Iterable[str]:
    """Yield the names that aliases inside the zone lead to, one after the other."""
    key: Key | None = s.key
    while key is not None:
        service = s.lookup.store.services.get(key)
        if service is None or service.type != "ExternalName":
            return
        target = names.absolute(service.external_name)
        if not names.is_below(target, s.zone):
            return
        yield target
        labels = names.labels(target.removesuffix(s.zone))
        key = Key(labels[1], labels[0]) if labels[2:] == ["svc"] else None
