"""How pods resolve: dnsPolicy, dnsConfig, and the resolv.conf that results. Pure.

A pod with ``dnsPolicy: None`` gets only what its dnsConfig says, so that has to contain
the search list and the options that the kubelet would have added (kubelet,
pkg/kubelet/network/dns; Kubernetes documentation, "Pod's DNS Config").
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from minidns.kubernetes.documents import Json

MOST_SEARCHES = 32
MOST_SEARCH_CHARS = 2048
"""Limit of the whole list with its blanks; the API server accepts no more, and the
kubelet omits the rest."""
CLUSTER_OPTIONS = ({"name": "ndots", "value": "5"},)

POLICY = ("spec", "template", "spec", "dnsPolicy")
CONFIG = ("spec", "template", "spec", "dnsConfig")
"""The two fields of a workload that decide how its pods resolve."""


class Cluster(NamedTuple):
    """Settings of the kubelets that are not in the pod."""

    domain: str
    """--cluster-domain, without a final dot."""
    searches: tuple[str, ...] = ()
    """Search domains of the nodes' own resolv.conf, which the kubelet appends."""


def policy_of(spec: Json) -> str:
    """Return the dnsPolicy that is in effect for a pod."""
    policy = str(spec.get("dnsPolicy") or "ClusterFirst")
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        return "Default"
    return "ClusterFirst" if policy == "ClusterFirstWithHostNet" else policy


def pointed_at(spec: Json, namespace: str, cluster: Cluster, server: str) -> Json:
    """Return the dnsConfig with which a pod asks ``server`` only.

    Otherwise it resolves as before, whether its policy is ClusterFirst or None.
    """
    own = spec.get("dnsConfig") or {}
    searches: Sequence[str] = own.get("searches") or ()
    options: Sequence[Json] = own.get("options") or ()
    if policy_of(spec) == "ClusterFirst":
        searches = (*_cluster_searches(namespace, cluster), *searches)
        options = (*CLUSTER_OPTIONS, *options)
    config = {
        "nameservers": [server],
        "searches": _fitted(searches),
        "options": list({option["name"]: option for option in options}.values()),
    }
    return {name: value for name, value in config.items() if value}


def servers_of(spec: Json) -> list[str]:
    """Return the nameservers of a pod's own dnsConfig."""
    return list((spec.get("dnsConfig") or {}).get("nameservers") or ())


def _cluster_searches(namespace: str, cluster: Cluster) -> Iterable[str]:
    domain = cluster.domain
    # without a --cluster-domain the kubelet adds no names of the cluster
    names = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain) if domain else ()
    return (*names, *cluster.searches)


def _fitted(searches: Iterable[str]) -> list[str]:
    fitting = list(dict.fromkeys(searches))[:MOST_SEARCHES]
    while len(" ".join(fitting)) > MOST_SEARCH_CHARS:
        fitting.pop()
    return fitting


def node_searches(resolv_conf: str, spec: Json, namespace: str) -> Cluster | None:
    """Return the domain and the further search domains of a running pod's resolv.conf.

    The kubelet writes the three domains of the cluster, those of the node, and those
    of the pod's dnsConfig. The last two cannot always be told apart, and need not be:
    a domain that is named twice is written once. None if the text has another form,
    or the pod another policy than ClusterFirst.

    >>> node_searches("search shop.svc.k8s svc.k8s k8s corp.example", {}, "shop")
    Cluster(domain='k8s', searches=('corp.example',))
    """
    lines = [line.split() for line in resolv_conf.splitlines()]
    searches = [line[1:] for line in lines if line[:1] == ["search"]]
    names = tuple(name.rstrip(".") for name in searches[-1]) if searches else ()
    prefix = f"{namespace}.svc."
    if policy_of(spec) != "ClusterFirst" or not names:
        return None
    if not names[0].startswith(prefix):
        return None
    cluster = Cluster(names[0].removeprefix(prefix))
    ours = tuple(_cluster_searches(namespace, cluster))
    if names[: len(ours)] != ours:
        return None
    return cluster._replace(searches=names[len(ours) :])


def nameservers(resolv_conf: str) -> tuple[str, ...]:
    """Return the addresses of a resolv.conf's nameserver lines."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return tuple(line[1] for line in lines if line[:1] == ["nameserver"] and line[1:])


NODE = "the node's resolvers"
"""The servers of pods with dnsPolicy Default, or with the node's network."""


class Use(NamedTuple):
    """Pods of one workload that resolve alike."""

    namespace: str
    maker: str
    """The workload that made them, ``Deployment/web``; or the pod itself."""
    by: str
    """Their dnsPolicy, and whether a dnsConfig names servers."""
    servers: tuple[str, ...]
    """Addresses that they ask; empty for the resolvers of their node."""


def use_of(pod: Json, first: str) -> Use | None:
    """Return how a pod resolves, where ``first`` is kube-dns; None if it has ended."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return None
    meta, spec = pod["metadata"], pod["spec"]
    policy, own = policy_of(spec), servers_of(spec)
    name = spec.get("dnsPolicy") or "ClusterFirst"
    by = f"{name} (hostNetwork)" if spec.get("hostNetwork") else str(name)
    if policy == "Default":
        servers: tuple[str, ...] = tuple(own)
    else:
        # limit: a kubelet may have another --cluster-dns; the API does not know it
        servers = (*((first,) if policy == "ClusterFirst" else ()), *own)
    if own:
        by += " and dnsConfig"
    return Use(meta.get("namespace", ""), _maker(pod), by, servers)


def _maker(pod: Json) -> str:
    """Return the workload of a pod, the Deployment instead of its ReplicaSet."""
    meta = pod["metadata"]
    for owner in meta.get("ownerReferences") or ():
        if owner.get("controller"):
            hashed = (meta.get("labels") or {}).get("pod-template-hash", "")
            name = owner["name"].removesuffix(f"-{hashed}") if hashed else owner["name"]
            kind = owner["kind"]
            if kind == "ReplicaSet" and name != owner["name"]:
                kind = "Deployment"
            return f"{kind}/{name}"
    return f"Pod/{meta['name']}"


def count_uses(uses: Iterable[Use | None]) -> list[tuple[Use, int]]:
    """Return each use with the number of its pods, sorted."""
    return sorted(Counter(use for use in uses if use is not None).items())


def asked_names(use: Use, services: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the servers that are asked; ``services`` maps ClusterIPs."""
    known = (services.get(server, f"{server} (no Service)") for server in use.servers)
    return tuple(known) or (NODE,)
