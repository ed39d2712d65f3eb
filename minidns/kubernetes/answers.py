"""Answers questions in the zones of *kubernetes*: the order of the rules, by type.

Pure and synchronous. Where an ExternalName leads out of the zone the answer holds an
``ExternalTarget``, which a plugin replaces by the records of that name.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from minidns.dns import names
from minidns.dns.model import CoversLabel, Name, RRset, Source
from minidns.dns.rdata import AAAA, CNAME, NS, PTR, SOA, SRV, TXT, A
from minidns.kubernetes import apex
from minidns.kubernetes.apex import zone_records
from minidns.kubernetes.lookup import Lookup, NoService
from minidns.kubernetes.model import (
    ClusterAnswer,
    ClusterQuestion,
    ExternalTarget,
    FoundObjects,
    HostGroup,
    RecordOrTarget,
    source_of,
)
from minidns.kubernetes.names import (
    ParsedName,
    endpoint_name,
    is_reverse,
    parse,
    record_of,
    reversed_address,
)
from minidns.kubernetes.objects import EndpointSlice, Key, Namespace, Service
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.records import (
    absolute,
    addresses,
    cname,
    hosts_of,
    pointers,
    service_records,
    within,
)
from minidns.kubernetes.rules import COVERS_MANY_NAMES, INNER_NODES, Rule
from minidns.kubernetes.store import Store

MAX_CHAIN = 10
"""CNAMEs in a row, after which one more is left out (CoreDNS *kubernetes*)."""
MAX_LOOKUPS = 32
"""limit: aliases followed for one answer; an endpoint slice of names can need many."""


class AliasBudget:
    """The number of aliases that may still be followed for one answer."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_LOOKUPS) -> None:
        self.left = left


