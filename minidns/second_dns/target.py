"""The DNS that pods are to query: its Service, its program, the path to it."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from minidns.dns.networks import is_address
from minidns.dns.resolv_conf import nameservers
from minidns.kubernetes.documents import Documents, Json, Refused
from minidns.kubernetes.resources import ApiError
from minidns.second_dns import corefile, interceptors, running
from minidns.second_dns.objects import (
    NODE,
    POD,
    POLICY,
    SERVICE,
    SLICE,
    has_ended,
    labels_of,
    name_of,
    value_at,
)
from minidns.second_dns.plan import (
    TEMPLATE,
    Cluster,
    Target,
    node_searches,
)
from minidns.second_dns.running import Server, selects
from minidns.second_dns.session import Refusal, Session

DOMAIN = "cluster.local"
"""Domain of a cluster whose Corefile cannot be read."""
NAME_LABEL = "kubernetes.io/metadata.name"
"""Label of every namespace, with its name as value."""
EXEC_PODS = 3
"""Pods in which resolv.conf is looked for: not every image has ``cat``."""


class Dns(NamedTuple):
    """A DNS Service that pods are to query, before a workload is looked at."""

    service: Json
    server: Server | None
    """The program that answers; None if its Corefile cannot be read."""
    target: Target
    notes: tuple[str, ...]


class Peer(NamedTuple):
    """The pods of a DNS, as policies describe peers."""

    namespace: str
    labels: dict[str, str]
    port: int
    """Port at which they listen, over UDP."""
    port_name: str
    addresses: tuple[str, ...] = ()


async def find_dns(
    session: Session, dns: str, domain: str | None, searches: tuple[str, ...]
) -> Dns:
    """Return the DNS that ``dns`` names: NAME, NAMESPACE/NAME or a ClusterIP.

    Without a ``domain``, the cluster's domain is the one that its Corefile serves.

    Raises:
        Refusal: there is no such Service, or it has no ready pod.

    """
    service = await _find_service(session.api, dns)
    meta, address = service["metadata"], service["spec"]["clusterIP"]
    name = name_of(service)
    if not await ready_addresses(session.api, name):
        raise Refusal(
            f"nothing answers at {address}: no pod of Service {meta['name']} is ready"
        )
    server, why = await running.try_to_read(session, service)
    notes = [why] if why else []
    if domain is None:
        domain = corefile.read_needs(server).domain if server else ""
        if not domain:
            domain = DOMAIN
            notes.append(f"the cluster's domain is taken to be {DOMAIN} (--domain)")
    cluster = Cluster(domain.rstrip("."), searches)
    first = await _first_address(session.api)
    target = Target(address, meta["namespace"], meta["name"], cluster, first)
    return Dns(service, server, target, tuple(notes))


async def _find_service(api: Documents, wanted: str) -> Json:
    namespace, slash, name = wanted.rpartition("/")
    if not slash and is_address(wanted):
        everywhere = await api.list_objects(SERVICE.path())
        return running.choose_service(everywhere, "", wanted)
    return await running.find_service(api, namespace or running.NAMESPACE, name)


async def ready_addresses(api: Documents, service: str) -> tuple[str, ...]:
    """Return the addresses of the ready pods behind NAMESPACE/NAME."""
    namespace, _, name = service.partition("/")
    label = f"kubernetes.io/service-name={name}"
    slices = await api.read_objects(SLICE.path(namespace), _ready, labels=label)
    return tuple(sorted({address for addresses in slices for address in addresses}))


def _ready(slice_: Json) -> list[str]:
    return [
        address
        for endpoint in slice_.get("endpoints") or ()
        if value_at(endpoint, ("conditions", "ready")) is not False
        for address in endpoint["addresses"]
    ]


async def _first_address(api: Documents) -> str:
    """Return the address of the cluster's first DNS; empty if it is not visible."""
    try:
        first = await running.find_service(api, running.NAMESPACE)
    except (Refusal, Refused):
        return ""
    return str(first["spec"]["clusterIP"])


async def describe_path(
    session: Session, dns: Dns, obj: Json
) -> tuple[Target, list[str]]:
    """Return the target with the nodes' search domains, and notes on the way to it.

    The notes say what the pods of the workload ``obj`` will not find, and what stands
    between them and a DNS server.
    """
    namespace, notes = obj["metadata"]["namespace"], list(dns.notes)
    pods = await _pods_of(session, obj)
    resolv_conf = await _read_resolv_conf(session, pods)
    nodes = node_searches(resolv_conf, value_at(obj, TEMPLATE), namespace)
    target = dns.target
    if nodes is None:
        nodes, first = await _read_kubelet(session, pods)
    else:
        first = nameservers(resolv_conf)
    if target.cluster.searches:
        pass  # the caller named them
    elif nodes is not None:
        cluster = target.cluster._replace(searches=nodes.searches)
        target = target._replace(cluster=cluster)
    else:
        notes.append(
            "search domains of the nodes' own resolv.conf are not known: pods/exec is "
            "not allowed, or no pod has cat; if there are any, name them with --search"
        )
    if dns.server is not None:
        notes += await _blocking(session, obj, dns.server)
    between = await interceptors.detect(session, pods, namespace)
    if first and target.first:
        between += interceptors.node_cache(first[0], target.first)
    return target, [*notes, *map(str, between)]


