"""From a question to what the cluster answers: the order of the rules, type by type.

Pure and synchronous. Only where an ExternalName leads out of the zone a place is kept
open in the answer (``ExternalTarget``), for whoever can ask there.
"""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from minidns.dns import names
from minidns.dns.model import CoversLabel, Name, RRset
from minidns.dns.rdata import AAAA, CNAME, NS, PTR, SOA, SRV, TXT, A
from minidns.kubernetes import apex
from minidns.kubernetes import names as grammar
from minidns.kubernetes.addresses import is_reverse, record_of, reversed_address
from minidns.kubernetes.lookup import Lookup, NoService
from minidns.kubernetes.model import (
    ClusterAnswer,
    ClusterQuestion,
    ExternalTarget,
    Group,
    Match,
    Miss,
    RecordOrTarget,
    missed,
)
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.records import (
    absolute,
    addresses,
    cname,
    hosts_of,
    within,
)
from minidns.kubernetes.records import services as service_records
from minidns.kubernetes.reverse import Reverse
from minidns.kubernetes.store import Store
from minidns.kubernetes.transfer import Transfer

_WHATEVER_IS_FIRST = frozenset(
    f"negative/{rule}"
    for rule in ("no-such-service", "no-such-namespace", "too-long", "not-in-cluster")
)
"""Rules that say of many names that they do not exist."""
MAX_CHAIN = 10
"""CNAMEs after which one more is left out (CoreDNS)."""
MAX_LOOKUPS = 32
"""limit: names followed for one answer; only a slice of names can need as many."""


class Chase(NamedTuple):
    """Names followed so far."""

    left: list[None]
    """As long as further names may be followed; shared by all branches."""
    seen: tuple[str, ...] = ()
    """Targets on the way here, as written."""


