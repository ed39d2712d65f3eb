"""What a name of *k8s_external* stands for, and the records that makes.

``SERVICE.NAMESPACE`` in a zone of its own, without ``svc``; perhaps with a port and a
protocol, or an endpoint, before it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minidns.dns.model import Name, Rdata, RRset, Source
from minidns.dns.rdata import AAAA, SRV, A, srv
from minidns.kubernetes.addresses import record_of
from minidns.kubernetes.cluster_answer import Inquiry, Outcome
from minidns.kubernetes.lookup import Lookup, filtered
from minidns.kubernetes.match import (
    Group,
    Keys,
    Match,
    Miss,
    Sources,
    cited,
    endpoints_of,
)
from minidns.kubernetes.names import Asked
from minidns.kubernetes.objects import NO_PORT, Key, Service
from minidns.kubernetes.options import Options
from minidns.kubernetes.records import (
    WEIGHT,
    Outside,
    Piece,
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


class Rules(NamedTuple):
    """What a Corefile says to the plugin."""

    zones: tuple[Name, ...]
    apex: Name = "dns."
    """Below which the name servers' names are; ends in a dot."""
    ttl: int = 5
    headless: bool = False
    """Whether Services without any address of their own show their endpoints."""
    fallthrough: tuple[Name, ...] = ()


class ExternalLookup:
    """Finds Services by what they have outside; ``options`` are of *kubernetes*."""

    def __init__(self, rules: Rules, options: Options, store: Store) -> None:
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
        sources = (cited("Namespace", self._store.namespaces[namespace]),)
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
        following = (*sources, cited("Service", service))
        return self._service(service, asked, window, following, keys)

    def _service(
        self,
        service: Service,
        asked: Asked,
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
            sources += tuple(cited("EndpointSlice", each) for each, _ in found)
            groups = [group for _, group in found]
        if not any(group.hosts and group.ports for group in groups):
            return Miss(False, "negative/nothing-outside", sources, keys)
        owner = f"{service.key.name}.{service.key.namespace}."
        return Match(rule, owner, groups, sources, keys, partial)

    def records(self, match: Match, inquiry: Inquiry) -> Outcome:
        """Return the records of ``match`` that ``inquiry`` asks for."""
        answer: tuple[Piece, ...] = ()
        additional: tuple[RRset, ...] = ()
        partial = match.partial
        if inquiry.qtype in (A, AAAA):
            answer = tuple(self._addresses(match, inquiry.owner, inquiry.qtype))
        elif inquiry.qtype == SRV:
            answer, additional, partial = self._services(match, inquiry)
        rule = match.rule if answer else "nodata/type"
        partial = partial and bool(answer)
        sources, keys = match.sources, match.keys
        return Outcome(rule, sources, keys, True, answer, additional, partial)

    def _addresses(self, match: Match, owner: str, rtype: int) -> Iterator[Piece]:
        ttl = self.rules.ttl
        found, others = addresses(hosts_of(match), owner, rtype, ttl)
        for host in others:
            # the TTL of *kubernetes* (CoreDNS); unlike CoreDNS: once, not for each port
            if link := cname(owner, host, self._options.ttl):
                yield from (link, Outside(absolute(host).lower()))
        if found:
            yield found

    def _services(
        self, match: Match, inquiry: Inquiry
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

    def pointer(self, address: str, inquiry: Inquiry) -> Outcome:
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
            return Outcome("negative/no-address", (gone,), keys, exists=False)
        sources = tuple(cited("Service", each) for each in found)
        return Outcome("external/ptr", sources, keys, True, (rrset,))

    def _name(self, service: Service) -> str:
        namespace, name = service.key
        return within(f"{name}.{namespace}.", self.rules.zones[0])


def _read(namespace: str, left: Sequence[str]) -> Asked | None:
    """Return what the labels left of ``namespace`` ask for; None when too many."""
    *more, service = left
    bare = [label.removeprefix("_") for label in more]
    match bare:
        case []:
            return Asked("svc", namespace, service)
        case [endpoint]:
            return Asked("svc", namespace, service, endpoint)
        case [port, protocol]:
            return Asked("svc", namespace, service, port=port, protocol=protocol)
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
