"""Services by the addresses they have outside the cluster (*k8s_external*).

``SERVICE.NAMESPACE`` in zones of their own, without ``svc``: what answers are
*externalIPs* and the addresses of load balancers. Synchronous, over the same store as
the cluster's names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from minidns.dns import names
from minidns.dns.model import Name, Rdata, RRset, Source
from minidns.dns.rdata import AAAA, NS, PTR, SOA, SRV, A, soa, srv
from minidns.kubernetes.addresses import endpoint_name, record_of, reversed_address
from minidns.kubernetes.answers import ClusterZones
from minidns.kubernetes.lookup import Lookup, filtered
from minidns.kubernetes.model import (
    ClusterAnswer,
    ClusterQuestion,
    ExternalTarget,
    Group,
    Keys,
    Match,
    Miss,
    RecordOrTarget,
    Sources,
    endpoints_of,
    missed,
    service_with_endpoints,
    source_of,
)
from minidns.kubernetes.names import ParsedName
from minidns.kubernetes.objects import NO_PORT, Key, Service
from minidns.kubernetes.options import KubernetesOptions
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
from minidns.kubernetes.store import Store
from minidns.kubernetes.window import EVERYTHING, Window


@dataclass(frozen=True, slots=True)
class ExternalOptions:
    """The options of *k8s_external*."""

    zones: tuple[Name, ...] = ()
    apex: Name = "dns."
    """Below which the name servers' names are; ends in a dot."""
    ttl: int = 5
    headless: bool = False
    """Whether Services without any address of their own show their endpoints."""
    fallthrough: tuple[Name, ...] = ()


