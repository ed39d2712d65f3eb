"""The simulated cluster: API server, node, two DNS services and an external resolver.

The HTTP of the API, the minidns processes, and all datagrams and TCP streams are real;
the addresses of the cluster are simulated.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from aiohttp import ClientSession, TCPConnector

from minidns.dns.model import Address
from minidns.kubernetes import kubelet
from minidns.kubernetes.objects import SERVICE_NAME

from ..api.accounts import Accounts
from ..api.http import ApiServer
from ..api.objects import Json, Key, annotations_of, condition, dig
from ..controllers.cluster import Cluster
from ..node import kube_system, leases
from ..node.attach import NodeKubelet
from ..node.container import Container
from ..node.fault_control import FaultControl
from ..node.faults import Faults
from ..node.internet import Internet
from ..node.kind_corefile import HOST
from ..node.links import Links
from ..node.network import DataPlane
from ..node.one_shots import OneShots
from ..node.places import Places
from ..node.pod_ways import PodWays
from ..node.processes import Processes
from ..node.programs import Programs
from ..node.runtime import Running, Runtime
from ..node.server_faults import ServerFaults
from ..resolver import kinds
from . import certificates

LIBC = "sim/libc"
"""Pod annotation with the resolver of its programs, such as glibc or musl-1.2.3."""
NODE = kubelet.Node(
    cluster_dns=(kube_system.CLUSTER_DNS,),
    resolv_conf=kube_system.NODE_RESOLV_CONF,
)


class NotReady(Exception):
    """The DNS servers of the cluster did not become ready; the message says why."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """A running cluster."""

    cluster: Cluster
    api: ApiServer
    internet: Internet
    outside: Address
    """Loopback address of the external resolver."""
    plane: DataPlane
    runtime: Runtime
    faults: FaultControl
    kubeconfig: Path
    """The administrator's kubeconfig file."""
    token: str
    """The administrator's bearer token."""
    rng: Random

    @property
    def links(self) -> Links:
        """The links of the pods."""
        return self.faults.links

    def container(self, namespace: str, name: str) -> Container:
        """Return the container of a pod with its resolv.conf.

        Raises:
            ApiError: there is no such pod (404).
            LookupError: the pod has no address yet, or names an unknown resolver.

        """
        pod = self.cluster.get("Pod", namespace, name)
        address = dig(pod, "status.podIP")
        if not address:
            raise LookupError(
                f"pod {namespace}/{name} has no address: it is not running"
            )
        try:
            libc = kinds.find(annotations_of(pod).get(LIBC, kinds.GLIBC.name))
        except kinds.UnknownResolver as error:
            raise LookupError(
                f"pod {namespace}/{name}, annotation {LIBC}: {error}"
            ) from None
        text = kubelet.resolv_conf(pod, NODE)
        files = kubelet.hosts(pod, NODE), kubelet.hostname(pod)
        return Container(address, text, self.plane, libc, self.rng, self.links, *files)

    def http(self) -> ClientSession:
        """Return an HTTP client of the API server with the administrator's token."""
        authority = self.api.authority
        context = ssl.create_default_context(cafile=authority) if authority else None
        return ClientSession(
            headers={"Authorization": f"Bearer {self.token}"},
            connector=TCPConnector(ssl=context or True),
        )

    def servers(self, service: Key) -> list[Running]:
        """Return the processes behind a Service, whether ready or not."""
        namespace, name = service
        label = f"{SERVICE_NAME}={name}"
        addresses = {
            address
            for slice in self.cluster.list("EndpointSlice", namespace, label)
            for end in slice["endpoints"]
            for address in end["addresses"]
        }
        running = self.runtime.running.values()
        return [process for process in running if process.address in addresses]

    async def ready(self, timeout_s: float = 30.0) -> None:
        """Wait until every pod of kube-system is Ready.

        Raises:
            NotReady: the time is up, or a pod ends again and again; the message has the
                end of their logs.

        """
        failed = self.runtime.never_up
        try:
            await changed(
                self.cluster, lambda: bool(failed) or not self._unready(), timeout_s
            )
            if failed:
                raise NotReady("\n".join(failed.values()))
        except TimeoutError:
            raise NotReady("\n".join(map(self._complaint, self._unready()))) from None

    def _unready(self) -> list[Json]:
        pods = self.cluster.list("Pod", "kube-system")
        return [pod for pod in pods if condition(pod, "Ready") != "True"]

    def _complaint(self, pod: Json) -> str:
        key = pod["metadata"]["namespace"], pod["metadata"]["name"]
        log = self.runtime.log_file(key)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return f"pod {key[0]}/{key[1]} is not ready; its log ends:\n" + "\n".join(
            f"  {line}" for line in lines[-5:]
        )


