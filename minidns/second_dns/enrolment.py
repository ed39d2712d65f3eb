"""What pointing pods at a second DNS makes of the object that makes them. Pure.

All pods of a workload: its template is changed in place, and a rollout replaces them.
Part of a StatefulSet's: the same, with a partition, so that only the last are replaced.
Part of a Deployment's: a Deployment beside it, the twin, whose pods differ in nothing
but their DNS and one label, so that every Service that selects the first's pods selects
the twin's. ``N`` pods are N more, and the first is not touched; ``N of M`` are still M
in all, and the first has N fewer for the time being.
"""

from collections.abc import Iterator
from typing import NamedTuple

from minidns.kubernetes.documents import Json
from minidns.second_dns import dnsconfig, record, running
from minidns.second_dns.changes import Change, change, done, value_at, with_value
from minidns.second_dns.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, Ref, ref_of
from minidns.second_dns.record import LABEL, Record
from minidns.second_dns.refusal import Refusal

REPLICAS = ("spec", "replicas")
PARTITION = ("spec", "updateStrategy", "rollingUpdate", "partition")
TEMPLATE = ("spec", "template", "spec")
_NAME_CHARS = 253


class Target(NamedTuple):
    """The DNS that pods are to ask."""

    address: str
    namespace: str
    name: str
    """Of its Service."""
    cluster: dnsconfig.Cluster
    first: str = ""
    """Address of the cluster's first DNS; empty if it is not known."""

    @property
    def service(self) -> str:
        """Namespace and name of its Service, as a record has them."""
        return f"{self.namespace}/{self.name}"


class Share(NamedTuple):
    """How many pods are meant: none of them all."""

    pods: int = 0
    """0: all."""
    of: int = 0
    """How many there are now; 0: whatever there are."""


class Plan(NamedTuple):
    """What is to be written."""

    ref: Ref
    """The workload that was named."""
    record: Record
    """What it is to carry; empty of changes if it stays as it is."""
    twin: Json | None = None
    """What is to be created beside it."""
    is_beside: bool = False
    """Whether the workload itself stays as it is."""


def planned(
    obj: Json, target: Target, share: Share, *, id_: str = "", until: str = ""
) -> Plan:
    """Return how the pods that ``obj`` makes come to ask ``target``.

    Raises:
        Refusal: they cannot, or should not.

    """
    check(obj, target)
    ref = ref_of(obj)
    made = Record(target.address, target.service, id_, until)
    if not share.pods:
        return Plan(ref, made._replace(changes=tuple(_pointing(obj, target))))
    check_share(obj, share)
    if ref.kind is STATEFUL_SET:
        return Plan(ref, made._replace(changes=tuple(_part(obj, target, share))))
    name = f"{ref.name}-{target.name}"
    if len(name) > _NAME_CHARS:
        raise Refusal(f"{ref}: its twin's name would be too long: {name}")
    twin = twin_of(obj, target, share.pods, made._replace(of=ref.name), name)
    if not share.of:
        return Plan(ref, made, twin, is_beside=True)
    fewer = change(obj, REPLICAS, running.replicas(obj) - share.pods)
    return Plan(ref, made._replace(changes=(fewer,), twin=name), twin)


def _pointing(obj: Json, target: Target) -> Iterator[Change]:
    """Yield the changes by which all pods of a workload ask ``target``."""
    ref, spec = ref_of(obj), value_at(obj, TEMPLATE)
    config = dnsconfig.pointed_at(spec, ref.namespace, target.cluster, target.address)
    yield change(obj, dnsconfig.POLICY, "None")
    yield change(obj, dnsconfig.CONFIG, config)


def _part(obj: Json, target: Target, share: Share) -> Iterator[Change]:
    """Yield the changes by which the last pods of a StatefulSet ask ``target``."""
    yield from _pointing(obj, target)
    yield change(obj, PARTITION, running.replicas(obj) - share.pods)


