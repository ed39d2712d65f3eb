"""Checks before a clone: its name is free; its address; and how it will differ."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address

from minidns.corefile.releases import NEWEST
from minidns.kubernetes.documents import Documents, Json, Refused
from minidns.second_dns import manifests, running
from minidns.second_dns.corefile import Needs
from minidns.second_dns.manifests import ORIGIN, Wishes, labels
from minidns.second_dns.objects import (
    BUDGET,
    CONFIG_MAP,
    DEPLOYMENT,
    POD,
    SERVICE,
    WORKLOADS,
    has_ended,
    labels_of,
    ref_of,
    value_at,
)
from minidns.second_dns.running import LABEL, NAMES, Server, matches, selects
from minidns.second_dns.session import Refusal, Session

STEP = 10
"""Distance from kube-dns's address to the preferred one: 10.96.0.10 to 10.96.0.20."""
SETTLE_S, POLL_S = 30.0, 0.5
"""How long, and how often, to look for pods that are about to go."""


async def choose_address(session: Session, service: Json) -> str:
    """Return the ClusterIP of the second DNS: that of the first plus STEP.

    An address so near kube-dns's is in the part of the range that the API server does
    not assign by itself (Kubernetes, "Service ClusterIP allocation"). If it is taken,
    or may be, the result is empty, and the API server assigns an address.
    """
    address = ip_address(service["spec"]["clusterIP"])
    preferred = str(type(address)(int(address) + STEP))
    try:
        services = await session.api.list_objects(SERVICE.path())
    except Refused as refused:
        if refused.status != 403:
            raise
        return ""
    used = {address for one in services for address in cluster_ips(one)}
    return "" if preferred in used else preferred


def cluster_ips(service: Json) -> list[str]:
    """Return the ClusterIPs of a Service; it has several with two IP families."""
    spec = service["spec"]
    one = spec.get("clusterIP")
    return spec.get("clusterIPs") or ([one] if one else [])


def check_labels(wishes: Wishes, service: Json) -> None:
    """Accept a name whose labels keep the new pods out of the first DNS.

    Raises:
        Refusal: kube-dns's Service would select them, or kubeadm take their Deployment
            for CoreDNS's.

    """
    name, own = wishes.name, labels(wishes)
    chosen = service["spec"].get("selector") or {}
    if matches(chosen, own):
        labels_text = ",".join(f"{k}={v}" for k, v in chosen.items())
        raise Refusal(
            f"--name {name}: {ref_of(service)} selects {labels_text}, and would send "
            "its queries to the new pods too; choose another name"
        )
    if own[LABEL] in NAMES:
        # `kubeadm upgrade` gives up when two Deployments have kube-dns's label
        raise Refusal(
            f"--name {name}: the label {LABEL}={name} is by which others look for the "
            "cluster's DNS (kubeadm upgrade among them); choose another name"
        )


async def check_free(session: Session, namespace: str, wishes: Wishes) -> None:
    """Accept a name that nothing in the namespace has or selects.

    Pods of an earlier clone that are about to end are waited for.

    Raises:
        Refusal: something has it.

    """
    name, own = wishes.name, labels(wishes)
    existing = await clone_objects(session.api, namespace, name)
    if existing:
        names = ", ".join(str(ref_of(obj)) for obj in existing)
        raise Refusal(
            f"exists already: {names}; choose another --name, or delete it first "
            f"(minidns clone --delete --name {name})"
        )
    for kind in (SERVICE, *WORKLOADS, BUDGET):
        for obj in await session.api.list_objects(kind.path(namespace)):
            if _selects(obj, own):
                raise Refusal(
                    f"--name {name}: {ref_of(obj)} selects the labels that the new "
                    "pods would have; choose another name"
                )

    async def pods() -> list[Json]:
        label = f"{LABEL}={name}"
        path = POD.path(namespace)
        labelled = await session.api.list_objects(path, labels=label)
        return [pod for pod in labelled if not has_ended(pod)]

    if left := await until_gone(session, pods):
        raise Refusal(
            f"--name {name}: there are pods labelled {LABEL}={name} already, such as "
            f"{ref_of(left[0])}; the new Service would send queries to them"
        )


async def until_gone(
    session: Session, look: Callable[[], Awaitable[list[Json]]]
) -> list[Json]:
    """Return the pods that are left when none is expected to end any more.

    A pod with a controller may be about to be replaced or deleted; a pod without one
    stays until it is deleted by hand.
    """
    until, is_told = session.wall() + SETTLE_S, False
    while pods := await look():
        lone = [pod for pod in pods if not _is_owned(pod)]
        if lone or session.wall() >= until:
            return lone or pods
        if not is_told:
            session.tell(f"waiting for {len(pods)} pods to go")
            is_told = True
        await session.sleep(POLL_S)
    return []


