"""What there is to say of a cluster's DNS: who serves, who asks, what is enrolled."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from minidns.kubernetes.documents import Json, Refused
from minidns.second_dns import refusal, running, show, steps, target, usage
from minidns.second_dns.changes import value_at
from minidns.second_dns.kinds import POD, SERVICE, Ref, ref_of
from minidns.second_dns.record import Record
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.running import Server
from minidns.second_dns.session import Session
from minidns.second_dns.usage import Use

UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Dns:
    """One DNS service and its pods."""

    service: str
    address: str
    workload: str
    wanted: int
    """Pods that its workload is to have; 0 if that is not known."""
    ready: int
    """Pods that are Ready, which is: in sync with the API."""
    images: tuple[str, ...]
    corefile: str
    """Its ConfigMap; why it is not known, if it is not."""
    differs: tuple[str, ...]
    """How its Corefile differs from the first DNS's, as a diff."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One enrolment."""

    workload: str
    service: str
    until: str
    twin: str
    is_over: bool


@dataclass(frozen=True, slots=True)
class Users:
    """Pods that resolve alike."""

    namespace: str
    maker: str
    by: str
    asks: tuple[str, ...]
    """Services by their names, others by their addresses."""
    pods: int


@dataclass(frozen=True, slots=True)
class Found:
    """Everything there is to say."""

    dns: tuple[Dns, ...]
    enrolments: tuple[Enrolment, ...]
    unreadable: tuple[str, ...]
    """What is wrong with records that were edited, a line each."""
    users: tuple[Users, ...]


async def look(session: Session, namespace: str) -> Found:
    """Return what there is; of pods and enrolments only those in ``namespace``.

    Raises:
        Refusal: there is no DNS service.

    """
    services = await session.api.listed(SERVICE.path(), lambda obj: obj)
    first = _first(services)
    address = str(first["spec"]["clusterIP"])
    path = POD.path(namespace)
    uses = usage.counted(
        await session.api.listed(path, lambda pod: usage.of(pod, address))
    )
    asked = {server for use, _ in uses for server in use.servers}
    others = [s for s in services if s is not first and _counts(s, first, asked)]
    names = {s["spec"]["clusterIP"]: _name(s) for s in (first, *others)}
    corefile = await _corefile(session, first)
    enrolled, wrong = await steps.enrolments(session, namespace)
    return Found(
        dns=(
            await _dns(session, first, None),
            *[await _dns(session, each, corefile) for each in others],
        ),
        enrolments=tuple(_enrolments(session, enrolled)),
        unreadable=tuple(wrong),
        users=tuple(_users(use, count, names) for use, count in uses),
    )


def _first(services: list[Json]) -> Json:
    """Return kube-dns, of kube-system or, failing that, of any namespace."""
    usual = running.NAMESPACE
    try:
        here = [s for s in services if s["metadata"]["namespace"] == usual]
        return running.chosen(here, usual)
    except Refusal:
        return running.chosen(services, f"{usual}, or in any other")


def _counts(service: Json, first: Json, asked: Iterable[str]) -> bool:
    """Return whether a Service gives DNS and is beside the first, or asked by pods."""
    beside = service["metadata"]["namespace"] == first["metadata"]["namespace"]
    is_asked = service["spec"].get("clusterIP") in asked
    return running.is_dns(service) and (beside or is_asked)


def _name(service: Json) -> str:
    meta = service["metadata"]
    return f"{meta['namespace']}/{meta['name']}"


async def _dns(session: Session, service: Json, first: str | None) -> Dns:
    """Return one DNS service; ``first`` is the Corefile to compare its own with."""
    server, why = await _server(session, service)
    differs: list[str] = []
    if server is not None and first is not None:
        names = ("the first's Corefile", f"{_name(service)}'s Corefile")
        differs = show.text_difference(first, server.corefile, names)
    return Dns(
        _name(service),
        service["spec"]["clusterIP"],
        ref_of(server.workload).word if server else UNKNOWN,
        wanted(server.workload) if server else 0,
        len(await target.ready(session.api, service)),
        await _images(session, service),
        _config_map(server) if server else why,
        tuple(differs),
    )


async def _corefile(session: Session, service: Json) -> str | None:
    server, _ = await _server(session, service)
    return server.corefile if server else None


async def _server(session: Session, service: Json) -> tuple[Server | None, str]:
    try:
        return await running.server(session.api, service), ""
    except Refused as refused:
        return None, str(refusal.of(refused))
    except Refusal as why:
        return None, str(why)


def wanted(workload: Json) -> int:
    """Return how many pods a workload is to have, as it says."""
    if workload["kind"] == "DaemonSet":
        return int(value_at(workload, ("status", "desiredNumberScheduled")) or 0)
    return running.replicas(workload)


async def _images(session: Session, service: Json) -> tuple[str, ...]:
    """Return the images that the pods behind a Service run."""
    selector = service["spec"].get("selector")
    path = POD.path(service["metadata"]["namespace"])
    found = await session.api.listed(path, _labels_and_images)
    wanted = (images for labels, images in found if running.matches(selector, labels))
    return tuple(sorted({image for images in wanted for image in images}))


def _labels_and_images(pod: Json) -> tuple[dict[str, str], list[str]]:
    images = [str(each.get("image", UNKNOWN)) for each in pod["spec"]["containers"]]
    return pod["metadata"].get("labels") or {}, images


def _config_map(server: Server) -> str:
    frozen = " (subPath: never updated)" if server.mount.is_frozen else ""
    return f"{server.mount.config_map}{frozen}"


def _enrolments(
    session: Session, found: Iterable[tuple[Ref, Record]]
) -> Iterator[Enrolment]:
    for ref, made in found:
        is_over = made.is_over(session.wall())
        yield Enrolment(str(ref), made.service, made.until, made.twin, is_over)


def _users(use: Use, count: int, names: dict[str, str]) -> Users:
    return Users(use.namespace, use.maker, use.by, usage.whom(use, names), count)
