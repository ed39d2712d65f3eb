"""Defaults and validation of StatefulSets and DaemonSets."""

from collections.abc import Iterator

from ..addresses import Addresses
from ..objects import Json
from ..status import Cause, not_allowed, unsupported
from .deployments import template_causes
from .pods import fill_spec

STRATEGIES = ("OnDelete", "RollingUpdate")
POLICIES = ("OrderedReady", "Parallel")
_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def fill_stateful(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of a StatefulSet."""
    spec = _fill(obj, {"partition": 0})
    spec.setdefault("replicas", 1)
    spec.setdefault("podManagementPolicy", "OrderedReady")
    policy = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    policy.setdefault("whenDeleted", "Retain")
    policy.setdefault("whenScaled", "Retain")


def fill_daemon(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of a DaemonSet."""
    _fill(obj, {"maxSurge": 0, "maxUnavailable": 1})


def _fill(obj: Json, rolling: Json) -> Json:
    """Set the defaults of both kinds; return the spec."""
    spec: Json = obj.setdefault("spec", {})
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy["rollingUpdate"] = rolling | (strategy.get("rollingUpdate") or {})
    fill_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    obj.setdefault("status", {})
    return spec


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of both kinds."""
    spec = obj["spec"]
    yield from template_causes(obj, old, addresses)
    if spec["updateStrategy"]["type"] not in STRATEGIES:
        field = "spec.updateStrategy.type"
        yield unsupported(field, spec["updateStrategy"]["type"], STRATEGIES)
    policy = spec["template"]["spec"]["restartPolicy"]
    if policy != "Always":
        field = "spec.template.spec.restartPolicy"
        yield unsupported(field, policy, ("Always",))


def stateful_causes(
    obj: Json, old: Json | None, addresses: Addresses
) -> Iterator[Cause]:
    """Yield the validation errors of a StatefulSet."""
    yield from causes(obj, old, addresses)
    policy = obj["spec"]["podManagementPolicy"]
    if policy not in POLICIES:
        yield unsupported("spec.podManagementPolicy", policy, POLICIES)
    if old is not None and _fixed(obj) != _fixed(old):
        names = [f"'{name}'" for name in _CHANGEABLE]
        why = (
            "updates to statefulset spec for fields other than "
            f"{', '.join(names[:-1])} and {names[-1]} are forbidden"
        )
        yield not_allowed("spec", why)


def _fixed(obj: Json) -> Json:
    """Return the immutable part of the spec of a StatefulSet."""
    return {k: v for k, v in obj["spec"].items() if k not in _CHANGEABLE}
