"""The types of the fields that this simulation reads.

An object with other types is refused with the path of the field, as a real server
refuses an object that it cannot decode. Other fields may hold any value: there are no
full schemas.
"""

from typing import Any, TypedDict

import msgspec

from .kind import Kind
from .objects import Json
from .status import bad_request
from .wrong_values import wrong_value

Texts = dict[str, str]
Items = list[dict[str, Any]]


class _OwnerReference(TypedDict):
    uid: str
    name: str
    kind: str


class _ObjectMeta(TypedDict, total=False):
    name: str
    namespace: str
    generateName: str
    uid: str
    resourceVersion: str
    generation: int
    labels: Texts
    annotations: Texts
    finalizers: list[str]
    ownerReferences: list[_OwnerReference]
    managedFields: Items


class _Condition(TypedDict):
    type: str
    status: str


class _LabelSelectorRequirement(TypedDict):
    key: str
    operator: str


class _LabelSelector(TypedDict, total=False):
    matchLabels: Texts
    matchExpressions: list[_LabelSelectorRequirement]


class _Phase(TypedDict, total=False):
    phase: str


class _NamespaceSpec(TypedDict, total=False):
    finalizers: list[str]


class _ServicePort(TypedDict, total=False):
    name: str
    port: int
    protocol: str
    targetPort: int | str
    nodePort: int
    appProtocol: str


class _ServiceSpec(TypedDict, total=False):
    type: str
    clusterIP: str
    clusterIPs: list[str]
    externalIPs: list[str]
    externalName: str
    ipFamilies: list[str]
    ipFamilyPolicy: str
    ports: list[_ServicePort]
    publishNotReadyAddresses: bool
    selector: Texts
    trafficDistribution: str
    sessionAffinity: str
    internalTrafficPolicy: str
    externalTrafficPolicy: str


class _ContainerPort(TypedDict, total=False):
    name: str
    containerPort: int
    protocol: str


class _Container(TypedDict, total=False):
    name: str
    image: str
    command: list[str]
    args: list[str]
    env: Items
    ports: list[_ContainerPort]
    volumeMounts: Items
    volumeDevices: Items


class _PodDNSConfigOption(TypedDict, total=False):
    name: str
    value: str


class _PodDNSConfig(TypedDict, total=False):
    nameservers: list[str]
    searches: list[str]
    options: list[_PodDNSConfigOption]


class _PodSpec(TypedDict, total=False):
    containers: list[_Container]
    initContainers: list[_Container]
    ephemeralContainers: list[_Container]
    dnsPolicy: str
    dnsConfig: _PodDNSConfig
    hostname: str
    hostnameOverride: str
    setHostnameAsFQDN: bool
    subdomain: str
    hostNetwork: bool
    nodeName: str
    volumes: Items
    imagePullSecrets: Items
    hostAliases: Items
    resourceClaims: Items
    schedulingGates: Items
    topologySpreadConstraints: Items
    restartPolicy: str
    terminationGracePeriodSeconds: int
    serviceAccountName: str
    nodeSelector: Texts
    enableServiceLinks: bool


class _Ip(TypedDict):
    ip: str


class _ContainerStatus(TypedDict, total=False):
    name: str
    ready: bool
    restartCount: int


class _PodStatus(TypedDict, total=False):
    phase: str
    podIP: str
    podIPs: list[_Ip]
    hostIPs: list[_Ip]
    conditions: list[_Condition]
    containerStatuses: list[_ContainerStatus]


class _PodTemplateSpec(TypedDict, total=False):
    metadata: _ObjectMeta
    spec: _PodSpec


class _RollingUpdate(TypedDict, total=False):
    maxSurge: int | str
    maxUnavailable: int | str


class _DeploymentStrategy(TypedDict, total=False):
    type: str
    rollingUpdate: _RollingUpdate


class _DeploymentSpec(TypedDict, total=False):
    replicas: int
    selector: _LabelSelector
    template: _PodTemplateSpec
    strategy: _DeploymentStrategy
    paused: bool
    revisionHistoryLimit: int
    progressDeadlineSeconds: int


class _SetStrategy(TypedDict, total=False):
    type: str
    rollingUpdate: dict[str, int | str]


class _Ordinals(TypedDict, total=False):
    start: int


class _SetSpec(TypedDict, total=False):
    replicas: int
    selector: _LabelSelector
    template: _PodTemplateSpec
    serviceName: str
    podManagementPolicy: str
    updateStrategy: _SetStrategy
    ordinals: _Ordinals
    minReadySeconds: int
    revisionHistoryLimit: int


class _JobSpec(TypedDict, total=False):
    parallelism: int
    completions: int
    backoffLimit: int
    activeDeadlineSeconds: int
    ttlSecondsAfterFinished: int
    completionMode: str
    manualSelector: bool
    suspend: bool
    selector: _LabelSelector
    template: _PodTemplateSpec


