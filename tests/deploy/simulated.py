"""A simulated cluster with CoreDNS in it, as kubectl sees it."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from sim.api.kinds import KINDS
from sim.api.objects import Json, encode, without_meta
from sim.controllers.cluster import Cluster
from sim.node import kind_corefile
from tests.deploy import rendered

KUBEADM = f"""\
apiVersion: v1
kind: ServiceAccount
metadata: {{name: coredns, namespace: kube-system}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: coredns, namespace: kube-system}}
data: {{Corefile: {kind_corefile.KIND!r}}}
---
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system, labels: {{k8s-app: kube-dns}}}}
spec:
  clusterIP: 10.96.0.10
  selector: {{k8s-app: kube-dns}}
  ports:
  - {{name: dns, port: 53, protocol: UDP, targetPort: 53}}
  - {{name: dns-tcp, port: 53, protocol: TCP, targetPort: 53}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: coredns, namespace: kube-system, labels: {{k8s-app: kube-dns}}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{k8s-app: kube-dns}}}}
  template:
    metadata: {{labels: {{k8s-app: kube-dns}}}}
    spec: {{containers: [{{name: coredns, image: example.org/coredns}}]}}
"""
"""The objects that exist before: CoreDNS as kubeadm installs it, shortened."""


@dataclass(frozen=True)
class World:
    """A cluster that kubectl can reach."""

    cluster: Cluster
    kubeconfig: Path

    async def kubectl(self, *words: str) -> str:
        """Run kubectl to its end; return what it printed."""
        home = {"HOME": str(self.kubeconfig.parent), "KUBECONFIG": str(self.kubeconfig)}
        process = await asyncio.create_subprocess_exec(
            str(rendered.kubectl()),
            *words,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **home},
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    def everything(self) -> dict[str, bytes]:
        """Return every object but Events as it is, less what counts its writes."""
        return {
            f"{kind.name} {obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}": encode(
                without_meta(obj, "resourceVersion", "managedFields")
            )
            for kind in KINDS
            if kind.name != "Event"
            for obj in self.cluster.list(kind.name)
        }


def pods(cluster: Cluster, namespace: str) -> list[Json]:
    return cluster.list("Pod", namespace, "k8s-app=kube-dns-2")


async def gone(world: World, namespace: str) -> None:
    """Wait until the pods have ended."""
    async with asyncio.timeout(10):
        while pods(world.cluster, namespace):
            await asyncio.sleep(0.01)
