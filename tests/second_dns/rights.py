"""Service accounts that may do some things and not others, in the simulated RBAC."""

from sim.api.objects import Json
from sim.api.server import ClusterApi

Rule = tuple[str, str, str]
"""Verb, resource, API group."""

READ_DNS: tuple[Rule, ...] = (
    ("list", "services", ""),
    ("get", "services", ""),
    ("get", "configmaps", ""),
    ("list", "pods", ""),
    ("get", "deployments", "apps"),
    ("list", "deployments", "apps"),
    ("list", "statefulsets", "apps"),
    ("list", "daemonsets", "apps"),
    ("get", "poddisruptionbudgets", "policy"),
    ("list", "poddisruptionbudgets", "policy"),
    ("get", "namespaces", ""),
    ("list", "namespaces", ""),
    ("list", "nodes", ""),
    ("list", "networkpolicies", "networking.k8s.io"),
)
CLONE: tuple[Rule, ...] = (
    *READ_DNS,
    ("create", "services", ""),
    ("create", "deployments", "apps"),
    ("create", "poddisruptionbudgets", "policy"),
)
DELETE: tuple[Rule, ...] = tuple(("delete", what, group) for _, what, group in CLONE[-3:])
ENROL: tuple[Rule, ...] = (
    *READ_DNS,
    ("list", "endpointslices", "discovery.k8s.io"),
    ("list", "horizontalpodautoscalers", "autoscaling"),
    ("list", "configmaps", ""),
    ("create", "configmaps", ""),
    ("delete", "configmaps", ""),
    ("patch", "deployments", "apps"),
    ("create", "deployments", "apps"),
    ("delete", "deployments", "apps"),
)


def grant(cluster: ClusterApi, name: str, rules: tuple[Rule, ...], namespace: str = "") -> None:
    """Let the service account shop/NAME do this, everywhere or in one namespace."""
    kind = "Role" if namespace else "ClusterRole"
    for made in (kind, f"{kind}Binding"):
        meta = {"name": f"{name}-{namespace or 'all'}"}
        if namespace:
            meta["namespace"] = namespace
        cluster.create(_object(made, meta, kind, name, rules))


def _object(made: str, meta: dict[str, str], kind: str, name: str, rules: tuple[Rule, ...]) -> Json:
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": made, "metadata": meta}
    if made == kind:
        return head | {
            "rules": [{"verbs": [verb], "resources": [what], "apiGroups": [group]} for verb, what, group in rules]
        }
    group = "rbac.authorization.k8s.io"
    return head | {
        "roleRef": {"kind": kind, "name": meta["name"], "apiGroup": group},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "shop"}],
    }