class _LeaseSpec(TypedDict, total=False):
    holderIdentity: str
    leaseDurationSeconds: int
    leaseTransitions: int
    acquireTime: str
    renewTime: str


class _Conditions(TypedDict, total=False):
    conditions: list[_Condition]


class _EndpointConditions(TypedDict, total=False):
    ready: bool
    serving: bool
    terminating: bool


class _Hint(TypedDict):
    name: str


class _Hints(TypedDict, total=False):
    forZones: list[_Hint]
    forNodes: list[_Hint]


class _EndpointAddress(TypedDict, total=False):
    ip: str
    hostname: str
    nodeName: str
    targetRef: dict[str, Any]


class _Subset(TypedDict, total=False):
    addresses: list[_EndpointAddress]
    notReadyAddresses: list[_EndpointAddress]
    ports: list["_EndpointPort"]


class _CidrSpec(TypedDict, total=False):
    cidrs: list[str]


class _Endpoint(TypedDict, total=False):
    addresses: list[str]
    conditions: _EndpointConditions
    hostname: str
    nodeName: str
    zone: str
    targetRef: dict[str, Any]
    hints: _Hints


class _EndpointPort(TypedDict, total=False):
    name: str
    port: int
    protocol: str


class _Address(TypedDict):
    type: str
    address: str


class _NodeSpec(TypedDict, total=False):
    podCIDRs: list[str]
    taints: Items


class _NodeStatus(TypedDict, total=False):
    addresses: list[_Address]
    conditions: list[_Condition]


class _PolicyRule(TypedDict, total=False):
    verbs: list[str]
    apiGroups: list[str]
    resources: list[str]
    resourceNames: list[str]
    nonResourceURLs: list[str]


class _Subject(TypedDict):
    kind: str
    name: str


class _RoleRef(TypedDict):
    kind: str
    name: str


class _SelectorSpec(TypedDict, total=False):
    selector: _LabelSelector
    podSelector: _LabelSelector


class _ImportSpec(TypedDict, total=False):
    type: str
    ips: list[str]
    ports: Items


_FIELDS: dict[str, dict[str, Any]] = {
    "Namespace": {"spec": _NamespaceSpec, "status": _Phase},
    "Service": {"spec": _ServiceSpec, "status": dict[str, Any]},
    "Pod": {"spec": _PodSpec, "status": _PodStatus},
    "EndpointSlice": {
        "addressType": str,
        "endpoints": list[_Endpoint],
        "ports": list[_EndpointPort],
    },
    "Endpoints": {"subsets": list[_Subset]},
    "ServiceCIDR": {"spec": _CidrSpec, "status": _Conditions},
    "ConfigMap": {"data": Texts, "binaryData": Texts},
    "ServiceAccount": {"secrets": Items, "imagePullSecrets": Items},
    "Deployment": {"spec": _DeploymentSpec, "status": _Conditions},
    "ReplicaSet": {"spec": _SetSpec, "status": _Conditions},
    "StatefulSet": {"spec": _SetSpec, "status": _Conditions},
    "DaemonSet": {"spec": _SetSpec, "status": _Conditions},
    "ControllerRevision": {"revision": int},
    "Job": {"spec": _JobSpec, "status": _Conditions},
    "Lease": {"spec": _LeaseSpec},
    "Node": {"spec": _NodeSpec, "status": _NodeStatus},
    "ServiceImport": {"spec": _ImportSpec},
    "PodDisruptionBudget": {"spec": _SelectorSpec, "status": _Conditions},
    "NetworkPolicy": {"spec": _SelectorSpec},
    "ClusterRole": {"rules": list[_PolicyRule]},
    "ClusterRoleBinding": {"subjects": list[_Subject], "roleRef": _RoleRef},
    "Role": {"rules": list[_PolicyRule]},
    "RoleBinding": {"subjects": list[_Subject], "roleRef": _RoleRef},
}


def fields_of(kind: Kind) -> dict[str, Any]:
    """Return the type of each field of a kind that is known here."""
    return {"metadata": _ObjectMeta, **_FIELDS.get(kind.name, {})}


def check(kind: Kind, obj: Json) -> None:
    """Check the types of the fields of an object.

    Raises:
        ApiError: a field has another type (400).

    """
    for name, shape in fields_of(kind).items():
        if name in obj:
            try:
                msgspec.convert(obj[name], shape)
            except msgspec.ValidationError as error:
                where, why = wrong_value(name, str(error))
                raise bad_request(
                    f'{kind.name} in version "{kind.version}" cannot be handled as a '
                    f"{kind.name}: {where}: {why}"
                ) from None
