"""The changes of an enrolment, decided from objects alone. Pure.

All pods of a workload (``--all``): its template is changed in place, and a rollout
replaces the pods. A part of a StatefulSet: the same with a partition, so that only the
last pods are replaced. A part of a Deployment: a second Deployment, the twin, whose
pods differ only in their DNS and one label, so every Service that selects the pods of
the first selects those of the twin. ``N`` adds N pods and leaves the first alone;
``N of M`` keeps M pods in total, so the first has N fewer meanwhile.

A pod with ``dnsPolicy: None`` gets only what its dnsConfig says. So the dnsConfig of an
enrolled pod has the search list and the options that the kubelet would have added
(kubelet, pkg/kubelet/network/dns; Kubernetes documentation, "Pod's DNS Config").
"""

from collections.abc import Iterator
from typing import NamedTuple

from minidns.kubernetes import kubelet
from minidns.kubernetes.documents import Json
from minidns.kubernetes.kubelet import effective_policy
from minidns.second_dns import objects, running
from minidns.second_dns.objects import (
    DAEMON_SET,
    DEPLOYMENT,
    STATEFUL_SET,
    Change,
    Ref,
    apply_changes,
    change_to,
    ref_of,
    value_at,
    with_value,
)
from minidns.second_dns.record import (
    CONFIG,
    ENROLMENT,
    LABEL,
    MANAGED_BY,
    PARTITION,
    POLICY,
    REPLICAS,
    Record,
    owner_reference,
    record_ref,
    twin_name,
)
from minidns.second_dns.session import Refusal

TEMPLATE = ("spec", "template", "spec")
_NAME_CHARS = 253


class Cluster(NamedTuple):
    """Settings of the kubelets that are not in the pod."""

    domain: str
    """--cluster-domain, without a final dot."""
    searches: tuple[str, ...] = ()
    """Search domains of the nodes' own resolv.conf, which the kubelet appends."""


def pointed_at(spec: Json, namespace: str, cluster: Cluster, server: str) -> Json:
    """Return the dnsConfig with which a pod queries ``server`` only.

    Otherwise it resolves as before, whether its policy is ClusterFirst or None.
    """
    of_nodes = f"search {' '.join(cluster.searches)}" if cluster.searches else ""
    node = kubelet.Node((server,), cluster.domain, of_nodes)
    pod = {"metadata": {"namespace": namespace}, "spec": spec}
    before = kubelet.configuration(pod, node)
    options = (option.partition(":") for option in before.options)
    config = {
        "nameservers": [server],
        "searches": list(before.searches),
        "options": [
            {"name": name, "value": value} if value else {"name": name}
            for name, _, value in options
        ],
    }
    return {name: value for name, value in config.items() if value}


def servers_of(spec: Json) -> list[str]:
    """Return the nameservers of a pod's own dnsConfig."""
    return list((spec.get("dnsConfig") or {}).get("nameservers") or ())


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
    if effective_policy(spec) != "ClusterFirst" or not names:
        return None
    if not names[0].startswith(prefix):
        return None
    domain = names[0].removeprefix(prefix)
    ours = (names[0], f"svc.{domain}", domain)
    if names[: len(ours)] != ours:
        return None
    return Cluster(domain, names[len(ours) :])


class Target(NamedTuple):
    """The DNS that pods are to query."""

    address: str
    namespace: str
    name: str
    """Name of its Service."""
    cluster: Cluster
    first: str = ""
    """Address of the cluster's first DNS; empty if it is not known."""

    @property
    def service(self) -> str:
        """Its Service, as namespace/name."""
        return f"{self.namespace}/{self.name}"


class Share(NamedTuple):
    """How many pods to enrol."""

    pods: int = 0
    """0 means all."""
    of: int = 0
    """How many replicas the workload has; 0 if the caller did not say."""


class Plan(NamedTuple):
    """Everything that an enrolment writes."""

    record: Record
    twin: Json | None = None
    """The Deployment to create."""

    @property
    def ref(self) -> Ref:
        """The workload that was named."""
        return self.record.workload


