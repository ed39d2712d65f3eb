"""Services by the addresses they have outside the cluster (*k8s_external*).

``SERVICE.NAMESPACE`` in zones of their own, without ``svc``: what answers are
*externalIPs* and the addresses of load balancers. Synchronous, over the same store as
the cluster's names.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from minidns.dns import names
from minidns.dns.model import Name, RRset
from minidns.dns.rdata import AAAA, NS, PTR, SOA, SRV, A, soa
from minidns.kubernetes.addresses import endpoint_name, reversed_address
from minidns.kubernetes.answers import Answers
from minidns.kubernetes.cluster_answer import Inquiry, Outcome, missed
from minidns.kubernetes.external_lookup import ExternalLookup, Rules
from minidns.kubernetes.match import Keys, Miss, service_with_endpoints
from minidns.kubernetes.objects import Service
from minidns.kubernetes.records import addresses, within

NAME_SERVER = "ns1."
_REFRESH, _RETRY, _EXPIRE = 7200, 1800, 86400


class External:
    """Answers questions in the zones of ``rules`` from what ``answers`` knows."""

    def __init__(self, rules: Rules, answers: Answers) -> None:
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

    def answer(self, inquiry: Inquiry) -> Outcome:
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

    def _at_apex(self, inquiry: Inquiry) -> Outcome:
        zone = inquiry.zone
        if inquiry.qtype == SOA:
            return Outcome("external/soa", answer=(self.soa(zone),))
        if inquiry.qtype != NS:
            return Outcome("external/apex")
        server = within(NAME_SERVER + self.rules.apex, zone)
        answer = RRset(zone, NS, self.rules.ttl, (names.to_wire(server),))
        keys, hosts = self._servers()
        glue = tuple(filter(None, (self._family(hosts, server, t) for t in (A, AAAA))))
        return Outcome("external/ns", (), keys, True, (answer,), glue)

    def _below_apex(self, labels: Sequence[str], inquiry: Inquiry) -> Outcome:
        if len(labels) == 1:
            return Outcome("external/node")
        # counted from the zone, however many labels the apex has (CoreDNS)
        if len(labels) != 2 or labels[0] + "." != NAME_SERVER:
            return Outcome("negative/not-a-name-server", exists=False, final=True)
        keys, hosts = self._servers()
        found = self._family(hosts, inquiry.owner, inquiry.qtype)
        return Outcome(
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
        server = self._at_apex(Inquiry(zone, NS, zone, zone, zone))
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
            inquiry = Inquiry(owner, rtype, zone, zone, owner)
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
