"""Programs that answer or divert DNS queries in a cluster, as far as objects show them.

A difference between two DNS servers means nothing if a third program answers for one
of them. ``SIGNS`` is the table of the programs: the name, what it does to queries, and
a function that returns the evidence in the objects. A node's cache that no object shows
is recognized by the nameserver of a running pod (``node_cache``).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from minidns.kubernetes.decode import printable
from minidns.kubernetes.documents import Json, Refused
from minidns.second_dns.objects import (
    CONFIG_MAP,
    DAEMON_SET,
    NAMESPACE,
    NODE,
    Kind,
    flag_of,
    labels_of,
    name_of,
    value_at,
)
from minidns.second_dns.session import Session

CILIUM_POLICIES = (
    Kind("CiliumNetworkPolicy", "ciliumnetworkpolicies", "cilium.io/v2"),
    Kind(
        "CiliumClusterwideNetworkPolicy",
        "ciliumclusterwidenetworkpolicies",
        "cilium.io/v2",
    ),
)
AMBIENT = "istio.io/dataplane-mode"
"""Label of namespaces and pods in Istio's ambient mode."""
REDIRECTED = "ambient.istio.io/redirection"
"""Annotation that istio-cni puts on a pod whose traffic goes to ztunnel."""
POD_CAPTURE = "ambient.istio.io/dns-capture"
"""Annotation of a pod that overrides AMBIENT_DNS_CAPTURE."""
CAPTURE = "ISTIO_META_DNS_CAPTURE"
LOCALDNS = "kubernetes.azure.com/localdns-state"
SHOWN = 3
"""Objects that are named as evidence."""
_MESH_CAPTURE = re.compile(rf"{CAPTURE}\W+true", re.IGNORECASE)


class Interceptor(NamedTuple):
    """A program that answers or diverts queries of pods."""

    name: str
    evidence: str
    effect: str

    def __str__(self) -> str:
        return printable(f"{self.name} ({self.evidence}): {self.effect}", most=400)


class Evidence(NamedTuple):
    """The objects that show interceptors."""

    daemon_sets: Sequence[Json] = ()
    nodes: Sequence[Json] = ()
    namespaces: Sequence[Json] = ()
    pods: Sequence[Json] = ()
    policies: Sequence[Json] = ()
    """Cilium's."""
    config_maps: Sequence[Json] = ()
    """Istio's ConfigMaps: istio-cni-config and istio."""


async def detect(
    session: Session, pods: Sequence[Json], namespace: str = ""
) -> list[Interceptor]:
    """Return what intercepts queries of ``pods``.

    Policies and the labels of namespaces are read in ``namespace``, or in all. What
    may not be read, or is of a kind that the cluster does not have, is no evidence.
    """
    evidence = Evidence(
        daemon_sets=await _list(session, DAEMON_SET.path()),
        nodes=await _list(session, NODE.path()),
        namespaces=await _namespaces(session, namespace),
        pods=pods,
        policies=[
            *await _list(session, CILIUM_POLICIES[0].path(namespace)),
            *await _list(session, CILIUM_POLICIES[1].path()),
        ],
        config_maps=await _istio_config_maps(session),
    )
    return interceptors(evidence)


async def _list(session: Session, path: str) -> list[Json]:
    try:
        return await session.api.list_objects(path)
    except Refused:
        return []


async def _find(session: Session, path: str) -> list[Json]:
    try:
        obj = await session.api.find(path)
    except Refused:
        return []
    return [obj] if obj else []


async def _namespaces(session: Session, namespace: str) -> list[Json]:
    if namespace:
        return await _find(session, NAMESPACE.path(name=namespace))
    return await _list(session, NAMESPACE.path())


async def _istio_config_maps(session: Session) -> list[Json]:
    places = (
        ("istio-system", "istio"),
        ("istio-system", "istio-cni-config"),
        ("kube-system", "istio-cni-config"),
    )
    lists = [await _find(session, CONFIG_MAP.path(*place)) for place in places]
    return [obj for objects in lists for obj in objects]


def interceptors(evidence: Evidence) -> list[Interceptor]:
    """Return the programs that the evidence shows."""
    return [
        Interceptor(sign.name, shown, sign.effect)
        for sign in SIGNS
        if (shown := sign.evidence(evidence))
    ]


def node_cache(nameserver: str, first: str) -> Iterator[Interceptor]:
    """Yield a node's cache if a pod queries ``nameserver`` in place of kube-dns."""
    if nameserver != first:
        yield Interceptor(
            _NODE_CACHES.get(nameserver, "a DNS cache on the node"),
            f"a running pod's resolv.conf has nameserver {nameserver}, not {first}",
            "pods that are not enrolled query it first, enrolled pods do not",
        )


_NODE_CACHES = {"169.254.20.10": "NodeLocal DNSCache", "169.254.10.11": "AKS LocalDNS"}
"""The usual addresses of caches on nodes."""