class ClusterZones:
    """The zones of *kubernetes*, answered from stores.

    ``main`` holds the objects of this cluster, ``imports`` the Services of its cluster
    set (*multicluster*).
    """

    def __init__(self, options: KubernetesOptions, main: Store, imports: Store) -> None:
        self.options = options
        self.main = main
        self.local: tuple[str, ...] = ()
        """Addresses of this machine, which identify the server's own Services."""
        self.synced: Callable[[], bool] = lambda: True
        """Returns whether the first lists are complete: only then is a name absent."""
        by_length = sorted(options.zones, key=len, reverse=True)
        self._ends = [(zone, within(".", zone)) for zone in by_length]
        self._main = Lookup(options, main, main)
        self._imports = Lookup(options, imports, main)

    def zone_of(self, name: Name) -> Name | None:
        """Return the longest zone of the plugin that ``name`` is in, if any."""
        if "\\" in name:  # the dot before the zone may be part of a label
            return names.longest(self.options.zones, name)
        dotted = f".{name}"
        for zone, end in self._ends:
            if dotted.endswith(end):
                return zone
        return None

    def soa(self, zone: Name, spelled: str) -> RRset:
        """Return the SOA of ``zone``; its serial is 0 before the first change."""
        serial = self.lookup(zone).serial()
        return apex.start_of_authority(spelled, self.options.ttl, serial)

    def answer(
        self,
        question: ClusterQuestion,
        budget: AliasBudget | None = None,
        seen: tuple[str, ...] = (),
    ) -> ClusterAnswer:
        """Return the answer to ``question``.

        ``seen`` are the aliases followed so far, as they are spelled.
        """
        name, qtype, zone = question.name, question.qtype, question.zone
        strict = self.options.strict
        if qtype == SOA:
            if name == zone:
                soa = self.soa(zone, question.spelled)
                return ClusterAnswer(Rule.SOA, answer=(soa,))
            if not strict:  # not even looked up (CoreDNS)
                return ClusterAnswer(Rule.SOA_BELOW_APEX)
        # the lower-case name against the zone as spelled: CoreDNS misses mixed case
        if qtype == NS and name == (zone if strict else question.spelled):
            return self._name_servers(question)
        if qtype == PTR and (address := reversed_address(name, strict=strict)):
            return reverse_answer(self._main, address, question.owner)
        if qtype == TXT and name == within(apex.SCHEMA, zone):
            version = apex.schema_version(question.owner)
            return ClusterAnswer(Rule.DNS_VERSION, answer=(version,))
        objects = self.find(question)
        if objects.groups:
            return self._records(objects, question, budget, seen)
        rule = objects.rule
        if qtype == TXT and not strict and rule in INNER_NODES:
            rule = Rule.TXT_AT_INNER_NODE
        return ClusterAnswer(rule, objects.sources, objects.keys)

    def covered_labels(
        self, question: ClusterQuestion, answer: ClusterAnswer
    ) -> CoversLabel | None:
        """Return a test for other first labels with the same answer, if there are any.

        Every label is covered if the name does not exist because of a label further
        right; and where a Service is missing, every label that is no Service.
        """
        name, zone = question.name, question.zone
        if answer.rule not in COVERS_MANY_NAMES or "\\" in name or is_reverse(name):
            return None
        left = name[: -len(zone) - 1].split(".")
        if zone == "." or len(left) < 3:  # ns.dns, a namespace, svc
            return None
        if answer.rule is Rule.NO_SUCH_SERVICE and len(left) == 3:
            return NoService(self.lookup(zone).store.services, left[1])
        return _any_label

    def transfer(self, zone: Name) -> tuple[RRset, ...] | None:
        """Return every record of ``zone``; None if it is not exactly one of the zones.

        CoreDNS hands out any name below a zone as if it were a zone.
        """
        if zone not in self.options.zones:
            return None
        soa = self.soa(zone, zone)
        return tuple(zone_records(self.lookup(zone), self.local, zone, soa))

    def find(self, question: ClusterQuestion) -> FoundObjects:
        """Return the objects of the name in ``question``, for any type."""
        name, zone, strict = question.name, question.zone, self.options.strict
        left = name[: -len(zone) - 1] if zone != "." else name[:-1]
        if not left:
            return FoundObjects(Rule.APEX)
        if left in ("svc", "pod"):
            return FoundObjects(Rule.INNER_NODE)
        if left == "ns.dns" and (strict or question.spelled == zone):
            return self._name_server(question.qtype)
        labels = left.split(".") if "\\" not in left else names.labels(left)
        if labels[-1] not in ("svc", "pod"):
            inner = strict and left in ("dns", "dns-version")  # RFC 8020
            return FoundObjects(Rule.INNER_NODE if inner else Rule.NOT_IN_CLUSTER)
        if is_reverse(name):
            return FoundObjects(Rule.REVERSE_NAME)
        parsed = self.parse(labels, zone, strict=strict)
        if parsed is None:
            return FoundObjects(Rule.TOO_LONG)
        return self.lookup(zone).find(parsed, question.window)

    def labels(self, name: Name, zone: Name) -> list[str]:
        """Return the labels of ``name`` left of ``zone``."""
        return names.labels(name)[: -len(names.labels(zone)) or None]

    def parse(
        self, labels: Sequence[str], zone: Name, *, strict: bool = False
    ) -> ParsedName | None:
        """Return the meaning of two or more ``labels`` left of ``zone``."""
        imports = zone in self.options.multicluster
        zonal = self.options.zonal and not imports
        return parse(labels, multicluster=imports, zonal=zonal, strict=strict)

    def service_of(self, name: Name) -> Key | None:
        """Return the key of the Service that ``name`` is about, if it is about one."""
        zone = self.zone_of(name)
        labels = self.labels(name, zone) if zone else []
        if zone is None or len(labels) < 3 or labels[-1] != "svc":
            return None
        parsed = self.parse(labels, zone)
        return Key(parsed.namespace, parsed.service) if parsed else None

    def lookup(self, zone: Name) -> Lookup:
        """Return the lookup for the Services of ``zone``."""
        return self._imports if zone in self.options.multicluster else self._main

    def _name_servers(self, question: ClusterQuestion) -> ClusterAnswer:
        options = self.options
        # with strict, the NS of a reverse zone are names of the forward zone
        zone = question.spelled
        if options.strict and is_reverse(f".{zone.lower()}"):
            zone = options.primary
        servers = apex.name_servers(self._main.store, self.local, options)
        answer = servers.records(question.owner, zone, options.ttl)
        glue = tuple(servers.glue(zone, options.ttl))
        return ClusterAnswer(Rule.NS, servers.sources, servers.keys, answer, glue)

    def _name_server(self, qtype: int) -> FoundObjects:
        if qtype in (TXT, PTR) and not self.options.strict:
            return FoundObjects(Rule.NAME_SERVER_OTHER_TYPE)
        servers = apex.name_servers(self._main.store, self.local, self.options)
        sources, keys = servers.sources, servers.keys
        if not servers.hosts:
            return FoundObjects(Rule.NAME_SERVER, sources, keys)
        group = HostGroup([address for _, address in servers.hosts], ())
        owner = apex.NAME_SERVER
        return FoundObjects(Rule.NAME_SERVER, sources, keys, owner, (group,))

    def _records(
        self,
        objects: FoundObjects,
        question: ClusterQuestion,
        budget: AliasBudget | None,
        seen: tuple[str, ...],
    ) -> ClusterAnswer:
        rule, sources, keys = objects.rule, objects.sources, objects.keys
        qtype, owner, options = question.qtype, question.owner, self.options
        host = objects.groups[0].hosts[0]
        # strict: an alias for any type, and never an address (RFC 1034 3.6.2)
        alias = options.strict and rule is Rule.EXTERNAL_NAME
        if alias and qtype != CNAME:
            return self._follow_aliases(objects, question, None, [host], budget, seen)
        if qtype in (A, AAAA):
            rrset, others = addresses(hosts_of(objects), owner, qtype, options.ttl)
            if others:
                return self._follow_aliases(
                    objects, question, rrset, others, budget, seen
                )
            if rrset is None:
                return ClusterAnswer(Rule.NO_SUCH_FAMILY, sources, keys)
            return ClusterAnswer(rule, sources, keys, (rrset,), (), objects.partial)
        if qtype == SRV:
            answer, additional, partial = service_records(
                objects, owner, question.spelled, options, question.window
            )
            rule = rule if answer else Rule.NO_PORT_NUMBER
            return ClusterAnswer(rule, sources, keys, answer, additional, partial)
        if qtype == CNAME and (alias or record_of(host) is None):
            link = cname(owner, host, options.ttl)
            return ClusterAnswer(rule, sources, keys, (link,) if link else ())
        return ClusterAnswer(Rule.NO_SUCH_TYPE, sources, keys)

    def _follow_aliases(
        self,
        objects: FoundObjects,
        question: ClusterQuestion,
        rrset: RRset | None,
        hosts: list[str],
        budget: AliasBudget | None,
        seen: tuple[str, ...],
    ) -> ClusterAnswer:
        """Return CNAMEs to those of ``hosts`` with records, and these records."""
        budget = budget or AliasBudget()
        answer: list[RecordOrTarget] = []
        partial = objects.partial
        sources, keys = dict.fromkeys(objects.sources), dict.fromkeys(objects.keys)
        for host in hosts:
            link = cname(question.owner, host, self.options.ttl)
            if link is None:
                continue
            target_answer = self._target_answer(absolute(host), question, budget, seen)
            sources.update(dict.fromkeys(target_answer.sources))
            keys.update(dict.fromkeys(target_answer.keys))
            if target_answer.answer or self.options.strict:
                answer += [link, *target_answer.answer]
                partial = partial or target_answer.partial
        if rrset:
            answer.append(rrset)
        rule = objects.rule if answer else Rule.ALIAS_LEADS_NOWHERE
        return ClusterAnswer(
            rule, tuple(sources), tuple(keys), tuple(answer), (), partial
        )

    def _target_answer(
        self,
        target: str,
        question: ClusterQuestion,
        budget: AliasBudget,
        seen: tuple[str, ...],
    ) -> ClusterAnswer:
        """Return the answer for ``target``; an empty one if it is not followed."""
        lower = target.lower()
        if names.is_below(lower, question.name) or target in seen:
            return ClusterAnswer(Rule.ALIAS_LOOP)
        if len(seen) > MAX_CHAIN or not budget.left:
            return ClusterAnswer(Rule.TOO_MANY_ALIASES)
        budget.left -= 1
        if not names.is_below(lower, question.zone):
            outside = ExternalTarget(lower)
            return ClusterAnswer(Rule.EXTERNAL_NAME_OUTSIDE, answer=(outside,))
        inner = replace(question, name=lower, owner=target)
        return self.answer(inner, budget, (*seen, target))


