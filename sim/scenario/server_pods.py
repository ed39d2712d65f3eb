"""The DNS server pods of a stage: started, probed and restarted as by a kubelet.

kube-dns is served by a simulated CoreDNS, kube-dns-2 by minidns; each has its own
release and may have its own Corefile.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from minidns.corefile.errors import ConfigError
from minidns.corefile.releases import NEWEST, Release
from minidns.dns.model import Address
from minidns.kubernetes import kubelet
from minidns.kubernetes.objects import SERVICE_NAME
from minidns.server.remembered import Memory

from ..api.direct import Api
from ..api.objects import Json, Key, annotations_of, dig, key_of, labels_of
from ..api.server import ClusterApi
from ..controllers.pods import READY
from ..node.api_link import ApiLink, ApiWay
from ..node.coredns import as_coredns
from ..node.in_memory import Packets
from ..node.replica import Files, Replica
from ..node.runtime import RESTARTS_S, corefile_of, is_process

COREDNS = "kube-dns"
SERVICES = (COREDNS, "kube-dns-2")


@dataclass(frozen=True, slots=True)
class Software:
    """What the pods of a Service run."""

    release: Release = NEWEST
    corefile: str = ""
    """The Corefile instead of that of the ConfigMap; an empty text has no effect."""


@dataclass(slots=True)
class ServerPods:
    """The servers of all pods that are DNS servers."""

    cluster: ClusterApi
    api: Api
    packets: Packets
    random: Callable[[str], Random]
    """Returns the random generator of a server."""
    node: kubelet.Node
    """The node's settings at the start of servers."""
    memory: Callable[[], Memory] = Memory
    """Returns the memory for replies of a new server."""
    software: dict[str, Software] = field(default_factory=dict)
    """The software by Service, if not the default."""
    replicas: dict[Key, Replica] = field(default_factory=dict)
    _restarts: dict[Key, int] = field(default_factory=dict)
    _tasks: dict[asyncio.Task[None], None] = field(default_factory=dict)

    def of(self, service: str) -> list[Replica]:
        """Return the servers behind a Service of kube-system, whether ready or not."""
        label = f"{SERVICE_NAME}={service}"
        addresses = {
            address
            for slice_ in self.cluster.list("EndpointSlice", "kube-system", label)
            for end in slice_["endpoints"]
            for address in end["addresses"]
        }
        return [r for r in self.replicas.values() if r.address in addresses]

    def configure(self, service: str, **values: object) -> None:
        """Change the software of a Service; its servers must be restarted then."""
        current = self.software.get(service, Software())
        self.software[service] = replace(current, **values)  # type: ignore[arg-type]

    async def follow(self) -> None:
        """Start and stop servers as pods come and go, and probe all."""
        for obj in self.cluster.list("Pod"):
            if is_process(obj) and key_of(obj) not in self.replicas:
                await self._start(obj)
        for key in [k for k in self.replicas if not self.cluster.find("Pod", *k)]:
            if (replica := self.replicas.pop(key, None)) is not None:
                await replica.stop()
        self.probe()

    def probe(self) -> None:
        """Set the readiness of every server pod, unless the API server is down.

        Then the kubelet cannot reach it either, and pods stay in their Services.
        """
        if not self.api.is_up:
            return
        for key, replica in list(self.replicas.items()):
            pod, ready = self.cluster.find("Pod", *key), str(replica.is_ready).lower()
            if pod is not None and annotations_of(pod).get(READY) != ready:
                annotations = {"metadata": {"annotations": {READY: ready}}}
                self.cluster.patch("Pod", *key, annotations)

    async def stop(self) -> None:
        """Stop all servers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for replica in self.replicas.values():
            await replica.stop()
        self.replicas.clear()

    def reload(self, service: str) -> None:
        """Let the servers of a Service begin to reload their Corefile."""
        for replica in self.of(service):
            self._go_on(replica.reload())

    def _go_on(self, work: Coroutine[None, None, None]) -> None:
        """Do ``work`` in a task, which ends at the latest when all servers stop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    def end(self, at: Address, cause: str) -> None:
        """End the server at an address; its container starts again after a back-off."""
        for key, replica in self.replicas.items():
            if replica.address == at[0] and not replica.ended:
                replica.end(cause)
                self.packets.servers.closed.add(at)
                self._go_on(self._restart(key))

    async def _restart(self, key: Key) -> None:
        """Restart an ended container; the pod is not ready meanwhile."""
        count = self._restarts.get(key, 0)
        self._restarts[key] = count + 1
        self.probe()
        await asyncio.sleep(RESTARTS_S[min(count, len(RESTARTS_S) - 1)])
        old = self.replicas.get(key)
        pod = self.cluster.find("Pod", *key)
        if old is not None and pod is not None:
            await old.stop()
            await self._start(pod)
            self.probe()

    async def _start(self, pod: Json) -> None:
        service = labels_of(pod).get("k8s-app", "")
        software = self.software.get(service, Software())
        corefile = software.corefile or corefile_of(self.cluster, pod)
        texts = {
            "Corefile": as_coredns(corefile) if service == COREDNS else corefile,
            "/etc/resolv.conf": kubelet.resolv_conf(pod, self.node),
            "/etc/hosts": "",
        }
        address = str(dig(pod, "status.podIP"))
        locate = partial(self.packets.links.locate, address, address)
        link = ApiLink(self.api, ApiWay(self.packets.faults, locate))
        replica = Replica(
            address,
            Files(texts),
            link,
            self.packets,
            self.random(address),
            software.release,
            memory=self.memory(),
        )
        self.replicas[key_of(pod)] = replica
        try:
            await replica.start()
        except ConfigError as error:
            replica.ended, replica.has_wrong_corefile = str(error), True
