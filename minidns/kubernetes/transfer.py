"""Lists a whole zone for *transfer* (RFC 5936), in CoreDNS's order.

SOA, NS, their addresses with TTL 0, the Services by name, SOA. No PTR, no pods, no
inner nodes; duplicates are not removed.
"""

from collections.abc import Iterator, Sequence

from minidns.dns.model import Name, RRset
from minidns.dns.names import is_sendable
from minidns.dns.rdata import SRV, srv
from minidns.kubernetes.addresses import endpoint_name, is_reverse, record_of
from minidns.kubernetes.apex import name_servers
from minidns.kubernetes.lookup import Lookup
from minidns.kubernetes.objects import EndpointSlice, Port, Service
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.records import WEIGHT, cname, within


def zone_records(
    lookup: Lookup, local: Sequence[str], zone: Name, soa: RRset
) -> Iterator[RRset]:
    """Yield every record of ``zone``, ``soa`` first and last.

    ``local`` are the addresses of this machine, which serves the zone.
    """
    return _Transfer(lookup, local, zone).records(soa)


class _Transfer:
    def __init__(self, lookup: Lookup, local: Sequence[str], zone: Name) -> None:
        self._lookup = lookup
        self._options: KubernetesOptions = lookup.options
        self._local = local
        self._zone = zone

    def records(self, soa: RRset) -> Iterator[RRset]:
        yield soa
        servers = name_servers(self._lookup.main, self._local, self._options)
        yield from servers.records(self._zone, self._zone, self._options.ttl)
        yield from servers.glue(self._zone, 0)
        # CoreDNS lists the Services in reverse zones, too
        if not (self._options.strict and is_reverse(f".{self._zone}")):
            services = self._lookup.store.services
            for key in sorted(services, key=lambda key: key.name):
                if self._lookup.exposed(key.namespace):
                    yield from self._service(services[key])
        yield soa

    def _service(self, service: Service) -> Iterator[RRset]:
        owner = within(f"{service.key.name}.{service.key.namespace}.svc.", self._zone)
        if service.type == "ExternalName":
            name = service.external_name
            if name and record_of(name) is None:
                link = cname(owner, name, self._options.ttl)
                yield from (link,) if link else ()
        elif service.headless:
            for slice_ in self._lookup.store.slices_of(service.key):
                yield from self._slice(slice_, owner)
        else:
            yield from self._cluster_ip(service, owner)

    def _cluster_ip(self, service: Service, owner: str) -> Iterator[RRset]:
        for address in service.cluster_ips:
            yield from self._address(owner, address)
        for port in service.ports:
            # at the bare name as well, because tools that look for peers query it
            yield from self._srv(owner, port, WEIGHT, owner)
            if port.name:
                at = f"{_prefix(port)}.{owner}"
                yield from self._srv(at, port, WEIGHT, owner)

    def _slice(self, slice_: EndpointSlice, owner: str) -> Iterator[RRset]:
        ready = [end for end in slice_.endpoints if end.ready]
        for end in ready:
            yield from self._address(owner, end.address)
            name = endpoint_name(end, self._options.endpoint_pod_names)
            target = f"{name}.{owner}"
            yield from self._address(target, end.address)
            for port in slice_.ports:
                if port.name:
                    at = f"{_prefix(port)}.{owner}"
                    yield from self._srv(at, port, WEIGHT // len(ready), target)

    def _address(self, owner: str, address: str) -> Iterator[RRset]:
        if (record := record_of(address)) and is_sendable(owner):
            rtype, data = record
            yield RRset(owner, rtype, self._options.ttl, (data,))

    def _srv(self, owner: str, port: Port, weight: int, target: str) -> Iterator[RRset]:
        # unlike CoreDNS: a port without a number has no record, there it is 65535
        if port.number >= 0 and is_sendable(owner) and is_sendable(target):
            data = srv(0, weight, port.number, target)
            yield RRset(owner, SRV, self._options.ttl, (data,))


def _prefix(port: Port) -> str:
    return f"_{port.name.lower()}._{port.protocol.lower()}"