def _any_label(label: str) -> bool:
    return True


def reverse_answer(lookup: Lookup, address: str, owner: str) -> ClusterAnswer:
    """Return the PTR records at ``owner`` for ``address``.

    A cluster IP has one name, that of its Service. Any other address has the names of
    the ready endpoints with it.
    """
    return _ReverseLookup(lookup, address, owner).answer()


class _ReverseLookup:
    """One lookup of an address, with the sources and keys collected on the way."""

    def __init__(self, lookup: Lookup, address: str, owner: str) -> None:
        self._options = lookup.options
        self._store = lookup.main
        self._lookup = lookup
        self._address = address
        self._owner = owner
        self._sources: dict[Source, None] = {}
        self._keys: dict[tuple[str, ...], None] = {("address", address): None}

    def answer(self) -> ClusterAnswer:
        if self._options.primary == ".":
            # unlike CoreDNS, where the reply cannot be packed and is never sent
            return self._denied(Rule.NO_FORWARD_ZONE)
        services = self._store.services_at(self._address)
        for service in filter(self._is_shown, services):
            name = f"{service.key.name}.{service.key.namespace}.svc."
            self._add_source("Service", service)
            return self._pointers(Rule.PTR_CLUSTER_IP, [name])
        slices = self._store.slices_at(self._address)
        shown, rule = list(filter(self._is_shown, slices)), Rule.PTR_ENDPOINT
        if not shown:
            lingering = self._store.held.slices_at(self._address)
            shown, rule = list(filter(self._is_shown, lingering)), Rule.PTR_HELD
        for slice_ in shown:
            self._add_source("EndpointSlice", slice_)
        if shown:
            return self._pointers(
                rule, [n for slice_ in shown for n in self._names(slice_)]
            )
        hidden = services or slices
        return self._denied(Rule.ADDRESS_HIDDEN if hidden else Rule.NO_ADDRESS)

    def _names(self, slice_: EndpointSlice) -> Iterator[str]:
        owner = f"{slice_.service.name}.{slice_.service.namespace}.svc."
        for end in slice_.endpoints:
            if end.ready and end.address == self._address:
                yield f"{endpoint_name(end, self._options.endpoint_pod_names)}.{owner}"

    def _is_shown(self, obj: Service | EndpointSlice) -> bool:
        """Return whether the options expose the object's namespace.

        CoreDNS does not look at *namespace_labels* here, nor at whether the Namespace
        exists, unless *namespaces* is set.
        """
        options, namespace = self._options, obj.key.namespace
        if not options.namespaces and not (options.strict and options.namespace_labels):
            return True
        self._keys["namespace", namespace] = None
        if namespace_object := self._store.namespaces.get(namespace):
            self._add_source("Namespace", namespace_object)
        return self._lookup.exposed(namespace)

    def _add_source(self, kind: str, obj: Namespace | Service | EndpointSlice) -> None:
        self._sources[source_of(kind, obj)] = None

    def _pointers(self, rule: Rule, names: Sequence[str]) -> ClusterAnswer:
        primary = self._options.primary
        targets = [within(name, primary) for name in names]
        rrset = pointers(self._owner, targets, self._options.ttl)
        if rrset is None:
            return self._denied(Rule.UNSENDABLE_NAME)
        sources, keys = tuple(self._sources), tuple(self._keys)
        return ClusterAnswer(rule, sources, keys, (rrset,))

    def _denied(self, rule: Rule) -> ClusterAnswer:
        self._sources[Source("address", self._address, found=False)] = None
        return ClusterAnswer(rule, tuple(self._sources), tuple(self._keys))
