"""A simulated cluster with kubeadm's DNS in it, and somebody in front of a command."""

import asyncio
import functools
import textwrap
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minidns.commands import trial
from minidns.kubernetes.client import connect
from minidns.kubernetes.documents import Documents
from minidns.kubernetes.resources import Access
from minidns.second_dns import clone, enrol, session, status, unenrol
from minidns.second_dns.session import Command, Session
from minidns.text.arguments import Parser
from sim.api import manifests
from sim.api.http import ApiServer
from sim.api.kinds import KINDS
from sim.api.objects import Json, encode
from sim.api.objects import clone as copy_of
from sim.api.server import ClusterApi
from sim.controllers.cluster import Cluster
from sim.controllers.deployments import REVISION
from sim.node import kind_corefile

SYSTEM = "kube-system"
COMMANDS: dict[str, tuple[Callable[[], Parser], Command]] = {
    "clone": (clone.parser, clone.clone),
    "enrol": (enrol.parser, enrol.enrol),
    "unenrol": (unenrol.parser, unenrol.unenrol),
    "status": (status.parser, status.status),
    "trial": (trial.parser, trial.trial),
}

KUBEADM = """\
apiVersion: v1
kind: ServiceAccount
metadata: {{name: coredns, namespace: kube-system}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: coredns, namespace: kube-system}}
data:
  Corefile: |
{corefile}
---
apiVersion: v1
kind: Service
metadata:
  name: kube-dns
  namespace: kube-system
  labels:
    k8s-app: kube-dns
    kubernetes.io/cluster-service: "true"
    kubernetes.io/name: CoreDNS
  annotations: {{prometheus.io/port: "9153", prometheus.io/scrape: "true"}}
spec:
  clusterIP: 10.96.0.10
  selector: {{k8s-app: kube-dns}}
  ports:
  - {{name: dns, port: 53, protocol: UDP, targetPort: 53}}
  - {{name: dns-tcp, port: 53, protocol: TCP, targetPort: 53}}
  - {{name: metrics, port: 9153, protocol: TCP, targetPort: 9153}}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: coredns
  namespace: kube-system
  labels: {{k8s-app: kube-dns}}
spec:
  replicas: 2
  strategy: {{type: RollingUpdate, rollingUpdate: {{maxUnavailable: 1}}}}
  selector:
    matchLabels: {{k8s-app: kube-dns}}
  template:
    metadata:
      labels: {{k8s-app: kube-dns}}
    spec:
      priorityClassName: system-cluster-critical
      serviceAccountName: coredns
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            podAffinityTerm:
              labelSelector:
                matchExpressions:
                - {{key: k8s-app, operator: In, values: [kube-dns]}}
              topologyKey: kubernetes.io/hostname
      tolerations:
      - {{key: CriticalAddonsOnly, operator: Exists}}
      - {{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}}
      nodeSelector: {{kubernetes.io/os: linux}}
      containers:
      - name: coredns
        image: registry.example.org/coredns:v1.14.2
        args: ["-conf", "/etc/coredns/Corefile"]
        resources:
          limits: {{memory: 170Mi}}
          requests: {{cpu: 100m, memory: 70Mi}}
        volumeMounts:
        - {{name: config-volume, mountPath: /etc/coredns, readOnly: true}}
        ports:
        - {{name: dns, containerPort: 53, protocol: UDP}}
        - {{name: dns-tcp, containerPort: 53, protocol: TCP}}
        - {{name: metrics, containerPort: 9153, protocol: TCP}}
        livenessProbe:
          httpGet: {{path: /health, port: 8080, scheme: HTTP}}
          initialDelaySeconds: 60
          timeoutSeconds: 5
          successThreshold: 1
          failureThreshold: 5
        readinessProbe:
          httpGet: {{path: /ready, port: 8181, scheme: HTTP}}
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: {{add: [NET_BIND_SERVICE], drop: [ALL]}}
          readOnlyRootFilesystem: true
      dnsPolicy: Default
      volumes:
      - name: config-volume
        configMap:
          name: coredns
          items: [{{key: Corefile, path: Corefile}}]
"""
"""The objects that kubeadm creates, without defaulted fields."""

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}, annotations: {note: mine}}
spec:
  replicas: 6
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web, tier: front}
    spec:
      containers: [{name: web, image: web}]
"""


@functools.cache
def _read(text: str) -> list[Json]:
    return list(manifests.from_text(text))


def kubeadm(corefile: str = kind_corefile.KIND) -> list[Json]:
    """Return kubeadm's DNS with this Corefile."""
    text = KUBEADM.format(corefile=textwrap.indent(corefile, "    "))
    return [copy_of(obj) for obj in _read(text)]


def workload(kind: str = "Deployment", replicas: int = 6, **spec: Any) -> Json:
    """Return a workload shop/web as an API server would have completed it."""
    (web,) = _read(WEB)
    web = copy_of(web)
    web["kind"] = kind
    web["spec"] |= {"replicas": replicas} | spec
    if kind != "Deployment":  # for those the simulated server has no defaults
        pod = web["spec"]["template"]["spec"]
        pod.setdefault("dnsPolicy", "ClusterFirst")
    return web


def with_pod(web: Json, **spec: Any) -> Json:
    """Return a workload whose pods have these fields too."""
    web = copy_of(web)
    web["spec"]["template"]["spec"] |= spec
    return web


def cluster(*objects: Json, dns: Iterable[Json] | None = None) -> ClusterApi:
    """Return a cluster with kubeadm's DNS, a namespace shop, and these objects."""
    made = Cluster()
    for name in ("shop",):
        made.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for obj in (*(kubeadm() if dns is None else dns), *objects):
        made.create(obj)
    return made


