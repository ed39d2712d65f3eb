"""Causes of answers about apex and inner nodes, Pods, and addresses."""

from minidns.dns import names
from minidns.dns.rdata import type_name
from minidns.explain.explanation import Cause
from minidns.explain.situation import Situation
from minidns.kubernetes.names import pod_address, record_of, reversed_address
from minidns.kubernetes.objects import Key
from minidns.kubernetes.rules import Rule

_NODES: dict[Rule | None, str] = {
    Rule.APEX: "the top of the zone",
    Rule.INNER_NODE: "a node with other names below it",
    Rule.NAMESPACE: "a namespace",
    Rule.PROTOCOL: "a node with ports below it",
    Rule.NAME_SERVER: "the name of the name server",
    Rule.NS: "the top of the zone",
}
_NO_LOCAL = "the addresses of this machine are not known (bind hides them, as CoreDNS)"


def _node(s: Situation, rule: Rule | None) -> str:
    wanted = type_name(s.question.qtype)
    return f"{s.question.name} is {_NODES[rule]}, and has no {wanted}"


def node(s: Situation) -> Cause:
    """Return the cause for a name that exists without records."""
    return Cause("inner-node", _node(s, s.rule))


def name_server(s: Situation) -> Cause:
    """Return the cause for a name server without addresses."""
    because = _node(s, s.rule)
    if not s.cluster.local:
        return Cause("no-local-address", because, (_NO_LOCAL,))
    return Cause("inner-node", because)


def not_in_cluster(s: Situation) -> Cause:
    """Return the cause for a name outside svc and pod, and the label it may lack."""
    labels = s.labels
    because = f"{labels[-1]} is neither svc nor pod"
    store = s.lookup.store
    if labels == ["dns-version"]:
        because = "dns-version has a TXT record; CoreDNS denies other types there"
        return Cause("dns-version-other-type", because)
    if len(labels) > 1 and (key := Key(labels[-1], labels[-2])) in store.services:
        near = f"svc is missing: {s.full(key)}"
        return Cause("svc-left-out", because, (near,))
    if labels[-1] in ("service", "services", "pods", "svcs"):
        short = "pod" if labels[-1] == "pods" else "svc"
        return Cause("svc-misspelt", because, (f"{short} instead of {labels[-1]}",))
    if len(labels) > 1:
        host = ".".join(labels) + "."
        near = f"{host} was meant, and the search list put {s.zone} behind it (ndots)"
        return Cause("search-list", because, (near,))
    return Cause("not-in-cluster", because)


def too_long(s: Situation) -> Cause:
    """Return the cause for a name with too many labels."""
    because = "there are more labels than endpoint, or port and protocol, need"
    labels = s.labels
    if "_zone" in labels and not s.options.zonal:
        near = "names with _zone need the option zonal"
        return Cause("zonal-off", because, (near,))
    return Cause("too-long", because)


def reverse_name(s: Situation) -> Cause:
    """Return the cause for a Service or Pod name in a reverse zone."""
    because = f"names of Services and Pods are not below {s.zone}"
    return Cause("reverse-zone", because, (f"they are below {s.options.primary}",))


# -- Pods


def pods_disabled(s: Situation) -> Cause:
    """Return the cause for a Pod name under *pods disabled*."""
    because = "the option pods is disabled: names of Pods do not exist"
    pods = s.lookup.main.pods_at(s.parsed.namespace, pod_address(s.parsed.service))
    near = tuple(f"Pod {pod.key} has that address" for pod in pods)
    return Cause("pods-disabled", because, near)


def not_a_pod_address(s: Situation) -> Cause:
    """Return the cause for a Pod name that is no address."""
    because = f"{s.parsed.service} is no address with dashes"
    near = "Pods are called by their addresses: 10-0-0-1 for 10.0.0.1"
    return Cause("pod-not-by-address", because, (near,))


def no_such_pod(s: Situation) -> Cause:
    """Return the cause for a missing Pod, and where its address is in use."""
    label = s.parsed.service
    address = pod_address(label)
    if record_of(address) is None:
        return not_a_pod_address(s)
    because = f"no Pod of namespace {s.parsed.namespace} has the address {address}"
    pods = s.lookup.main.pods.values()
    elsewhere = [pod for pod in pods if pod.address == address]
    if elsewhere:
        there = tuple(f"Pod {pod.key} has it" for pod in elsewhere[:3])
        return Cause("pod-in-another-namespace", because, there)
    for pod in pods:
        if record_of(pod.address) == record_of(address):
            name = pod.address.replace(":", "-")
            near = f"Pod {pod.key} has it, spelled {pod.address}: ask for {name}"
            return Cause("pod-address-spelled-otherwise", because, (near,))
    return Cause("pod-absent", because)


# -- addresses


def no_address(s: Situation) -> Cause:
    """Return the cause for an address without a name, and what has it."""
    address = reversed_address(s.question.name, strict=s.options.strict)
    store = s.lookup.main
    because = f"no Service has {address}, and no ready endpoint of one"
    for service in store.services.values():
        if address in service.external_ips:
            near = f"Service {service.key} has it as an external address, without PTR"
            return Cause("address-is-external", because, (near,))
    for one in store.slices.values():
        for end in one.endpoints:
            if end.address != address:
                continue
            if not one.service.name:
                near = f"EndpointSlice {one.key} has it, but names no Service"
                return Cause("slice-without-service", because, (near,))
            if not end.ready:
                near = f"EndpointSlice {one.key} has it, not ready"
                return Cause("address-unready", because, (near,))
    pods = [pod for pod in store.pods.values() if pod.address == address]
    if pods:
        near = f"Pod {pods[0].key} has it, but no Service leads to that Pod"
        return Cause("pod-without-service", because, (near,))
    return Cause("address-absent", because)


# -- names of other zones


def other_zone(s: Situation) -> Cause | None:
    """Return the cause for a Service name in another cluster domain, if it is one."""
    labels = names.labels(s.question.name)
    if "svc" not in labels[2:]:
        return None
    at = labels.index("svc", 2)
    key = Key(labels[at - 1], labels[at - 2])
    if key not in s.lookup.store.services:
        return None
    because = f"{s.question.name} is in none of the zones of the plugin"
    near = f"Service {key} exists: {key.name}.{key.namespace}.svc.{s.options.primary}"
    return Cause("other-cluster-domain", because, (near,))


def short_name(s: Situation) -> Cause | None:
    """Return the cause for a Service name without the cluster's domain, if it is one.

    ``web``, ``web.shop`` and ``web.shop.svc`` reach the cluster's zone only through the
    search list of a pod.
    """
    labels = names.labels(s.question.name)
    if len(labels) > 3 or labels[2:] not in ([], ["svc"]):
        return None
    first, namespace = (*labels, "")[:2]
    services = s.lookup.store.services
    keys = [key for key in services if key.name == first]
    if namespace:
        keys = [key for key in keys if key.namespace == namespace]
    if not keys:
        return None
    because = (
        f"{s.question.name} is in none of the zones of the plugin: a program in a pod "
        "appends the domains of its search list (ndots:5), this query did not"
    )
    near = tuple(_as_pods_ask(s, key, bool(namespace)) for key in keys[:3])
    return Cause("short-name", because, near)


def _as_pods_ask(s: Situation, key: Key, is_qualified: bool) -> str:
    """Return what pods ask for a short name of a Service."""
    pods = "pods" if is_qualified else f"pods of namespace {key.namespace}"
    full = f"{key.name}.{key.namespace}.svc.{s.options.primary}"
    return f"Service {key} exists: {pods} ask for {full}"
