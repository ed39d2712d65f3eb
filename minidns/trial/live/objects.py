"""The objects that a trial creates. Pure.

Two Jobs are the trial's lease: the one with the clients, and the one with the relays,
which owns everything else in the namespace of the cluster's DNS. Their pods end when
nobody is attached to them any more, or at their deadline; a while later the cluster
deletes a finished Job with all that it owns. So a trial that is killed leaves nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from minidns.kubernetes.documents import Json
from minidns.second_dns import corefile, manifests, running
from minidns.second_dns.manifests import Wishes
from minidns.second_dns.objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    SERVICE,
    SLICE,
    value_at,
    with_value,
)
from minidns.second_dns.record import MANAGED_BY, owner_reference
from minidns.second_dns.running import Server
from minidns.trial.integrity import Seal
from minidns.trial.live.remote import CLIENT, RELAY

TRIAL = "minidns/trial"
"""Label of all objects of a trial; its value is the name of the trial."""
KINDS = (JOB, SERVICE, SLICE, DEPLOYMENT, CONFIG_MAP)
"""The kinds of objects that a trial creates itself, in the order to delete them."""
RELAY_PORT = 5301
"""Port of the relay in its pod: one that needs no privilege."""
FINISHED_S = 30
"""Seconds after which the cluster deletes a finished Job with what it owns."""
SETUP_S = 600
"""Seconds until a Job's deadline beside the trial itself: to start and to clean up."""
CHANGING = "changing"
"""The role of the Service whose endpoints change."""
MINIDNS, PLAIN, OTHER = "minidns", "plain", "other"
"""The servers that a trial puts beside CoreDNS: arms M and P, K and KP, V and VP."""
_RESOURCES = {
    "requests": {"cpu": "50m", "memory": "70Mi"},
    "limits": {"memory": "170Mi"},
}
_PLAIN = """\
.:{port} {{
    errors
    health
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus :9153
    forward . /etc/resolv.conf {{
       max_concurrent 1000
    }}
    cache 30 {{
       disable success {domain}
       disable denial {domain}
    }}
    loop
    reload
    loadbalance
}}
"""
"""The Corefile that kubeadm writes (kubeadm, app/phases/addons/dns/manifests.go)."""


@dataclass(frozen=True, slots=True)
class Design:
    """What a trial creates, and where."""

    name: str
    image: str
    limit_s: float
    service: Json
    """The Service of the cluster's DNS."""
    server: Server | None
    """The cluster's DNS; None if nothing may be created beside it."""
    config: Mapping[str, str]
    """The data of its ConfigMap."""
    pods: Mapping[str, str]
    """CoreDNS's pods: name by address."""
    namespace: str
    """The namespace of the clients."""
    seal: Seal
    relays: int = 0
    """Pods that relay to CoreDNS: as many as it has, or none."""
    clients: int = 2
    nodes: tuple[str, ...] = ()
    """The nodes of the clients; empty for any."""
    other: str = ""
    """Image of the CoreDNS of arm V; empty without it."""

    @property
    def home(self) -> str:
        """The namespace of the relays, and of the servers if there are any."""
        if self.server is None:
            return self.namespace
        return str(self.service["metadata"]["namespace"])

    @property
    def domain(self) -> str:
        """The domain of the cluster, without a final dot."""
        served = corefile.read_needs(self.server).domain if self.server else ""
        return served or "cluster.local"

    @property
    def release(self) -> str:
        """The release of CoreDNS that the tag of its image names; empty if none."""
        return _release(corefile.image_of(self.server)) if self.server else ""

    @property
    def other_release(self) -> str:
        """The release of CoreDNS of arm V; empty if there is none."""
        return _release(self.other)

    def named(self, role: str) -> str:
        """Return the name of the objects with a role."""
        return f"{self.name}-{role}"


def _release(image: str) -> str:
    return str(running.release_of(image) or "")


