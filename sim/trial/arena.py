"""The simulated cluster of a trial: the objects, the servers, and the arms to them.

There are two nodes with a prober each, CoreDNS with two replicas behind kube-dns, and
beside it what a trial creates: minidns with two replicas behind kube-dns-2, a relay,
minidns with kubeadm's Corefile, and for arm V another CoreDNS. Cause and background
are planted by `causes`.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import NamedTuple

from minidns.trial.arms import KP, VP, A, Client, D, K, Layout, M, P, R, Target, V
from minidns.trial.integrity import Seal

from ..api import bootstrap, manifests
from ..api.objects import dig, labels_of
from ..node import kind_corefile
from ..scenario.stage import Stage
from .relay import Relay

NODES = ("node-1", "node-2")
REPLICAS = 2
"""Replicas of every DNS Service: faults that need two of them must show."""
NAMESPACE = "kube-system"
COREDNS, MINIDNS, RELAY = "kube-dns", "kube-dns-2", "kube-dns-2-relay"
PLAIN, OTHER = "kube-dns-plain", "kube-dns-v"
CLUSTER_IPS = {
    COREDNS: "10.96.0.10",
    MINIDNS: "10.96.0.20",
    RELAY: "10.96.0.21",
    PLAIN: "10.96.0.22",
    OTHER: "10.96.0.23",
}
EXTERNAL_ZONE = "example.org"
CHANGING = 8
"""Services whose endpoints change, in turn."""

_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: kube-system, labels: {{k8s-app: {name}}}}}
spec:
  clusterIP: {cluster_ip}
  selector: {{k8s-app: {name}}}
  ports:
  - {{name: dns, port: 53, protocol: UDP, targetPort: 53}}
  - {{name: dns-tcp, port: 53, protocol: TCP, targetPort: 53}}
"""
_POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {namespace}
  labels: {{k8s-app: {app}}}
  annotations: {{sim/ready: "{ready}"}}
spec:
  nodeName: {node}
  dnsPolicy: Default
  containers:
  - name: dns
    image: {image}
    args: ["-conf", "/etc/coredns/Corefile"]
    volumeMounts: [{{name: config-volume, mountPath: /etc/coredns}}]
  volumes: [{{name: config-volume, configMap: {{name: coredns}}}}]
"""
_NAMES = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.7.9
  ports: [{port: 80, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: default}
spec:
  clusterIP: 10.96.7.10
  ports: [{port: 5432, protocol: TCP}]
"""
_CHANGING = """\
apiVersion: v1
kind: Service
metadata: {{name: rolling-{number}, namespace: default}}
spec:
  clusterIP: None
  ports: [{{name: http, port: 80, protocol: TCP}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: rolling-{number}
  namespace: default
  labels: {{kubernetes.io/service-name: rolling-{number}}}
addressType: IPv4
ports: [{{name: http, port: 80, protocol: TCP}}]
endpoints: [{{addresses: [10.244.9.{number}], conditions: {{ready: true}}}}]
"""


class Arena(NamedTuple):
    """A cluster that is ready for a trial."""

    stage: Stage
    layout: Layout
    relays: tuple[Relay, ...]
    seal: Seal


def corefile(seal: Seal | None = None, *, faulty: str = "") -> str:
    """Return kubeadm's Corefile, behind the blocks of a configuration fault."""
    return f"{faulty}{kind_corefile.KIND}{seal.server_block() if seal else ''}"


