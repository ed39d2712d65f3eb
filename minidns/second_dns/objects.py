"""Objects of the Kubernetes API: kinds and paths, references, and changes of fields.

Pure. In a change, None stands for a field that is absent: a null in an object of the
API means nothing else.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import unified_diff
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import yaml

from minidns.kubernetes.decode import printable
from minidns.kubernetes.documents import Json
from minidns.second_dns.session import Refusal
from minidns.text.arguments import Parser

Path: TypeAlias = tuple[str, ...]


class Kind(NamedTuple):
    """One kind of object."""

    name: str
    plural: str
    api_version: str = "v1"
    short: tuple[str, ...] = ()
    """Further names that kubectl accepts."""

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the URL path of an object, or of a collection without ``name``."""
        root = "/apis" if "/" in self.api_version else "/api"
        inside = f"/namespaces/{namespace}" if namespace else ""
        last = f"/{name}" if name else ""
        return f"{root}/{self.api_version}{inside}/{self.plural}{last}"


CONFIG_MAP = Kind("ConfigMap", "configmaps")
NAMESPACE = Kind("Namespace", "namespaces")
NODE = Kind("Node", "nodes")
POD = Kind("Pod", "pods", short=("po",))
SERVICE = Kind("Service", "services")
SLICE = Kind("EndpointSlice", "endpointslices", "discovery.k8s.io/v1")
DEPLOYMENT = Kind("Deployment", "deployments", "apps/v1", ("deploy",))
STATEFUL_SET = Kind("StatefulSet", "statefulsets", "apps/v1", ("sts",))
DAEMON_SET = Kind("DaemonSet", "daemonsets", "apps/v1", ("ds",))
JOB = Kind("Job", "jobs", "batch/v1")
BUDGET = Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy/v1")
POLICY = Kind("NetworkPolicy", "networkpolicies", "networking.k8s.io/v1")
AUTOSCALER = Kind(
    "HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling/v2"
)

WORKLOADS = (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)
"""Kinds that create pods from a template and can replace them."""


class Ref(NamedTuple):
    """A reference to one object."""

    kind: Kind
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """URL path of the object."""
        return self.kind.path(self.namespace, self.name)

    @property
    def word(self) -> str:
        """The object as kubectl accepts it: ``deployment/web``."""
        return f"{self.kind.name.lower()}/{self.name}"

    def __str__(self) -> str:
        return f"{self.kind.name} {self.namespace}/{self.name}"


def ref_of(obj: Json) -> Ref:
    """Return the reference to ``obj``.

    Raises:
        KeyError: ``obj`` is of a kind that is not listed here.

    """
    meta = obj["metadata"]
    return Ref(_BY_NAME[obj["kind"]], meta.get("namespace", ""), meta["name"])


def check_ref(arguments: Parser, words: Sequence[str]) -> None:
    """Exit with status 2 if ``words`` are no KIND/NAME or KIND NAME."""
    try:
        parse_ref("/".join(words), "default")
    except Refusal as error:
        arguments.error(str(error))


def parse_ref(word: str, namespace: str) -> Ref:
    """Return the workload or pod that ``KIND/NAME`` means in ``namespace``.

    Raises:
        Refusal: ``word`` has another form, or names a kind without DNS settings.

    """
    kind, slash, name = word.partition("/")
    known = _BY_WORD.get(kind.lower().partition(".")[0])
    if not slash or not name or "/" in name or known is None:
        raise Refusal(
            f"{word}: deploy/NAME, statefulset/NAME, daemonset/NAME or pod/NAME is "
            "needed; pods of another kind are enrolled by that kind's own settings"
        )
    return Ref(known, namespace, name)


_ALL = (
    *WORKLOADS,
    *(AUTOSCALER, BUDGET, CONFIG_MAP, JOB, POD, POLICY, SERVICE, SLICE),
    *(NAMESPACE, NODE),
)
_BY_NAME = {kind.name: kind for kind in _ALL}
_BY_WORD = {
    word: kind
    for kind in (*WORKLOADS, POD)
    for word in (kind.name.lower(), kind.plural, *kind.short)
}


class Change(NamedTuple):
    """A change of one field: its value before and after."""

    path: Path
    before: Any
    after: Any

    @property
    def field(self) -> str:
        """The field as people write it: ``spec.replicas``."""
        return ".".join(self.path)


def value_at(obj: Json, path: Path) -> Any:  # noqa: ANN401  # any JSON value
    """Return the value at ``path``, or None if there is none.

    >>> value_at({"spec": {"replicas": 3}}, ("spec", "replicas"))
    3
    """
    value: Any = obj
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def with_value(obj: Json, path: Path, value: object) -> Json:
    """Return a copy of ``obj`` with ``value`` at ``path``.

    None removes the field. A map that becomes empty is removed too, as the API server
    would omit it.

    >>> with_value({"a": {"b": 1}, "c": 2}, ("a", "b"), None)
    {'c': 2}
    """
    step, rest = path[0], path[1:]
    if rest:
        inner = obj.get(step)
        value = (
            with_value(inner if isinstance(inner, dict) else {}, rest, value) or None
        )
    if value is None:
        return {name: old for name, old in obj.items() if name != step}
    return {**obj, step: value}


