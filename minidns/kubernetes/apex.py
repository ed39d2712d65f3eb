"""Records at and near the top of a zone: SOA, NS, ``ns.dns`` and ``dns-version``."""

from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from minidns.dns.model import RRset, Source
from minidns.dns.names import is_sendable, to_wire
from minidns.dns.rdata import NS, SOA, TXT, soa, txt
from minidns.kubernetes.addresses import endpoint_name, record_of
from minidns.kubernetes.model import service_keys, source_of
from minidns.kubernetes.objects import EndpointSlice, Service
from minidns.kubernetes.options import KubernetesOptions
from minidns.kubernetes.records import within
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