class ClusterZones:
    """Answers questions from what ``main`` knows, and ``imports`` of other clusters."""

    def __init__(self, options: KubernetesOptions, main: Store, imports: Store) -> None:
        self.options = options
        self.main = main
        self.local: tuple[str, ...] = ()
        """Addresses of this machine, by which it finds its own Services."""
        self.synced: Callable[[], bool] = lambda: True
        """Whether the first lists have been taken in: what is missing is not there."""
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
        """Return the SOA of ``zone``; before any change its serial is 0."""
        serial = self.lookup(zone).serial()
        return apex.start_of_authority(spelled, self.options.ttl, serial)

    def answer(
        self, inquiry: ClusterQuestion, chase: Chase | None = None
    ) -> ClusterAnswer:
        """Return what the rules say to ``inquiry``."""
        name, qtype, zone = inquiry.name, inquiry.qtype, inquiry.zone
        strict = self.options.strict
        if qtype == SOA:
            if name == zone:
                soa = self.soa(zone, inquiry.spelled)
                return ClusterAnswer("zone/soa", answer=(soa,))
            if not strict:  # not even looked up (CoreDNS)
                return ClusterAnswer("nodata/soa-below-apex")
        # the lower-cased name against the zone as spelled: CoreDNS misses mixed case
        if qtype == NS and name == (zone if strict else inquiry.spelled):
            return self._name_servers(inquiry)
        if qtype == PTR and (address := reversed_address(name, strict=strict)):
            return Reverse(self._main, address, inquiry.owner).outcome()
        if qtype == TXT and name == within(apex.SCHEMA, zone):
            version = apex.schema_version(inquiry.owner)
            return ClusterAnswer("zone/dns-version", answer=(version,))
        found = self.find(inquiry)
        if isinstance(found, Match):
            return self._records(found, inquiry, chase)
        if qtype == TXT and not strict and not found.rule.startswith("zonal/"):
            found = replace(found, exists=False)
        return missed(found)

    def siblings(
        self, inquiry: ClusterQuestion, outcome: ClusterAnswer
    ) -> CoversLabel | None:
        """Return for which other first labels ``outcome`` would be the same, if any.

        Those of names that do not exist for what stands further right, and all that
        would be Services where a Service is missing.
        """
        name, zone = inquiry.name, inquiry.zone
        if outcome.rule not in _WHATEVER_IS_FIRST or "\\" in name or is_reverse(name):
            return None
        left = name[: -len(zone) - 1].split(".")
        if zone == "." or len(left) < 3:  # ns.dns, a namespace, svc
            return None
        if outcome.rule == "negative/no-such-service" and len(left) == 3:
            return NoService(self.lookup(zone).store.services, left[1])
        return _any_label

    def transfer(self, zone: Name) -> tuple[RRset, ...] | None:
        """Return every record of ``zone``; None when it is not exactly ours.

        CoreDNS hands out any name below a zone as if it were one.
        """
        if zone not in self.options.zones:
            return None
        records = Transfer(self.lookup(zone), self.local, zone)
        return tuple(records.records(self.soa(zone, zone)))

    def find(self, inquiry: ClusterQuestion) -> Match | Miss:
        """Return the objects that the name stands for, whatever the type."""
        name, zone, strict = inquiry.name, inquiry.zone, self.options.strict
        left = name[: -len(zone) - 1] if zone != "." else name[:-1]
        if not left:
            return Miss(True, "zone/apex")
        if left in ("svc", "pod"):
            return Miss(True, "zone/node")
        if left == "ns.dns" and (strict or inquiry.spelled == zone):
            return self._name_server(inquiry.qtype)
        labels = left.split(".") if "\\" not in left else names.labels(left)
        if labels[-1] not in ("svc", "pod"):
            inner = strict and left in ("dns", "dns-version")  # RFC 8020
            return Miss(inner, "zone/node" if inner else "negative/not-in-cluster")
        if is_reverse(name):
            return Miss(False, "negative/reverse-name")
        lookup = self.lookup(zone)
        asked = grammar.read(
            labels,
            multicluster=lookup.imports,
            zonal=self.options.zonal and not lookup.imports,
            strict=strict,
        )
        if asked is None:
            return Miss(False, "negative/too-long")
        return lookup.find(asked, inquiry.window)

    def lookup(self, zone: Name) -> Lookup:
        """Return what finds the objects of ``zone``."""
        return self._imports if zone in self.options.multicluster else self._main

    def _name_servers(self, inquiry: ClusterQuestion) -> ClusterAnswer:
        options = self.options
        # with strict, a name below a reverse zone leads to the forward one
        zone = inquiry.spelled
        if options.strict and is_reverse(f".{zone.lower()}"):
            zone = options.primary
        found = apex.name_servers(self._main.store, self.local, options)
        answer = found.records(inquiry.owner, zone, options.ttl)
        glue = tuple(found.glue(zone, options.ttl))
        return ClusterAnswer("zone/ns", found.sources, found.keys, True, answer, glue)

    def _name_server(self, qtype: int) -> Match | Miss:
        if qtype in (TXT, PTR) and not self.options.strict:
            return Miss(False, "negative/name-server")
        found = apex.name_servers(self._main.store, self.local, self.options)
        rule = "zone/name-server"
        if not found.hosts:
            return Miss(True, rule, found.sources, found.keys)
        group = Group([address for _, address in found.hosts], ())
        return Match(rule, apex.NAME_SERVER, (group,), found.sources, found.keys)

    def _records(
        self, match: Match, inquiry: ClusterQuestion, chase: Chase | None
    ) -> ClusterAnswer:
        rule, groups, sources, keys = (
            match.rule,
            match.groups,
            match.sources,
            match.keys,
        )
        qtype, owner, options = inquiry.qtype, inquiry.owner, self.options
        # strict: an alias for any type, and never an address (RFC 1034 3.6.2)
        alias = options.strict and rule == "external-name"
        if alias and qtype != CNAME:
            return self._followed(match, inquiry, None, list(groups[0].hosts), chase)
        if qtype in (A, AAAA):
            rrset, others = addresses(hosts_of(match), owner, qtype, options.ttl)
            if others:
                return self._followed(match, inquiry, rrset, others, chase)
            if rrset is None:
                return ClusterAnswer("nodata/family", sources, keys)
            return ClusterAnswer(rule, sources, keys, True, (rrset,), (), match.partial)
        if qtype == SRV:
            answer, additional, partial = service_records(
                match, owner, inquiry.spelled, options, inquiry.window
            )
            rule = rule if answer else "nodata/no-port"
            return ClusterAnswer(rule, sources, keys, True, answer, additional, partial)
        if qtype == CNAME and (alias or record_of(groups[0].hosts[0]) is None):
            link = cname(owner, groups[0].hosts[0], options.ttl)
            return ClusterAnswer(rule, sources, keys, True, (link,) if link else ())
        return ClusterAnswer("nodata/type", sources, keys)

    def _followed(
        self,
        match: Match,
        inquiry: ClusterQuestion,
        rrset: RRset | None,
        hosts: list[str],
        chase: Chase | None,
    ) -> ClusterAnswer:
        """Return the CNAMEs that lead to something, and what they lead to."""
        chase = chase or Chase([None] * MAX_LOOKUPS)
        pieces: list[RecordOrTarget] = []
        partial = match.partial
        sources, keys = dict.fromkeys(match.sources), dict.fromkeys(match.keys)
        for host in hosts:
            link = cname(inquiry.owner, host, self.options.ttl)
            if link is None:
                continue
            there = self._target(absolute(host), inquiry, chase)
            sources.update(dict.fromkeys(there.sources))
            keys.update(dict.fromkeys(there.keys))
            if there.answer or self.options.strict:
                pieces += [link, *there.answer]
                partial = partial or there.partial
        if rrset:
            pieces.append(rrset)
        rule = match.rule if pieces else "nodata/leads-nowhere"
        return ClusterAnswer(
            rule, tuple(sources), tuple(keys), True, tuple(pieces), (), partial
        )

    def _target(
        self, target: str, inquiry: ClusterQuestion, chase: Chase
    ) -> ClusterAnswer:
        """Return what stands at ``target``; nothing when it is not to be followed."""
        zone = inquiry.zone
        lower = target.lower()
        if names.is_below(lower, inquiry.name) or target in chase.seen:
            return ClusterAnswer("negative/loop")
        if len(chase.seen) > MAX_CHAIN or not chase.left:
            return ClusterAnswer("negative/too-many-names")
        chase.left.pop()
        if not names.is_below(lower, zone):
            return ClusterAnswer(
                "external-name/outside", answer=(ExternalTarget(lower),)
            )
        inner = replace(inquiry, name=lower, owner=target)
        return self.answer(inner, chase._replace(seen=(*chase.seen, target)))


def _any_label(label: str) -> bool:
    return True
