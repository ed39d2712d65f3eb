"""A real cluster as a source of the page, read only.

What a pod would do follows from its object: the kubelet's rules make its resolv.conf,
the stub resolver its queries. The queries go to the cluster's DNS service over the
network or through the API server (`ways`), and to minidns's own chain.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from minidns.dns.resolv_conf import nameservers
from minidns.kubernetes import kubelet
from minidns.kubernetes.documents import Documents, Json
from minidns.kubernetes.objects import SERVICE_NAME
from minidns.kubernetes.resources import ApiError
from minidns.probe import exchange, libc
from minidns.stub.protocol import Outcome, Status
from minidns.text.arguments import not_one_of
from minidns.walk.drive import Carry, drive
from minidns.walk.recorder import ACTIVE, RecordedLookup, Recorder
from minidns.walk.steps import Client, Kind, Walk
from minidns.walk.wording import lookup_types, with_nameserver
from minidns.web import ways
from minidns.web.chain import OwnChain
from minidns.web.query_log import QueryLog
from minidns.web.source import Action, Asked, Choices, Option, Wrong
from minidns.web.ways import DNS_PORT, LABEL, NAMESPACE, Endpoint, Service

MOST = 500
"""limit: pods and names that the page suggests."""
UNKNOWN = "# dnsPolicy Default: the file of the node, which only the node knows\n"


@dataclass(frozen=True, slots=True)
class ClusterSource:
    """A real cluster for one page server."""

    api: Documents
    chain: OwnChain
    name: str
    """The cluster for people."""
    log: QueryLog
    udp: exchange.Exchange = exchange.udp
    tcp: exchange.Exchange = exchange.tcp

    def state(self) -> Mapping[str, Any]:
        """Return the queries of the cluster's DNS pods so far."""
        return self.log.state()

    @property
    def actions(self) -> Mapping[str, Action]:
        """Return none: the page changes nothing."""
        return {}

    async def choices(self) -> Choices:
        """Return the pods and the names of Services."""
        try:
            pods = await self.api.list_objects("/api/v1/pods")
            services = await self.api.list_objects("/api/v1/services")
        except ApiError:
            pods, services = [], []  # the lookup says what is wrong
        names = [_key(service, ".", 1) for service in services]
        return Choices(
            f"{self.name}, read only",
            [Option(_key(pod, "/", 0)) for pod in pods[:MOST]],
            [Option(library) for library in libc.LIBRARIES],
            [*names[:MOST], "kubernetes.io"],
        )

    async def set_faults(self, faults: Sequence[str]) -> None:
        """Accept no faults: the cluster is real.

        Raises:
            Wrong: there are some.

        """
        if faults:
            raise Wrong(
                f"fault {faults[0]}: this page only reads a real cluster; minidns-sim "
                "web has a simulated one, with faults"
            )

    async def walks(self, asked: Asked) -> Sequence[Walk]:
        """Look a name up as a pod would, with the cluster's DNS and with minidns.

        Raises:
            Wrong: there is no such pod, resolver or name, or the API server says no.

        """
        library = asked.resolver or libc.LIBRARIES[0]
        if library not in libc.LIBRARIES:
            raise Wrong(not_one_of(library, libc.LIBRARIES))
        if not asked.name.strip("."):
            raise Wrong("no name; give one such as kubernetes.default")
        try:
            types = lookup_types(asked.type)
        except ValueError as error:
            raise Wrong(str(error)) from None
        try:
            pod, service = await self._pod(asked.pod), await self._service()
        except ApiError as error:
            raise Wrong(str(error)) from None
        node = kubelet.Node((service.address,), resolv_conf=UNKNOWN)
        text = kubelet.resolv_conf(pod, node)
        client = Client(asked.pod, library, text)
        own = nameservers(text)
        served = _served_by(client, service.address)
        local = _served_by(client, _HERE_ADDRESS)
        is_own = own[:1] == (service.address,)
        way, problem = await ways.find(
            service, {"udp": self.udp, "tcp": self.tcp}, self.api
        )
        theirs = client if is_own else served
        walk = await _walk(asked.name, types, theirs, service, way, problem)
        ours = await _walk(asked.name, types, local, _HERE, self.chain.carry)
        return [
            replace(walk, sees_server=False),
            replace(ours, note=_upstream_note(ours, service)),
        ]

    async def _pod(self, key: str) -> Json:
        namespace, _, name = key.rpartition("/")
        plain = (namespace + name).replace("-", "").replace(".", "")
        pod = None
        if plain.isalnum():
            path = f"/api/v1/namespaces/{namespace or 'default'}/pods/{name}"
            pod = await self.api.find(path)
        if pod is None:
            pods = await self.api.list_objects("/api/v1/pods")
            raise Wrong(not_one_of(key, [_key(each, "/", 0) for each in pods[:MOST]]))
        return pod

    async def _service(self) -> Service:
        path = f"/api/v1/namespaces/{NAMESPACE}/services"
        services = await self.api.list_objects(path, labels=LABEL)
        if not services:
            raise Wrong(f"no Service in {NAMESPACE} has the label {LABEL}")
        name = services[0]["metadata"]["name"]
        slices = await self.api.list_objects(
            f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices",
            labels=f"{SERVICE_NAME}={name}",
        )
        ready = [end for one in slices for end in _ready(one)]
        return Service(name, services[0]["spec"]["clusterIP"], tuple(ready))


