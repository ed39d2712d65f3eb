"""From an address to the names that PTR records give (DNS spec 2.3.3, 2.4.3)."""

from collections.abc import Iterator, Sequence

from minidns.dns.model import Source
from minidns.kubernetes.addresses import endpoint_name
from minidns.kubernetes.lookup import Lookup
from minidns.kubernetes.model import ClusterAnswer, source_of
from minidns.kubernetes.objects import EndpointSlice, Namespace, Service
from minidns.kubernetes.records import pointers, within


class Reverse:
    """One look-up of an address; remembers what it saw on the way."""

    def __init__(self, lookup: Lookup, address: str, owner: str) -> None:
        self._options = lookup.options
        self._store = lookup.main
        self._lookup = lookup
        self._address = address
        self._owner = owner
        self._sources: dict[Source, None] = {}
        self._keys: dict[tuple[str, ...], None] = {("address", address): None}

    def outcome(self) -> ClusterAnswer:
        """Return the pointer to the Service with that cluster IP, else the endpoints'.

        One name for a cluster IP, and then none of endpoints; one per endpoint.
        """
        if self._options.primary == ".":
            # unlike CoreDNS: there the reply cannot be packed and is never sent
            return self._missing("negative/no-forward-zone")
        services = self._store.services_at(self._address)
        for service in filter(self._shown, services):
            name = f"{service.key.name}.{service.key.namespace}.svc."
            self._cite("Service", service)
            return self._found("ptr/cluster-ip", [name])
        slices = self._store.slices_at(self._address)
        shown, rule = list(filter(self._shown, slices)), "ptr/endpoint"
        if not shown:
            held = self._store.held.slices_at(self._address)
            shown, rule = list(filter(self._shown, held)), "ptr/held"
        for each in shown:
            self._cite("EndpointSlice", each)
        if shown:
            return self._found(rule, [n for each in shown for n in self._names(each)])
        hidden = services or slices
        return self._missing(f"negative/{'address-hidden' if hidden else 'no-address'}")

    def _names(self, one: EndpointSlice) -> Iterator[str]:
        owner = f"{one.service.name}.{one.service.namespace}.svc."
        for end in one.endpoints:
            if end.ready and end.address == self._address:
                yield f"{endpoint_name(end, self._options.endpoint_pod_names)}.{owner}"

    def _shown(self, obj: Service | EndpointSlice) -> bool:
        """Return whether the options let the object's namespace be seen.

        CoreDNS does not look at *namespace_labels* here, nor at whether the Namespace
        exists, unless *namespaces* is set.
        """
        options, namespace = self._options, obj.key.namespace
        if not options.namespaces and not (options.strict and options.namespace_labels):
            return True
        self._keys["namespace", namespace] = None
        shown = self._lookup.exposed(namespace)
        if there := self._store.namespaces.get(namespace):
            self._cite("Namespace", there)
        return shown

    def _cite(self, kind: str, obj: Namespace | Service | EndpointSlice) -> None:
        self._sources[source_of(kind, obj)] = None

    def _found(self, rule: str, names: Sequence[str]) -> ClusterAnswer:
        primary = self._options.primary
        targets = [within(name, primary) for name in names]
        rrset = pointers(self._owner, targets, self._options.ttl)
        if rrset is None:
            return self._missing("negative/unsendable-name")
        return ClusterAnswer(rule, *self._seen(), answer=(rrset,))

    def _missing(self, rule: str) -> ClusterAnswer:
        self._sources[Source("address", self._address, found=False)] = None
        return ClusterAnswer(rule, *self._seen(), exists=False)

    def _seen(self) -> tuple[tuple[Source, ...], tuple[tuple[str, ...], ...]]:
        return tuple(self._sources), tuple(self._keys)