def twin_of(obj: Json, target: Target, count: int, made: Record, name: str) -> Json:
    """Return a Deployment like ``obj`` with ``count`` pods that ask ``target``.

    It belongs to the first, and goes with it; it has none of its labels, by which
    whoever deploys the first (Helm, Argo CD) would take it for a leftover.
    """
    own = {LABEL: target.name}
    spec = done(obj, _pointing(obj, target))["spec"]
    for path in (("selector", "matchLabels"), ("template", "metadata", "labels")):
        spec = with_value(spec, path, {**(value_at(spec, path) or {}), **own})
    first = obj["metadata"]
    owner = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name}
    owner |= {"name": first["name"], "uid": first["uid"]}
    twin = {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.name,
        "metadata": {
            "name": name,
            "namespace": first["namespace"],
            "labels": {**own, "app.kubernetes.io/managed-by": "minidns"},
            "ownerReferences": [owner],
        },
        "spec": {**spec, "replicas": count},
    }
    return record.recorded(twin, made)


def check(obj: Json, target: Target) -> None:
    """Let a workload pass whose pods ask the first DNS and can ask another.

    Raises:
        Refusal: they do not, or cannot.

    """
    ref, spec = ref_of(obj), value_at(obj, TEMPLATE)
    if made := record.of(obj):
        raise enrolled_already(ref, made)
    if obj["metadata"].get("deletionTimestamp"):
        raise Refusal(f"{ref} is being deleted")
    if value_at(obj, ("spec", "paused")):
        raise Refusal(f"{ref} is paused: its pods would not be replaced")
    check_pods(str(ref), spec, target)


def enrolled_already(ref: Ref, made: Record) -> Refusal:
    """Return why what is enrolled is not enrolled again."""
    if made.of:
        return Refusal(f"{ref} is itself the twin of Deployment {made.of}")
    until = f" until {made.until}" if made.until else ""
    return Refusal(
        f"{ref} is enrolled already, at {made.service}{until}; minidns unenrol "
        f"{ref.word} -n {ref.namespace} ends that"
    )


def check_pods(who: str, spec: Json, target: Target) -> None:
    """Let pods pass that ask the first DNS and nobody else's.

    Raises:
        Refusal: they have the node's network, or ask others.

    """
    if spec.get("hostNetwork"):
        raise Refusal(
            f"{who}: its pods have their node's network (hostNetwork), where look-ups "
            "cannot be told from the node's own"
        )
    policy, servers = dnsconfig.policy_of(spec), dnsconfig.servers_of(spec)
    if policy == "Default":
        raise Refusal(
            f"{who}: its pods ask their node's resolvers (dnsPolicy Default), not the "
            "cluster's DNS: more would change than who answers"
        )
    if policy == "None" and servers == [target.address]:
        raise Refusal(f"{who}: its pods ask {target.address} already, by themselves")
    if policy == "None" and target.first not in servers:
        said = ", ".join(servers) or "nobody"
        raise Refusal(
            f"{who}: its pods ask {said} (dnsPolicy None), not the cluster's DNS: more "
            "would change than who answers"
        )


def check_share(obj: Json, share: Share) -> None:
    """Let a part of the pods pass that can be told from the rest.

    Raises:
        Refusal: it cannot, or is none, or all.

    """
    ref = ref_of(obj)
    if ref.kind is DAEMON_SET:
        raise Refusal(f"{ref} has a pod on each node: --all is all there is to choose")
    now = running.replicas(obj)
    if share.of not in (0, now):
        raise Refusal(f"{ref} has {now} replicas, not {share.of}")
    takes = share.of or ref.kind is STATEFUL_SET
    if takes and share.pods >= now:
        raise Refusal(f"{ref} has {now} replicas: {share.pods} would be all; say --all")
    _CHECKS[ref.kind.name](obj)


def _check_deployment(obj: Json) -> None:
    if value_at(obj, ("spec", "strategy", "type")) == "Recreate":
        raise Refusal(
            f"{ref_of(obj)} must not run beside itself (strategy Recreate), as a twin "
            "would; say --all"
        )


def _check_stateful_set(obj: Json) -> None:
    if value_at(obj, ("spec", "updateStrategy", "type")) == "OnDelete":
        raise Refusal(
            f"{ref_of(obj)} replaces no pods by itself (updateStrategy OnDelete): "
            "which of them change cannot be chosen here; say --all"
        )
    if partition := value_at(obj, PARTITION):
        raise Refusal(
            f"{ref_of(obj)} is in the middle of another partial rollout (partition "
            f"{partition})"
        )


_CHECKS = {"Deployment": _check_deployment, "StatefulSet": _check_stateful_set}
