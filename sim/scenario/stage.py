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

from minidns.dns.model import Query, Response
from minidns.dns.rdata import type_name
from minidns.kubernetes import kubelet
from minidns.server import logs
from minidns.server.answer import Answerer
from minidns.stub.protocol import Lookup, Resolver
from minidns.walk.recorder import RecordedLookup

from ..api.direct import Api
from ..api.objects import Key, annotations_of, dig
from ..cluster.simulation import LIBC, NODE
from ..controllers.cluster import Cluster
from ..node import kube_system
from ..node.fault_control import FaultControl
from ..node.faults import Faults
from ..node.in_memory import Packets
from ..node.internet import Internet
from ..node.links import Links
from ..node.network import DataPlane
from ..node.over_sockets import LookupResult
from ..node.places import Places
from ..node.replica import EPOCH, Replica
from ..node.server_faults import ServerFaults
from ..resolver import kinds
from . import object_words
from .server_pods import ServerPods
from .trace import Trace

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


class _Client(NamedTuple):
    """What the lookups of a pod depend on."""

    address: str
    resolv_conf: str
    kind: str
    """The resolver of its programs."""
    port: int
    """The source port of all its packets; 0 for those that the resolver draws."""


class Stage:
    """A cluster with an external resolver, and the operations of scenarios."""

    def __init__(self, seed: int = 1) -> None:
        """Create the objects; servers start with ``begin``."""
        self.now = asyncio.get_running_loop().time
        self._seed = seed
        self.cluster = Cluster(now=lambda: EPOCH + self.now(), seed=seed)
        for obj in kube_system.objects():
            self.cluster.apply(obj)
        self.plane = DataPlane(self.cluster, self._random("kube-proxy"), self.now)
        self.places = Places(self.cluster)
        self.packets = Packets(
            self.plane,
            links=Links(
                ServerFaults(Faults(seed)), self.places.behind, self.places.addresses
            ),
        )
        self.faults = FaultControl(self.packets.links, self.plane.faults, self.places)
        self.api = Api(self.cluster)
        self.servers = ServerPods(
            self.cluster, self.api, self.packets, self._random, NODE
        )
        self.packets.servers.on_end = self.servers.end
        self.trace = Trace(self.now)
        self.packets.observe = self.trace.message
        self.cluster.subscribe(self.trace.change)
        self.forwarded: list[str] = []
        """Queries to the external resolver, as ``name TYPE``."""
        self.clients = self._random("clients")
        """Draws the ports and IDs of stub resolvers."""
        self._programs: dict[tuple[Key, str], Resolver] = {}
        """The resolvers that keep a state between lookups, by pod and kind."""
        self._clients: dict[Key, _Client] = {}
        """The clients at a version of the objects and with settings of the node."""
        self._clients_of: tuple[int, kubelet.Node] = 0, NODE
        self._zones = ROOT_ZONE
        self._internet = Internet(self._zones)
        self.packets.hosts[OUTSIDE] = Answerer("outside", self._outside)
        self.log_lines: list[LogLine] = []
        """Log lines of all servers."""

    @property
    def node(self) -> kubelet.Node:
        """The settings of the node."""
        return self.servers.node

    @node.setter
    def node(self, node: kubelet.Node) -> None:
        self.servers.node = node

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
        await self.servers.follow()
        await asyncio.sleep(SETTLE_S)

    async def restart(self) -> None:
        """Restart all servers with the current Corefile and node configuration."""
        await self.servers.stop()
        await self.begin()

    def replicas(self, service: str) -> list[Replica]:
        """Return the servers behind a Service of kube-system, whether ready or not."""
        return self.servers.of(service)

    def _client(self, pod: Key) -> _Client:
        """Return what the lookups of a pod depend on.

        Raises:
            ApiError: there is no such pod (404).

        """
        now = self.cluster.version, self.node
        if self._clients_of != now:
            self._clients_of, self._clients = now, {}
        if pod not in self._clients:
            obj = self.cluster.get("Pod", *pod)
            annotations = annotations_of(obj)
            self._clients[pod] = _Client(
                str(dig(obj, "status.podIP")),
                kubelet.resolv_conf(obj, self.node),
                annotations.get(LIBC, kinds.GLIBC.name),
                int(annotations.get(object_words.PORT, 0)),
            )
        return self._clients[pod]

    def resolv_conf(self, pod: Key) -> str:
        """Return a pod's /etc/resolv.conf.

        Raises:
            ApiError: there is no such pod (404).

        """
        return self._client(pod).resolv_conf

    def address(self, pod: Key) -> str:
        """Return a pod's address.

        Raises:
            ApiError: there is no such pod (404).

        """
        return self._client(pod).address

    def pods(self) -> list[Key]:
        """Return namespace and name of every pod."""
        metadata = (pod["metadata"] for pod in self.cluster.list("Pod"))
        return [(each["namespace"], each["name"]) for each in metadata]

    async def look_up(
        self,
        pod: Key,
        name: str,
        types: tuple[int, ...],
        kind: kinds.Kind | None = None,
        *,
        server: str = "",
    ) -> LookupResult:
        """Look ``name`` up in a pod, with the resolver of its programs or ``kind``.

        ``server`` replaces the name servers of its resolv.conf.

        Raises:
            ApiError: there is no such pod (404).
            UnknownResolver: the pod names a resolver that there is not.

        """
        kind = kind or self.kind_of(pod)
        if server:
            resolver = kind.make(f"nameserver {server}\n", self.clients)
        else:
            resolver = self.resolver(pod, kind)
        steps = resolver.look_up(name, types)
        return await self.run(pod, RecordedLookup(resolver, steps))

    def kind_of(self, pod: Key) -> kinds.Kind:
        """Return the resolver of the programs of a pod.

        Raises:
            ApiError: there is no such pod (404).
            UnknownResolver: the pod names a resolver that there is not.

        """
        return kinds.find(self._client(pod).kind)

    async def run(self, pod: Key, lookup: Lookup) -> LookupResult:
        """Run a lookup of a program in a pod.

        Raises:
            ApiError: there is no such pod (404).

        """
        client = self._client(pod)
        return await self.packets.resolve(lookup, client.address, client.port)

    def resolver(self, pod: Key, kind: kinds.Kind) -> Resolver:
        """Return the resolver of a program that has just started, or has a state."""
        text = self.resolv_conf(pod)
        if not kind.long_lived:
            return kind.make(text, self.clients)
        if (pod, kind.name) not in self._programs:
            self._programs[pod, kind.name] = kind.make(text, self.clients)
        resolver = self._programs[pod, kind.name]
        resolver.resolv_conf = text
        return resolver

    async def close(self) -> None:
        """Stop all servers."""
        await self.servers.stop()


class _LogHandler(logging.Handler):
    """Appends log lines to the stage."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.setFormatter(logs.Lines())
        self._stage = stage

    def emit(self, record: logging.LogRecord) -> None:
        """Append a line."""
        at, line = round(self._stage.now(), 2), self.format(record)
        self._stage.log_lines.append(LogLine(at, line))
        self._stage.trace.add("log", line)


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