async def changed(
    cluster: Cluster, condition: Callable[[], bool], timeout_s: float
) -> None:
    """Wait until ``condition()`` holds; check it after every change of an object.

    Raises:
        TimeoutError: it does not hold after ``timeout_s``.

    """
    change = asyncio.Event()
    end = cluster.subscribe(lambda _: change.set())
    try:
        async with asyncio.timeout(timeout_s):
            while not condition():
                change.clear()
                await change.wait()
    finally:
        end()


@contextlib.asynccontextmanager
async def started(
    folder: Path,
    *,
    seed: int | None = None,
    coredns: Path | None = None,
    processes: Processes | None = None,
) -> AsyncIterator[Simulation]:
    """Run a cluster with its files in ``folder`` until the end of the block.

    ``coredns`` is the program of the pods of kube-dns; None stands for minidns.
    ``processes`` start servers; they end with the block.
    """
    processes = processes or Processes()
    rng = Random(seed)
    cluster = Cluster(seed=rng.getrandbits(32))
    for obj in kube_system.objects():
        cluster.apply(obj)
    places = Places(cluster)
    seed_of_faults = rng.getrandbits(32)
    links = Links(ServerFaults(Faults(seed_of_faults)), places.behind, places.addresses)
    internet = Internet()
    accounts, tls = Accounts(), certificates.write(folder, HOST)
    async with (
        processes.serving(),
        internet.serving() as outside,
        ApiServer(cluster, tls=tls, tokens=accounts.names, has_rbac=True) as api,
    ):
        plane = DataPlane(cluster, rng)
        for protocol in ("UDP", "TCP"):
            plane.real[(kube_system.OUTSIDE_DNS, 53), protocol] = outside
        ways = PodWays(plane, links, api)
        api.misses_event = ways.misses_event
        runtime = Runtime(cluster, plane, folder / "pods", processes, ways.open)
        runtime.is_unready = lambda address: links.faults.is_unready(
            links.names_of(address)
        )
        runtime.coredns = coredns
        links.servers.on_end = runtime.kill
        links.servers.on_stop = runtime.stop
        links.servers.on_resume = runtime.resume
        runtime.on_start = links.servers.silent.discard

        def kubeconfig_of(path: Path, pod: Json, at: Address) -> Path:
            return api.kubeconfig(path, accounts.token_of(pod), at=at)

        kubeconfig = api.kubeconfig(folder / "kubeconfig", accounts.administrator)
        async with runtime.following(kubeconfig_of):
            simulation = Simulation(
                cluster,
                api,
                internet,
                outside,
                plane,
                runtime,
                FaultControl(links, plane.faults, places, is_live=True),
                kubeconfig,
                accounts.administrator,
                rng,
            )
            programs = Programs(cluster, plane, simulation.container)
            container, log_file = simulation.container, runtime.log_file
            api.kubelet = NodeKubelet(
                container, log_file, programs.attach, plane.real_of
            )
            one_shots = OneShots(cluster, container, log_file)
            async with (
                programs.following(),
                one_shots.following(),
                leases.renewing(cluster),
            ):
                yield simulation
