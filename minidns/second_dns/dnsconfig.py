"""What the kubelet writes for a pod of ClusterFirst, said as a dnsConfig. Pure.

A pod of ``dnsPolicy: None`` gets nothing but what its dnsConfig says, so all that the
kubelet would have added has to stand there: search list and options (kubelet
network/dns; Kubernetes, "Pod's DNS Config").
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from minidns.kubernetes.documents import Json

MOST_SEARCHES = 32
MOST_SEARCH_CHARS = 2048
"""Of the whole list, its blanks counted; the API server takes no more, and the kubelet
leaves the rest out."""
CLUSTER_OPTIONS = ({"name": "ndots", "value": "5"},)

POLICY = ("spec", "template", "spec", "dnsPolicy")
CONFIG = ("spec", "template", "spec", "dnsConfig")
"""Where a workload says how its pods resolve."""


class Cluster(NamedTuple):
    """What the kubelets know and a pod does not say."""

    domain: str
    """--cluster-domain, without a final dot."""
    searches: tuple[str, ...] = ()
    """Search domains of the nodes' own resolv.conf."""


def policy_of(spec: Json) -> str:
    """Return the policy that counts for a pod (kubelet network/dns)."""
    policy = str(spec.get("dnsPolicy") or "ClusterFirst")
    if policy == "ClusterFirst" and spec.get("hostNetwork"):
        return "Default"
    return "ClusterFirst" if policy == "ClusterFirstWithHostNet" else policy


def pointed_at(spec: Json, namespace: str, cluster: Cluster, server: str) -> Json:
    """Return the dnsConfig by which a pod asks ``server`` and nobody else.

    Beside that it resolves as it does now, whether its policy is ClusterFirst or None.
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
        "options": list({each["name"]: each for each in options}.values()),
    }
    return {name: value for name, value in config.items() if value}


def servers_of(spec: Json) -> list[str]:
    """Return the servers that a pod itself names, beside those of its policy."""
    return list((spec.get("dnsConfig") or {}).get("nameservers") or ())


def _cluster_searches(namespace: str, cluster: Cluster) -> Iterable[str]:
    domain = cluster.domain
    # without a --cluster-domain the kubelet adds no names of the cluster
    names = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain) if domain else ()
    return (*names, *cluster.searches)


def _fitted(searches: Iterable[str]) -> list[str]:
    kept = list(dict.fromkeys(searches))[:MOST_SEARCHES]
    while len(" ".join(kept)) > MOST_SEARCH_CHARS:
        kept.pop()
    return kept