def _is_owned(pod: Json) -> bool:
    owners = pod["metadata"].get("ownerReferences") or ()
    return any(owner.get("controller") for owner in owners)


async def clone_objects(api: Documents, namespace: str, name: str) -> list[Json]:
    """Return the existing objects that a clone of this name consists of."""
    kinds = (SERVICE, DEPLOYMENT, BUDGET)
    objects = [await api.find(kind.path(namespace, name)) for kind in kinds]
    config_map = await api.find(CONFIG_MAP.path(namespace, name))
    if config_map and is_clone(config_map):  # any other may well have that name
        objects.append(config_map)
    return [obj for obj in objects if obj is not None]


def is_clone(obj: Json) -> bool:
    """Return whether `minidns clone` made an object."""
    return ORIGIN in (obj["metadata"].get("annotations") or {})


def _selects(obj: Json, own: Mapping[str, str]) -> bool:
    """Return whether an object selects pods with these labels."""
    if obj["kind"] == SERVICE.name:
        return matches(obj["spec"].get("selector"), own)
    selector = value_at(obj, ("spec", "selector"))
    return selector is not None and selects(selector, own)


def differences(server: Server, needs: Needs, wishes: Wishes) -> Iterator[str]:
    """Yield how the clone differs from the first, a line each."""
    if wishes.program == "coredns":
        yield from _network(server)
        return
    image = str(server.container.get("image", ""))
    if server.release is None and not running.is_image_of(image, "minidns"):
        yield (
            f"the image {image} does not say which release of "
            f"CoreDNS it is: the second behaves as {NEWEST} (-as VERSION)"
        )
    yield from _ports(server, needs)
    yield from _probes(needs)
    yield from _files(server, needs)
    yield from _network(server)


def _network(server: Server) -> Iterator[str]:
    if server.workload["kind"] == "DaemonSet":
        yield "kube-dns has a pod on each node; the second has what --replicas says"
    if server.spec.get("hostNetwork"):
        yield (
            "kube-dns uses the nodes' network; the second has addresses of its own, as "
            "both cannot listen at the same ports"
        )
    if server.spec.get("dnsPolicy") not in ("Default", "None"):
        yield (
            "kube-dns's pods have dnsPolicy ClusterFirst; the second's have Default: "
            "they would be their own upstream"
        )


def _ports(server: Server, needs: Needs) -> Iterator[str]:
    for port in server.service["spec"]["ports"]:
        if not manifests.port_name(server, needs, port):
            number_text = f"{port['port']}/{port.get('protocol', 'TCP')}"
            number = running.target_port(server, port)
            yield (
                f"port {number_text} of kube-dns is left out: nothing in the "
                f"Corefile listens at {number} for others than the pod itself"
            )
    others = set(needs.dns) - {manifests.dns_port(server, needs)}
    if others:
        numbers = ", ".join(map(str, sorted(others)))
        yield f"the Corefile serves port {numbers} too, which no Service port leads to"


def _probes(needs: Needs) -> Iterator[str]:
    for name, port, what in (
        (
            "health",
            needs.health,
            "no liveness probe: a hung pod is not restarted",
        ),
        (
            "ready",
            needs.ready,
            "no readiness probe: pods get queries before they are in sync",
        ),
        ("prometheus", needs.metrics, "no metrics can be scraped"),
    ):
        if not manifests.reachable(port):
            where = "is for the pod itself only" if port else "is not in the Corefile"
            yield f"{name} {where}, so {what}"


def _files(server: Server, needs: Needs) -> Iterator[str]:
    known = {variable["name"] for variable in server.container.get("env") or ()}
    for name in sorted(needs.variables - known):
        yield f"the Corefile names {name}, which kube-dns's environment has not either"
    if server.mount.is_frozen:
        yield (
            "kube-dns mounts its Corefile by subPath and never sees a change of it; "
            "the second will"
        )


def policy_notes(
    policies: Iterable[Json], server: Server, wishes: Wishes
) -> Iterator[str]:
    """Yield the NetworkPolicies that select the first's pods and not the clone's."""
    first = labels_of(server.workload["spec"]["template"])
    second = manifests.labels(wishes)
    for policy in policies:
        selector = policy["spec"].get("podSelector") or {}
        if selects(selector, first) and not selects(selector, second):
            yield (
                f"NetworkPolicy {policy['metadata']['name']} is about kube-dns's pods "
                "and not about the new ones: give them one of their own if they need it"
            )
