"""The stage of a scenario: the simulated cluster in one process and virtual time.

API server, controllers, kubelet, stub resolvers, kube-proxy and minidns are those of
``minidns-sim up``; messages are carried in memory.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import NamedTuple

from minidns.corefile.errors import ConfigError
from minidns.dns.model import Query, Response
from minidns.dns.rdata import type_name
from minidns.kubernetes.objects import SERVICE_NAME
from minidns.server import logs
from minidns.server.answer import Answerer

from ..api.direct import Api
from ..api.objects import Json, Key, annotations_of, dig, key_of, labels_of
from ..cluster.simulation import LIBC, NODE
from ..controllers.cluster import Cluster
from ..controllers.pods import READY
from ..node import faults, kube_system, kubelet
from ..node.in_memory import Packets
from ..node.internet import Internet
from ..node.network import DataPlane
from ..node.over_sockets import LookupResult
from ..node.replica import EPOCH, Files, Replica
from ..node.runtime import corefile_of, is_process
from ..resolver import search
from ..resolver.protocol import Session

SETTLE_S = 0.01
"""Seconds for watches to deliver changes."""
OUTSIDE = (kube_system.OUTSIDE_DNS, 53)
ROOT_ZONE = """\
. 86400 SOA a.root-servers.net. hostmaster.example.net. 1 1800 900 604800 300
. 86400 NS a.root-servers.net.
"""
"""The zone of the external resolver before a scenario adds records."""


class LogLine(NamedTuple):
    """A log line of a server."""

    at: float
    """Time in loop seconds, rounded to 0.01 s."""
    line: str


class Stage:
    """A cluster with an external resolver, and the operations of scenarios."""

    def __init__(self, seed: int = 1) -> None:
        """Create the objects; servers start with ``begin``."""
        self.now = asyncio.get_running_loop().time
        self._seed = seed
        self.cluster = Cluster(now=lambda: EPOCH + self.now(), seed=seed)
        for obj in kube_system.objects():
            self.cluster.apply(obj)
        self.node = NODE
        self.plane = DataPlane(self.cluster, self._random("kube-proxy"), self.now)
        self.packets = Packets(
            self.plane, faults=faults.Faults(seed), locate=self.place
        )
        self.api = Api(self.cluster)
        self.forwarded: list[str] = []
        """Queries to the external resolver, as ``name TYPE``."""
        self._clients = self._random("clients")
        self._zones = ROOT_ZONE
        self._internet = Internet(self._zones)
        self.packets.hosts[OUTSIDE] = Answerer("outside", self._outside)
        self.log_lines: list[LogLine] = []
        """Log lines of all servers."""
        self._replicas: dict[Key, Replica] = {}

    def _random(self, whose: str) -> Random:
        """Return a random generator per user, so that they do not affect each other."""
        return Random(f"{self._seed} {whose}")

    def add_external_record(self, record: str) -> None:
        """Add a record, a line of a zone file, to the external resolver.

        Raises:
            ZoneFileError: the line is invalid.

        """
        zones = f"{self._zones}{record}\n"
        self._internet, self._zones = Internet(zones), zones

    async def _outside(self, query: Query) -> Response:
        name, rtype, _ = query.question
        self.forwarded.append(f"{name.removesuffix('.') or '.'} {type_name(rtype)}")
        return await self._internet.answer(query)

    async def begin(self) -> None:
        """Start the servers; the queries of their start are not counted."""
        await self.settle()
        self.forwarded.clear()

    async def settle(self) -> None:
        """Start and stop server pods and update their readiness, as a node does."""
        await asyncio.sleep(SETTLE_S)
        for obj in self.cluster.list("Pod"):
            if is_process(obj) and key_of(obj) not in self._replicas:
                await self._start(obj)
        for key in [k for k in self._replicas if not self.cluster.find("Pod", *k)]:
            await self._replicas.pop(key).stop()
        self._probe()
        await asyncio.sleep(SETTLE_S)

    async def restart(self) -> None:
        """Restart all servers with the current Corefile and node configuration."""
        for replica in self._replicas.values():
            await replica.stop()
        self._replicas.clear()
        await self.begin()

    async def _start(self, pod: Json) -> None:
        texts = {
            "Corefile": corefile_of(self.cluster, pod),
            "/etc/resolv.conf": kubelet.resolv_conf(pod, self.node),
            "/etc/hosts": "",
        }
        address = dig(pod, "status.podIP")
        chance = self._random(address)
        replica = Replica(address, Files(texts), self.api, self.packets, chance)
        self._replicas[key_of(pod)] = replica
        try:
            await replica.start()
        except ConfigError as error:
            replica.ended = str(error)

    def _probe(self) -> None:
        """Set the readiness of every server pod."""
        for key, replica in self._replicas.items():
            ready = str(replica.is_ready).lower()
            annotations = {"metadata": {"annotations": {READY: ready}}}
            self.cluster.patch("Pod", *key, annotations)

    def replicas(self, service: str) -> list[Replica]:
        """Return the servers behind a Service of kube-system, whether ready or not."""
        label = f"{SERVICE_NAME}={service}"
        addresses = {
            address
            for slice in self.cluster.list("EndpointSlice", "kube-system", label)
            for end in slice["endpoints"]
            for address in end["addresses"]
        }
        return [r for r in self._replicas.values() if r.address in addresses]

    def place(self, address: str) -> faults.Place:
        """Return the place of an address, for the faults of links and servers."""
        if address == OUTSIDE[0]:
            return faults.Place(frozenset((faults.OUTSIDE, address)))
        for pod in self.cluster.list("Pod", fields=f"status.podIP={address}"):
            return faults.Place(self._names(pod), dig(pod, "spec.nodeName") or "")
        return faults.Place(frozenset((address,)))

    def _names(self, pod: Json) -> frozenset[str]:
        """Return the names of a pod as the end of a link or as a server."""
        namespace, name = key_of(pod)
        names = {f"{namespace}/{name}", str(dig(pod, "status.podIP"))}
        if namespace == "default":
            names.add(name)
        if not is_process(pod):
            return frozenset((*names, faults.PODS))
        label = labels_of(pod).get("k8s-app", "")  # which its Service selects
        return frozenset((*names, faults.DNS, label))

    def fault_names(self) -> set[str]:
        """Return all names of link ends and servers."""
        pods = self.cluster.list("Pod")
        nodes: set[str] = {dig(pod, "spec.nodeName") or "" for pod in pods}
        names = {*faults.GENERAL_NAMES, OUTSIDE[0], *nodes} - {""}
        return names.union(*map(self._names, pods))

    def resolv_conf(self, pod: Key) -> str:
        """Return a pod's /etc/resolv.conf.

        Raises:
            ApiError: there is no such pod (404).

        """
        return kubelet.resolv_conf(self.cluster.get("Pod", *pod), self.node)

    def address(self, pod: Key) -> str:
        """Return a pod's address.

        Raises:
            ApiError: there is no such pod (404).

        """
        return str(dig(self.cluster.get("Pod", *pod), "status.podIP"))

    async def look_up(
        self,
        pod: Key,
        name: str,
        types: tuple[int, ...],
        policy: search.Policy | None = None,
    ) -> LookupResult:
        """Look ``name`` up in a pod, with its C library or by ``policy``.

        Raises:
            ApiError: there is no such pod (404).

        """
        obj = self.cluster.get("Pod", *pod)
        name_of_libc = annotations_of(obj).get(LIBC, search.GLIBC.name)
        libc = policy or search.POLICIES.get(name_of_libc)
        if libc is None:
            known = ", ".join(search.POLICIES)
            raise ValueError(f"libc {name_of_libc} is not one of {known}")
        conf = libc.reading.conf(self.resolv_conf(pod))
        lookup = search.Lookup(Session(conf, self._clients), libc, name, types)
        return await self.packets.resolve(lookup, self.address(pod))

    async def close(self) -> None:
        """Stop all servers."""
        for replica in self._replicas.values():
            await replica.stop()


class _LogHandler(logging.Handler):
    """Appends log lines to the stage."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.setFormatter(logs.Lines())
        self._stage = stage

    def emit(self, record: logging.LogRecord) -> None:
        """Append a line."""
        at = round(self._stage.now(), 2)
        self._stage.log_lines.append(LogLine(at, self.format(record)))


@contextmanager
def _logging_to(stage: Stage) -> Iterator[None]:
    logger, handler = logging.getLogger("minidns"), _LogHandler(stage)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@asynccontextmanager
async def staged(seed: int = 1) -> AsyncIterator[Stage]:
    """Yield a stage with ready servers; stop them after the block."""
    stage = Stage(seed)
    with _logging_to(stage):
        try:
            await stage.begin()
            stage.log_lines.clear()
            yield stage
        finally:
            await stage.close()
