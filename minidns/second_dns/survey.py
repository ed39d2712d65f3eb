"""The state of a cluster's DNS: the services, the pods that query them, enrolments."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from minidns.kubernetes.documents import Json, Refused
from minidns.kubernetes.kubelet import effective_policy
from minidns.second_dns import objects, running
from minidns.second_dns.interceptors import Interceptor, detect
from minidns.second_dns.objects import (
    POD,
    SERVICE,
    controller_of,
    labels_of,
    name_of,
    ref_of,
    value_at,
)
from minidns.second_dns.plan import servers_of
from minidns.second_dns.record import Record, list_records
from minidns.second_dns.running import Server
from minidns.second_dns.session import Refusal, Session, check_namespace
from minidns.second_dns.target import ready_addresses

UNKNOWN = "?"
NODE = "the node's resolvers"
"""The servers of pods with dnsPolicy Default, or with the node's network."""


class Users(NamedTuple):
    """Pods of one workload that resolve alike."""

    namespace: str
    workload: str
    """The workload of the pods, ``Deployment/web``; or the pod itself."""
    policy: str
    """The dnsPolicy, and whether a dnsConfig names servers."""
    dns: tuple[str, ...]
    """The Services that they query, or addresses, or the resolvers of their node."""
    pods: int = 1


def users_of(
    pods: Iterable[Json], first: str, names: Mapping[str, str]
) -> tuple[Users, ...]:
    """Return which pods query which DNS, sorted, without pods that have ended.

    ``first`` is the address of kube-dns, ``names`` maps ClusterIPs to Services.
    """
    counts = Counter(_user(pod, first, names) for pod in pods if not _is_over(pod))
    return tuple(users._replace(pods=count) for users, count in sorted(counts.items()))


def _user(pod: Json, first: str, names: Mapping[str, str]) -> Users:
    meta, spec, servers = pod["metadata"], pod["spec"], servers_asked(pod, first)
    policy = str(spec.get("dnsPolicy") or "ClusterFirst")
    policy += " (hostNetwork)" if spec.get("hostNetwork") else ""
    policy += " and dnsConfig" if servers_of(spec) else ""
    dns = tuple(names.get(server, f"{server} (no Service)") for server in servers)
    workload = "/".join(controller_of(pod) or ("Pod", meta["name"]))
    return Users(meta.get("namespace", ""), workload, policy, dns or (NODE,))


def servers_asked(pod: Json, first: str) -> tuple[str, ...]:
    """Return the addresses that a pod queries; empty for the resolvers of its node."""
    # limit: a kubelet may have another --cluster-dns; the API does not know it
    is_clustered = effective_policy(pod["spec"]) == "ClusterFirst"
    return (*((first,) if is_clustered else ()), *servers_of(pod["spec"]))


def _is_over(pod: Json) -> bool:
    return value_at(pod, ("status", "phase")) in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Dns:
    """One DNS service and its pods."""

    service: str
    address: str
    workload: str
    wanted: int
    """Desired number of pods; 0 if it is not known."""
    ready: int
    """Pods that are Ready, that is: in sync with the API."""
    endpoints: tuple[str, ...]
    """The addresses of these pods."""
    images: tuple[str, ...]
    corefile: str
    """Its ConfigMap; or why that is not known."""
    differs: tuple[str, ...]
    """Diff between the Corefile of the first DNS and its own."""
    clients: int
    """Number of pods that query it."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One enrolment."""

    workload: str
    service: str
    until: str
    twin: str
    """Name of the twin; empty if the workload itself was changed."""
    pods: str
    """Which pods are enrolled."""
    is_over: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """The state of a cluster's DNS."""

    dns: tuple[Dns, ...]
    enrolments: tuple[Enrolment, ...]
    unreadable: tuple[str, ...]
    """Problems of records that cannot be used, a line each."""
    users: tuple[Users, ...]
    interceptors: tuple[Interceptor, ...]
    """Programs that answer or divert queries."""