_HERE = Service("minidns", "its own chain", ())
_HERE_ADDRESS = "127.0.0.1"


def _served_by(client: Client, address: str) -> Client:
    """Return the client with another name server in place of its own."""
    text = client.resolv_conf
    changed = with_nameserver(text, address)
    return client._replace(resolv_conf=changed, replaced=nameservers(text))


def _upstream_note(walk: Walk, service: Service) -> str:
    """Return that the two sides asked different upstreams; empty if minidns asked none.

    What the cluster's DNS asked cannot be seen from here.
    """
    servers = dict.fromkeys(
        str(step.facts["server"])
        for step in walk.steps
        if step.kind is Kind.QUERY and step.inside
    )
    if not servers:
        return ""
    return (
        f"minidns asked the upstream of this machine ({', '.join(servers)}), and "
        f"{service.name} asks that of the cluster: their answers may differ"
    )


def _ready(one: Json) -> Iterator[Endpoint]:
    """Yield the ready endpoints of an EndpointSlice."""
    every = one.get("ports") or ()
    ports = [port.get("port") for port in every if port.get("protocol") == "TCP"]
    for end in one.get("endpoints") or ():
        if (end.get("conditions") or {}).get("ready") is False:
            continue
        ref = end.get("targetRef") or {}
        pod = ref.get("name", "") if ref.get("kind") == "Pod" else ""
        for address in end.get("addresses") or ():
            yield Endpoint(address, pod, next(filter(None, ports), DNS_PORT))


def _key(obj: Json, between: str, first: int) -> str:
    meta = obj["metadata"]
    parts = (meta["namespace"], meta["name"])
    return between.join((parts[first], parts[1 - first]))


async def _walk(
    name: str,
    types: tuple[int, ...],
    client: Client,
    service: Service,
    carry: Carry,
    problem: str = "",
) -> Walk:
    """Look ``name`` up; return the walk, which ends at once if there is a problem."""
    now = asyncio.get_running_loop().time
    recorder = Recorder(client, name, now, now())
    token = ACTIVE.set(recorder)
    try:
        recorder.call(types)
        if problem:
            recorder.result(Outcome(Status.FAILED, name, error=problem))
        else:
            resolver = libc.resolver(client.resolver, client.resolv_conf, Random())
            lookup = RecordedLookup(resolver, resolver.look_up(name, types))
            await drive(lookup, carry)
    finally:
        ACTIVE.reset(token)
    is_own = nameservers(client.resolv_conf)[:1] == (service.address,)
    steps = recorder.steps()
    return Walk(service.name, service.address, is_own, client, name, steps)
