"""The kinds of the API server, one row each.

Discovery, paths, `kubectl get` columns, field selectors, LIST and WATCH follow from
the row. `sim.api.admission` has the defaults and the validation of a kind,
`sim.api.list_keys` the keys of its lists for strategic merge and server-side apply.
"""

from . import columns
from .columns import AGE, CREATED, NAME, Column, age, at, count, joined, number, pairs
from .kind import Kind
from .objects import Json
from .status import bad_request

_TEMPLATE = (
    Column("Containers", columns.containers("name"), wide=True),
    Column("Images", columns.containers("image"), wide=True),
    Column("Selector", pairs("spec.selector.matchLabels"), wide=True),
)
"""The wide columns of a kind with a Pod template."""

KINDS = (
    Kind(
        "Namespace",
        "namespaces",
        namespaced=False,
        short=("ns",),
        fields=("status.phase",),
        columns=(NAME, Column("Status", at("status.phase")), AGE),
    ),
    Kind(
        "Service",
        "services",
        short=("svc",),
        categories=("all",),
        fields=("spec.clusterIP", "spec.type"),
        shows_deleted=True,
        columns=(
            NAME,
            Column("Type", at("spec.type")),
            Column("Cluster-IP", at("spec.clusterIP")),
            Column("External-IP", columns.external_ip),
            Column("Port(s)", columns.service_ports),
            AGE,
            Column("Selector", pairs("spec.selector"), wide=True),
        ),
    ),
    Kind(
        "Pod",
        "pods",
        short=("po",),
        categories=("all",),
        fields=(
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ),
        shows_deleted=True,
        columns=(
            NAME,
            Column("Ready", columns.pod_ready),
            Column("Status", columns.pod_status),
            Column("Restarts", columns.pod_restarts, type="integer"),
            AGE,
            Column("IP", at("status.podIP"), wide=True),
            Column("Node", at("spec.nodeName"), wide=True),
            Column("Nominated Node", at("status.nominatedNodeName"), wide=True),
            Column("Readiness Gates", at("spec.readinessGates"), wide=True),
        ),
    ),
    Kind(
        "EndpointSlice",
        "endpointslices",
        "discovery.k8s.io",
        has_status=False,
        has_generation=True,
        columns=(
            NAME,
            Column("AddressType", at("addressType")),
            Column("Ports", columns.slice_ports),
            Column("Endpoints", columns.slice_addresses),
            AGE,
        ),
    ),
    Kind(
        "Endpoints",
        "endpoints",
        short=("ep",),
        has_status=False,
        deprecated="v1 Endpoints is deprecated in v1.33+; "
        "use discovery.k8s.io/v1 EndpointSlice",
        columns=(NAME, Column("Endpoints", columns.subsets), AGE),
    ),
    Kind(
        "ConfigMap",
        "configmaps",
        short=("cm",),
        has_status=False,
        columns=(NAME, Column("Data", count("data"), type="integer"), AGE),
    ),
    Kind(
        "ServiceAccount",
        "serviceaccounts",
        short=("sa",),
        has_status=False,
        shows_deleted=True,
        columns=(NAME, Column("Secrets", count("secrets"), type="integer"), AGE),
    ),
    Kind(
        "Deployment",
        "deployments",
        "apps",
        short=("deploy",),
        categories=("all",),
        has_scale=True,
        has_generation=True,
        columns=(
            NAME,
            Column("Ready", columns.deployment_ready),
            number("Up-to-date", "status.updatedReplicas"),
            number("Available", "status.availableReplicas"),
            AGE,
            *_TEMPLATE,
        ),
    ),
    Kind(
        "ReplicaSet",
        "replicasets",
        "apps",
        short=("rs",),
        categories=("all",),
        has_scale=True,
        has_generation=True,
        columns=(
            NAME,
            number("Desired", "spec.replicas"),
            number("Current", "status.replicas"),
            number("Ready", "status.readyReplicas"),
            AGE,
            *_TEMPLATE,
        ),
    ),
    Kind(
        "StatefulSet",
        "statefulsets",
        "apps",
        short=("sts",),
        categories=("all",),
        has_scale=True,
        has_generation=True,
        columns=(NAME, Column("Ready", columns.deployment_ready), AGE, *_TEMPLATE[:2]),
    ),
    Kind(
        "DaemonSet",
        "daemonsets",
        "apps",
        short=("ds",),
        categories=("all",),
        has_generation=True,
        columns=(
            NAME,
            number("Desired", "status.desiredNumberScheduled"),
            number("Current", "status.currentNumberScheduled"),
            number("Ready", "status.numberReady"),
            Column(
                "Up-to-date", at("status.updatedNumberScheduled", 0), type="integer"
            ),
            number("Available", "status.numberAvailable"),
            Column("Node Selector", pairs("spec.template.spec.nodeSelector")),
            AGE,
            *_TEMPLATE,
        ),
    ),
    Kind(
        "ControllerRevision",
        "controllerrevisions",
        "apps",
        has_status=False,
        columns=(
            NAME,
            Column("Controller", columns.controller),
            Column("Revision", at("revision"), type="integer"),
            AGE,
        ),
    ),
    Kind(
        "Job",
        "jobs",
        "batch",
        categories=("all",),
        has_generation=True,
        fields=("status.successful",),
        columns=(
            NAME,
            Column("Status", columns.job_status),
            Column("Completions", columns.job_completions),
            Column("Duration", columns.job_duration),
            AGE,
            *_TEMPLATE,
        ),
    ),
    Kind(
        "Lease",
        "leases",
        "coordination.k8s.io",
        has_status=False,
        columns=(NAME, Column("Holder", at("spec.holderIdentity", "")), AGE),
    ),
    Kind(
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "autoscaling",
        "v2",
        short=("hpa",),
        columns=(NAME, AGE),
    ),
    Kind(
        "ServiceCIDR",
        "servicecidrs",
        "networking.k8s.io",
        namespaced=False,
        columns=(NAME, Column("CIDRs", joined("spec.cidrs")), AGE),
    ),
    Kind(
        "Node",
        "nodes",
        namespaced=False,
        short=("no",),
        fields=("spec.unschedulable",),
        columns=(
            NAME,
            Column("Status", columns.node_status),
            Column("Roles", lambda obj, now: columns.NONE),
            AGE,
            Column("Version", at("status.nodeInfo.kubeletVersion")),
            Column("Internal-IP", columns.node_ip, wide=True),
        ),
    ),
    Kind(
        "ServiceImport",
        "serviceimports",
        "multicluster.x-k8s.io",
        "v1alpha1",
        short=("svcim",),
        has_generation=True,
        custom=True,
        columns=(
            NAME,
            Column("Type", at("spec.type")),
            Column("IP", joined("spec.ips")),
            AGE,
        ),
    ),
    Kind(
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "policy",
        short=("pdb",),
        has_generation=True,
        columns=(
            NAME,
            Column("Min Available", at("spec.minAvailable", "N/A")),
            Column("Max Unavailable", at("spec.maxUnavailable", "N/A")),
            Column("Allowed Disruptions", at("status.disruptionsAllowed", 0)),
            AGE,
        ),
    ),
    Kind(
        "NetworkPolicy",
        "networkpolicies",
        "networking.k8s.io",
        short=("netpol",),
        has_status=False,
        has_generation=True,
        columns=(
            NAME,
            Column("Pod-Selector", pairs("spec.podSelector.matchLabels")),
            AGE,
        ),
    ),
    Kind(
        "ClusterRole",
        "clusterroles",
        "rbac.authorization.k8s.io",
        namespaced=False,
        has_status=False,
        columns=(NAME, CREATED),
    ),
    Kind(
        "ClusterRoleBinding",
        "clusterrolebindings",
        "rbac.authorization.k8s.io",
        namespaced=False,
        has_status=False,
        columns=(NAME, Column("Role", columns.role_ref), AGE),
    ),
    Kind(
        "Role",
        "roles",
        "rbac.authorization.k8s.io",
        has_status=False,
        columns=(NAME, CREATED),
    ),
    Kind(
        "RoleBinding",
        "rolebindings",
        "rbac.authorization.k8s.io",
        has_status=False,
        columns=(NAME, Column("Role", columns.role_ref), AGE),
    ),
    Kind(
        "Event",
        "events",
        short=("ev",),
        has_status=False,
        fields=(
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ),
        columns=(
            Column("Last Seen", age("lastTimestamp")),
            Column("Type", at("type")),
            Column("Reason", at("reason")),
            Column("Object", columns.involved),
            Column("Subobject", at("involvedObject.fieldPath", ""), wide=True),
            Column("Source", columns.source, wide=True),
            Column("Message", at("message")),
            Column("First Seen", age("firstTimestamp"), wide=True),
            Column("Count", at("count", 1), wide=True),
            NAME._replace(wide=True),
        ),
    ),
)

_BY_NAME = {kind.name: kind for kind in KINDS}
_BY_TYPE = {(kind.api_version, kind.name): kind for kind in KINDS}
_BY_PLURAL = {(kind.prefix, kind.plural): kind for kind in KINDS}


def named(name: str) -> Kind:
    """Return the kind called ``name``, such as Service.

    Raises:
        KeyError: there is no such kind.

    """
    return _BY_NAME[name]


def at_path(prefix: str, plural: str) -> Kind | None:
    """Return the kind with this path prefix and plural, or None."""
    return _BY_PLURAL.get((prefix, plural))


def of_type(api_version: str, name: str) -> Kind | None:
    """Return the kind with this apiVersion and name, or None."""
    return _BY_TYPE.get((api_version, name))


def kind_of(obj: Json) -> Kind:
    """Return the kind of an object.

    Raises:
        ApiError: the object names none or an unknown one (400).

    """
    kind = of_type(obj.get("apiVersion", ""), obj.get("kind", ""))
    if kind is None:
        raise bad_request(
            f'no matches for kind "{obj.get("kind", "")}" '
            f'in version "{obj.get("apiVersion", "")}"'
        )
    return kind