async def survey(session: Session, namespace: str) -> Survey:
    """Return the state of the cluster's DNS; empty ``namespace`` for all.

    A namespace limits the users, the enrolments and the interceptors that are shown,
    not the DNS services and the number of pods that query them.

    Raises:
        Refusal: there is no DNS service, or no such namespace.

    """
    await check_namespace(session, namespace)
    services = await session.api.list_objects(SERVICE.path())
    first = _first(services)
    address = str(first["spec"]["clusterIP"])
    everywhere = await _pods(session, namespace)
    pods = [p for p in everywhere if namespace in ("", p["metadata"]["namespace"])]
    in_use = {server for pod in everywhere for server in servers_asked(pod, address)}
    others = [s for s in services if s is not first and _is_shown(s, first, in_use)]
    names = {s["spec"]["clusterIP"]: name_of(s) for s in (first, *others)}
    corefile = await _corefile(session, first)
    records, problems = await list_records(session, namespace)
    asking = users_of(everywhere, address, names)
    return Survey(
        dns=(
            await _dns(session, first, asking, None),
            *[await _dns(session, other, asking, corefile) for other in others],
        ),
        enrolments=tuple(_enrolment(session, record) for record in records),
        unreadable=tuple(problems),
        users=users_of(pods, address, names),
        interceptors=tuple(await detect(session, pods, namespace)),
    )


async def _pods(session: Session, namespace: str) -> list[Json]:
    """Return the pods of all namespaces, or of ``namespace`` if only those are allowed.

    Raises:
        Refused: the pods may not be listed.

    """
    try:
        return await session.api.read_objects(POD.path(), _slim)
    except Refused as refused:
        if refused.status != 403 or not namespace:
            raise
    session.tell(
        "note: pods of other namespaces cannot be listed: CLIENTS counts those of "
        f"{namespace} only"
    )
    return await session.api.read_objects(POD.path(namespace), _slim)


def _first(services: list[Json]) -> Json:
    """Return kube-dns, of kube-system or, failing that, of any namespace."""
    usual = running.NAMESPACE
    try:
        here = [s for s in services if s["metadata"]["namespace"] == usual]
        return running.choose_service(here, usual)
    except Refusal:
        return running.choose_service(services, f"{usual}, or in any other")


def _is_shown(service: Json, first: Json, in_use: Iterable[str]) -> bool:
    """Return whether a Service is a DNS beside the first, or one that pods query."""
    beside = service["metadata"]["namespace"] == first["metadata"]["namespace"]
    is_asked = service["spec"].get("clusterIP") in in_use
    return running.is_dns(service) and (beside or is_asked)


async def _dns(
    session: Session, service: Json, asking: Iterable[Users], first: str | None
) -> Dns:
    """Return one DNS service; ``first`` is the Corefile to compare its own with."""
    server, why = await running.try_to_read(session, service)
    differs: list[str] = []
    if server is not None and first is not None:
        names = ("the first's Corefile", f"{name_of(service)}'s Corefile")
        differs = objects.text_difference(first, server.corefile, names)
    endpoints = await ready_addresses(session.api, name_of(service))
    return Dns(
        name_of(service),
        service["spec"]["clusterIP"],
        ref_of(server.workload).word if server else UNKNOWN,
        _desired(server.workload) if server else 0,
        len(endpoints),
        tuple(sorted(endpoints)),
        await _images(session, service),
        _config_map(server) if server else why,
        tuple(differs),
        sum(users.pods for users in asking if name_of(service) in users.dns),
    )


async def _corefile(session: Session, service: Json) -> str | None:
    server, _ = await running.try_to_read(session, service)
    return server.corefile if server else None


def _desired(workload: Json) -> int:
    """Return the desired number of a workload's pods."""
    if workload["kind"] == "DaemonSet":
        return int(value_at(workload, ("status", "desiredNumberScheduled")) or 0)
    return running.replicas(workload)


async def _images(session: Session, service: Json) -> tuple[str, ...]:
    """Return the images that the pods behind a Service run."""
    selector = service["spec"].get("selector")
    path = POD.path(service["metadata"]["namespace"])
    pods = await session.api.read_objects(path, _labels_and_images)
    wanted = (images for labels, images in pods if running.matches(selector, labels))
    return tuple(sorted({image for images in wanted for image in images}))


def _labels_and_images(pod: Json) -> tuple[dict[str, str], list[str]]:
    images = [str(c.get("image", UNKNOWN)) for c in pod["spec"]["containers"]]
    return labels_of(pod), images


def _config_map(server: Server) -> str:
    frozen = " (subPath: never updated)" if server.mount.is_frozen else ""
    return f"{server.mount.config_map}{frozen}"


def _enrolment(session: Session, record: Record) -> Enrolment:
    return Enrolment(
        str(record.workload),
        record.service,
        record.until,
        record.twin,
        record.describe_pods(),
        record.is_over(session.wall()),
    )


def _slim(pod: Json) -> Json:
    """Return a pod without what `minidns status` does not read."""
    meta = {k: v for k, v in pod["metadata"].items() if k != "managedFields"}
    status = {"phase": (pod.get("status") or {}).get("phase")}
    return {**pod, "metadata": meta, "status": status}