class ExternalLookup:
    """Finds Services by what they have outside; ``options`` are of *kubernetes*."""

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

    def find(self, labels: Sequence[str], window: Window = EVERYTHING) -> Match | Miss:
        """Return what the ``labels`` left of a zone stand for; see ``Lookup.find``."""
        *left, namespace = labels
        keys: Keys = (("namespace", namespace),)
        if not self.exposed(namespace):
            gone = Source("Namespace", namespace, found=False)
            return Miss(False, "negative/no-such-namespace", (gone,), keys)
        sources = (source_of("Namespace", self._store.namespaces[namespace]),)
        if not left:
            return Miss(True, "external/namespace", sources, keys)
        asked = _read(namespace, left)
        if asked is None:
            return Miss(False, "negative/too-long", sources, keys)
        key = Key(namespace, asked.service)
        keys = (*keys, ("service", *key))
        service = self._store.services.get(key)
        if service is None:
            gone = Source("Service", str(key), found=False)
            return Miss(False, "negative/no-such-service", (*sources, gone), keys)
        following = (*sources, source_of("Service", service))
        return self._service(service, asked, window, following, keys)

    def _service(
        self,
        service: Service,
        asked: ParsedName,
        window: Window,
        sources: Sources,
        keys: Keys,
    ) -> Match | Miss:
        outside, rule = service.external_ips, "external/address"
        if asked.endpoint and outside and self._options.strict:
            return Miss(False, "negative/no-such-endpoint", sources, keys)
        groups, partial = [Group(outside, filtered(service.ports, asked))], False
        shows = service.headless or asked.endpoint
        if self.rules.headless and not outside and shows:
            rule = "external/endpoint"
            keys += endpoints_of(service.key)
            slices = self._store.slices_of(service.key)
            found, partial = self._lookup.groups(service, slices, asked, window)
            sources += tuple(source_of("EndpointSlice", each) for each, _ in found)
            groups = [group for _, group in found]
        if not any(group.hosts and group.ports for group in groups):
            return Miss(False, "negative/nothing-outside", sources, keys)
        owner = f"{service.key.name}.{service.key.namespace}."
        return Match(rule, owner, groups, sources, keys, partial)

    def records(self, match: Match, inquiry: ClusterQuestion) -> ClusterAnswer:
        """Return the records of ``match`` that ``inquiry`` asks for."""
        answer: tuple[RecordOrTarget, ...] = ()
        additional: tuple[RRset, ...] = ()
        partial = match.partial
        if inquiry.qtype in (A, AAAA):
            answer = tuple(self._addresses(match, inquiry.owner, inquiry.qtype))
        elif inquiry.qtype == SRV:
            answer, additional, partial = self._services(match, inquiry)
        rule = match.rule if answer else "nodata/type"
        partial = partial and bool(answer)
        sources, keys = match.sources, match.keys
        return ClusterAnswer(rule, sources, keys, True, answer, additional, partial)

    def _addresses(
        self, match: Match, owner: str, rtype: int
    ) -> Iterator[RecordOrTarget]:
        ttl = self.rules.ttl
        found, others = addresses(hosts_of(match), owner, rtype, ttl)
        for host in others:
            # the TTL of *kubernetes* (CoreDNS); unlike CoreDNS: once, not for each port
            if link := cname(owner, host, self._options.ttl):
                yield from (link, ExternalTarget(absolute(host).lower()))
        if found:
            yield found

    def _services(
        self, match: Match, inquiry: ClusterQuestion
    ) -> tuple[tuple[RRset, ...], tuple[RRset, ...], bool]:
        """Return SRV records, the addresses of their targets, and if there are more.

        unlike CoreDNS: those of a load balancer's name are left to the client.
        """
        pod_names = self._options.endpoint_pod_names
        candidates = _candidates(match, inquiry.zone, pod_names)
        found, seen, partial = inquiry.window.cut(
            candidates, lambda candidate: candidate[1] != NO_PORT.number
        )
        weight = max(1, WEIGHT // max(1, seen))
        answer: dict[Rdata, None] = {}
        additional: dict[tuple[str, int], dict[Rdata, None]] = {}
        for target, port, record in found:
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
        rrset = RRset(inquiry.owner, SRV, self._options.ttl, tuple(answer))
        return (rrset,) if answer else (), extra, partial or match.partial

    def pointer(self, address: str, inquiry: ClusterQuestion) -> ClusterAnswer:
        """Return the names of the Services that have ``address`` outside."""
        found = self._store.services_outside(address)
        keys: Keys = (
            ("external", address),
            *(("namespace", each.key.namespace) for each in found),
        )
        # without *namespaces* it is not looked at whether they exist (CoreDNS)
        if self._options.namespaces:
            found = tuple(each for each in found if self.exposed(each.key.namespace))
        rrset = pointers(inquiry.owner, map(self._name, found), self.rules.ttl)
        if rrset is None:
            gone = Source("address", address, found=False)
            return ClusterAnswer("negative/no-address", (gone,), keys, exists=False)
        sources = tuple(source_of("Service", each) for each in found)
        return ClusterAnswer("external/ptr", sources, keys, True, (rrset,))

    def _name(self, service: Service) -> str:
        namespace, name = service.key
        return within(f"{name}.{namespace}.", self.rules.zones[0])


def _read(namespace: str, left: Sequence[str]) -> ParsedName | None:
    """Return what the labels left of ``namespace`` ask for; None when too many."""
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
    match: Match, zone: Name, pod_names: bool
) -> Iterator[tuple[str, int, tuple[int, Rdata] | None]]:
    """Yield target, port and address record of every pair of a host and a port."""
    for group in match.groups:
        names_of = targets(group, match.owner, pod_names)
        for relative, host in zip(names_of, group.hosts, strict=True):
            record = record_of(host)
            target = within(relative, zone) if record else absolute(host)
            for port in group.ports:
                yield target, port.number, record


NAME_SERVER = "ns1."
_REFRESH, _RETRY, _EXPIRE = 7200, 1800, 86400


