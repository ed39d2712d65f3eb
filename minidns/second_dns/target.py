"""The DNS that pods are to ask: where it is, who answers, what it serves."""

from ipaddress import ip_address

from minidns.kubernetes.documents import Documents, Json, Refused
from minidns.second_dns import needs, policies, running
from minidns.second_dns.changes import value_at
from minidns.second_dns.dnsconfig import Cluster
from minidns.second_dns.enrolment import Target
from minidns.second_dns.kinds import POLICY, SERVICE, SLICE
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.running import Server
from minidns.second_dns.session import Session

DOMAIN = "cluster.local"
"""Of a cluster whose Corefile cannot be seen."""


async def service(api: Documents, wanted: str) -> Json:
    """Return the Service meant by a name in kube-system, NAMESPACE/NAME or a ClusterIP.

    Raises:
        Refusal: there is none.

    """
    namespace, slash, name = wanted.rpartition("/")
    if not slash and _is_address(wanted):
        everywhere = await api.listed(SERVICE.path(), lambda obj: obj)
        return running.chosen(everywhere, "", wanted)
    return await running.service(api, namespace or running.NAMESPACE, name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


async def ready(api: Documents, found: Json) -> tuple[str, ...]:
    """Return the addresses of the pods behind a Service that are ready."""
    meta = found["metadata"]
    label = f"kubernetes.io/service-name={meta['name']}"
    path = SLICE.path(meta["namespace"])
    slices = await api.listed(path, _ready, labels=label)
    return tuple(sorted({address for each in slices for address in each}))


def _ready(slice_: Json) -> list[str]:
    return [
        address
        for end in slice_.get("endpoints") or ()
        if value_at(end, ("conditions", "ready")) is not False
        for address in end["addresses"]
    ]


async def found(
    session: Session, dns: str, domain: str | None, searches: tuple[str, ...]
) -> tuple[Target, Server | None, list[str]]:
    """Return the DNS meant, what answers there if that can be seen, and remarks.

    Without a ``domain`` it is the one that its Corefile serves.

    Raises:
        Refusal: there is none, or nobody answers.

    """
    wanted = await service(session.api, dns)
    address = wanted["spec"]["clusterIP"]
    if not await ready(session.api, wanted):
        name = wanted["metadata"]["name"]
        raise Refusal(f"nobody answers at {address}: no pod of Service {name} is ready")
    server, remarks = await _server(session, wanted)
    if domain is None:
        domain = needs.of_server(server).domain if server else ""
        if not domain:
            domain = DOMAIN
            remarks.append(f"the cluster's domain is taken to be {DOMAIN} (--domain)")
    if not searches:
        remarks.append(
            "search domains of the nodes' own resolv.conf are not known to the API: "
            "if there are any, name them with --search"
        )
    target = Target(
        address,
        wanted["metadata"]["namespace"],
        wanted["metadata"]["name"],
        Cluster(domain.rstrip("."), searches),
        await _first(session.api),
    )
    return target, server, remarks


async def _server(session: Session, wanted: Json) -> tuple[Server | None, list[str]]:
    try:
        return await running.server(session.api, wanted), []
    except Refused as refused:
        if refused.status != 403:
            raise
        return None, ["its Corefile may not be read"]
    except Refusal as refusal:
        return None, [str(refusal)]


async def _first(api: Documents) -> str:
    """Return the address of the cluster's first DNS; empty if it cannot be seen."""
    try:
        first = await running.service(api, running.NAMESPACE)
    except (Refusal, Refused):
        return ""
    return str(first["spec"]["clusterIP"])


async def blocking(session: Session, obj: Json, server: Server) -> list[str]:
    """Return what keeps the pods of a workload from asking, as remarks."""
    namespace = obj["metadata"]["namespace"]
    try:
        found = await session.api.listed(POLICY.path(namespace), lambda policy: policy)
    except Refused:
        return ["NetworkPolicies cannot be listed: one may keep these pods from it"]
    labels = value_at(obj, ("spec", "template", "metadata", "labels")) or {}
    seen = _seen(server, await ready(session.api, server.service))
    names = ", ".join(policies.blocking(found, namespace, labels, seen))
    said = f"NetworkPolicy {names} does not let these pods ask it: look-ups will fail"
    return [said] if names else []


def _seen(server: Server, addresses: tuple[str, ...]) -> policies.Server:
    """Return a DNS as policies see it."""
    (port,) = (p for p in server.service["spec"]["ports"] if running.is_query_port(p))
    return policies.Server(
        server.service["metadata"]["namespace"],
        server.workload["spec"]["template"]["metadata"].get("labels") or {},
        running.target(server, port),
        str(port.get("targetPort", "")),
        addresses,
    )
