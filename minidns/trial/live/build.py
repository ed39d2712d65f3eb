"""Creates what a trial needs, waits for it, and removes it.

The Jobs come first, because they own the rest: whatever the moment at which the command
is killed, `clean` finds the Jobs by their label, and the cluster deletes what a Job
owns. What is deleted is waited for, so that a trial ends with the cluster as it was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from minidns.kubernetes.documents import Documents, Json, Refused
from minidns.second_dns.objects import (
    DEPLOYMENT,
    JOB,
    POD,
    SERVICE,
    Ref,
    has_ended,
    ref_of,
    value_at,
)
from minidns.second_dns.record import parse_time
from minidns.second_dns.session import Refusal, Session, explain
from minidns.second_dns.undo import delete, wait_for_rollout
from minidns.trial.arms import KP, VP, A, Arm, Client, D, K, Layout, M, P, R, Target, V
from minidns.trial.live import objects
from minidns.trial.live.objects import MINIDNS, OTHER, PLAIN, TRIAL, Design
from minidns.trial.live.remote import CLIENT, RELAY

GONE_S, POLL_S = 90.0, 0.5
"""How long, and how often, to look for objects that are about to go."""
HOPELESS = (
    *("ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName"),
    *("BackoffLimitExceeded", "CrashLoopBackOff"),
)
"""Reasons for which a pod of a trial will not start in time."""
_ARMS = {MINIDNS: (M, P), PLAIN: (K, KP), OTHER: (V, VP)}
"""The arms of each server beside CoreDNS: over its Service, and to one pod."""


@dataclass(frozen=True, slots=True)
class Built:
    """A trial's ways and clients, ready to be used."""

    layout: Layout
    clients: Mapping[Client, str]
    """Path of each client pod in the API."""
    relays: tuple[str, ...]
    """Paths of the relay pods in the API."""
    skew_s: float
    """Seconds by which this machine's clock is ahead of the API server's."""


def described(design: Design) -> list[Json]:
    """Return all objects of a trial, as they are created but for their owners."""
    made = [objects.client_job(design)]
    if design.relays:
        made += [objects.relay_job(design), objects.relay_service(design)]
    if design.server is not None:
        made += objects.changing_objects(design)
        made += objects.server_objects(design)
    return [objects.labelled(obj, design) for obj in made]


async def create(session: Session, design: Design, timeout_s: float) -> Built:
    """Create the objects of a trial and wait until their pods are ready.

    Raises:
        Refusal: the API server refuses an object, or the pods do not become ready.

    """
    waits: list[Ref] = []
    owner: Json | None = None
    skew_s = 0.0
    for obj in described(design):
        ref = ref_of(obj)
        is_lease = ref.kind is JOB
        owned = obj if is_lease else objects.labelled(obj, design, owner)
        try:
            made = await session.api.create(ref.kind.path(ref.namespace), owned)
        except Refused as refused:
            raise Refusal(f"{ref}: {explain(refused)}") from refused
        if is_lease:
            owner = made
            created = made["metadata"]["creationTimestamp"]
            skew_s = session.wall() - parse_time(created)
        if ref.kind in (JOB, DEPLOYMENT):
            waits.append(ref)
    for ref in waits:
        await wait_for_rollout(session, ref, timeout_s, HOPELESS)
    return await _built(session.api, design, skew_s)


async def _built(api: Documents, design: Design, skew_s: float) -> Built:
    clients = {
        Client(pod["metadata"]["name"], pod["spec"].get("nodeName", "")): ref_of(
            pod | {"kind": POD.name}
        ).path
        for pod in await _pods(api, design.namespace, design.named(CLIENT))
    }
    targets = [Target(A, str(design.service["spec"]["clusterIP"]))]
    targets += [Target(D, address, name) for address, name in design.pods.items()]
    relays: list[str] = []
    if design.relays:
        targets.append(await _service_target(api, R, design, RELAY))
        pods = await _pods(api, design.home, design.named(RELAY))
        relays = [ref_of(pod).path for pod in pods]
    for role in (MINIDNS, PLAIN, *([OTHER] if design.other else [])):
        if design.server is None:
            break
        over_service, direct = _ARMS[role]
        targets.append(await _service_target(api, over_service, design, role))
        pod = (await _pods(api, design.home, design.named(role)))[0]
        address = str(value_at(pod, ("status", "podIP")))
        targets.append(Target(direct, address, pod["metadata"]["name"]))
    layout = Layout(
        tuple(targets),
        tuple(design.pods.values()),
        tuple(clients),
        release=design.release,
        other_release=design.other_release,
    )
    return Built(layout, clients, tuple(relays), skew_s)


async def _service_target(
    api: Documents, arm: Arm, design: Design, role: str
) -> Target:
    service = await api.get(SERVICE.path(design.home, design.named(role)))
    return Target(arm, str(service["spec"]["clusterIP"]))


async def _pods(api: Documents, namespace: str, name: str) -> list[Json]:
    """Return the pods of the Job or Deployment with this name that have an address."""
    pods = await api.list_objects(POD.path(namespace), labels=f"k8s-app={name}")
    return [
        pod for pod in pods if not has_ended(pod) and value_at(pod, ("status", "podIP"))
    ]


async def clean(
    session: Session, namespaces: Iterable[str], label: str = TRIAL
) -> list[Ref]:
    """Delete the objects of all trials, or of one, and wait until they are gone.

    ``label`` selects them: ``minidns/trial`` or ``minidns/trial=NAME``. Return what was
    deleted.

    Raises:
        Refusal: they are still there after GONE_S.

    """
    where = tuple(namespaces)
    existing = await _existing(session.api, where, label)
    deleted = [ref_of(obj) for obj in existing if await delete(session, obj)]
    until = session.wall() + GONE_S
    while left := await _existing(session.api, where, label, with_pods=True):
        if session.wall() >= until:
            names = ", ".join(str(ref_of(obj)) for obj in left[:3])
            raise Refusal(f"{len(left)} objects are still being deleted: {names}")
        await session.sleep(POLL_S)
    return deleted


async def namespaces(api: Documents, known: Iterable[str]) -> tuple[str, ...]:
    """Return where to look for trials: everywhere, or where the user may look."""
    try:
        await api.list_objects(JOB.path(), labels=TRIAL)
    except Refused as refused:
        if refused.status != 403:
            raise
        return tuple(dict.fromkeys(known))
    return ("",)


async def check_free(session: Session, known: Iterable[str]) -> None:
    """Accept a cluster without another trial, as far as the user may look.

    Raises:
        Refusal: a trial is there already.

    """
    where = await namespaces(session.api, known)
    for obj in await _existing(session.api, where, TRIAL):
        since = obj["metadata"].get("creationTimestamp", "some time")
        raise Refusal(
            f"there is a trial already, since {since}: {ref_of(obj)}; "
            "minidns trial clean removes it"
        )


async def _existing(
    api: Documents, namespaces: Iterable[str], label: str, *, with_pods: bool = False
) -> list[Json]:
    kinds = (*objects.KINDS, POD) if with_pods else objects.KINDS
    found: list[Json] = []
    for namespace in namespaces:
        for kind in kinds:
            try:
                found += await api.list_objects(kind.path(namespace), labels=label)
            except Refused as refused:
                # what may not be listed was not created either
                if refused.status != 403:
                    raise
    return found
