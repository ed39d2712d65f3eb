"""Answers PTR questions: the names of an address (DNS spec 2.3.3, 2.4.3)."""

from collections.abc import Iterator, Sequence

from minidns.dns.model import Source
from minidns.kubernetes.addresses import endpoint_name
from minidns.kubernetes.lookup import Lookup
from minidns.kubernetes.model import ClusterAnswer, source_of
from minidns.kubernetes.objects import EndpointSlice, Namespace, Service
from minidns.kubernetes.records import pointers, within
from minidns.kubernetes.rules import Rule


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