def _node_local(evidence: Evidence) -> str:
    return "; ".join(
        f"DaemonSet {name_of(obj)} listens at {addresses}"
        for obj in evidence.daemon_sets
        for container in _containers(obj)
        if (addresses := flag_of(container, "localip"))
    )


def _kindnet(evidence: Evidence) -> str:
    return "; ".join(
        f"DaemonSet {name_of(obj)} has --dns-caching"
        for obj in evidence.daemon_sets
        for container in _containers(obj)
        if "kindnet" in str(container.get("image"))
        and flag_of(container, "dns-caching") not in ("", "false")
    )


def _sidecars(evidence: Evidence) -> str:
    is_mesh_wide = any(
        _MESH_CAPTURE.search(str((obj.get("data") or {}).get("mesh", "")))
        for obj in evidence.config_maps
        if obj["metadata"]["name"] == "istio"
    )
    default = "true" if is_mesh_wide else "false"
    names = [
        name_of(pod)
        for pod in evidence.pods
        for container in _pod_containers(pod)
        if container["name"] == "istio-proxy"
        and _environment(container).get(CAPTURE, default) == "true"
    ]
    return f"{CAPTURE} is true for {_some(names)}" if names else ""


def _ambient(evidence: Evidence) -> str:
    settings = {
        (obj.get("data") or {}).get("AMBIENT_DNS_CAPTURE")
        for obj in evidence.config_maps
    } - {None}
    is_on = settings != {"false"}
    where = [
        f"pod {name_of(pod)}"
        for pod in evidence.pods
        if _annotations(pod).get(REDIRECTED) == "enabled"
        and _annotations(pod).get(POD_CAPTURE, "true" if is_on else "false") == "true"
    ]
    where += [
        f"namespace {name_of(obj)}"
        for obj in evidence.namespaces
        if labels_of(obj).get(AMBIENT) == "ambient" and is_on
    ]
    setting = "true" if "true" in settings else "not set: on since Istio 1.25"
    return f"{_some(where)}; AMBIENT_DNS_CAPTURE is {setting}" if where else ""


def _cilium(evidence: Evidence) -> str:
    names = [name_of(obj) for obj in evidence.policies if any(_dns_rules(obj))]
    return f"rules for DNS in {_some(names)}" if names else ""


def _dns_rules(policy: Json) -> Iterator[Json]:
    """Yield the rules for DNS of a Cilium policy."""
    for spec in (policy.get("spec"), *(policy.get("specs") or ())):
        for egress in (spec or {}).get("egress") or ():
            for ports in egress.get("toPorts") or ():
                yield from value_at(ports, ("rules", "dns")) or ()


def _aks(evidence: Evidence) -> str:
    nodes = (n for n in evidence.nodes if labels_of(n).get(LOCALDNS) == "enabled")
    names = list(map(name_of, nodes))
    return f"label {LOCALDNS}=enabled of node {_some(names)}" if names else ""


def _talos(evidence: Evidence) -> str:
    images = (value_at(n, ("status", "nodeInfo", "osImage")) for n in evidence.nodes)
    talos = sorted({str(image) for image in images if str(image).startswith("Talos")})
    return f"nodes run {talos[0]}" if talos else ""


class Sign(NamedTuple):
    """A program that can be recognized by objects."""

    name: str
    effect: str
    """The effect on queries."""
    evidence: Callable[[Evidence], str]
    """Returns the objects that show the program; empty if none does."""


SIGNS = (
    Sign(
        "NodeLocal DNSCache",
        "queries to these addresses end in a cache on the node; queries to any other "
        "DNS do not",
        _node_local,
    ),
    Sign(
        "kindnet's DNS cache",
        "queries of pods to the cluster's DNS are answered on the node",
        _kindnet,
    ),
    Sign(
        "Istio's sidecar",
        "the sidecar answers queries of its pod to any DNS",
        _sidecars,
    ),
    Sign("Istio ambient", "ztunnel answers queries of these pods to any DNS", _ambient),
    Sign(
        "Cilium's DNS proxy",
        "queries of the pods that these policies select pass through the proxy",
        _cilium,
    ),
    Sign(
        "AKS LocalDNS",
        "pods on these nodes query a cache on the node; enrolled pods do not",
        _aks,
    ),
    Sign(
        "Talos host DNS",
        "if it is enabled, queries for outside names pass through a cache on the node",
        _talos,
    ),
)


def _containers(workload: Json) -> Iterable[Json]:
    return value_at(workload, ("spec", "template", "spec", "containers")) or ()


def _pod_containers(pod: Json) -> Iterator[Json]:
    """Yield a pod's containers; a native sidecar is an init container."""
    yield from pod["spec"].get("initContainers") or ()
    yield from pod["spec"].get("containers") or ()


def _environment(container: Json) -> dict[str, str]:
    return {e["name"]: e.get("value", "") for e in container.get("env") or ()}


def _annotations(obj: Json) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
