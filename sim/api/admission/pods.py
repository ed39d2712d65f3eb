"""Defaults and validation of Pods, and of the Pod templates of workloads."""

from collections.abc import Iterator

from ..addresses import Addresses
from ..objects import Json, dig
from ..status import Cause, not_allowed, required, unsupported

DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
INITIAL_STATUS = {"phase": "Pending", "qosClass": "BestEffort"}
"""The status of a Pod before scheduler and kubelet have seen it."""
_CHANGEABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")


def fill_spec(spec: Json) -> None:
    """Set the defaults of the spec of a Pod or Pod template."""
    for name, value in (
        ("restartPolicy", "Always"),
        ("dnsPolicy", "ClusterFirst"),
        ("schedulerName", "default-scheduler"),
        ("terminationGracePeriodSeconds", 30),
        ("securityContext", {}),
    ):
        spec.setdefault(name, value)
    for container in spec.get("containers") or ():
        container.setdefault("imagePullPolicy", "IfNotPresent")
        container.setdefault("resources", {})
        for port in container.get("ports") or ():
            port.setdefault("protocol", "TCP")


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of a Pod."""
    obj["spec"] = obj.get("spec") or {}
    obj["spec"].setdefault("serviceAccountName", "default")
    obj["spec"].setdefault("enableServiceLinks", True)
    fill_spec(obj["spec"])
    obj["status"] = obj.get("status") or dict(INITIAL_STATUS)


def spec_causes(spec: Json, field: str) -> Iterator[Cause]:
    """Yield the validation errors of a Pod spec at ``field``."""
    if not spec.get("containers"):
        yield required(f"{field}.containers")
    for index, container in enumerate(spec.get("containers") or ()):
        if not container.get("name"):
            yield required(f"{field}.containers[{index}].name")
    policy = spec.get("dnsPolicy", "ClusterFirst")
    if policy not in DNS_POLICIES:
        yield unsupported(f"{field}.dnsPolicy", policy, DNS_POLICIES)
    if policy == "None" and not dig(spec, "dnsConfig.nameservers"):
        why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{field}.dnsConfig.nameservers", why)


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of a Pod."""
    yield from spec_causes(obj["spec"], "spec")
    if old is None or not old["spec"].get("nodeName"):
        return
    if _fixed(obj["spec"]) != _fixed(old["spec"]):
        names = ", ".join(f"`spec.{name}`" for name in _CHANGEABLE)
        why = (
            "pod updates may not change fields other than "
            f"`spec.containers[*].image`, {names}"
        )
        yield not_allowed("spec", why)


def _fixed(spec: Json) -> Json:
    """Return the immutable part of a Pod spec."""
    fixed = {k: v for k, v in spec.items() if k not in _CHANGEABLE}
    fixed["containers"] = [
        {k: v for k, v in container.items() if k != "image"}
        for container in spec.get("containers") or ()
    ]
    return fixed
