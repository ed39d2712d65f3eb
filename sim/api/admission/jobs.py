"""Defaults and validation of Jobs (Kubernetes, pkg/apis/batch)."""

from collections.abc import Iterator

from ..addresses import Addresses
from ..objects import Json
from ..status import Cause, required, unsupported, wrong
from .pods import fill_spec, spec_causes

_PREFIX = "batch.kubernetes.io/"
_UID = f"{_PREFIX}controller-uid"
_COUNTS = ("parallelism", "completions", "backoffLimit")
_IMMUTABLE = ("completions", "completionMode", "selector", "template")
POLICIES = ("OnFailure", "Never")


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of a Job, and the labels by which it finds its Pods."""
    spec = obj["spec"] = obj.get("spec") or {}
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    for name, value in (
        ("parallelism", 1),
        ("backoffLimit", 6),
        ("completionMode", "NonIndexed"),
        ("suspend", False),
        ("podReplacementPolicy", "TerminatingOrFailed"),
    ):
        spec.setdefault(name, value)
    template = spec.setdefault("template", {})
    fill_spec(template.setdefault("spec", {}))
    if old is None and not spec.get("manualSelector"):
        name, uid = obj["metadata"]["name"], obj["metadata"]["uid"]
        labels = {"controller-uid": uid, "job-name": name}
        labels |= {_PREFIX + key: value for key, value in labels.items()}
        meta = template["metadata"] = template.get("metadata") or {}
        meta["labels"] = {**(meta.get("labels") or {}), **labels}
        spec.setdefault("selector", {"matchLabels": {_UID: uid}})
    obj.setdefault("status", {})


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of a Job."""
    spec = obj["spec"]
    for name in (*_COUNTS, "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        if spec.get(name, 0) < 0:
            why = "must be greater than or equal to 0"
            yield wrong(f"spec.{name}", spec[name], why)
    if not spec.get("selector"):
        yield required("spec.selector")
    yield from spec_causes(spec["template"]["spec"], "spec.template.spec")
    policy = spec["template"]["spec"]["restartPolicy"]
    if policy not in POLICIES:
        yield unsupported("spec.template.spec.restartPolicy", policy, POLICIES)
    for name in _IMMUTABLE if old is not None else ():
        if old is not None and spec.get(name) != old["spec"].get(name):
            yield wrong(f"spec.{name}", spec.get(name), "field is immutable")