def plan_enrolment(
    obj: Json, target: Target, share: Share, *, id_: str = "", until: str = ""
) -> Plan:
    """Return how pods of the workload ``obj`` are pointed at ``target``.

    Raises:
        Refusal: they cannot be, or should not be.

    """
    _check_workload(obj, target)
    ref = ref_of(obj)
    record_ref(ref)
    record = Record(ref, target.address, target.service, id_, until)
    if not share.pods:
        return Plan(record._replace(changes=tuple(_pointing_changes(obj, target))))
    _check_share(obj, share)
    fewer = running.replicas(obj) - share.pods
    if ref.kind is STATEFUL_SET:
        part = change_to(obj, PARTITION, fewer)
        changes = (*_pointing_changes(obj, target), part)
        return Plan(record._replace(changes=changes))
    name = twin_name(ref, target.name)
    if len(name) > _NAME_CHARS:
        raise Refusal(f"{ref}: its twin's name would be too long: {name}")
    record = record._replace(twin=name)
    if share.of:
        record = record._replace(changes=(change_to(obj, REPLICAS, fewer),))
    return Plan(record, _twin(obj, target, share.pods, record))


def _pointing_changes(obj: Json, target: Target) -> Iterator[Change]:
    """Yield the changes by which all pods of a workload query ``target``."""
    ref, spec = ref_of(obj), value_at(obj, TEMPLATE)
    config = pointed_at(spec, ref.namespace, target.cluster, target.address)
    yield change_to(obj, POLICY, "None")
    yield change_to(obj, CONFIG, config)


def _twin(obj: Json, target: Target, count: int, record: Record) -> Json:
    """Return a Deployment like ``obj`` with ``count`` pods that query ``target``.

    It belongs to the first and is deleted with it. It has none of the first's labels:
    by those Helm or Argo CD would take it for an orphan.
    """
    own = {LABEL: target.name}
    spec = apply_changes(obj, _pointing_changes(obj, target))["spec"]
    for path in (("selector", "matchLabels"), ("template", "metadata", "labels")):
        spec = with_value(spec, path, {**(value_at(spec, path) or {}), **own})
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.name,
        "metadata": {
            "name": record.twin,
            "namespace": record.workload.namespace,
            "labels": {**own, ENROLMENT: record.id, **MANAGED_BY},
            "ownerReferences": [owner_reference(obj)],
        },
        "spec": {**spec, "replicas": count},
    }


def _check_workload(obj: Json, target: Target) -> None:
    """Accept a workload whose pods query the first DNS and can query another.

    Raises:
        Refusal: they do not, or cannot.

    """
    ref = ref_of(obj)
    if ENROLMENT in (obj["metadata"].get("labels") or {}):
        raise Refusal(f"{ref} is itself the twin of another Deployment")
    if obj["metadata"].get("deletionTimestamp"):
        raise Refusal(f"{ref} is being deleted")
    if value_at(obj, ("spec", "paused")):
        raise Refusal(f"{ref} is paused: its pods would not be replaced")
    check_pods(str(ref), value_at(obj, TEMPLATE), target)


def already_enrolled(record: Record) -> Refusal:
    """Return why an enrolled workload is not enrolled again."""
    ref = record.workload
    until = f" until {record.until}" if record.until else ""
    return Refusal(
        f"{ref} is enrolled already, at {record.service}{until}; minidns unenrol "
        f"{ref.word} -n {ref.namespace} ends that"
    )


def check_pods(workload: str, spec: Json, target: Target) -> None:
    """Accept pods that query the cluster's first DNS and no other.

    Raises:
        Refusal: they use the node's network, or query another DNS.

    """
    if spec.get("hostNetwork"):
        raise Refusal(
            f"{workload}: its pods have their node's network (hostNetwork), where "
            "their queries cannot be distinguished from the node's own"
        )
    policy, servers = effective_policy(spec), servers_of(spec)
    if policy == "Default":
        raise Refusal(
            f"{workload}: its pods query their node's resolvers (dnsPolicy Default), "
            "not the cluster's DNS: an enrolment would change more than the server"
        )
    if policy == "None" and servers == [target.address]:
        raise Refusal(f"{workload}: its own dnsConfig names {target.address} already")
    if policy == "None" and target.first not in servers:
        nameservers = ", ".join(servers) or "no nameserver"
        raise Refusal(
            f"{workload}: its pods query {nameservers} (dnsPolicy None), not the "
            "cluster's DNS: an enrolment would change more than the server"
        )