@asynccontextmanager
async def arena(
    seed: int, *, other: bool = False, faulty: str = ""
) -> AsyncIterator[Arena]:
    """Yield a cluster with ready servers; stop them after the block.

    ``other`` adds arms V and VP; ``faulty`` are server blocks of CoreDNS's Corefile.
    """
    stage, seal = Stage(seed), Seal.random(Random(f"{seed} seal"))
    # nobody reads the trace of a trial
    stage.packets.observe = lambda what, flow, wire, path: None
    services = [COREDNS, MINIDNS, PLAIN, *([OTHER] if other else [])]
    _create(stage, services)
    for service in services:
        text = corefile(
            seal if service in (MINIDNS, PLAIN) else None,
            faulty="" if service == PLAIN else faulty,
        )
        stage.servers.configure(service, corefile=text)
    stage.add_external_record(f"{EXTERNAL_ZONE}. 300 SOA ns hostmaster 1 2 3 4 300")
    stage.add_external_record(f"{EXTERNAL_ZONE}. 300 NS ns.{EXTERNAL_ZONE}.")
    stage.add_external_record(f"*.{EXTERNAL_ZONE}. 300 A 192.0.2.7")
    with _quiet():
        try:
            await stage.begin()
            _check_ready(stage)
            relays = _start_relays(stage, seed)
            yield Arena(stage, _layout(stage, other=other), relays, seal)
        finally:
            await stage.close()


def _check_ready(stage: Stage) -> None:
    """Check that all servers run: a trial without them would convict somebody."""
    for (_, name), replica in stage.servers.replicas.items():
        if not replica.is_ready:
            raise RuntimeError(f"{name} is {replica.state}")


def _create(stage: Stage, services: list[str]) -> None:
    """Create nodes, DNS Services with their pods, probers, and Services to look up."""
    cluster = stage.cluster
    cluster.create(bootstrap.node(NODES[1], 1, ("IPv4",)))
    for deployment in ("coredns", "coredns-2"):
        cluster.delete("Deployment", NAMESPACE, deployment)
    texts = [_NAMES, *(_CHANGING.format(number=number) for number in range(CHANGING))]
    for service in (*services, RELAY):
        texts.append(_SERVICE.format(name=service, cluster_ip=CLUSTER_IPS[service]))
        texts += [_server_pod(service, node) for node in NODES]
    texts += [
        _POD.format(
            name=f"prober-{node}",
            namespace="default",
            app="prober",
            ready="true",
            node=node,
            image="prober",
        )
        for node in NODES
    ]
    for obj in manifests.from_text("---\n".join(texts)):
        cluster.apply(obj)


def _server_pod(service: str, node: str) -> str:
    name = "coredns" if service == COREDNS else service
    return _POD.format(
        name=f"{name}-{node}",
        namespace=NAMESPACE,
        app=service,
        ready=str(service == RELAY).lower(),
        node=node,
        image="relay" if service == RELAY else "minidns",
    )


def _pods(stage: Stage, service: str) -> dict[str, str]:
    """Return the addresses of the pods behind a Service by their names."""
    return {
        dig(pod, "metadata.name"): dig(pod, "status.podIP")
        for pod in stage.cluster.list("Pod", NAMESPACE)
        if labels_of(pod).get("k8s-app") == service
    }


def _start_relays(stage: Stage, seed: int) -> tuple[Relay, ...]:
    relays = []
    for name, address in _pods(stage, RELAY).items():
        rng = Random(f"{seed} {name}")
        relay = Relay(address, _pods(stage, COREDNS), stage.packets, rng)
        stage.packets.hosts[address, 53] = relay
        relays.append(relay)
    return tuple(relays)


def _layout(stage: Stage, *, other: bool) -> Layout:
    coredns = _pods(stage, COREDNS)
    minidns, plain = next(iter(_pods(stage, MINIDNS).items())), _pods(stage, PLAIN)
    targets = [
        Target(A, CLUSTER_IPS[COREDNS]),
        *(Target(D, address, name) for name, address in coredns.items()),
        Target(R, CLUSTER_IPS[RELAY]),
        Target(M, CLUSTER_IPS[MINIDNS]),
        Target(P, minidns[1], minidns[0]),
        Target(K, CLUSTER_IPS[PLAIN]),
        Target(KP, next(iter(plain.values())), next(iter(plain))),
    ]
    if other:
        name, address = next(iter(_pods(stage, OTHER).items()))
        targets += [Target(V, CLUSTER_IPS[OTHER]), Target(VP, address, name)]
    clients = tuple(Client(f"prober-{node}", node) for node in NODES)
    return Layout(tuple(targets), tuple(coredns), clients)


@contextmanager
def _quiet() -> Iterator[None]:
    """Turn off the log of the servers, which would report every planted failure."""
    logger = logging.getLogger("minidns")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
