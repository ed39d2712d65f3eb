"""Makes RRsets from hosts: A, AAAA, CNAME, SRV and PTR (DNS spec 2.3 to 2.6)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from minidns.dns import names
from minidns.dns.model import Rdata, RRset
from minidns.dns.rdata import CNAME, PTR, SRV, srv
from minidns.kubernetes.model import FoundObjects, HostGroup, Window
from minidns.kubernetes.names import endpoint_name, record_of
from minidns.kubernetes.objects import NO_PORT, Port
from minidns.kubernetes.options import KubernetesOptions

WEIGHT = 100
"""Sum of the weights of the SRV records of one name (CoreDNS *kubernetes*)."""


def hosts_of(objects: FoundObjects) -> Iterable[str]:
    """Return the distinct hosts of ``objects`` in their order."""
    if len(objects.groups) > 1:
        return dict.fromkeys(host for group in objects.groups for host in group.hosts)
    hosts = objects.groups[0].hosts
    return dict.fromkeys(hosts) if len(hosts) > 1 else hosts


def addresses(
    hosts: Iterable[str], owner: str, rtype: int, ttl: int
) -> tuple[RRset | None, list[str]]:
    """Return the addresses of type ``rtype`` as an RRset, and the hosts that are names.

    The RRset is None if no host has an address of that family.
    """
    data: list[Rdata] = []
    others: list[str] = []
    for host in hosts:
        record = record_of(host)
        if record is None:
            others.append(host)
        elif record[0] == rtype:
            data.append(record[1])
    return RRset(owner, rtype, ttl, tuple(data)) if data else None, others


def cname(owner: str, target: str, ttl: int) -> RRset | None:
    """Return the CNAME to ``target``; None when that is no domain name."""
    data = _name(target)
    return RRset(owner, CNAME, ttl, (data,)) if data else None


def pointers(owner: str, targets: Iterable[str], ttl: int) -> RRset | None:
    """Return the PTR records to the distinct ``targets``; None without any."""
    data = [_name(target) for target in dict.fromkeys(targets)]
    return RRset(owner, PTR, ttl, tuple(filter(None, data))) if any(data) else None


def absolute(host: str) -> str:
    """Return ``host`` with a final dot, in the same letters."""
    return host if host.endswith(".") else host + "."


def _name(text: str) -> Rdata | None:
    try:
        return names.to_wire(absolute(text))
    except ValueError:  # a name that no message can hold
        return None


class _Candidate(NamedTuple):
    target: str
    port: Port
    record: tuple[int, Rdata]


def service_records(
    objects: FoundObjects,
    owner: str,
    zone: str,
    options: KubernetesOptions,
    window: Window,
) -> tuple[tuple[RRset, ...], tuple[RRset, ...], bool]:
    """Return SRV records, the addresses of their targets, and whether there are more.

    There are as many as ``window`` needs. Targets end in ``zone``, which is spelled as
    in the query.
    """

    def srv_of(candidate: _Candidate) -> tuple[str, int] | None:
        # with strict, unnamed ports have no record (DNS spec 2.3.2, 2.4.2)
        target, port, _ = candidate
        if port.number == NO_PORT.number or (options.strict and not port.name):
            return None
        return target, port.number

    candidates = _candidates(objects, zone, options.endpoint_pod_names)
    chosen, seen, partial = window.cut(candidates, srv_of)
    # counted before duplicates and ports without a number are left out (CoreDNS)
    weight = max(1, WEIGHT // seen) if seen else WEIGHT
    answer: dict[Rdata, None] = {}
    additional: dict[tuple[str, int], dict[Rdata, None]] = {}
    for target, port, (rtype, data) in chosen:
        try:
            answer[srv(0, weight, port.number, target)] = None
        except ValueError:  # an endpoint's name that no message can hold
            continue
        additional.setdefault((target, rtype), {})[data] = None
    extra = tuple(
        RRset(name, rtype, options.ttl, tuple(data))
        for (name, rtype), data in additional.items()
    )
    srvs = (RRset(owner, SRV, options.ttl, tuple(answer)),) if answer else ()
    return srvs, extra, partial or objects.partial


def _candidates(
    objects: FoundObjects, zone: str, pod_names: bool
) -> Iterator[_Candidate]:
    for group in objects.groups:
        names_of = targets(group, objects.owner, pod_names)
        for relative, host in zip(names_of, group.hosts, strict=True):
            record = record_of(host)
            if record is not None:  # an SRV target is never an alias (CoreDNS)
                target = within(relative, zone)
                for port in group.ports:
                    yield _Candidate(target, port, record)


def targets(group: HostGroup, owner: str, pod_names: bool) -> Sequence[str]:
    """Return the name of each host of ``group``, relative to the zone."""
    if not group.endpoints:
        return [owner] * len(group.hosts)
    below = f"{group.cluster}.{owner}" if group.cluster else owner
    return [f"{endpoint_name(end, pod_names)}.{below}" for end in group.endpoints]


def within(relative: str, zone: str) -> str:
    """Return ``relative``, which ends in a dot, as a name in ``zone``."""
    return relative if zone == "." else relative + zone