def _check_share(obj: Json, share: Share) -> None:
    """Accept a number of pods that can be enrolled without the others.

    Raises:
        Refusal: they cannot, or they would be all pods.

    """
    ref, now = ref_of(obj), running.replicas(obj)
    if ref.kind is DAEMON_SET:
        raise Refusal(f"{ref} has a pod on each node: --all is the only choice")
    if share.of not in (0, now):
        raise Refusal(f"{ref} has {now} replicas, not {share.of}")
    if (share.of or ref.kind is STATEFUL_SET) and share.pods >= now:
        raise Refusal(
            f"{ref} has {now} replicas: {share.pods} would be all; pass --all"
        )
    if ref.kind is DEPLOYMENT:
        if value_at(obj, ("spec", "strategy", "type")) == "Recreate":
            raise Refusal(
                f"{ref} must not run beside itself (strategy Recreate), as it would "
                "with a twin; pass --all"
            )
    elif value_at(obj, ("spec", "updateStrategy", "type")) == "OnDelete":
        raise Refusal(
            f"{ref} replaces no pods by itself (updateStrategy OnDelete): a "
            "part of them cannot be chosen; pass --all"
        )
    elif partition := value_at(obj, PARTITION):
        raise Refusal(
            f"{ref} is in the middle of another partial rollout (partition {partition})"
        )


def preview(obj: Json, plan: Plan) -> Iterator[str]:
    """Yield what will be written, line by line."""
    if plan.twin is not None:
        yield f"# {ref_of(plan.twin)}, to be created:"
        yield from objects.yaml_of([plan.twin]).splitlines()
    if not plan.record.changes:
        yield f"# {plan.ref} stays as it is"
    else:
        yield f"# {plan.ref}, to be changed:"
        yield from objects.difference(obj, apply_changes(obj, plan.record.changes))


def question(plan: Plan) -> str:
    """Return the question to confirm: what happens to the pods."""
    record = plan.record
    dns = f"{record.service.rpartition('/')[2]} ({record.dns})"
    if plan.twin is not None:
        count = plan.twin["spec"]["replicas"]
        if not record.changes:
            return f"Add {count} pods to {plan.ref} that ask {dns}?"
        return f"Replace {count} of the pods of {plan.ref} by ones that ask {dns}?"
    which = record.describe_pods()
    which = "all the pods" if which == "all its pods" else f"the {which}"
    return f"Replace {which} of {plan.ref}, in a rollout, by ones that ask {dns}?"


def remarks(obj: Json, plan: Plan) -> Iterator[str]:
    """Yield what the person should know about this workload before confirming."""
    spec = value_at(obj, TEMPLATE)
    extra = [s for s in servers_of(spec) if s != plan.record.dns]
    if extra:
        yield (
            f"nameserver {', '.join(extra)} of its dnsConfig is left out meanwhile: "
            "behind a second one the failures of the first would hide"
        )
    if value_at(obj, ("spec", "updateStrategy", "type")) == "OnDelete":
        yield "its pods change only when they are deleted by hand (OnDelete)"
    if plan.twin is not None:
        for volume in spec.get("volumes") or ():
            if claim := value_at(volume, ("persistentVolumeClaim", "claimName")):
                yield f"the twin's pods mount the same volume: claim {claim}"
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            name = f"{owner['kind']} {owner['name']}"
            yield f"{name} manages it and may revert the change"
    labels = obj["metadata"].get("labels") or {}
    if manager := labels.get("app.kubernetes.io/managed-by"):
        yield f"{manager} manages it and may revert the change"
