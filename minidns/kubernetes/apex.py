"""A zone as a whole: the records at its top, and all of them for a transfer (RFC 5936).

At and near the top are SOA, NS, ``ns.dns`` and ``dns-version``. A transfer has, in
CoreDNS's order, SOA, NS, their addresses with TTL 0, the Services by name, and SOA. It
has no PTR, no pods and no inner nodes; duplicates are not removed.
"""

from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from minidns.dns.model import Name, RRset, Source
from minidns.dns.names import is_sendable, to_wire
from minidns.dns.rdata import NS, SOA, SRV, TXT, soa, srv, txt
from minidns.kubernetes.lookup import Lookup
from minidns.kubernetes.model import service_keys, source_of
from minidns.kubernetes.names import endpoint_name, is_reverse, record_of
from minidns.kubernetes.objects import EndpointSlice, Port, Service
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.records import WEIGHT, cname, within
from minidns.kubernetes.store import Store

SCHEMA_VERSION = "1.1.0"
SCHEMA_TTL = 28800
"""Seconds; the *ttl* option does not touch it (CoreDNS)."""
SCHEMA = "dns-version."
NAME_SERVER = "ns.dns."
_MAX_SOA_TTL = 300
_REFRESH, _RETRY, _EXPIRE = 7200, 1800, 86400


@lru_cache(maxsize=256)
def start_of_authority(zone: str, ttl: int, serial: int) -> RRset:
    """Return the SOA of ``zone``, as the query spells it; MINIMUM is ``ttl``."""
    mname, rname = within(NAME_SERVER, zone), within("hostmaster.", zone)
    data = soa(mname, rname, serial, _REFRESH, _RETRY, _EXPIRE, ttl)
    return RRset(zone, SOA, min(ttl, _MAX_SOA_TTL), (data,))


def schema_version(owner: str) -> RRset:
    """Return the TXT record with the version of the DNS spec (DNS spec 2.2)."""
    return RRset(owner, TXT, SCHEMA_TTL, (txt(SCHEMA_VERSION),))


class NameServers(NamedTuple):
    """The name servers: names relative to a zone, each with one address."""

    hosts: tuple[tuple[str, str], ...]
    """Relative names and addresses; both can occur more than once."""
    sources: tuple[Source, ...]
    keys: tuple[Hashable, ...]

    def records(self, owner: str, zone: str, ttl: int) -> tuple[RRset, ...]:
        """Return the NS RRset at ``owner``; empty without name servers."""
        names = dict.fromkeys(within(name, zone) for name, _ in self.hosts)
        data = tuple(map(to_wire, filter(is_sendable, names)))
        return (RRset(owner, NS, ttl, data),) if data else ()

    def glue(self, zone: str, ttl: int) -> Iterator[RRset]:
        """Yield the addresses of the names, with duplicates (CoreDNS)."""
        glue: dict[tuple[str, int], list[bytes]] = {}
        for name, address in self.hosts:
            if (record := record_of(address)) and is_sendable(within(name, zone)):
                glue.setdefault((name, record[0]), []).append(record[1])
        for (name, rtype), data in glue.items():
            yield RRset(within(name, zone), rtype, ttl, tuple(data))


def name_servers(
    store: Store, local: Sequence[str], options: KubernetesOptions
) -> NameServers:
    """Return the Services with an endpoint at one of the ``local`` addresses.

    If no EndpointSlice has one of them ready, the addresses themselves are the name
    servers (CoreDNS *kubernetes*).
    """
    slices = [slice_ for address in local for slice_ in store.slices_at(address)]
    keys: list[Hashable] = [("address", address) for address in local]
    for slice_ in slices:
        keys += service_keys(slice_.service)
    if not slices:
        direct = tuple((NAME_SERVER, address) for address in local)
        return NameServers(direct, (), tuple(keys))
    hosts: list[tuple[str, str]] = []
    sources: list[Source] = []
    for slice_ in slices:
        sources.append(source_of("EndpointSlice", slice_))
        if service := store.services.get(slice_.service):
            sources.append(source_of("Service", service))
            hosts += _server_names(service, slice_, options.endpoint_pod_names)
    return NameServers(
        tuple(hosts), tuple(dict.fromkeys(sources)), tuple(dict.fromkeys(keys))
    )


def _server_names(
    service: Service, slice_: EndpointSlice, pod_names: bool
) -> Iterator[tuple[str, str]]:
    owner = f"{service.key.name}.{service.key.namespace}.svc."
    if not service.headless:
        for address in service.cluster_ips:
            yield owner, address
        return
    for end in slice_.endpoints:
        if end.ready:
            yield f"{endpoint_name(end, pod_names)}.{owner}", end.address


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