def everything(of: ClusterApi) -> dict[str, bytes]:
    """Return every object but Events and Leases, which nodes renew, as bytes, less what the server notes of each write.

    Keys in order, as a real server writes them in the order of its structs.
    """
    return {name: _bytes(obj) for name, obj in _objects(of)}


def _bytes(obj: Json) -> bytes:
    return encode(obj, order="deterministic")


def lasting(of: ClusterApi) -> dict[str, bytes]:
    """Return the same, less what Kubernetes itself makes anew or counts in a rollout.

    Pods, and so endpoints, have other names; generations and revisions move on, and
    conditions have new times. Every rollout leaves a ReplicaSet or revision. How many pods there are
    counts, for each workload.
    """
    found: dict[str, bytes] = {}
    workloads = {each["metadata"]["uid"]: name for name, each in _objects(of)}
    for obj in of.list("ReplicaSet"):
        (owner,) = obj["metadata"]["ownerReferences"]
        workloads[obj["metadata"]["uid"]] = workloads[owner["uid"]]
    for name, obj in _objects(of):
        if obj["kind"] == "Pod":
            owners = obj["metadata"].get("ownerReferences", ())
            owner = next((workloads[each["uid"]] for each in owners), name)
            found[f"Pods of {owner}"] = found.get(f"Pods of {owner}", b"") + b"."
        elif obj["kind"] not in ("ControllerRevision", "Endpoints", "EndpointSlice", "ReplicaSet"):
            meta = without_revision(obj["metadata"])
            meta.pop("generation", None)
            kept = {k: v for k, v in obj.items() if k != "status"}
            found[name] = _bytes({**kept, "metadata": meta})
    return found


def without_revision(metadata: Json) -> Json:
    """Return ``metadata`` less the number of the last rollout."""
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(REVISION, None)
    others = {k: v for k, v in metadata.items() if k != "annotations"}
    return {**others, "annotations": annotations} if annotations else others


def _objects(of: ClusterApi) -> Iterator[tuple[str, Json]]:
    hidden = ("resourceVersion", "managedFields")
    for kind in (kind for kind in KINDS if kind.name not in ("Event", "Lease")):
        for key, obj in of.store[kind].objects.items():
            meta = {k: v for k, v in obj["metadata"].items() if k not in hidden}
            yield f"{kind.name} {key[0]}/{key[1]}", {**obj, "metadata": meta}


def with_second(of: ClusterApi) -> ClusterApi:
    """Return a cluster in which somebody answers at 10.96.0.20, too."""
    labels = {"k8s-app": "kube-dns-2"}
    for kind, name in (("Service", "kube-dns"), ("Deployment", "coredns")):
        obj = of.get(kind, SYSTEM, name)
        obj["metadata"] = {"name": "kube-dns-2", "namespace": SYSTEM}
        if kind == "Service":
            address = "10.96.0.20"
            obj["spec"] |= {"clusterIP": address, "clusterIPs": [address]}
            obj["spec"]["selector"] = labels
        else:
            obj["spec"]["selector"] = {"matchLabels": labels}
            obj["spec"]["template"]["metadata"]["labels"] = labels
        of.create(obj)
    return of


@dataclass
class Desk:
    """Somebody in front of a command, and what they see."""

    server: ApiServer
    session: Session = field(init=False)
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    shown_before_asking: list[str] = field(default_factory=list)
    """The output before the last question."""
    says: bool = True
    """The answer to questions."""
    when_asked: Callable[[], object] = lambda: None
    """Called before they answer."""
    now: float = 1_000_000.0
    slept: Callable[[float], object] = lambda _: None
    """Called with the time whenever the command waits."""

    @property
    def cluster(self) -> ClusterApi:
        return self.server.cluster

    @property
    def said(self) -> str:
        """Everything, the questions too."""
        return "\n".join((*self.out, *self.err, *self.asked))

    async def run(self, words: str) -> int:
        """Run ``minidns WORDS``; return the exit status."""
        for said in (self.out, self.err, self.asked):
            said.clear()
        name, *rest = words.split()
        parser, command = COMMANDS[name]
        args = parser().parse_args(rest)
        return await session.run_command(command, args, self.session, f"minidns {name}")

    async def ask(self, question: str) -> bool:
        self.asked.append(question)
        self.shown_before_asking = [*self.out, *self.err]
        self.when_asked()
        return self.says

    async def sleep(self, seconds: float) -> None:
        """Let that time pass at once, for this command alone."""
        self.now += seconds
        self.slept(self.now)
        await asyncio.sleep(0)


@asynccontextmanager
async def desk(
    of: ClusterApi | None = None,
    *,
    access: Callable[[ApiServer], Access] = lambda server: Access(endpoint=server.url),
    wrap: Callable[[Documents], Documents] = lambda api: api,
    **options: Any,
) -> AsyncIterator[Desk]:
    """Serve a cluster over HTTP and sit down in front of it."""
    async with ApiServer(of or cluster(), **options) as server, connect(access(server)) as connection:
        yield seated(server, wrap(Documents(connection)))


def seated(server: ApiServer, api: Documents) -> Desk:
    """Return a desk in front of a cluster that is served."""
    made = Desk(server)
    made.session = Session(
        api=api, out=made.out.append, tell=made.err.append, ask=made.ask, wall=lambda: made.now, sleep=made.sleep
    )
    return made


def as_user(folder: Path, name: str) -> Callable[[ApiServer], Access]:
    """Return how to be the service account shop/NAME."""

    def access(server: ApiServer) -> Access:
        token = f"system:serviceaccount:shop:{name}"
        return Access(kubeconfig=str(server.kubeconfig(folder / "kubeconfig", token)))

    return access