def client_job(design: Design) -> Json:
    """Return the Job whose pods make the lookups."""
    job = _job(design, CLIENT, design.namespace, design.clients, ("trial", "client"))
    if not design.nodes:
        return job
    key = "kubernetes.io/hostname"
    on_nodes = {"key": key, "operator": "In", "values": list(design.nodes)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [on_nodes]}]}
    path = ("spec", "template", "spec", "affinity", "nodeAffinity")
    return with_value(
        job, path, {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    )


def relay_job(design: Design) -> Json:
    """Return the Job whose pods relay queries to CoreDNS's pods."""
    listen = ("--listen", f"0.0.0.0:{RELAY_PORT}", "--attached")
    args = ("relay", *design.pods, *listen)
    return _job(design, RELAY, design.home, design.relays, args)


def relay_service(design: Design) -> Json:
    """Return the Service in front of the relays: as kube-dns's, but for its pods."""
    ports = [
        {"name": name, "port": 53, "protocol": protocol, "targetPort": RELAY_PORT}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    name = design.named(RELAY)
    first = design.service["spec"]
    spec = {"selector": manifests.selector(name), "ports": ports}
    return {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "metadata": {"name": name, "namespace": design.home},
        "spec": spec | manifests.path_fields(first),
    }


def changing_objects(design: Design) -> Iterator[Json]:
    """Yield a headless Service and the EndpointSlice that the trial changes."""
    name = design.named(CHANGING)
    ports = [{"name": "none", "port": 9, "protocol": "TCP"}]
    found_by = {
        "kubernetes.io/service-name": name,
        "endpointslice.kubernetes.io/managed-by": "minidns",
    }
    meta = {"name": name, "namespace": design.home}
    yield {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.name,
        "metadata": meta,
        "spec": {"clusterIP": "None", "ports": ports},
    }
    yield {
        "apiVersion": SLICE.api_version,
        "kind": SLICE.name,
        "metadata": {**meta, "labels": found_by},
        "addressType": "IPv4",
        "endpoints": [],
        "ports": ports,
    }


def server_objects(design: Design) -> Iterator[Json]:
    """Yield the objects of the servers beside CoreDNS, in the order to create."""
    if design.server is None:
        return
    first = design.server
    needs = corefile.read_needs(first)
    block = design.seal.server_block(manifests.dns_port(first, needs))
    plain = _PLAIN.format(port=running.DNS_PORT, domain=design.domain)
    own = f"{first.corefile.rstrip()}\n{block}"
    yield from _minidns(design, first, MINIDNS, own)
    yield from _minidns(design, first, PLAIN, f"{plain}{block}")
    if design.other:
        wishes = Wishes(design.named(OTHER), "", design.other, len(design.pods))
        release = running.release_of(design.other)
        needs = corefile.read_needs(first, release=release, for_coredns=True)
        yield from _without_budget(manifests.objects(first, needs, wishes))


def _minidns(design: Design, first: Server, role: str, text: str) -> Iterator[Json]:
    """Yield the objects of a minidns with the Corefile ``text``."""
    wishes = Wishes(design.named(role), "", design.image, len(design.pods))
    server = corefile.with_corefile(first, text, wishes.name)
    config = manifests.config_map(server, design.config, wishes)
    yield config
    made = manifests.objects(server, corefile.read_needs(server), wishes)
    yield from _without_budget(made)


def _without_budget(objects: Sequence[Json]) -> Iterator[Json]:
    for obj in objects:
        if obj["kind"] == SERVICE.name:
            spec = {k: v for k, v in obj["spec"].items() if k != "clusterIP"}
            yield obj | {"spec": spec}
        elif obj["kind"] == DEPLOYMENT.name:
            yield obj


def labelled(obj: Json, design: Design, owner: Json | None = None) -> Json:
    """Return ``obj`` with the labels of the trial, owned by a Job of it."""
    meta = obj["metadata"]
    own = {TRIAL: design.name, **MANAGED_BY}
    meta = meta | {"labels": {**(meta.get("labels") or {}), **own}}
    if owner is not None:
        meta["ownerReferences"] = [owner_reference(owner)]
    obj = obj | {"metadata": meta}
    if obj["kind"] != DEPLOYMENT.name:
        return obj
    path = ("spec", "template", "metadata", "labels")
    return with_value(obj, path, {**(value_at(obj, path) or {}), **own})


def _job(
    design: Design, role: str, namespace: str, count: int, args: Sequence[str]
) -> Json:
    """Return a Job with ``count`` pods that run a command of minidns."""
    wishes = Wishes(design.named(role), "", design.image, count)
    base = manifests.base_object("deployment", wishes)
    labels = {**base["metadata"]["labels"], TRIAL: design.name, **MANAGED_BY}
    meta = {"name": wishes.name, "namespace": namespace, "labels": labels}
    spec = {
        "parallelism": count,
        "completions": count,
        "backoffLimit": 0,
        "activeDeadlineSeconds": int(design.limit_s) + SETUP_S,
        "ttlSecondsAfterFinished": FINISHED_S,
        "template": {
            "metadata": {"labels": labels},
            "spec": _pod(base["spec"]["template"]["spec"], role, design.image, args),
        },
    }
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.name,
        "metadata": meta,
        "spec": spec,
    }


def _pod(base: Json, role: str, image: str, args: Sequence[str]) -> Json:
    """Return a pod spec with the security context of the servers, without the API."""
    (server,) = base["containers"]
    kept = ("imagePullPolicy", "securityContext")
    container = {
        "name": role,
        "image": image,
        **{name: server[name] for name in kept},
        "args": list(args),
        # the program ends with the stream that is attached to it
        "stdin": True,
        "stdinOnce": True,
        "resources": _RESOURCES,
    }
    context = {k: v for k, v in base["securityContext"].items() if k != "sysctls"}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "nodeSelector": base["nodeSelector"],
        "affinity": base["affinity"],
        "securityContext": context,
        "containers": [container],
    }
