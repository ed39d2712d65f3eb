"""Who else would take the second DNS's pods for its own, or has its name."""

from collections.abc import Mapping

from minidns.kubernetes.documents import Documents, Json
from minidns.second_dns import manifests
from minidns.second_dns.changes import value_at
from minidns.second_dns.kinds import BUDGET, DEPLOYMENT, POD, SERVICE, WORKLOADS, ref_of
from minidns.second_dns.refusal import Refusal
from minidns.second_dns.running import LABEL, NAMES, Server, matches, selects


def check_labels(name: str, service: Json) -> None:
    """Let a name pass that keeps the second DNS's pods out of the first.

    Raises:
        Refusal: kube-dns's Service would select them, or kubeadm take their Deployment
            for CoreDNS's.

    """
    own = manifests.labels(name)
    selector = service["spec"].get("selector") or {}
    if matches(selector, own):
        said = ",".join(f"{k}={v}" for k, v in selector.items())
        raise Refusal(
            f"--name {name}: {ref_of(service)} selects {said}, and would send its "
            "queries to the new pods too; choose another name"
        )
    if own[LABEL] in NAMES:
        # `kubeadm upgrade` gives up when two Deployments have kube-dns's label
        raise Refusal(
            f"--name {name}: the label {LABEL}={name} is by which others look for the "
            "cluster's DNS (kubeadm upgrade among them); choose another name"
        )


async def check(api: Documents, server: Server, name: str) -> None:
    """Let a name pass that nothing in the namespace has or selects.

    Raises:
        Refusal: something does.

    """
    namespace = server.service["metadata"]["namespace"]
    await _check_names(api, namespace, name)
    own = manifests.labels(name)
    for kind in (SERVICE, *WORKLOADS, BUDGET):
        for obj in await api.listed(kind.path(namespace), lambda obj: obj):
            if _takes(obj, own):
                raise Refusal(
                    f"--name {name}: {ref_of(obj)} selects the labels that the new "
                    "pods would have; choose another name"
                )
    pods = await api.listed(POD.path(namespace), ref_of, labels=f"{LABEL}={name}")
    if pods:
        raise Refusal(
            f"--name {name}: there are pods labelled {LABEL}={name} already, such as "
            f"{pods[0]}; the new Service would send queries to them"
        )


async def existing(api: Documents, namespace: str, name: str) -> list[Json]:
    """Return what there is of the objects that a clone of this name is made of."""
    kinds = (SERVICE, DEPLOYMENT, BUDGET)
    found = [await api.find(kind.path(namespace, name)) for kind in kinds]
    return [obj for obj in found if obj is not None]


async def _check_names(api: Documents, namespace: str, name: str) -> None:
    found = await existing(api, namespace, name)
    if found:
        names = ", ".join(str(ref_of(obj)) for obj in found)
        raise Refusal(
            f"exists already: {names}; choose another --name, or take it away first "
            f"(minidns clone --delete --name {name})"
        )


def _takes(obj: Json, labels: Mapping[str, str]) -> bool:
    """Return whether an object takes pods with these labels for its own."""
    if obj["kind"] == SERVICE.name:
        return matches(obj["spec"].get("selector"), labels)
    selector = value_at(obj, ("spec", "selector"))
    return selector is not None and selects(selector, labels)