class ExternalZones:
    """Answers questions in the zones of ``rules`` from what ``answers`` knows."""

    def __init__(self, rules: ExternalOptions, answers: ClusterZones) -> None:
        self.rules = rules
        self._answers = answers
        self._options = answers.options
        self._store = answers.main
        self._lookup = ExternalLookup(rules, answers.options, answers.main)

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

    def answer(self, inquiry: ClusterQuestion) -> ClusterAnswer:
        """Return what the rules say to ``inquiry``."""
        name, zone = inquiry.name, inquiry.zone
        labels = names.labels(name)
        labels = labels[: len(labels) - len(names.labels(zone))]
        for each in self.rules.zones:  # whichever comes first (CoreDNS)
            if name == each:
                return self._at_apex(inquiry)
            if names.is_below(name, within(self.rules.apex, each)):
                return self._below_apex(labels, inquiry)
        if inquiry.qtype == PTR and (address := reversed_address(name)):
            return self._lookup.pointer(address, inquiry)
        found = self._lookup.find(labels, inquiry.window)
        if isinstance(found, Miss):
            return missed(found)
        return self._lookup.records(found, inquiry)

    def transfer(self, zone: Name) -> tuple[RRset, ...] | None:
        """Return every record of ``zone`` but pointers; None when it is not ours."""
        if zone not in self.rules.zones:
            return None
        first = self.soa(zone)
        return (first, *dict.fromkeys(self._all(zone)), first)

    # -- the top of a zone

    def _at_apex(self, inquiry: ClusterQuestion) -> ClusterAnswer:
        zone = inquiry.zone
        if inquiry.qtype == SOA:
            return ClusterAnswer("external/soa", answer=(self.soa(zone),))
        if inquiry.qtype != NS:
            return ClusterAnswer("external/apex")
        server = within(NAME_SERVER + self.rules.apex, zone)
        answer = RRset(zone, NS, self.rules.ttl, (names.to_wire(server),))
        keys, hosts = self._servers()
        glue = tuple(filter(None, (self._family(hosts, server, t) for t in (A, AAAA))))
        return ClusterAnswer("external/ns", (), keys, True, (answer,), glue)

    def _below_apex(
        self, labels: Sequence[str], inquiry: ClusterQuestion
    ) -> ClusterAnswer:
        if len(labels) == 1:
            return ClusterAnswer("external/node")
        # counted from the zone, however many labels the apex has (CoreDNS)
        if len(labels) != 2 or labels[0] + "." != NAME_SERVER:
            return ClusterAnswer("negative/not-a-name-server", exists=False, final=True)
        keys, hosts = self._servers()
        found = self._family(hosts, inquiry.owner, inquiry.qtype)
        return ClusterAnswer(
            "external/name-server", (), keys, True, (found,) if found else ()
        )

    def _family(self, hosts: Sequence[str], owner: str, rtype: int) -> RRset | None:
        return addresses(hosts, owner, rtype, self.rules.ttl)[0]

    def _servers(self) -> tuple[Keys, Sequence[str]]:
        """Return where this server is found from outside.

        By its own Services; without any by the addresses of the machine.
        """
        local, store = self._answers.local, self._store
        slices = [each for address in local for each in store.slices_at(address)]
        keys: Keys = (
            *(("address", address) for address in local),
            *chain.from_iterable(service_with_endpoints(s.service) for s in slices),
        )
        if not slices:
            return keys, local
        hosts: dict[str, None] = {}
        for each in slices:
            service = store.services.get(each.service)
            if service and self.rules.headless and service.headless:
                hosts |= {end.address: None for end in each.endpoints if end.ready}
            elif service:
                hosts |= dict.fromkeys(service.external_ips)
        return keys, tuple(hosts)

    # -- a whole zone

    def _all(self, zone: Name) -> Iterator[RRset]:
        server = self._at_apex(ClusterQuestion(zone, NS, zone, zone, zone))
        yield from (piece for piece in server.answer if isinstance(piece, RRset))
        yield from server.additional
        for key in sorted(self._store.services, key=lambda each: (each.name, each)):
            service = self._store.services[key]
            yield from self._of(zone, [key.name, key.namespace], (A, AAAA, SRV))
            for left in self._below(service):
                types = (SRV,) if left[0].startswith("_") else (A, AAAA, SRV)
                yield from self._of(zone, [*left, key.name, key.namespace], types)

    def _of(
        self, zone: Name, labels: Sequence[str], types: Sequence[int]
    ) -> Iterator[RRset]:
        found = self._lookup.find([label.lower() for label in labels])
        if isinstance(found, Miss):
            return
        owner = within(".".join(labels) + ".", zone)
        try:
            names.to_wire(owner)
        except ValueError:  # an endpoint's name that no message can hold
            return
        for rtype in types:
            inquiry = ClusterQuestion(owner, rtype, zone, zone, owner)
            for piece in self._lookup.records(found, inquiry).answer:
                if isinstance(piece, RRset):
                    yield piece

    def _below(self, service: Service) -> Iterator[list[str]]:
        """Yield what may stand left of the name of ``service``."""
        shows = self.rules.headless and service.headless and not service.external_ips
        slices = self._store.slices_of(service.key) if shows else ()
        ports = [port for each in slices for port in each.ports] or service.ports
        for port in ports:
            if port.name:
                yield [f"_{port.name.lower()}", f"_{port.protocol.lower()}"]
        for each in slices:
            for end in each.endpoints:
                yield [endpoint_name(end, self._options.endpoint_pod_names)]
