"""The first workloads of the simulated cluster: two DNS services and two pods.

kube-dns is a short form of kubeadm's. kube-dns-2 has the same ConfigMap and service
account, and its own labels, so that the selector of kube-dns does not match its pods.
"""

from copy import deepcopy
from functools import cache
from textwrap import indent

from ..api import manifests
from ..api.objects import Json
from . import kind_corefile

IMAGE = "minidns"
"""Pods with this image, from any registry and with any tag, run as processes."""
CONFIG_MAP = "coredns"
CLUSTER_DNS, SECOND_DNS = "10.96.0.10", "10.96.0.20"
OUTSIDE_DNS = "192.0.2.53"
"""The name server in the node's /etc/resolv.conf."""
NODE_RESOLV_CONF = f"nameserver {OUTSIDE_DNS}\n"

_ACCOUNT = f"""\
apiVersion: v1
kind: ServiceAccount
metadata: {{name: coredns, namespace: kube-system}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: {CONFIG_MAP}, namespace: kube-system}}
data:
  Corefile: |
{indent(kind_corefile.KIND, "    ")}"""

_RIGHTS = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "system:coredns"}
rules:
- apiGroups: [""]
  resources: [endpoints, services, pods, namespaces]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:coredns"}
roleRef:
  {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:coredns"}
subjects:
- {kind: ServiceAccount, name: coredns, namespace: kube-system}
"""
"""The cluster-wide rights that kubeadm gives to CoreDNS."""

_SERVER = """\
apiVersion: v1
kind: Service
metadata:
  name: {service}
  namespace: kube-system
  labels: {{k8s-app: {service}}}
spec:
  clusterIP: {cluster_ip}
  selector: {{k8s-app: {service}}}
  ports:
  - {{name: dns, port: 53, protocol: UDP, targetPort: 53}}
  - {{name: dns-tcp, port: 53, protocol: TCP, targetPort: 53}}
  - {{name: metrics, port: 9153, protocol: TCP, targetPort: 9153}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {deployment}
  namespace: kube-system
  labels: {{k8s-app: {service}}}
spec:
  replicas: 1
  selector:
    matchLabels: {{k8s-app: {service}}}
  template:
    metadata:
      labels: {{k8s-app: {service}}}
      annotations: {{sim/ready: "false"}}
    spec:
      dnsPolicy: Default
      serviceAccountName: coredns
      containers:
      - name: coredns
        image: {image}
        args: ["-conf", "/etc/coredns/Corefile"]
        ports:
        - {{name: dns, containerPort: 53, protocol: UDP}}
        - {{name: dns-tcp, containerPort: 53, protocol: TCP}}
        - {{name: metrics, containerPort: 9153, protocol: TCP}}
        volumeMounts:
        - {{name: config-volume, mountPath: /etc/coredns, readOnly: true}}
      volumes:
      - name: config-volume
        configMap: {{name: {config_map}}}
"""

_PODS = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: dnsutils, namespace: default}}
spec:
  containers: [{{name: dnsutils, image: dnsutils}}]
  dnsPolicy: None
  dnsConfig:
    nameservers: [{SECOND_DNS}]
---
apiVersion: v1
kind: Pod
metadata: {{name: app, namespace: default}}
spec:
  containers: [{{name: app, image: app}}]
  dnsPolicy: ClusterFirst
"""


def _server(service: str, deployment: str, cluster_ip: str) -> str:
    return _SERVER.format(
        service=service,
        deployment=deployment,
        cluster_ip=cluster_ip,
        image=IMAGE,
        config_map=CONFIG_MAP,
    )


def manifest() -> str:
    """Return the objects as a YAML manifest."""
    return "---\n".join(
        (
            _ACCOUNT,
            _server("kube-dns", "coredns", CLUSTER_DNS),
            _server("kube-dns-2", "coredns-2", SECOND_DNS),
            _PODS,
        )
    )


def objects() -> list[Json]:
    """Return the RBAC objects of the DNS pods, then the objects of the manifest."""
    return deepcopy(_objects())


@cache
def _objects() -> list[Json]:
    # read once: most of the time that a new simulated cluster takes
    return [*manifests.from_text(_RIGHTS), *manifests.from_text(manifest())]