async def _pods_of(session: Session, obj: Json) -> list[Json]:
    """Return the running pods of a workload; none if they may not be listed."""
    try:
        path = POD.path(obj["metadata"]["namespace"])
        pods = await session.api.list_objects(path)
    except Refused:
        return []
    selector = obj["spec"]["selector"]
    return [
        pod
        for pod in pods
        if selects(selector, labels_of(pod))
        and not has_ended(pod)
        and value_at(pod, ("status", "phase")) == "Running"
    ]


async def _read_resolv_conf(session: Session, pods: Sequence[Json]) -> str:
    """Return the resolv.conf of one of ``pods``; empty if it cannot be read."""
    for pod in pods[:EXEC_PODS]:
        meta = pod["metadata"]
        path = POD.path(meta["namespace"], meta["name"])
        container = pod["spec"]["containers"][0]["name"]
        try:
            return await session.api.run(path, container, ("cat", "/etc/resolv.conf"))
        except Refused:  # not allowed, in no pod
            return ""
        except ApiError:
            continue
    return ""


async def _read_kubelet(
    session: Session, pods: Sequence[Json]
) -> tuple[Cluster | None, tuple[str, ...]]:
    """Return the search domains and nameservers of a kubelet's configuration.

    It names a file with the search domains, and not the domains; so they are known
    only where it names no file.
    """
    for pod in pods[:1]:
        node = str(pod["spec"].get("nodeName", ""))
        try:
            path = f"{NODE.path(name=node)}/proxy/configz"
            config = (await session.api.get(path)).get("kubeletconfig") or {}
        except ApiError:
            continue
        servers = tuple(map(str, config.get("clusterDNS") or ()))
        has_file = config.get("resolvConf", "") != ""
        domain = str(config.get("clusterDomain", "")).rstrip(".")
        return None if has_file else Cluster(domain), servers
    return None, ()


async def _blocking(session: Session, obj: Json, server: Server) -> list[str]:
    """Return a note if NetworkPolicies keep the pods of a workload from asking."""
    meta = obj["metadata"]
    try:
        path = POLICY.path(meta["namespace"])
        policies = await session.api.list_objects(path)
    except Refused:
        return ["NetworkPolicies cannot be listed: one may keep these pods from it"]
    labels = labels_of(obj["spec"]["template"])
    addresses = await ready_addresses(session.api, name_of(server.service))
    peer = _peer(server, addresses)
    names = ", ".join(blocking_policies(policies, meta["namespace"], labels, peer))
    note = f"NetworkPolicy {names} does not let these pods query it: lookups will fail"
    return [note] if names else []


def _peer(server: Server, addresses: tuple[str, ...]) -> Peer:
    """Return the DNS as NetworkPolicies describe peers."""
    (port,) = (p for p in server.service["spec"]["ports"] if running.is_query_port(p))
    return Peer(
        server.service["metadata"]["namespace"],
        labels_of(server.workload["spec"]["template"]),
        running.target_port(server, port),
        str(port.get("targetPort", "")),
        addresses,
    )


def blocking_policies(
    policies: Iterable[Json], namespace: str, labels: dict[str, str], server: Peer
) -> list[str]:
    """Return the policies that keep pods from asking ``server``; empty if none does.

    The pods are those of ``namespace`` with ``labels``. Only NetworkPolicies are known
    here, not what a network plugin adds (Cilium's own policies, rules for names).
    """
    limiting = [
        policy
        for policy in policies
        if _limits_egress(policy)
        and selects(policy["spec"].get("podSelector") or {}, labels)
    ]
    for policy in limiting:
        for rule in policy["spec"].get("egress") or ():
            if _lets_port(rule, server) and _lets_peer(rule, namespace, server):
                return []
    return [str(policy["metadata"]["name"]) for policy in limiting]


def _limits_egress(policy: Json) -> bool:
    types = policy["spec"].get("policyTypes")
    return "Egress" in types if types else bool(policy["spec"].get("egress"))


def _lets_port(rule: Json, server: Peer) -> bool:
    ports = rule.get("ports") or ()
    return not ports or any(_is_port(port, server) for port in ports)


def _is_port(port: Json, server: Peer) -> bool:
    if port.get("protocol", "TCP") != "UDP":
        return False
    first = port.get("port")
    if first is None or first == server.port_name:
        return True
    return isinstance(first, int) and first <= server.port <= port.get("endPort", first)


def _lets_peer(rule: Json, namespace: str, server: Peer) -> bool:
    peers = rule.get("to") or ()
    return not peers or any(_peers(peers, namespace, server))


def _peers(peers: Iterable[Json], namespace: str, server: Peer) -> Iterator[bool]:
    for peer in peers:
        if block := peer.get("ipBlock"):
            yield _is_within(block, server)
            continue
        spaces = peer.get("namespaceSelector")
        if spaces is None:
            is_there = namespace == server.namespace
        else:
            is_there = selects(spaces, {NAME_LABEL: server.namespace})
        yield is_there and selects(peer.get("podSelector") or {}, server.labels)


def _is_within(block: Json, server: Peer) -> bool:
    inside = ip_network(block["cidr"])
    outside = [ip_network(cidr) for cidr in block.get("except") or ()]
    return any(
        ip_address(pod) in inside and not any(ip_address(pod) in o for o in outside)
        for pod in server.addresses
    )
