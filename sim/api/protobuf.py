"""Decodes the protobuf bodies that `kubectl create` posts for some kinds.

The tables hold the fields that kubectl sets; a body with another field is refused
(numbers: the generated.proto files of k8s.io/api and apimachinery).
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple

from .objects import Json, timestamp

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\0"

_FIELDS = {
    "Unknown": "1 typeMeta TypeMeta, 2 raw raw, 3 contentEncoding, 4 contentType",
    "TypeMeta": "1 apiVersion, 2 kind",
    "ObjectMeta": "1 name, 2 generateName, 3 namespace, 4 selfLink, 5 uid, "
    "6 resourceVersion, 7 generation int, 8 creationTimestamp Time, 11 labels map, "
    "12 annotations map, 14 finalizers list text",
    "Namespace": "1 metadata ObjectMeta, 2 spec NamespaceSpec, "
    "3 status NamespaceStatus",
    "NamespaceSpec": "1 finalizers list text",
    "NamespaceStatus": "1 phase",
    "ConfigMap": "1 metadata ObjectMeta, 2 data map, 3 binaryData map64, "
    "4 immutable bool?",
    "ServiceAccount": "1 metadata ObjectMeta, 4 automountServiceAccountToken bool?",
    "Service": "1 metadata ObjectMeta, 2 spec ServiceSpec, 3 status ServiceStatus",
    "ServiceSpec": "1 ports list ServicePort, 2 selector map, 3 clusterIP, 4 type, "
    "5 externalIPs list text, 7 sessionAffinity, 8 loadBalancerIP, 10 externalName, "
    "11 externalTrafficPolicy, 12 healthCheckNodePort int, "
    "13 publishNotReadyAddresses bool, 17 ipFamilyPolicy text?, "
    "18 clusterIPs list text, 19 ipFamilies list text, 22 internalTrafficPolicy text?",
    "ServicePort": "1 name, 2 protocol, 3 port int, 4 targetPort IntOrString, "
    "5 nodePort int, 6 appProtocol text?",
    "ServiceStatus": "1 loadBalancer Empty",
    "Deployment": "1 metadata ObjectMeta, 2 spec DeploymentSpec, 3 status Counters",
    "DeploymentSpec": "1 replicas int?, 2 selector LabelSelector, "
    "3 template PodTemplateSpec, 4 strategy Strategy, 5 minReadySeconds int, "
    "6 revisionHistoryLimit int?, 7 paused bool, 9 progressDeadlineSeconds int?",
    "Job": "1 metadata ObjectMeta, 2 spec JobSpec, 3 status Empty",
    "JobSpec": "1 parallelism int?, 2 completions int?, 3 activeDeadlineSeconds int?, "
    "4 selector LabelSelector, 5 manualSelector bool?, 6 template PodTemplateSpec, "
    "7 backoffLimit int?, 8 ttlSecondsAfterFinished int?, 9 completionMode text?, "
    "10 suspend bool?",
    "Strategy": "1 type",
    "LabelSelector": "1 matchLabels map, 2 matchExpressions list SelectorRequirement",
    "SelectorRequirement": "1 key, 2 operator, 3 values list text",
    "PodTemplateSpec": "1 metadata ObjectMeta, 2 spec PodSpec",
    "PodSpec": "2 containers list Container, 3 restartPolicy, "
    "4 terminationGracePeriodSeconds int?, 6 dnsPolicy, 7 nodeSelector map, "
    "8 serviceAccountName, 9 serviceAccount, 10 nodeName, 11 hostNetwork bool, "
    "12 hostPID bool, 13 hostIPC bool, 14 securityContext Empty, 16 hostname, "
    "17 subdomain, 19 schedulerName",
    "Container": "1 name, 2 image, 3 command list text, 4 args list text, "
    "5 workingDir, 6 ports list ContainerPort, 7 env list EnvVar, 8 resources Empty, "
    "13 terminationMessagePath, 14 imagePullPolicy, 16 stdin bool, "
    "17 stdinOnce bool, 18 tty bool, 20 terminationMessagePolicy",
    "ContainerPort": "1 name, 2 hostPort int, 3 containerPort int, 4 protocol, "
    "5 hostIP",
    "EnvVar": "1 name, 2 value",
    "PodDisruptionBudget": "1 metadata ObjectMeta, 2 spec BudgetSpec, "
    "3 status Counters",
    "BudgetSpec": "1 minAvailable IntOrString, 2 selector LabelSelector, "
    "3 maxUnavailable IntOrString",
    "Role": "1 metadata ObjectMeta, 2 rules list PolicyRule",
    "ClusterRole": "1 metadata ObjectMeta, 2 rules list PolicyRule",
    "PolicyRule": "1 verbs list text, 2 apiGroups list text, 3 resources list text, "
    "4 resourceNames list text, 5 nonResourceURLs list text",
    "RoleBinding": "1 metadata ObjectMeta, 2 subjects list Subject, 3 roleRef RoleRef",
    "ClusterRoleBinding": "1 metadata ObjectMeta, 2 subjects list Subject, "
    "3 roleRef RoleRef",
    "Subject": "1 kind, 2 apiGroup, 3 name, 4 namespace",
    "RoleRef": "1 apiGroup, 2 kind, 3 name",
    "SelfSubjectAccessReview": "1 metadata ObjectMeta, 2 spec ReviewSpec, "
    "3 status Empty",
    "SelfSubjectRulesReview": "1 metadata ObjectMeta, 2 spec RulesSpec, 3 status Empty",
    "RulesSpec": "1 namespace",
    "SelfSubjectReview": "1 metadata ObjectMeta, 2 status ReviewStatus",
    "ReviewStatus": "1 userInfo UserInfo",
    "UserInfo": "1 username, 2 uid, 3 groups list text",
    "ReviewSpec": "1 resourceAttributes ReviewedResource, "
    "2 nonResourceAttributes ReviewedPath",
    "ReviewedResource": "1 namespace, 2 verb, 3 group, 4 version, 5 resource, "
    "6 subresource, 7 name",
    "ReviewedPath": "1 path, 2 verb",
    "Counters": "1 observedGeneration int, 2 replicas int, 3 disruptionsAllowed int, "
    "4 currentHealthy int, 5 desiredHealthy int, 6 expectedPods int, "
    "7 readyReplicas int",
    "Empty": "",
    "Entry": "1 key, 2 value",
    "Entry64": "1 key, 2 value base64",
    "Time": "1 seconds int, 2 nanos int",
    "IntOrString": "1 type int, 2 intVal int, 3 strVal",
}


class _Wire:
    """The wire types that Kubernetes uses here."""

    VARINT = 0
    BYTES = 2


class Field(NamedTuple):
    """One field of a message; ``type`` names a scalar or another message."""

    name: str
    type: str = "text"
    is_list: bool = False


def _table(text: str) -> dict[int, Field]:
    """Return the fields of one entry of the table by number."""
    fields = {}
    for entry in filter(None, text.split(", ")):
        number, name, *kind = entry.split()
        is_list = kind[:1] == ["list"]
        fields[int(number)] = Field(name, kind[-1] if kind else "text", is_list)
    return fields


_MESSAGES = {name: _table(text) for name, text in _FIELDS.items()}
_MAPS = {"map": "Entry", "map64": "Entry64"}


def decode(body: bytes) -> Json:
    """Return the object in a body.

    Raises:
        ValueError: it is not a Kubernetes body, or has an unknown field.

    """
    if not body.startswith(MAGIC):
        raise ValueError("a protobuf body begins with k8s and a zero byte")
    unknown = _message("Unknown", body[len(MAGIC) :])
    meta = unknown["typeMeta"]
    if meta.get("kind") not in _MESSAGES:
        raise ValueError(f"there is no table for {meta.get('kind')}")
    return {**meta, **_message(meta["kind"], unknown.get("raw", b""))}


def _message(name: str, data: bytes) -> Json:
    """Return the fields of one message without the zero values of plain fields."""
    fields = _MESSAGES[name]
    result: Json = {}
    for number, raw in _wire(data):
        if number not in fields:
            if not raw:
                continue  # a zero value is equivalent to no field
            raise ValueError(f"field {number} of {name} is in no table")
        field = fields[number]
        if field.type in _MAPS:
            entry = _message(_MAPS[field.type], _as_bytes(raw))
            result.setdefault(field.name, {})[entry["key"]] = entry.get("value", "")
        elif field.is_list:
            result.setdefault(field.name, []).append(_value(field.type, raw))
        else:
            value = _value(field.type, raw)
            if field.type.endswith("?") or value not in ("", 0, None):
                result[field.name] = value
    return result


def _value(kind: str, raw: int | bytes) -> Any:  # noqa: ANN401  # any JSON value
    """Return the JSON value of one field."""
    match kind.removesuffix("?"):
        case "int":
            number = _as_int(raw)
            return number - (1 << 64) if number >> 63 else number
        case "bool":
            return bool(_as_int(raw))
        case "text":
            return _as_bytes(raw).decode()
        case "base64":
            return b64encode(_as_bytes(raw)).decode()
        case "raw":
            return _as_bytes(raw)
        case "Time":
            seconds = _message("Time", _as_bytes(raw)).get("seconds")
            return None if seconds is None else timestamp(seconds)
        case "IntOrString":
            value = _message("IntOrString", _as_bytes(raw))
            is_text = value.get("type") == 1
            return value.get("strVal", "") if is_text else value.get("intVal", 0)
        case message:
            return _message(message, _as_bytes(raw))


def _as_int(raw: int | bytes) -> int:
    """Return ``raw`` as a number."""
    if not isinstance(raw, int):
        raise ValueError("a number was expected")
    return raw


def _as_bytes(raw: int | bytes) -> bytes:
    """Return ``raw`` as bytes."""
    if not isinstance(raw, bytes):
        raise ValueError("bytes were expected")
    return raw


def _wire(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and raw value of each field (Protocol Buffers encoding)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case _Wire.VARINT:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case _Wire.BYTES:
                size, at = _varint(data, at)
                if at + size > len(data):
                    raise ValueError("the body ends in the middle of a field")
                yield tag >> 3, data[at : at + size]
                at += size
            case other:
                raise ValueError(f"wire type {other} is not used by Kubernetes here")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at ``at`` and the offset after it."""
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7
    raise ValueError("the body ends in the middle of a number")