def change_to(obj: Json, path: Path, value: object) -> Change:
    """Return the change that puts ``value`` at ``path`` of ``obj``."""
    return Change(path, value_at(obj, path), value)


def apply_changes(obj: Json, changes: Iterable[Change]) -> Json:
    """Return ``obj`` with all of ``changes``."""
    for change in changes:
        obj = with_value(obj, change.path, change.after)
    return obj


def revert_changes(
    obj: Json, changes: Iterable[Change]
) -> tuple[Json, tuple[Change, ...]]:
    """Return ``obj`` with the changes reverted, and the changes that were overwritten.

    A field that no longer has the value of the change was changed since, and
    keeps its value.
    """
    overwritten = []
    for change in changes:
        now = value_at(obj, change.path)
        if now == change.after:
            obj = with_value(obj, change.path, change.before)
        elif now != change.before:
            overwritten.append(change)
    return obj, tuple(overwritten)


def merge_patch(before: Json, after: Json) -> Json:
    """Return the merge patch that turns ``before`` into ``after`` (RFC 7386).

    >>> merge_patch({"a": {"b": 1, "c": 2}, "d": [3]}, {"a": {"b": 1}, "d": [4]})
    {'a': {'c': None}, 'd': [4]}
    """
    patch: Json = {name: None for name in before if name not in after}
    for name, new in after.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            if inner := merge_patch(old, new):
                patch[name] = inner
        elif name not in before or old != new:
            patch[name] = new
    return patch


def name_of(obj: Json) -> str:
    """Return the name of an object, after its namespace and a slash if it has one."""
    meta = obj["metadata"]
    inside = f"{meta['namespace']}/" if "namespace" in meta else ""
    return f"{inside}{meta['name']}"


def labels_of(obj: Json) -> dict[str, str]:
    """Return the labels of an object, or of a pod template."""
    return (obj.get("metadata") or {}).get("labels") or {}


def controller_of(pod: Json) -> tuple[str, str] | None:
    """Return kind and name of a pod's workload: for a ReplicaSet, its Deployment."""
    for owner in pod["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            kind, name = owner["kind"], owner["name"]
            # a Deployment's ReplicaSet has its name and this hash
            end = f"-{labels_of(pod).get('pod-template-hash', '')}"
            if kind == "ReplicaSet" and len(end) > 1 and name.endswith(end):
                return "Deployment", name.removesuffix(end)
            return kind, name
    return None


def flag_of(container: Json, *names: str) -> str:
    """Return the value of a Go flag in a container's command line, or "true".

    ``-name value``, ``-name=value``, ``--name``; empty if it has none of the flags.
    """
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    for word, following in pairwise([*words, ""]):
        flag, equals, value = word.partition("=")
        if flag.startswith("-") and flag.lstrip("-") in names:
            return value if equals else following.removeprefix("-") or "true"
    return ""


def has_ended(pod: Json) -> bool:
    """Return whether a pod has ended or is about to: it is being deleted."""
    phase = value_at(pod, ("status", "phase"))
    is_deleted = bool(pod["metadata"].get("deletionTimestamp"))
    return is_deleted or phase in ("Succeeded", "Failed")


class _Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice in full, without YAML anchors."""

    def ignore_aliases(self, data: object) -> bool:
        """Return that no anchor is wanted."""
        return True


def yaml_of(objects: Iterable[Json]) -> str:
    """Return objects as one YAML stream."""
    texts = (yaml.dump(obj, Dumper=_Dumper, sort_keys=False) for obj in objects)
    return "---\n".join(texts)


def json_of(objects: Iterable[Json]) -> str:
    """Return objects as a List in JSON, as kubectl takes it."""
    whole = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    return json.dumps(whole, indent=2)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows with their columns lined up; the first is the heading."""
    safe = [[printable(cell) or "-" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*safe, strict=True)]
    for row in safe:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "   ".join(cells).rstrip()


def difference(before: Json, after: Json) -> list[str]:
    """Return what changes of an object, as a diff of its YAML with three lines around.

    Fields that the server maintains are left out.
    """
    old, new = (yaml_of([_shown(obj)]).splitlines() for obj in (before, after))
    return [line for line in unified_diff(old, new, lineterm="", n=3)][2:]


def _shown(obj: Json) -> Json:
    hidden = ("managedFields", "resourceVersion", "uid", "generation")
    meta = {k: v for k, v in obj["metadata"].items() if k not in hidden}
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": meta}


def text_difference(first: str, second: str, names: tuple[str, str]) -> list[str]:
    """Return how two texts differ, as a diff; empty if they do not."""
    old, new = first.splitlines(), second.splitlines()
    return list(unified_diff(old, new, *names, lineterm="", n=2))
