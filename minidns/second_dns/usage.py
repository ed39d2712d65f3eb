"""Which DNS a pod asks, as far as the API knows. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from minidns.kubernetes.documents import Json
from minidns.second_dns import dnsconfig

NODE = "the node's resolvers"
"""Who pods of dnsPolicy Default ask, and those with the node's network."""


class Use(NamedTuple):
    """Pods of one workload that resolve alike."""

    namespace: str
    maker: str
    """What made them, ``ReplicaSet/web-5d9``; the pod itself if nothing did."""
    by: str
    """dnsPolicy, and dnsConfig if that names servers."""
    servers: tuple[str, ...]
    """Addresses that they ask; empty for those of their node."""


def of(pod: Json, first: str) -> Use | None:
    """Return what a pod uses; None for one that is over. ``first`` is kube-dns's."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return None
    meta, spec = pod["metadata"], pod["spec"]
    policy, own = dnsconfig.policy_of(spec), dnsconfig.servers_of(spec)
    said = spec.get("dnsPolicy") or "ClusterFirst"
    by = f"{said} (hostNetwork)" if spec.get("hostNetwork") else str(said)
    if policy == "Default":
        servers: tuple[str, ...] = tuple(own)
    else:
        # limit: a kubelet may have another --cluster-dns; the API does not know it
        servers = (*((first,) if policy == "ClusterFirst" else ()), *own)
    if own:
        by += " and dnsConfig"
    return Use(meta.get("namespace", ""), _maker(pod), by, servers)


def _maker(pod: Json) -> str:
    """Return what made a pod, a Deployment in the place of its ReplicaSet."""
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


def counted(uses: Iterable[Use | None]) -> list[tuple[Use, int]]:
    """Return each use with its number of pods, sorted."""
    return sorted(Counter(use for use in uses if use is not None).items())


def whom(use: Use, services: Mapping[str, str]) -> tuple[str, ...]:
    """Return who is asked, by the names of ``services`` (ClusterIP to name)."""
    known = (services.get(each, f"{each} (no Service)") for each in use.servers)
    return tuple(known) or (NODE,)
