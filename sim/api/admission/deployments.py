"""Defaults and validation of Deployments."""

import re
from collections.abc import Iterator

from ..addresses import Addresses
from ..objects import Json, dig
from ..selectors import matches_labels, of_object
from ..status import Cause, required, wrong
from .pods import fill_spec, spec_causes

_PERCENT = re.compile(r"[0-9]+%")


def fill(obj: Json, old: Json | None, addresses: Addresses) -> None:
    """Set the defaults of a Deployment."""
    spec = obj["spec"] = obj.get("spec") or {}
    for name, value in (
        ("replicas", 1),
        ("revisionHistoryLimit", 10),
        ("progressDeadlineSeconds", 600),
        ("strategy", {"type": "RollingUpdate"}),
    ):
        spec.setdefault(name, value)
    strategy = spec["strategy"]
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    fill_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    obj.setdefault("status", {})


def template_causes(
    obj: Json, old: Json | None, addresses: Addresses
) -> Iterator[Cause]:
    """Yield the errors of selector, template and number, also of a ReplicaSet."""
    spec = obj["spec"]
    selector = spec.get("selector")
    labels = dig(spec, "template.metadata.labels") or {}
    if not selector:
        yield required("spec.selector")
    elif old is not None and old["spec"].get("selector") != selector:
        yield wrong("spec.selector", selector, "field is immutable")
    elif not matches_labels(labels, of_object(selector)):
        why = "`selector` does not match template `labels`"
        yield wrong("spec.template.metadata.labels", labels, why)
    yield from spec_causes(spec["template"]["spec"], "spec.template.spec")
    if spec.get("replicas", 0) < 0:
        why = "must be greater than or equal to 0"
        yield wrong("spec.replicas", spec["replicas"], why)


def causes(obj: Json, old: Json | None, addresses: Addresses) -> Iterator[Cause]:
    """Yield the validation errors of a Deployment."""
    yield from template_causes(obj, old, addresses)
    rolling = obj["spec"]["strategy"].get("rollingUpdate") or {}
    for name, value in rolling.items():
        if isinstance(value, str) and not _PERCENT.fullmatch(value):
            why = "a valid percent string must be a numeric string followed by '%'"
            yield wrong(f"spec.strategy.rollingUpdate.{name}", value, why)
