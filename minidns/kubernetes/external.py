"""Answers for Services with their addresses outside the cluster (*k8s_external*).

Names are ``SERVICE.NAMESPACE`` in zones of their own, without ``svc``, perhaps after a
port and a protocol, or an endpoint. The addresses are *externalIPs* and those of load
balancers. Synchronous, over the same store as the names of the cluster.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from minidns.dns import names
from minidns.dns.model import Name, Rdata, RRset, Source
from minidns.dns.rdata import AAAA, NS, PTR, SOA, SRV, A, soa, srv
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.lookup import Lookup, matching_ports
from minidns.kubernetes.model import (
    EVERYTHING,
    ClusterAnswer,
    ClusterQuestion,
    ExternalTarget,
    FoundObjects,
    HostGroup,
    Keys,
    RecordOrTarget,
    Sources,
    Window,
    endpoint_keys,
    service_keys,
    source_of,
)
from minidns.kubernetes.names import (
    ParsedName,
    endpoint_name,
    record_of,
    reversed_address,
)
from minidns.kubernetes.objects import NO_PORT, Key, Service
from minidns.kubernetes.options import ExternalOptions, KubernetesOptions
from minidns.kubernetes.records import (
    WEIGHT,
    absolute,
    addresses,
    cname,
    hosts_of,
    pointers,
    targets,
    within,
)
from minidns.kubernetes.rules import Rule
from minidns.kubernetes.store import Store

NAME_SERVER = "ns1."
_REFRESH, _RETRY, _EXPIRE = 7200, 1800, 86400


class ExternalLookup:
    """Finds Services with external addresses; ``options`` are those of *kubernetes*."""

    def __init__(
        self, rules: ExternalOptions, options: KubernetesOptions, store: Store
    ) -> None:
        self.rules = rules
        self._options = options
        self._store = store
        self._lookup = Lookup(options, store, store)

    def exposed(self, namespace: str) -> bool:
        """Return whether names of ``namespace`` are answered at all."""
        return self._lookup.exposed(namespace)

    def find(self, labels: Sequence[str], window: Window = EVERYTHING) -> FoundObjects:
        """Return the objects for the ``labels`` left of a zone; see ``Lookup.find``."""
        *left, namespace = labels
        keys: Keys = (("namespace", namespace),)
        if not self.exposed(namespace):
            missing = Source("Namespace", namespace, found=False)
            return FoundObjects(Rule.NO_SUCH_NAMESPACE, (missing,), keys)
        sources: Sources = (source_of("Namespace", self._store.namespaces[namespace]),)
        if not left:
            return FoundObjects(Rule.EXTERNAL_NAMESPACE, sources, keys)
        name = _parse(namespace, left)
        if name is None:
            return FoundObjects(Rule.TOO_LONG, sources, keys)
        key = Key(namespace, name.service)
        keys = (*keys, ("service", *key))
        service = self._store.services.get(key)
        if service is None:
            missing = Source("Service", str(key), found=False)
            return FoundObjects(Rule.NO_SUCH_SERVICE, (*sources, missing), keys)
        sources = (*sources, source_of("Service", service))
        return self._service(service, name, window, sources, keys)

    def _service(
        self,
        service: Service,
        name: ParsedName,
        window: Window,
        sources: Sources,
        keys: Keys,
    ) -> FoundObjects:
        outside, rule = service.external_ips, Rule.EXTERNAL_ADDRESS
        if name.endpoint and outside and self._options.strict:
            return FoundObjects(Rule.NO_SUCH_ENDPOINT, sources, keys)
        groups, partial = (
            [HostGroup(outside, matching_ports(service.ports, name))],
            False,
        )
        by_endpoint = service.headless or name.endpoint
        if self.rules.headless and not outside and by_endpoint:
            rule = Rule.EXTERNAL_ENDPOINT
            keys += endpoint_keys(service.key)
            slices = self._store.slices_of(service.key)
            matches, partial = self._lookup.groups(service, slices, name, window)
            sources += tuple(
                source_of("EndpointSlice", slice_) for slice_, _ in matches
            )
            groups = [group for _, group in matches]
        if not any(group.hosts and group.ports for group in groups):
            return FoundObjects(Rule.NOTHING_OUTSIDE, sources, keys)
        owner = f"{service.key.name}.{service.key.namespace}."
        return FoundObjects(rule, sources, keys, owner, groups, partial)

    def records(
        self, objects: FoundObjects, question: ClusterQuestion
    ) -> ClusterAnswer:
        """Return the answer to ``question`` from ``objects``."""
        answer: tuple[RecordOrTarget, ...] = ()
        additional: tuple[RRset, ...] = ()
        partial = objects.partial
        if question.qtype in (A, AAAA):
            answer = tuple(self._addresses(objects, question.owner, question.qtype))
        elif question.qtype == SRV:
            answer, additional, partial = self._services(objects, question)
        rule = objects.rule if answer else Rule.NO_SUCH_TYPE
        partial = partial and bool(answer)
        sources, keys = objects.sources, objects.keys
        return ClusterAnswer(rule, sources, keys, answer, additional, partial)

    def _addresses(
        self, objects: FoundObjects, owner: str, rtype: int
    ) -> Iterator[RecordOrTarget]:
        ttl = self.rules.ttl
        rrset, others = addresses(hosts_of(objects), owner, rtype, ttl)
        for host in others:
            # the TTL of *kubernetes* (CoreDNS); unlike CoreDNS: once, not for each port
            if link := cname(owner, host, self._options.ttl):
                yield from (link, ExternalTarget(absolute(host).lower()))
        if rrset:
            yield rrset

    def _services(
        self, objects: FoundObjects, question: ClusterQuestion
    ) -> tuple[tuple[RRset, ...], tuple[RRset, ...], bool]:
        """Return SRV records, addresses of their targets, and whether there are more.

        unlike CoreDNS: the client resolves the name of a load balancer itself.
        """
        pod_names = self._options.endpoint_pod_names
        candidates = _candidates(objects, question.zone, pod_names)
        chosen, seen, partial = question.window.cut(
            candidates, lambda one: one[:2] if one[1] != NO_PORT.number else None
        )
        weight = max(1, WEIGHT // max(1, seen))
        answer: dict[Rdata, None] = {}
        additional: dict[tuple[str, int], dict[Rdata, None]] = {}
        for target, port, record in chosen:
            try:
                answer[srv(0, weight, port, target)] = None
            except ValueError:  # a name that no message can hold
                continue
            if record:
                additional.setdefault((target, record[0]), {})[record[1]] = None
        extra = tuple(
            RRset(name, rtype, self.rules.ttl, tuple(data))
            for (name, rtype), data in additional.items()
        )
        # the TTL of *kubernetes* (CoreDNS)
        rrset = RRset(question.owner, SRV, self._options.ttl, tuple(answer))
        return (rrset,) if answer else (), extra, partial or objects.partial

    def pointer(self, address: str, question: ClusterQuestion) -> ClusterAnswer:
        """Return the names of the Services with the external address ``address``."""
        services = self._store.services_outside(address)
        keys: Keys = (
            ("external", address),
            *(("namespace", service.key.namespace) for service in services),
        )
        # without *namespaces* a namespace need not exist (CoreDNS)
        if self._options.namespaces:
            services = tuple(
                service for service in services if self.exposed(service.key.namespace)
            )
        rrset = pointers(question.owner, map(self._name, services), self.rules.ttl)
        if rrset is None:
            missing = Source("address", address, found=False)
            return ClusterAnswer(Rule.NO_ADDRESS, (missing,), keys)
        sources = tuple(source_of("Service", service) for service in services)
        return ClusterAnswer(Rule.EXTERNAL_PTR, sources, keys, (rrset,))

    def _name(self, service: Service) -> str:
        namespace, name = service.key
        return within(f"{name}.{namespace}.", self.rules.zones[0])


def _parse(namespace: str, left: Sequence[str]) -> ParsedName | None:
    """Return the meaning of the labels left of ``namespace``; None if too many."""
    *more, service = left
    bare = [label.removeprefix("_") for label in more]
    match bare:
        case []:
            return ParsedName("svc", namespace, service)
        case [endpoint]:
            return ParsedName("svc", namespace, service, endpoint)
        case [port, protocol]:
            return ParsedName("svc", namespace, service, port=port, protocol=protocol)
    return None


def _candidates(
    objects: FoundObjects, zone: Name, pod_names: bool
) -> Iterator[tuple[str, int, tuple[int, Rdata] | None]]:
    """Yield target, port and address record of every pair of a host and a port."""
    for group in objects.groups:
        names_of = targets(group, objects.owner, pod_names)
        for relative, host in zip(names_of, group.hosts, strict=True):
            record = record_of(host)
            target = within(relative, zone) if record else absolute(host)
            for port in group.ports:
                yield target, port.number, record


class ExternalZones:
    """The zones of *k8s_external*, answered from the store of ``cluster``."""

    def __init__(self, rules: ExternalOptions, cluster: ClusterZones) -> None:
        self.rules = rules
        self._cluster = cluster
        self._options = cluster.options
        self._store = cluster.main
        self._lookup = ExternalLookup(rules, cluster.options, cluster.main)

    def soa(self, zone: Name) -> RRset:
        """Return the SOA of ``zone``; it has a serial of its own."""
        ttl, apex = self.rules.ttl, self.rules.apex
        data = soa(
            within(NAME_SERVER + apex, zone),
            within("hostmaster." + apex, zone),
            self._store.external_serial,
            _REFRESH,
            _RETRY,
            _EXPIRE,
            ttl,
        )
        return RRset(zone, SOA, ttl, (data,))

    def answer(self, question: ClusterQuestion) -> ClusterAnswer:
        """Return the answer to ``question``."""
        name, zone = question.name, question.zone
        labels = names.labels(name)
        labels = labels[: len(labels) - len(names.labels(zone))]
        for other in self.rules.zones:  # the first that matches decides (CoreDNS)
            if name == other:
                return self._at_apex(question)
            if names.is_below(name, within(self.rules.apex, other)):
                return self._below_apex(labels, question)
        if question.qtype == PTR and (address := reversed_address(name)):
            return self._lookup.pointer(address, question)
        objects = self._lookup.find(labels, question.window)
        if not objects.groups:
            return ClusterAnswer(objects.rule, objects.sources, objects.keys)
        return self._lookup.records(objects, question)

    def transfer(self, zone: Name) -> tuple[RRset, ...] | None:
        """Return every record of ``zone`` but PTR; None if it is none of the zones."""
        if zone not in self.rules.zones:
            return None
        first = self.soa(zone)
        return (first, *dict.fromkeys(self._all(zone)), first)

    # -- the top of a zone

    def _at_apex(self, question: ClusterQuestion) -> ClusterAnswer:
        zone = question.zone
        if question.qtype == SOA:
            return ClusterAnswer(Rule.EXTERNAL_SOA, answer=(self.soa(zone),))
        if question.qtype != NS:
            return ClusterAnswer(Rule.EXTERNAL_APEX)
        server = within(NAME_SERVER + self.rules.apex, zone)
        answer = RRset(zone, NS, self.rules.ttl, (names.to_wire(server),))
        keys, hosts = self._servers()
        glue = tuple(filter(None, (self._family(hosts, server, t) for t in (A, AAAA))))
        return ClusterAnswer(Rule.EXTERNAL_NS, (), keys, (answer,), glue)

    def _below_apex(
        self, labels: Sequence[str], question: ClusterQuestion
    ) -> ClusterAnswer:
        if len(labels) == 1:
            return ClusterAnswer(Rule.EXTERNAL_INNER_NODE)
        # counted from the zone, however many labels the apex has (CoreDNS)
        if len(labels) != 2 or labels[0] + "." != NAME_SERVER:
            return ClusterAnswer(Rule.NOT_A_NAME_SERVER)
        keys, hosts = self._servers()
        rrset = self._family(hosts, question.owner, question.qtype)
        return ClusterAnswer(
            Rule.EXTERNAL_NAME_SERVER, (), keys, (rrset,) if rrset else ()
        )

    def _family(self, hosts: Sequence[str], owner: str, rtype: int) -> RRset | None:
        return addresses(hosts, owner, rtype, self.rules.ttl)[0]

    def _servers(self) -> tuple[Keys, Sequence[str]]:
        """Return keys and external addresses of this server.

        The addresses are those of its own Services, or else of the machine.
        """
        local, store = self._cluster.local, self._store
        slices = [slice_ for address in local for slice_ in store.slices_at(address)]
        keys: Keys = (
            *(("address", address) for address in local),
            *chain.from_iterable(service_keys(s.service) for s in slices),
        )
        if not slices:
            return keys, local
        hosts: dict[str, None] = {}
        for slice_ in slices:
            service = store.services.get(slice_.service)
            if service and self.rules.headless and service.headless:
                hosts |= {end.address: None for end in slice_.endpoints if end.ready}
            elif service:
                hosts |= dict.fromkeys(service.external_ips)
        return keys, tuple(hosts)

    # -- a whole zone

    def _all(self, zone: Name) -> Iterator[RRset]:
        server = self._at_apex(ClusterQuestion(zone, NS, zone, zone, zone))
        yield from (rrset for rrset in server.answer if isinstance(rrset, RRset))
        yield from server.additional
        for key in sorted(self._store.services, key=lambda key: (key.name, key)):
            service = self._store.services[key]
            yield from self._rrsets(zone, [key.name, key.namespace], (A, AAAA, SRV))
            for left in self._labels_below(service):
                types = (SRV,) if left[0].startswith("_") else (A, AAAA, SRV)
                yield from self._rrsets(zone, [*left, key.name, key.namespace], types)

    def _rrsets(
        self, zone: Name, labels: Sequence[str], types: Sequence[int]
    ) -> Iterator[RRset]:
        objects = self._lookup.find([label.lower() for label in labels])
        if not objects.groups:
            return
        owner = within(".".join(labels) + ".", zone)
        try:
            names.to_wire(owner)
        except ValueError:  # an endpoint's name that no message can hold
            return
        for rtype in types:
            question = ClusterQuestion(owner, rtype, zone, zone, owner)
            for rrset in self._lookup.records(objects, question).answer:
                if isinstance(rrset, RRset):
                    yield rrset

    def _labels_below(self, service: Service) -> Iterator[list[str]]:
        """Yield the labels that names below the name of ``service`` can start with."""
        shows = self.rules.headless and service.headless and not service.external_ips
        slices = self._store.slices_of(service.key) if shows else ()
        ports = [port for slice_ in slices for port in slice_.ports] or service.ports
        for port in ports:
            if port.name:
                yield [f"_{port.name.lower()}", f"_{port.protocol.lower()}"]
        for slice_ in slices:
            for end in slice_.endpoints:
                yield [endpoint_name(end, self._options.endpoint_pod_names)]
